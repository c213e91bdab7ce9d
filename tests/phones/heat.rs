//! Phones that are slow or hot: what was measured on them is not called good, and the command ends with exit code 3.

use super::liar::{Phone, done};
use super::loopback::errors;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;

/// The profile of a Pixel 2 that never rests.
pub fn without_rests(dir: &Path) {
    let shipped = include_str!("../../device-profiles/pixel2.toml");
    let quick = shipped.replace("cooldown_s = [30, 60, 120, 300]", "cooldown_s = [0, 0]");
    assert!(quick.contains("[0, 0]"));
    std::fs::create_dir_all(dir.join("device-profiles")).unwrap();
    std::fs::write(dir.join("device-profiles/pixel2.toml"), quick).unwrap();
}

/// Number of a measurement that has no place in a plan: a sentinel, and everything that `measure` and `validate` do.
pub fn number(id: &str) -> Option<u32> {
    id.strip_prefix('x')?.rsplit('-').next()?.parse().ok()
}

/// The reply to job `id`, where everything takes `ns`.
pub fn taking(id: &str, ns: u64, conditions: &Value) -> Vec<u8> {
    done(id, |measured| {
        measured["timing"]["samples_ns"] = json!(vec![ns; 30]);
        for (name, value) in conditions.as_object().unwrap() {
            measured["before"][name] = value.clone();
            measured["after"][name] = value.clone();
        }
    })
}

fn measure(dir: &Path, phone: &Phone) -> (Output, Value) {
    without_rests(dir);
    let (output, _) = phone.edgezen(dir, &["measure", "--device", "pixel2", "--json", "resnet18"]);
    let rows = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output, rows)
}

/// Three sentinels, five launches, three sentinels.
const LAST_LAUNCH: u32 = 8;

#[test]
fn a_phone_that_slows_down_while_a_network_is_measured_shows() {
    let dir = tempfile::tempdir().unwrap();
    let job: fn(&str) -> Vec<u8> = |id| {
        let late = number(id).is_some_and(|number| number > LAST_LAUNCH);
        taking(id, if late { 59_900 } else { 47_171 }, &json!({}))
    };
    let (output, rows) = measure(dir.path(), &Phone { job, ..Phone::honest() });
    assert_eq!(output.status.code(), Some(3), "{}", errors(&output));
    assert_eq!(rows[0]["quality"], "drifted", "{rows}");
    assert!(rows[0]["reason"].as_str().unwrap().contains("27 % slower"), "{rows}");
    assert!(errors(&output).contains("27 % slower"), "{}", errors(&output));
    // One that keeps its speed is good, with sentinels and all.
    let (output, rows) = measure(dir.path(), &Phone::honest());
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    assert_eq!((&rows[0]["quality"], &rows[0]["launches"]), (&json!("good"), &json!(5)), "{rows}");
}

#[test]
fn a_core_that_is_held_down_from_the_beginning_shows() {
    let capped: fn(&str) -> Vec<u8> = |id| {
        let clocks = json!({"hardware_clocks_khz": {"4": 2_457_600}, "max_clocks_khz": {"4": 1_100_000}});
        taking(id, 47_171, &clocks)
    };
    // Nothing says that it is held down, but it runs at half of its clock.
    let silent: fn(&str) -> Vec<u8> = |id| {
        let clocks = json!({
            "hardware_clocks_khz": {"4": 2_000_000}, "max_clocks_khz": {"4": 2_000_000},
            "clocks_khz": {"4": 1_050_000}, "core": 4
        });
        taking(id, 47_171, &clocks)
    };
    for (job, words) in [(capped, "held down to 1.10 of 2.46 GHz"), (silent, "ran at 1.05 of 2.00 GHz")] {
        let dir = tempfile::tempdir().unwrap();
        let (output, rows) = measure(dir.path(), &Phone { job, ..Phone::honest() });
        assert_eq!(output.status.code(), Some(3), "{}", errors(&output));
        assert_eq!(rows[0]["quality"], "throttled", "{rows}");
        assert!(errors(&output).contains(words), "{words}: {}", errors(&output));
    }
}

/// A profile of a phone whose sentinel takes 27 % longer from the fourth time on.
fn slow_profile(job: fn(&str) -> Vec<u8>) -> (Output, Value) {
    let dir = tempfile::tempdir().unwrap();
    without_rests(dir.path());
    let arguments =
        ["profile", "--device", "pixel2", "--samples", "12", "--rounds", "1", "-o", "data", "--json"];
    let (output, _) = Phone { job, ..Phone::honest() }.edgezen(dir.path(), &arguments);
    let report = serde_json::from_slice(&output.stdout).unwrap();
    (output, report)
}

#[test]
fn a_profile_of_a_slow_phone_is_not_good_enough() {
    // As on AOSP, where the shell reads no thermal zone: a thermal status of 0 is no sign that it is cool.
    let unknown: fn(&str) -> Vec<u8> = |id| {
        let slow = number(id).is_some_and(|number| number > 3);
        taking(id, if slow { 59_900 } else { 47_171 }, &json!({"thermal_status": 0}))
    };
    let (output, report) = slow_profile(unknown);
    assert_eq!(output.status.code(), Some(3), "{}", errors(&output));
    assert_eq!((&report["throttled"], &report["drifted"]), (&json!(12), &json!(0)), "{report}");
    // One whose surface is cool need not rest, and is slow all the same.
    let cool: fn(&str) -> Vec<u8> = |id| {
        let slow = number(id).is_some_and(|number| number > 3);
        taking(id, if slow { 59_900 } else { 47_171 }, &json!({"thermal_status": 0, "skin_c": 31.0}))
    };
    let (output, report) = slow_profile(cool);
    assert_eq!(output.status.code(), Some(3), "{}", errors(&output));
    assert_eq!((&report["throttled"], &report["drifted"]), (&json!(0), &json!(12)), "{report}");
    assert!(errors(&output).contains("12 of 12 configurations are drifted"), "{}", errors(&output));
    assert!(errors(&output).contains("27 % slower"), "{}", errors(&output));
}

#[test]
fn a_validation_on_a_slow_phone_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let at = |ns: u64| -> fn(&str) -> Vec<u8> {
        match ns {
            47_171 => |id| taking(id, 47_171, &json!({})),
            _ => |id| taking(id, 65_100, &json!({})),
        }
    };
    fitted(dir.path(), &Phone { job: at(47_171), ..Phone::honest() });
    let validate = ["validate", "resnet18", "--device", "pixel2@tract", "--json"];
    let (output, _) = Phone { job: at(65_100), ..Phone::honest() }.edgezen(dir.path(), &validate);
    assert_eq!(output.status.code(), Some(3), "{}", errors(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["rows"][0]["quality"], "drifted", "{report}");
    assert!(errors(&output).contains("38 % slower"), "{}", errors(&output));
    let (output, _) = Phone { job: at(47_171), ..Phone::honest() }.edgezen(dir.path(), &validate);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    // A search stops at the first round, and calls nothing inside the budget.
    let search = [
        "search",
        "--device",
        "pixel2@tract",
        "--latency",
        "10ms",
        "--layers",
        "14",
        "--iterations",
        "50",
        "--verify",
        "2",
        "--out",
        "runs/mine",
        "--json",
    ];
    let (output, _) = Phone { job: at(65_100), ..Phone::honest() }.edgezen(dir.path(), &search);
    assert_eq!(output.status.code(), Some(3), "{}", errors(&output));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["verification"]["rounds"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found["verification"]["inside_budget"], 0, "{found}");
    assert!(errors(&output).contains("38 % slower") && errors(&output).contains("--resume --verify 2"));
}

#[test]
fn notes_of_a_phone_are_told_once() {
    let dir = tempfile::tempdir().unwrap();
    fitted(dir.path(), &Phone::honest());
    // Networks take far longer than their kernels say, so that there is a second round.
    let network: fn(&str) -> Vec<u8> = |id| taking(id, 100_000_000, &json!({}));
    let search = [
        "search",
        "--device",
        "pixel2@tract",
        "--latency",
        "10ms",
        "--layers",
        "14",
        "--iterations",
        "50",
        "--verify",
        "1",
        "--out",
        "runs/mine",
    ];
    let phone = Phone { network: Some(network), ..Phone::honest() };
    let (output, commands) = phone.edgezen(dir.path(), &search);
    assert_ne!(output.status.code(), Some(0), "{}", errors(&output));
    let opened = commands.iter().filter(|command| command.contains("for p in ro.")).count();
    let told = errors(&output).matches("its settings cannot be read").count();
    assert!(opened >= 2 && told == 1, "{opened} {told}: {}", errors(&output));
}

/// A predictor of what `phone` measures.
pub fn fitted(dir: &Path, phone: &Phone) {
    without_rests(dir);
    let profile = ["profile", "--device", "pixel2", "--samples", "60", "--rounds", "1", "-o", "data"];
    let (output, _) = phone.edgezen(dir, &profile);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let (output, _) = phone.edgezen(dir, &["fit", "--data", "data"]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let text = std::fs::read_to_string(dir.join("predictors/pixel2@tract@fp32.json")).unwrap();
    let predictor: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(predictor["provenance"]["usual_sentinel_ns"], 47_171);
}
