//! `edgezen devices` and `edgezen completions` from outside.

use std::path::Path;
use std::process::{Command, Output};

fn edgezen(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edgezen"));
    // Without adb: phones of whoever runs the tests are left alone.
    command.env("PATH", "").env("ANDROID_ADB_SERVER_PORT", "1").env_remove("ANDROID_SERIAL");
    command.current_dir(folder).args(arguments).output().unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_list_names_devices_and_this_computer() {
    let folder = tempfile::tempdir().unwrap();
    let list = json(&edgezen(folder.path(), &["devices", "--json"]));
    let devices = list["devices"].as_array().unwrap();
    let pixel2 = devices.iter().find(|device| device["name"] == "pixel2").unwrap();
    assert_eq!(pixel2["identity"]["runtime"], "tflite");
    assert_eq!(pixel2["origin"], "shipped");
    assert!(list["computer"]["cores"].as_u64().unwrap() >= 1);
    let text = edgezen(folder.path(), &["devices", "list"]).stdout;
    let text = String::from_utf8(text).unwrap();
    assert!(
        text.lines().any(|line| line.starts_with("v100 ") && line.contains("v100@tensorrt@fp16")),
        "{text}"
    );
}

#[test]
fn a_broken_profile_is_a_row_and_spares_the_others() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("device-profiles")).unwrap();
    std::fs::write(folder.path().join("device-profiles/mine.toml"), "schema = 1\ncolour = 3\n").unwrap();
    let list = json(&edgezen(folder.path(), &["devices", "list", "--json"]));
    let devices = list["devices"].as_array().unwrap();
    let mine = devices.iter().find(|device| device["name"] == "mine").unwrap();
    assert!(mine["error"].as_str().unwrap().contains("`colour`"), "{mine}");
    assert!(devices.iter().any(|device| device["name"] == "t4"));

    let shown = edgezen(folder.path(), &["devices", "show", "mine"]);
    assert_eq!(shown.status.code(), Some(7));
    assert!(String::from_utf8_lossy(&shown.stderr).contains("mine.toml, line 2"), "{shown:?}");
}

#[test]
fn show_gives_each_fact_with_its_source() {
    let folder = tempfile::tempdir().unwrap();
    let show = json(&edgezen(folder.path(), &["devices", "show", "walleye", "--json"]));
    assert_eq!(show["profile"]["id"], "pixel2");
    let facts = show["facts"].as_array().unwrap();
    let clock = facts.iter().find(|fact| fact["path"] == "cluster.gold.max_khz").unwrap();
    assert_eq!(clock["value"], "2457600");
    assert!(clock["source"].as_str().unwrap().contains("AOSP"));
}

#[test]
fn errors_have_their_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let unknown = edgezen(folder.path(), &["devices", "show", "pixel22"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("pixel2"));
    assert!(unknown.stdout.is_empty());

    std::fs::write(folder.path().join("newer.toml"), "schema = 9\n").unwrap();
    std::fs::write(folder.path().join("binary.toml"), b"id = \"\xff\"").unwrap();
    std::fs::write(folder.path().join("empty.toml"), "").unwrap();
    for file in ["newer.toml", "binary.toml", "empty.toml"] {
        let output = edgezen(folder.path(), &["devices", "show", file]);
        assert_eq!(output.status.code(), Some(7), "{output:?}");
    }
    assert_eq!(edgezen(folder.path(), &["devices", "show", "none.toml"]).status.code(), Some(2));
}

#[test]
fn doctor_says_whether_the_computer_is_fit() {
    let folder = tempfile::tempdir().unwrap();
    let output = edgezen(folder.path(), &["devices", "doctor", "--json"]);
    let doctor: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let complaints = doctor["complaints"].as_array().unwrap();
    let unfit = complaints.iter().any(|complaint| complaint["severity"] == "unfit");
    assert_eq!(doctor["fit"].as_bool(), Some(!unfit));
    assert_eq!(output.status.code(), Some(if unfit { 3 } else { 0 }));
    assert!(complaints.iter().all(|complaint| !complaint["remedy"].as_str().unwrap().is_empty()));
}

#[test]
fn completions_know_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = edgezen(folder.path(), &["completions", shell]).stdout;
        assert!(String::from_utf8(script).unwrap().contains("devices"), "{shell}");
    }
}

#[test]
#[cfg(not(feature = "torch"))]
fn libtorch_is_a_feature() {
    let dir = tempfile::tempdir().unwrap();
    for device in ["torch-cpu", "v100@torch"] {
        crate::commands::refused(
            dir.path(),
            &["profile", "--device", device],
            2,
            &["--features torch", "setup-libtorch"],
        );
    }
}
