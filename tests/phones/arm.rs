//! A phone with 64-bit Arm cores, as phones have: the runner is cross-built, pushed and run there. `scripts/setup-arm`
//! builds it and has the kernel start Arm programs in qemu; latencies mean nothing here, results must be the same.

use super::loopback::{Desk, Phone, errors, parts_are_here};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The target of the Arm runner: glibc, whose loader comes along and starts it.
pub const TARGET: &str = "aarch64-unknown-linux-gnu";

/// Where the Arm runner is.
pub fn arm_runner() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("runners").join(TARGET).join("device-runner")
}

/// The command that starts the Arm runner through its loader.
pub fn started(runner: &Path) -> Command {
    let glibc = runner.with_file_name("glibc");
    let mut command = Command::new(glibc.join("ld-linux-aarch64.so.1"));
    command.arg("--library-path").arg(&glibc).arg(runner);
    command
}

/// The Arm runner, if it is here and can be started here; says so if not.
fn arm_runner_is_here() -> Option<PathBuf> {
    let runner = arm_runner();
    if started(&runner).arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Some(runner);
    }
    let message = "skipped: no Arm runner, or nothing that runs it (scripts/setup-arm)";
    assert!(std::env::var_os("EDGEZEN_REQUIRE_ARM").is_none(), "{message}");
    eprintln!("{message}");
    None
}

/// One of each sort of work, small ones: qemu is slow.
pub const PLAN: &str = r#"{"version": 1, "subjects": [
    {"type": "kernel", "kind": "conv", "batch": 1, "in_c": 8, "out_c": 16, "in_h": 14, "in_w": 14, "kernel": 1,
     "stride": 1, "groups": 1, "act": "relu", "residual": true},
    {"type": "kernel", "kind": "conv", "batch": 1, "in_c": 16, "out_c": 16, "in_h": 14, "in_w": 14, "kernel": 5,
     "stride": 2, "groups": 16, "act": "relu", "residual": false},
    {"type": "block", "structure": "SuperResIDWE2K3(8,16,2,8,1)", "resolution": 14},
    {"type": "network", "name": null, "structure": "SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,2,8,1)",
     "resolution": 32, "classes": 10, "se": true, "batch": 1}
]}"#;

/// Puts a runner, and the C library that it may bring along, where edgezen looks for those of `target`.
pub fn copy_runner(runner: &Path, desk: &Desk, target: &str) {
    let place = desk.folder.path().join("runners").join(target);
    std::fs::create_dir_all(&place).unwrap();
    std::fs::copy(runner, place.join("device-runner")).unwrap();
    if let Ok(files) = std::fs::read_dir(runner.with_file_name("glibc")) {
        std::fs::create_dir(place.join("glibc")).unwrap();
        for file in files.flatten() {
            std::fs::copy(file.path(), place.join("glibc").join(file.file_name())).unwrap();
        }
    }
}

/// The journal of the campaign in a folder of the desk.
pub fn journal_of(desk: &Desk, dir: &str) -> Vec<Value> {
    super::measuring::journal(&desk.folder.path().join(dir))
}

/// Sums of the outputs that were computed on the phone, by configuration.
fn checksums(desk: &Desk, dir: &str) -> Vec<(u64, f64)> {
    let journal = journal_of(desk, dir);
    let samples = journal.iter().filter(|line| line["line"] == "sample");
    let mut sums: Vec<(u64, f64)> = samples
        .map(|line| {
            (line["index"].as_u64().unwrap(), line["measured"]["timing"]["checksum"].as_f64().unwrap())
        })
        .collect();
    sums.sort_by_key(|&(index, _)| index);
    sums.dedup_by_key(|&mut (index, _)| index);
    sums
}

#[test]
fn arm_phones_run_the_arm_runner() {
    if !parts_are_here() {
        return;
    }
    let Some(runner) = arm_runner_is_here() else { return };
    let (desk, mut phone) = (Desk::new(), Phone::pixel2());
    phone.architecture("arm64-v8a", "aarch64");
    phone.start();
    phone.plug_in(&desk);
    desk.hurry();
    let profile = |desk: &Desk, arm: bool| -> std::process::Output {
        std::fs::write(desk.folder.path().join("small.json"), PLAN).unwrap();
        let mut command = desk.edgezen(&["profile", "--device", "pixel2", "--plan", "small.json"]);
        command.args(["--rounds", "1", "-o", "data", "--json"]);
        if arm {
            command.env_remove("EDGEZEN_RUNNER");
        }
        command.output().unwrap()
    };

    // No runner for it yet: which one was looked for, and what builds it.
    let output = profile(&desk, true);
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    let complaint = errors(&output);
    assert!(complaint.contains("scripts/build-runner aarch64-unknown-linux-musl"), "{complaint}");

    copy_runner(&runner, &desk, TARGET);
    let settings = phone.settings();
    let output = profile(&desk, true);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["identity"], &report["configurations"]), (&"pixel2@tract@fp32".into(), &4.into()));
    assert_eq!(phone.settings(), settings, "settings were not brought back");
    let environment = &journal_of(&desk, "data")[0]["environment"];
    assert!(environment["runner_target"].as_str().unwrap().contains("aarch64"), "{environment}");

    // The same kernels with the same weights on a phone like this computer give the same outputs.
    phone.kill();
    let (desk_here, _phone_here) = super::loopback::desk_with_phone();
    desk_here.hurry();
    assert_eq!(profile(&desk_here, false).status.code(), Some(0));
    let (there, here) = (checksums(&desk, "data"), checksums(&desk_here, "data"));
    assert_eq!(there.len(), 4);
    assert_eq!(there.len(), here.len());
    for (arm, x86) in there.iter().zip(&here) {
        assert_eq!(arm.0, x86.0);
        let scale = arm.1.abs().max(x86.1.abs()).max(1.0);
        assert!((arm.1 - x86.1).abs() <= 1e-3 * scale, "{arm:?} {x86:?}");
    }
}
