//! Faults at random moments: whatever breaks, the profile is complete in the end, nothing is lost or
//! measured twice, and the phone's settings are as they were.
//!
//! `EDGEZEN_FAULTS=100` is the long version (`scripts/fault-runs`), with figures on standard error.

use super::loopback::{Desk, Phone, desk_with_phone, errors, parts_are_here};
use super::measuring::{await_samples, journal, measured};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::collections::{BTreeMap, HashSet};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// The phone's side ends and comes back.
    AdbdKilled,
    /// The cable is pulled and plugged in again.
    LinkCut,
    /// The adb server ends and is started again.
    ServerKilled,
    /// The program that measures is killed.
    RunnerKilled,
    /// The same, again and again for a moment.
    RunnerKilledOften,
    /// This side is killed.
    HostKilled,
    /// Somebody presses Ctrl-C.
    Interrupted,
    /// The phone is switched off and on.
    Restarted,
    /// It gets hot for a moment.
    Hot,
    /// A file on the phone is cut off in the middle of a line, and garbage follows.
    RecordDamaged,
}

const FAULTS: [Fault; 10] = [
    Fault::AdbdKilled,
    Fault::HostKilled,
    Fault::RunnerKilled,
    Fault::LinkCut,
    Fault::Restarted,
    Fault::ServerKilled,
    Fault::RecordDamaged,
    Fault::Interrupted,
    Fault::Hot,
    Fault::RunnerKilledOften,
];

struct Run<'a> {
    desk: &'a mut Desk,
    phone: &'a mut Phone,
    rng: &'a mut Xoshiro256PlusPlus,
}

fn kill(pids: &[u32]) {
    for pid in pids {
        let _ = Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
    }
}

fn pause(rng: &mut Xoshiro256PlusPlus, most: u64) {
    std::thread::sleep(Duration::from_millis(rng.random_range(0..most)));
}

impl Run<'_> {
    fn strike(&mut self, fault: Fault, host: &mut Child) {
        match fault {
            Fault::AdbdKilled => {
                self.phone.kill();
                pause(self.rng, 300);
                self.phone.start();
            }
            Fault::LinkCut => {
                self.desk.adb(&["disconnect", &self.phone.serial()]);
                pause(self.rng, 300);
            }
            Fault::ServerKilled => {
                self.desk.stop();
                pause(self.rng, 100);
                self.desk.start();
            }
            Fault::RunnerKilled => kill(&self.phone.runners()),
            Fault::RunnerKilledOften => {
                for _ in 0..20 {
                    kill(&self.phone.runners());
                    pause(self.rng, 20);
                }
            }
            Fault::HostKilled => {
                let _ = host.kill();
            }
            Fault::Interrupted => {
                let _ = Command::new("kill").args(["-INT", &host.id().to_string()]).status();
            }
            Fault::Restarted => {
                self.phone.kill();
                kill(&self.phone.runners());
                let start: u32 = self.rng.random();
                self.phone.boot(&format!("{start:08x}"));
                self.phone.start();
            }
            Fault::Hot => {
                self.phone.temperature(90.0);
                pause(self.rng, 100);
                self.phone.temperature(33.0);
            }
            Fault::RecordDamaged => {
                use std::io::Write;
                let dir = std::fs::read_dir(self.phone.path("data/local/tmp/edgezen")).unwrap().flatten();
                for file in dir.filter(|file| file.file_name().to_string_lossy().starts_with("results-")) {
                    let opened = std::fs::OpenOptions::new().append(true).open(file.path());
                    // It may be gone by now.
                    let _ = opened.and_then(|mut file| {
                        file.write_all(b"{\"reply\":\"done\",\"id\":\"r0-\xff\x00 garb")
                    });
                }
            }
        }
    }

    fn start(&self, resume: bool) -> Child {
        let serial = self.phone.serial();
        let mut arguments = vec!["profile", "--device", "pixel2", "--samples", "12", "-o", "data", "--json"];
        arguments.extend(["--serial", &serial, "--patience", "20"]);
        if resume {
            arguments.push("--resume");
        }
        self.desk.edgezen(&arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// One profile with one fault; gives how often it had to be resumed.
    fn run(&mut self, fault: Fault) -> u32 {
        let dir = self.desk.folder.path().join("data");
        let _ = std::fs::remove_dir_all(&dir);
        let before = self.phone.settings();
        let mut host = self.start(false);
        await_samples(&dir, 1);
        pause(self.rng, 900);
        self.strike(fault, &mut host);
        let mut resumed = 0;
        loop {
            let output = host.wait_with_output().unwrap();
            let text = errors(&output);
            assert!(!text.contains("panicked"), "{fault:?}: {text}");
            match output.status.code() {
                Some(0) => break,
                // Lost, interrupted, or killed: all of these are resumed.
                Some(4 | 130) | None => {}
                // It was hot, or this computer busy, most of the time: complete, and flagged.
                Some(3) => break,
                code => panic!("{fault:?}: exit code {code:?}: {text}"),
            }
            resumed += 1;
            assert!(resumed < 6, "{fault:?} does not end: {text}");
            self.phone.plug_in(self.desk);
            host = self.start(true);
        }
        let journal = journal(&dir);
        let all = measured(&journal);
        let unique: HashSet<_> = all.iter().collect();
        assert_eq!(all.len(), unique.len(), "{fault:?}: measured twice");
        let failed = journal.iter().filter(|line| line["line"] == "failed").count();
        let places: HashSet<_> = all.iter().map(|(round, index, _)| (round, index)).collect();
        assert_eq!((failed, places.len()), (0, 36), "{fault:?}: failed and measured");
        assert_eq!(self.phone.settings(), before, "{fault:?}: settings were not brought back");
        resumed
    }
}

#[test]
fn faults_at_random_moments_cost_nothing() {
    if !parts_are_here() {
        return;
    }
    let runs =
        std::env::var("EDGEZEN_FAULTS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(FAULTS.len());
    let (mut desk, mut phone) = desk_with_phone();
    desk.hurry();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(runs as u64);
    let mut figures: BTreeMap<Fault, (u32, u32)> = BTreeMap::new();
    let start = Instant::now();
    for number in 0..runs {
        let fault = FAULTS[number % FAULTS.len()];
        let resumed = Run { desk: &mut desk, phone: &mut phone, rng: &mut rng }.run(fault);
        let figure = figures.entry(fault).or_default();
        figure.0 += 1;
        figure.1 += resumed;
    }
    eprintln!("{runs} profiles of 36 measurements, one fault each, {:.0} s", start.elapsed().as_secs_f64());
    for (fault, (runs, resumed)) in figures {
        eprintln!(
            "  {fault:?}: {runs} runs, resumed {resumed} times, none lost, none twice, settings as before"
        );
    }
}
