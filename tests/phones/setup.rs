//! The scripts that install what these tests need.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

#[test]
fn a_held_package_lock_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    // A Debian on which the package is missing, as root, whose apt writes down what it is asked for.
    for (name, text) in [
        ("id", "echo 0"),
        ("dpkg-query", "exit 1"),
        ("apt-cache", "echo '  Candidate: 1.0'"),
        ("apt-get", "echo \"$@\" >> \"$LOG\""),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let log = folder.path().join("log");
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let output = Command::new("scripts/debian-packages")
        .arg("adb")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("PATH", path)
        .env("LOG", &log)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let asked = std::fs::read_to_string(&log).unwrap();
    let lines: Vec<&str> = asked.lines().collect();
    assert!(
        lines.len() >= 2 && lines.iter().any(|line| line.contains("install") && line.ends_with("adb")),
        "{asked}"
    );
    assert!(lines.iter().all(|line| line.contains("-o DPkg::Lock::Timeout=300")), "{asked}");
}
