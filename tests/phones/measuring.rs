//! Profiling, fitting, searching and verifying on a phone.

use super::loopback::{Desk, Phone, desk_with_phone, errors, parts_are_here};
use serde_json::Value;
use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Lines of the journal in `dir`, the header first.
pub fn journal(dir: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(dir.join("journal.jsonl")).unwrap_or_default();
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    whole.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Measurements of a journal: pass, configuration, repetition.
pub fn measured(journal: &[Value]) -> Vec<(u64, u64, u64)> {
    let number = |line: &Value, name: &str| line[name].as_u64().unwrap();
    let samples = journal.iter().filter(|line| line["line"] == "sample");
    samples.map(|line| (number(line, "round"), number(line, "index"), number(line, "attempt"))).collect()
}

fn profile<'a>(dir: &'a str, samples: &'a str) -> Vec<&'a str> {
    vec!["profile", "--device", "pixel2", "--samples", samples, "-o", dir, "--json"]
}

#[test]
fn from_the_cable_to_a_verified_network() {
    if !parts_are_here() {
        return;
    }
    let (desk, phone) = desk_with_phone();
    desk.hurry();
    let settings = phone.settings();
    let report = desk.json(&profile("data", "40"));
    assert_eq!(report["identity"], "pixel2@tract@fp32");
    assert_eq!(
        report["configurations"].as_u64().unwrap() + report["failed"].as_array().unwrap().len() as u64,
        40
    );
    assert_eq!(report["failed"], Value::Array(vec![]));
    assert_eq!(phone.settings(), settings, "settings were not brought back");
    let dir = desk.folder.path().join("data");
    let journal = journal(&dir);
    let of = measured(&journal);
    assert_eq!(of.len(), of.iter().collect::<HashSet<_>>().len());
    for name in ["build_fingerprint", "boot_id", "runner_sha256", "serial"] {
        assert!(journal[0]["environment"][name].is_string(), "{name}: {}", journal[0]);
    }
    // Each pass is a fresh process, pinned, with its conditions before and after.
    let sample = journal.iter().find(|line| line["line"] == "sample").unwrap();
    let after = &sample["measured"]["after"];
    assert_eq!(after["battery"]["percent"], 85);
    assert_eq!(after["thermal_status"], 0);
    assert_eq!(after["temperatures_c"]["msm_therm"], 33.0);
    assert_eq!(after["cores"].as_array().unwrap().len(), 1);
    // So is the pace of the core.
    let timing = &sample["measured"]["timing"];
    assert!(timing["usual_probe_ns"].as_u64().unwrap() > 0);
    assert_eq!(timing["probes_ns"].as_array().unwrap().len(), timing["samples_ns"].as_array().unwrap().len());
    let environment: Value =
        serde_json::from_str(&std::fs::read_to_string(dir.join("environment.json")).unwrap()).unwrap();
    assert!(environment["environment"]["usual_sentinel_ns"].as_u64().unwrap() > 0, "{environment}");
    // Results are safe here, so the phone has forgotten them; the runner stays for the next time.
    let left: Vec<String> = std::fs::read_dir(phone.path("data/local/tmp/edgezen"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(left.len() == 1 && left[0].starts_with("device-runner-"), "{left:?}");

    desk.run(&["fit", "--data", "data"], 0);
    let best =
        ["search", "--device", "pixel2@tract", "--latency", "60ms", "--layers", "14", "--iterations", "300"];
    let mut arguments = best.to_vec();
    arguments.extend(["--verify", "2", "--json", "--out", "runs/mine", "--serial"]);
    let serial = phone.serial();
    arguments.push(&serial);
    let output = desk.edgezen(&arguments).output().unwrap();
    // On a busy computer no network may be measured well enough to be called inside; all else is the same.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", errors(&output));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let verified = found["verified"].as_array().unwrap();
    // On a busy computer the first ones may miss the budget; then there are further rounds.
    assert!(verified.len() >= 2, "{found}");
    assert!(verified.iter().all(|row| row["measured_ms"].as_f64().unwrap() > 0.0), "{found}");
    // Some hundredths of a second on a shared computer may be noisy; nothing else may be wrong.
    let mut validate = desk.edgezen(&["validate", "runs/mine", "--device", "pixel2@tract"]);
    let output = validate.args(["--top", "1", "--json"]).output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", errors(&output));
    if output.status.success() {
        let checked: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(checked["rows"].as_array().unwrap().len(), 1);
    }
    let rows =
        desk.edgezen(&["measure", "--device", "pixel2", "--json", "zennet_cifar10_model_size05M_res32"]);
    let output = { rows }.output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", errors(&output));
    assert_eq!(phone.settings(), settings);
}

#[test]
fn phones_are_listed_diagnosed_and_described() {
    if !parts_are_here() {
        return;
    }
    let (desk, phone) = desk_with_phone();
    let mut other = Phone::pixel2();
    other.property("ro.product.device", "sunfish");
    other.property("ro.board.platform", "sm7150");
    other.start();
    other.plug_in(&desk);
    let list = desk.json(&["devices", "--json"]);
    let find = |list: &Value, serial: &str| -> Value {
        let phones = list["phones"].as_array().unwrap();
        phones.iter().find(|phone| phone["serial"] == serial).unwrap().clone()
    };
    let known = find(&list, &phone.serial());
    assert_eq!((&known["profile"], &known["title"]), (&"pixel2".into(), &"Google Pixel 2 (walleye)".into()));
    assert!(!known["differences"].as_array().unwrap().is_empty(), "this computer is no Snapdragon");
    assert_eq!(find(&list, &other.serial())["profile"], Value::Null);

    phone.battery(12, 283);
    phone.write("settings/global.low_power", "1\n");
    phone.write("dumpsys/power", "  mWakefulness=Asleep\n");
    phone.write(
        "dumpsys/thermalservice",
        "Thermal Status: 0\nCurrent temperatures from HAL:\n\tTemperature{mValue=46.0, mType=3, mName=skin, mStatus=0}\n",
    );
    phone.temperature(81.0);
    let doctor = desk.run(&["devices", "doctor", "--json"], 3);
    let doctor = find(&serde_json::from_slice(&doctor.stdout).unwrap(), &phone.serial());
    let text = doctor["complaints"].to_string();
    for word in
        ["battery at 12 %", "charge it", "saver", "screen is off", "surface has 46 °C", "chip has 81 °C"]
    {
        assert!(text.contains(word), "{word}: {text}");
    }
    // What is wrong with the phone ends a measurement before it begins.
    let serial = phone.serial();
    let output = desk.run(&["measure", "--device", "pixel2", "--serial", &serial, "resnet18"], 3);
    assert!(errors(&output).contains("battery at 12 %") && errors(&output).contains("charge it"));

    let serial = other.serial();
    let draft = desk.json(&["devices", "describe", "--serial", &serial, "-o", "mine.toml", "--json"]);
    assert!(draft["profile"].as_str().unwrap().contains("product_device = [\"sunfish\"]"));
    let shown = desk.json(&["devices", "show", "mine.toml", "--json"]);
    assert_eq!(shown["profile"]["id"], "sunfish");
}

#[test]
fn a_phone_is_used_by_one_at_a_time() {
    if !parts_are_here() {
        return;
    }
    let (desk, phone) = desk_with_phone();
    desk.hurry();
    let mut first =
        desk.edgezen(&profile("first", "60")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    await_samples(&desk.folder.path().join("first"), 1);
    let output = desk.run(&profile("second", "20"), 4);
    assert!(errors(&output).contains("in use by"), "{}", errors(&output));
    // Ctrl-C: a journal, and the settings as they were.
    let pid = first.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(first.wait().unwrap().code(), Some(130));
    assert_eq!(phone.settings()["system.screen_brightness"], "180\n");
    assert!(!phone.settings().contains_key("global.stay_on_while_plugged_in"));
    // Another computer is measuring.
    phone.property("debug.edgezen.owner", "elsewhere, process 7");
    let output = desk.run(&profile("second", "20"), 4);
    assert!(errors(&output).contains("elsewhere"), "{}", errors(&output));
}

#[test]
fn a_phone_on_two_ways_is_one_phone() {
    if !parts_are_here() {
        return;
    }
    let (desk, phone) = desk_with_phone();
    desk.hurry();
    let second = format!("localhost:{}", phone.port);
    let start = Instant::now();
    while !String::from_utf8_lossy(&desk.adb(&["-s", &second, "get-state"]).stdout).contains("device") {
        assert!(start.elapsed() < Duration::from_secs(20), "it does not connect");
        desk.adb(&["connect", &second]);
    }
    let mut first =
        desk.edgezen(&profile("first", "60")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    await_samples(&desk.folder.path().join("first"), 1);
    let mut arguments = profile("second", "20");
    arguments.extend(["--serial", &second]);
    let output = desk.run(&arguments, 4);
    assert!(errors(&output).contains("in use by"), "{}", errors(&output));
    let pid = first.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(first.wait().unwrap().code(), Some(130));
}

pub fn await_samples(dir: &Path, count: usize) {
    let start = Instant::now();
    while measured(&journal(dir)).len() < count {
        assert!(start.elapsed() < Duration::from_secs(60), "nothing is measured");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_killed_run_is_tidied_up_by_the_next() {
    if !parts_are_here() {
        return;
    }
    let (desk, mut phone) = desk_with_phone();
    desk.hurry();
    let settings = phone.settings();
    let mut killed =
        desk.edgezen(&profile("data", "20")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let dir = desk.folder.path().join("data");
    await_samples(&dir, 5);
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_ne!(phone.settings(), settings);
    let resume = |code: i32| {
        let mut arguments = profile("data", "20");
        arguments.push("--resume");
        desk.run(&arguments, code)
    };
    // Another phone under the same address is noticed.
    let fingerprint = std::fs::read_to_string(phone.path("props/ro.build.fingerprint")).unwrap();
    phone.property("ro.build.fingerprint", "google/walleye/walleye:8.1.0/OPM1:user/release-keys");
    let output = resume(2);
    assert!(errors(&output).contains("build_fingerprint"), "{}", errors(&output));
    phone.property("ro.build.fingerprint", fingerprint.trim());
    // The same one, started anew, begins another session.
    phone.kill();
    phone.boot("00000002");
    phone.start();
    phone.plug_in(&desk);
    resume(0);
    let journal = journal(&dir);
    assert_eq!(journal.iter().filter(|line| line["line"] == "session").count(), 1);
    let of = measured(&journal);
    assert_eq!(of.len(), of.iter().collect::<HashSet<_>>().len());
    assert_eq!(of.iter().filter(|(_, _, attempt)| *attempt == 0).count(), 60);
    assert_eq!(phone.settings(), settings);
}

#[test]
fn a_phone_that_gets_hot_rests_and_is_flagged() {
    if !parts_are_here() {
        return;
    }
    let (desk, phone) = desk_with_phone();
    desk.hurry();
    let mut hot =
        desk.edgezen(&profile("data", "20")).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    await_samples(&desk.folder.path().join("data"), 3);
    phone.temperature(90.0);
    let start = Instant::now();
    let status = loop {
        if let Some(status) = hot.try_wait().unwrap() {
            break status;
        }
        assert!(start.elapsed() < Duration::from_secs(600), "it never ends");
        std::thread::sleep(Duration::from_millis(20));
    };
    let output = hot.wait_with_output().unwrap();
    assert_eq!(status.code(), Some(3), "{}", errors(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["throttled"].as_u64().unwrap() > 10, "{report}");
    assert!(errors(&output).contains("90 °C"), "{}", errors(&output));
}

#[test]
fn two_phones_are_measured_side_by_side() {
    if !parts_are_here() {
        return;
    }
    let (desk, phone) = desk_with_phone();
    desk.hurry();
    let mut other = Phone::pixel2();
    other.start();
    other.plug_in(&desk);
    let serials = format!("{},{}", phone.serial(), other.serial());
    let mut arguments = profile("data", "12");
    arguments.extend(["--serial", &serials]);
    let reports = desk.json(&arguments);
    let reports = reports.as_array().unwrap();
    assert_eq!(reports.len(), 2);
    for report in reports {
        let dir = desk.folder.path().join(report["dataset"].as_str().unwrap());
        let journal = journal(&dir);
        assert_eq!(measured(&journal).iter().filter(|(_, _, attempt)| *attempt == 0).count(), 36);
    }
    let serial = |i: usize| {
        let dir = desk.folder.path().join(reports[i]["dataset"].as_str().unwrap());
        journal(&dir)[0]["environment"]["serial"].clone()
    };
    assert_ne!(serial(0), serial(1));
}

#[test]
fn a_missing_or_broken_runner_says_how_to_build_it() {
    if !parts_are_here() {
        return;
    }
    let (desk, _phone) = desk_with_phone();
    let run = |runner: &str| {
        let mut command = desk.edgezen(&["measure", "--device", "pixel2", "resnet18"]);
        command.env("EDGEZEN_RUNNER", runner).output().unwrap()
    };
    let output = run("/no/such/runner");
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    assert!(errors(&output).contains("scripts/build-runner"), "{}", errors(&output));
    let broken = Desk::new();
    let path = broken.folder.path().join("runner");
    std::fs::write(&path, b"\x7fELF nonsense").unwrap();
    let output = run(path.to_str().unwrap());
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    assert!(errors(&output).contains("does not work"), "{}", errors(&output));
}

#[test]
fn percentiles_and_the_sustained_state_on_a_phone() {
    if !parts_are_here() {
        return;
    }
    let (desk, phone) = desk_with_phone();
    desk.hurry();
    let settings = phone.settings();
    let net = "zennet_cifar10_model_size05M_res32";
    let measure = |more: &[&str]| {
        let fixed = ["measure", "--device", "pixel2@tract", "--json", net];
        let output = desk.edgezen(&[&fixed[..], more].concat()).output().unwrap();
        assert!(matches!(output.status.code(), Some(0 | 3)), "{}", errors(&output));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    crate::boards::measuring::check_percentiles(&measure(&["--seconds", "3"]));
    let rows = measure(&["--state", "sustained"]);
    assert_eq!(rows[0]["device"], "pixel2@tract@fp32@sustained", "{rows}");
    assert_eq!(phone.settings(), settings);
}
