//! The open phone, at the end of a link with prepared answers.

use super::facts::tests::{pixel2, pixel2_answer};
use super::kit::Kit;
use super::launch::Greeting;
use super::open_phone::Android;
use super::opening::{facts_of, policy};
use crate::device::adb::fake::ScriptedLink;
use crate::device::adb::{Finished, LinkError};
use crate::device::profile::Profiles;
use crate::device::{Continuity, Device, DeviceError, Workload};
use edgezen_core::measurement::Subject;
use edgezen_runner::protocol::{Fault, Reply};
use edgezen_runner::{Conditions, Measured, Running, Timing};
use rustc_hash::FxHashSet;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

fn subject() -> Subject {
    Subject::Block { structure: "SuperResK3K3(8,16,2,8,1)".into(), resolution: 16 }
}

fn phone(answers: Vec<Result<Finished, LinkError>>) -> Android {
    let profile = Profiles::of_repository().by_name("pixel2").unwrap();
    let kit = Kit { runner: "/tmp/runner".into(), sha256: "ab".into(), loader: None, libraries: None };
    let greeting = Greeting { runtime_version: "1".into(), target: "aarch64-android".into() };
    let facts = facts_of(&"S".into(), &pixel2(), &kit, &greeting, &[]);
    let link = ScriptedLink { answers: answers.into(), ..ScriptedLink::default() };
    Android {
        link: Box::new(link),
        identity: profile.measured_identity(),
        policy: policy(&profile.measure).launch(3),
        phone: pixel2(),
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
        first_ns: ns,
        warmup_runs: 3,
        k: 1,
        samples_ns: vec![ns; 10],
        probes_ns: vec![],
        usual_probe_ns: None,
        checksum: 1.0,
        noisy_half_width: 0.05,
        overhead_ns: None,
    };
    let measured = Box::new(Measured {
        timing,
        before: Conditions::default(),
        after: Conditions::default(),
        load_ns: None,
        peak_bytes: None,
    });
    serde_json::to_string(&Reply::Done { id: id.into(), measured }).unwrap() + "\n"
}

fn failed(id: &str) -> String {
    let reply = Reply::Failed { id: Some(id.into()), fault: Fault::Engine, reason: "no memory".into() };
    serde_json::to_string(&reply).unwrap() + "\n"
}

fn measure(answers: Vec<Result<Finished, LinkError>>) -> Result<Measured, DeviceError> {
    phone(answers).measure_as("r0-7", Workload::Subject(&subject()))
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
        phone(vec![]).measure(Workload::File(Path::new("x.onnx"))),
        Err(DeviceError::Unsupported { .. })
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
    let mut phone = phone(vec![answer(), answer()]);
    for _ in 0..2 {
        phone.measure_as("r0-7", Workload::Subject(&subject())).unwrap();
    }
    assert_eq!(phone.take_notes().len(), 1);
    assert!(phone.take_notes().is_empty());
}

#[test]
fn restarts_and_swaps_are_told_apart() {
    let phone = phone(vec![]);
    assert_eq!(phone.continuity(&phone.facts()), Continuity::Same);
    let with = |name: &str| {
        let mut facts = phone.facts();
        facts.insert(name.into(), json!("else"));
        phone.continuity(&facts)
    };
    assert!(matches!(with("boot_id"), Continuity::Restarted(_)));
    for name in ["serial", "build_fingerprint", "runner_sha256"] {
        assert!(matches!(with(name), Continuity::Other(_)), "{name}");
    }
}
