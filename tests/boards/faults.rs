//! Connections that end in the middle of a job: the profile is complete in the end, and nothing is lost or measured twice.

use super::loopback::{Board, has_files_of_its_own, parts_are_here};
use crate::phones::loopback::errors;
use crate::phones::measuring::{await_samples, journal, measured};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::collections::{BTreeMap, HashSet};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SAMPLES: &str = "12";
/// Configurations and rounds.
const MEASUREMENTS: usize = 36;

fn start(board: &Board, resume: bool) -> Child {
    let profile = ["profile", "--device", "board", "--host", "board", "--samples", SAMPLES, "-o", "data"];
    let mut command = board.edgezen(&profile);
    command.args(["--json", "--patience", "20"]);
    if resume {
        command.arg("--resume");
    }
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the profile is complete, which is resumed as often as needed; gives how often.
fn finish(board: &Board, mut host: Child) -> u32 {
    for resumed in 0..6 {
        let output = host.wait_with_output().unwrap();
        assert!(!errors(&output).contains("panicked"), "{}", errors(&output));
        match output.status.code() {
            Some(0 | 3) => return resumed,
            // Lost, interrupted or killed: all of these are resumed.
            Some(4 | 130) | None => host = start(board, true),
            code => panic!("exit code {code:?}: {}", errors(&output)),
        }
    }
    panic!("it does not end");
}

fn check(board: &Board) {
    let journal = journal(&board.path("data"));
    let all = measured(&journal);
    let unique: HashSet<_> = all.iter().collect();
    assert_eq!(all.len(), unique.len(), "measured twice");
    let failed = journal.iter().filter(|line| line["line"] == "failed").count();
    let places: HashSet<_> = all.iter().map(|(round, index, _)| (round, index)).collect();
    assert_eq!((failed, places.len()), (0, MEASUREMENTS), "failed and measured");
    let left = board.left();
    assert!(left.iter().all(|name| name.starts_with("device-runner-")), "{left:?}");
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// The connection breaks.
    Cut,
    /// The same, again and again for a moment.
    CutOften,
    /// The board is away for a while.
    Away,
    /// The program that measures is killed.
    RunnerKilled,
    /// The same, again and again for a moment.
    RunnerKilledOften,
    /// This side is killed.
    HostKilled,
    /// Somebody presses Ctrl-C.
    Interrupted,
    /// The board is switched off and on.
    Restarted,
    /// A file on the board is cut off in the middle of a line, and garbage follows.
    RecordDamaged,
}

const FAULTS: [Fault; 9] = [
    Fault::Cut,
    Fault::HostKilled,
    Fault::RunnerKilled,
    Fault::Away,
    Fault::Restarted,
    Fault::RecordDamaged,
    Fault::Interrupted,
    Fault::CutOften,
    Fault::RunnerKilledOften,
];

fn pause(rng: &mut Xoshiro256PlusPlus, most: u64) {
    std::thread::sleep(Duration::from_millis(rng.random_range(0..most)));
}

fn strike(fault: Fault, board: &mut Board, host: &mut Child, rng: &mut Xoshiro256PlusPlus) {
    match fault {
        Fault::Cut => board.cut(),
        Fault::CutOften => {
            for _ in 0..5 {
                board.cut();
                pause(rng, 200);
            }
        }
        Fault::Away => {
            board.stop();
            pause(rng, 1000);
            board.start();
        }
        Fault::RunnerKilled => board.kill_runner(),
        Fault::RunnerKilledOften => {
            for _ in 0..20 {
                board.kill_runner();
                pause(rng, 20);
            }
        }
        Fault::HostKilled => {
            let _ = host.kill();
        }
        Fault::Interrupted => {
            let _ = Command::new("kill").args(["-INT", &host.id().to_string()]).status();
        }
        Fault::Restarted => {
            board.stop();
            board.kill_runner();
            let start: u32 = rng.random();
            board.boot(&format!("{start:08x}"));
            board.start();
        }
        Fault::RecordDamaged => {
            use std::io::Write;
            let Ok(dir) = std::fs::read_dir(board.path("board/edgezen")) else { return };
            for file in
                dir.flatten().filter(|file| file.file_name().to_string_lossy().starts_with("results-"))
            {
                let opened = std::fs::OpenOptions::new().append(true).open(file.path());
                // It may be gone by now.
                let _ = opened
                    .and_then(|mut file| file.write_all(b"{\"reply\":\"done\",\"id\":\"r0-\xff\x00 garb"));
            }
        }
    }
}

/// `EDGEZEN_FAULTS=100` is the long version (`scripts/fault-runs`), with figures on standard error.
#[test]
fn faults_at_random_moments_cost_nothing() {
    if !parts_are_here() {
        return;
    }
    let runs =
        std::env::var("EDGEZEN_FAULTS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(FAULTS.len());
    let mut board = Board::new();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(runs as u64);
    let mut figures: BTreeMap<Fault, (u32, u32)> = BTreeMap::new();
    let begun = Instant::now();
    for number in 0..runs {
        let fault = FAULTS[number % FAULTS.len()];
        if fault == Fault::Restarted && !has_files_of_its_own() {
            continue;
        }
        let _ = std::fs::remove_dir_all(board.path("data"));
        let mut host = start(&board, false);
        await_samples(&board.path("data"), 1);
        pause(&mut rng, 900);
        strike(fault, &mut board, &mut host, &mut rng);
        let resumed = finish(&board, host);
        check(&board);
        let figure = figures.entry(fault).or_default();
        figure.0 += 1;
        figure.1 += resumed;
    }
    eprintln!(
        "{runs} profiles of 36 measurements over ssh, one fault each, {:.0} s",
        begun.elapsed().as_secs_f64()
    );
    for (fault, (runs, resumed)) in figures {
        eprintln!("  {fault:?}: {runs} runs, resumed {resumed} times, none lost, none twice");
    }
}

#[test]
fn connections_that_end_in_a_job_cost_nothing() {
    if !parts_are_here() {
        return;
    }
    let board = Board::new();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    let host = start(&board, false);
    for count in [1, 6, 12, 18, 24] {
        await_samples(&board.path("data"), count);
        std::thread::sleep(Duration::from_millis(rng.random_range(0..300)));
        board.cut();
    }
    finish(&board, host);
    check(&board);
}

#[test]
fn a_board_that_is_away_for_a_while_and_a_killed_host_cost_nothing() {
    if !parts_are_here() {
        return;
    }
    let mut board = Board::new();
    let mut host = start(&board, false);
    await_samples(&board.path("data"), 2);
    board.stop();
    std::thread::sleep(Duration::from_millis(700));
    board.start();
    await_samples(&board.path("data"), 8);
    host.kill().unwrap();
    host.wait().unwrap();
    let mut host = start(&board, true);
    await_samples(&board.path("data"), 16);
    let _ = Command::new("kill").args(["-INT", &host.id().to_string()]).status();
    let ended = host.wait().unwrap();
    assert!(matches!(ended.code(), Some(0 | 3 | 130)), "{ended}");
    let host = start(&board, true);
    finish(&board, host);
    check(&board);
}
