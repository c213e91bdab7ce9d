//! What measuring over adb costs on this side. The runner of these tests measures nothing: it answers after
//! a pause, so that all the rest of the time is ours.
//!
//! `scripts/phone-figures` prints the figures.

use super::loopback::{Desk, Phone, desk_with_phone, parts_are_here};
use super::measuring::{journal, measured};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A runner that takes `seconds` for every job.
pub fn runner(folder: &Path, seconds: &str) -> PathBuf {
    let script = format!(
        r#"#!/bin/sh
echo '{{"reply":"ready","protocol":4,"runner_version":"0","runtimes":[{{"name":"tract","version":"0"}}],"target":"sh","cores":[0]}}'
while [ $# -gt 0 ]; do
    case $1 in --job) job=$2 ;; esac
    shift
done
[ -n "$job" ] || exit 0
sleep {seconds}
id=$(printf %s "$job" | sed 's/.*"id":"\([^"]*\)".*/\1/')
echo '{{"reply":"done","id":"'$id'","measured":{{"timing":{{"first_ns":1000000,"warmup_runs":3,"k":1,"samples_ns":[1000000,1000000,1000000,1000000,1000000,1000000,1000000,1000000,1000000,1000000,1000000,1000000,1000000,1000000,1000000,1000000,1000000,1000000,1000000,1000000,1000000,1000000,1000000,1000000,1000000,1000000,1000000,1000000,1000000,1000000],"probes_ns":[],"usual_probe_ns":null,"checksum":1.0,"noisy_half_width":0.05}},"before":{{}},"after":{{}}}}}}'
"#
    );
    let path = folder.join(format!("runner-{seconds}"));
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    path
}

fn profile(desk: &Desk, runner: &PathBuf, dir: &str, serials: &str, samples: &str) -> Duration {
    let arguments = [
        "profile",
        "--device",
        "pixel2",
        "--samples",
        samples,
        "--rounds",
        "2",
        "-o",
        dir,
        "--serial",
        serials,
    ];
    let start = Instant::now();
    let output = desk.edgezen(&arguments).env("EDGEZEN_RUNNER", runner).output().unwrap();
    assert!(output.status.success(), "{}", super::loopback::errors(&output));
    start.elapsed()
}

#[test]
fn two_phones_take_little_longer_than_one() {
    if !parts_are_here() {
        return;
    }
    let (desk, phone) = desk_with_phone();
    let mut other = Phone::pixel2();
    other.start();
    other.plug_in(&desk);
    let runner = runner(desk.folder.path(), "0.3");
    let (one, two) = (phone.serial(), other.serial());
    let after_one_another =
        profile(&desk, &runner, "one", &one, "10") + profile(&desk, &runner, "two", &two, "10");
    let side_by_side = profile(&desk, &runner, "both", &format!("{one},{two}"), "10");
    let ratio = side_by_side.as_secs_f64() / after_one_another.as_secs_f64();
    eprintln!(
        "two phones side by side: {:.1} s, one after the other {:.1} s, ratio {ratio:.2}",
        side_by_side.as_secs_f64(),
        after_one_another.as_secs_f64()
    );
    assert!(ratio <= 0.6, "{ratio:.2}");
}

#[test]
fn what_this_side_costs() {
    if !parts_are_here() {
        return;
    }
    let (desk, phone) = desk_with_phone();
    let runner = runner(desk.folder.path(), "0");
    // The difference of two profiles: what is done once falls out.
    let short = profile(&desk, &runner, "short", &phone.serial(), "10");
    let long = profile(&desk, &runner, "long", &phone.serial(), "110");
    let of = |dir: &str| measured(&journal(&desk.folder.path().join(dir))).len();
    assert_eq!((of("short"), of("long")), (20, 220));
    let per_launch = (long.as_secs_f64() - short.as_secs_f64()) / 200.0;
    eprintln!(
        "one launch costs {:.1} ms beside the measuring, a configuration of three launches {:.1} ms",
        1e3 * per_launch,
        3e3 * per_launch
    );
}
