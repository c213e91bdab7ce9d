//! The open device, at the end of a link with prepared answers.

use super::fake::ScriptedLink;
use super::kit::Kit;
use super::launch::Greeting;
use super::machine::tests::{pixel2, pixel2_answer};
use super::open::Remote;
use super::opening::{facts_of, policy};
use super::{Finished, LinkError};
use crate::device::android::{AndroidSystem, Care};
use crate::device::profile::Profiles;
use crate::device::{Continuity, Device, DeviceError, Workload};
use edgezen_core::measurement::{Identity, Subject};
use edgezen_runner::protocol::{Fault, Reply};
use edgezen_runner::{Conditions, Measured, Running, TimedBy, Timing};
use rustc_hash::FxHashSet;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

fn subject() -> Subject {
    Subject::Block { structure: "SuperResK3K3(8,16,2,8,1)".into(), resolution: 16 }
}

fn machine(answers: Vec<Result<Finished, LinkError>>) -> Remote {
    let profile = Profiles::of_repository().by_name("pixel2").unwrap();
    let kit = Kit { runner: "/tmp/runner".into(), sha256: "ab".into(), loader: None, libraries: None };
    let greeting = Greeting { runtime_version: "1".into(), target: "aarch64-android".into() };
    let facts = facts_of(&AndroidSystem::default(), &"S".into(), &pixel2(), &kit, &greeting, &[]);
    let link = ScriptedLink { answers: answers.into(), ..ScriptedLink::default() };
    Remote {
        link: Box::new(link),
        identity: profile.measured_identity(),
        policy: policy(&profile.measure).launch(3),
        machine: pixel2(),
        kit,
        running: Running::tract(),
        compared: FxHashSet::default(),
        profile,
        cores: vec![4, 5, 6, 7],
        seed: 0,
        patience: Duration::from_millis(300),
        dir: "/tmp/edgezen".into(),
        session: "s".into(),
        run: "r".into(),
        unnamed: 0,
        facts,
        notes: Vec::new(),
        claimed: false,
        system: Box::new(AndroidSystem::default()),
        usual_probe_ns: None,
        usual_sentinel_ns: None,
        _lock: None,
    }
}

fn says(stdout: &str, status: i32) -> Result<Finished, LinkError> {
    Ok(Finished { stdout: stdout.into(), stderr: String::new(), status })
}

fn broken() -> Result<Finished, LinkError> {
    Err(LinkError::Broken { serial: "S".into(), reason: "cut".into() })
}

fn done(id: &str, ns: u64) -> String {
    let timing = Timing {
        first_ns: Some(ns),
        warmup_runs: 3,
        k: 1,
        samples_ns: vec![ns; 10],
        probes_ns: vec![],
        usual_probe_ns: None,
        checksum: Some(1.0),
        noisy_half_width: 0.05,
        overhead_ns: None,
        timed_by: TimedBy::Stopwatch,
    };
    let measured = Box::new(Measured {
        timing,
        before: Conditions::default(),
        after: Conditions::default(),
        load_ns: None,
        peak_bytes: None,
        outputs: None,
        energy: None,
    });
    serde_json::to_string(&Reply::Done { id: id.into(), measured }).unwrap() + "\n"
}

fn failed(id: &str) -> String {
    let reply = Reply::Failed { id: Some(id.into()), fault: Fault::Engine, reason: "no memory".into() };
    serde_json::to_string(&reply).unwrap() + "\n"
}

fn measure(answers: Vec<Result<Finished, LinkError>>) -> Result<Measured, DeviceError> {
    machine(answers).measure_as("r0-7", Workload::Subject(&subject()))
}

#[test]
fn a_result_survives_garbage_and_broken_links() {
    let facts = || says(&pixel2_answer(), 0);
    let good = done("r0-7", 5_000);
    let other = done("r0-6", 9_000);
    for answers in [
        vec![says(&good, 0)],
        vec![says(&format!("WARNING: linker: whatever\n{other}{good}"), 0)],
        // Cut in the middle of the line, garbage, killed: the job is given again.
        vec![says(&good[..good.len() / 2], 0), says(&good, 0)],
        vec![says("\u{fffd}\u{0}garbage", 0), says("", 137), says(&good, 0)],
        vec![broken(), facts(), says(&good, 0)],
        vec![broken(), facts(), broken(), broken(), broken(), facts(), says(&good, 0)],
    ] {
        assert_eq!(measure(answers).unwrap().timing.samples_ns, vec![5_000; 10]);
    }
}

#[test]
fn a_result_that_cannot_be_true_is_asked_for_once_more() {
    let (lie, again) = (done("r0-7", 1), done("r0-7-r", 5_000));
    assert_eq!(measure(vec![says(&lie, 0), says(&again, 0)]).unwrap().timing.samples_ns, vec![5_000; 10]);
    match measure(vec![says(&lie, 0), says(&done("r0-7-r", 0), 0)]) {
        Err(DeviceError::Implausible { device, reason }) => {
            assert!(device.contains("scripted") && reason.raw().contains("0 ns"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_cannot_be_measured_fails_alone() {
    for (answers, word) in
        [(vec![says(&failed("r0-7"), 0)], "no memory"), (vec![says("", 139); 4], "4 times without a result")]
    {
        match measure(answers) {
            Err(DeviceError::Workload { reason, .. }) => assert!(reason.contains(word), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(
        machine(vec![]).measure(Workload::File(Path::new("/nowhere/x.onnx"))),
        Err(DeviceError::BadFile { .. })
    ));
}

#[test]
fn a_phone_that_changed_is_lost() {
    let restarted = pixel2_answer().replace("-000000000001", "-000000000002");
    let swapped = pixel2_answer().replace("walleye:11", "walleye:12");
    for (answer, word) in [(restarted, "anew"), (swapped, "another phone")] {
        match measure(vec![broken(), says(&answer, 0)]) {
            Err(DeviceError::Lost { reason, .. }) => assert!(reason.contains(word), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
    let too_long = LinkError::TooLong { serial: "S".into(), what: "x".into(), limit: Duration::ZERO };
    assert!(matches!(measure(vec![Err(too_long)]), Err(DeviceError::Lost { .. })));
}

#[test]
fn a_full_disk_is_noted_once() {
    let warning = Reply::Warning { reason: "the result of r0-7 is not on the device: No space left".into() };
    let warning = serde_json::to_string(&warning).unwrap() + "\n";
    let answer = || says(&(warning.clone() + &done("r0-7", 5_000)), 0);
    let mut machine = machine(vec![answer(), answer()]);
    for _ in 0..2 {
        machine.measure_as("r0-7", Workload::Subject(&subject())).unwrap();
    }
    assert_eq!(machine.take_notes().len(), 1);
    assert!(machine.take_notes().is_empty());
}

#[test]
fn restarts_and_swaps_are_told_apart() {
    let machine = machine(vec![]);
    assert_eq!(machine.continuity(&machine.facts()), Continuity::Same);
    let with = |name: &str| {
        let mut facts = machine.facts();
        facts.insert(name.into(), json!("else"));
        machine.continuity(&facts)
    };
    assert!(matches!(with("boot_id"), Continuity::Restarted(_)));
    for name in ["serial", "build_fingerprint", "runner_sha256"] {
        assert!(matches!(with(name), Continuity::Other(_)), "{name}");
    }
}

/// The answer to a job, whose runner probed its core at this pace and began and ended on these cores.
fn at(id: &str, usual_probe_ns: u64, cores: (u32, u32)) -> Result<Finished, LinkError> {
    let line = done(id, 5_000);
    let Ok(Reply::Done { id, mut measured }) = serde_json::from_str(&line) else { panic!("{line}") };
    measured.timing.probes_ns = vec![usual_probe_ns; 10];
    measured.timing.usual_probe_ns = Some(usual_probe_ns);
    (measured.before.core, measured.after.core) = (Some(cores.0), Some(cores.1));
    says(&(serde_json::to_string(&Reply::Done { id, measured }).unwrap() + "\n"), 0)
}

#[test]
fn the_usual_pace_is_that_of_all_launches() {
    let still = (4, 4);
    let mut machine = machine(vec![at("a", 40_000, still), at("b", 60_000, still), at("c", 30_000, still)]);
    machine.usual_probe_ns = Some(50_000);
    for (name, usual) in [("a", 40_000), ("b", 40_000), ("c", 30_000)] {
        let measured = machine.measure_as(name, Workload::Subject(&subject())).unwrap();
        assert_eq!(measured.timing.usual_probe_ns, Some(usual), "{name}");
        assert_eq!(machine.usual_probe_ns(), Some(usual));
    }
}

#[test]
fn a_process_that_moved_to_another_core_is_asked_again() {
    // The profile of the Pixel 2 wants it to stay.
    for moved in [(4, 6), (2, 2)] {
        let mut machine = machine(vec![at("a", 40_000, moved), at("a-r", 40_000, (7, 7))]);
        let measured = machine.measure_as("a", Workload::Subject(&subject())).unwrap();
        assert_eq!(measured.after.core, Some(7));
    }
}

#[test]
fn what_the_watchdog_has_undone_is_done_again() {
    let undone = says(&format!("{}\n{}", "__edgezen_undone", done("a", 9_000)), 0);
    let settings = || says("low_power=1\nairplane_mode_on=1\n", 0);
    let nothing = || says("", 0);
    // Settings are read, root is looked for twice, the script is written, the watchdog started, one setting changed and the
    // screen woken; all is read back, and the device marked.
    let mut answers = vec![undone, settings()];
    answers.extend((0..6).map(|_| nothing()));
    answers.extend([settings(), nothing(), says(&done("a-r", 5_000), 0)]);
    let mut machine = machine(answers);
    machine.system = Box::new(AndroidSystem { care: Care::undoable() });
    let measured = machine.measure_as("a", Workload::Subject(&subject())).unwrap();
    assert_eq!(measured.timing.samples_ns, vec![5_000; 10]);
    let notes = machine.take_notes().join("\n");
    assert!(notes.contains("brought back after a long silence"), "{notes}");
}

#[test]
fn a_predictor_of_other_cores_or_another_build_is_for_something_else() {
    let machine = machine(vec![]);
    let mut theirs = machine.identity.clone();
    theirs.cores = Some("f0".into());
    let mut ours = machine;
    ours.identity = Identity { runtime_version: Some("1 aarch64-android".into()), ..theirs.clone() };
    theirs.runtime_version.clone_from(&ours.identity.runtime_version);
    assert_eq!(ours.differs_from(&theirs), None);
    let other = Identity { cores: Some("80".into()), ..theirs.clone() };
    assert_eq!(ours.differs_from(&other).unwrap(), "cores 80 there, f0 here");
    let other = Identity { runtime_version: Some("1 aarch64-linux".into()), ..theirs.clone() };
    assert!(ours.differs_from(&other).unwrap().contains("aarch64-linux there"));
    // Predictors that do not tell are believed.
    let silent = Identity { cores: None, runtime_version: None, ..theirs };
    assert_eq!(ours.differs_from(&silent), None);
}

#[test]
fn clocks_that_are_locked_on_purpose_are_usual() {
    let mut machine = machine(vec![]);
    assert_eq!(machine.vigilance().unwrap().usual_khz[&4], 2_457_600);
    let mut system = AndroidSystem::default();
    system.care.changed.locked_khz = BTreeMap::from([(4, 2_035_200)]);
    machine.system = Box::new(system);
    let usual = machine.vigilance().unwrap().usual_khz;
    assert_eq!((usual[&4], usual[&0]), (2_035_200, 1_900_800));
}
