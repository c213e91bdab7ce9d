//! The runner as a device sees it: a process that reads jobs and prints results.

#![allow(clippy::unwrap_used)]

use edgezen_core::measurement::Subject;
use edgezen_core::plainnet::published;
use edgezen_runner::Policy;
use edgezen_runner::protocol::{Job, Reply, VERSION};
use std::io::Write;
use std::process::{Command, Stdio};

fn runner() -> Command {
    Command::new(env!("CARGO_BIN_EXE_device-runner"))
}

#[test]
fn a_job_comes_back_timed() {
    let version = runner().arg("--version").output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&version.stdout).trim(),
        format!("device-runner {}", env!("CARGO_PKG_VERSION"))
    );
    let mut child = runner().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let job = Job {
        protocol: VERSION,
        id: "5".into(),
        subject: Subject::network(&published::by_name("zennet_cifar10_model_size05M_res32").unwrap(), 2),
        batch: 2,
        seed: 3,
        policy: Policy { warmup_min_ns: 0, warmup_max_ns: 0, max_ns: 0, min_runs: 3, ..Policy::HOST },
    };
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{}", serde_json::to_string(&job).unwrap()).unwrap();
    writeln!(stdin, "{{\"half a job").unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let replies: Vec<Reply> =
        String::from_utf8(output.stdout).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let [Reply::Ready { engine, .. }, Reply::Done { id, measured }, Reply::Failed { id: None, .. }] =
        &replies[..]
    else {
        panic!("{replies:?}");
    };
    assert_eq!((engine.as_str(), id.as_str()), ("tract", "5"));
    assert_eq!(measured.timing.samples_ns.len(), 3);
    assert!(measured.timing.checksum.is_finite() && measured.timing.checksum != 0.0);
}

#[test]
fn wrong_arguments_are_refused() {
    for arguments in [&["--help-me"][..], &["--cores", "x"], &["--cores"]] {
        let output = runner().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    let output = runner().args(["--cores", "4096"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}
