//! The runner as a device sees it: a process that reads jobs and prints results.

#![allow(clippy::unwrap_used)]

use edgezen_core::measurement::Subject;
use edgezen_core::plainnet::published;
use edgezen_runner::protocol::{Job, Reply, VERSION};
use edgezen_runner::{Policy, Running, Work};
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
        running: Running::tract(),
        compare: true,
        id: "5".into(),
        work: Work::Subject(Subject::network(
            &published::by_name("zennet_cifar10_model_size05M_res32").unwrap(),
            2,
        )),
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
    let [Reply::Ready { runtimes, .. }, Reply::Done { id, measured }, Reply::Failed { id: None, .. }] =
        &replies[..]
    else {
        panic!("{replies:?}");
    };
    // It is given no folder with libraries.
    let usable: Vec<&str> =
        runtimes.iter().filter(|here| here.version.is_some()).map(|here| here.name.as_str()).collect();
    assert_eq!((usable, runtimes.len() > 1, id.as_str()), (vec!["tract"], true, "5"));
    // Samples that were taken while the core was slow are repeated.
    assert!(measured.timing.samples_ns.len() >= 3);
    assert!(measured.timing.checksum.is_some_and(|sum| sum.is_finite() && sum != 0.0));
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

/// Jobs with numbers that would take all memory, divide by zero, or never end.
#[test]
fn impossible_jobs_are_answered() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attack");
    let mut answered = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let jobs = std::fs::read_to_string(&path).unwrap();
        let output = runner().arg("--jobs").arg(&path).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && stderr.is_empty(), "{}: {stderr}", path.display());
        let replies = String::from_utf8(output.stdout).unwrap();
        let replies: Vec<Reply> = replies.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(replies.len(), 1 + jobs.lines().count(), "{}", path.display());
        for reply in &replies[1..] {
            let Reply::Failed { id: Some(id), .. } = reply else { panic!("{}: {reply:?}", path.display()) };
            assert_eq!(id, "a");
            answered += 1;
        }
    }
    assert!(answered >= 10);
}

#[cfg(unix)]
#[test]
fn arguments_that_are_no_text_are_refused() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let word = OsStr::from_bytes(b"\xff");
    for arguments in [&["--job"][..], &["--cores"], &["--time-limit"], &[]] {
        let output = runner().args(arguments).arg(word).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("panicked"), "{arguments:?}: {stderr}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_stdout_is_an_error_and_a_closed_one_is_not() {
    for arguments in [&["--version"][..], &["--job", "{}"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = runner().args(arguments).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("panicked"), "{arguments:?}: {stderr}");
        let (reader, closed) = std::io::pipe().unwrap();
        drop(reader);
        let output = runner().args(arguments).stdout(closed).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(output.stderr.is_empty(), "{arguments:?}");
    }
}
