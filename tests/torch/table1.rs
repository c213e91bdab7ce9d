//! `experiment table1` and `experiment random`, with very little work.

use crate::commands::{edgezen, edgezen_json, refused};
use crate::golden::{list, number};
use edgezen::plainnet::{Model, notation};
use edgezen::train::recipe::Recipe;
use edgezen::train::split::{Part, Split};
use edgezen::train::{TrainError, brief};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tch::Device;

const SMALL: [&str; 12] =
    ["--images", "64", "--batch", "16", "--epochs", "1", "--params", "20k", "--threads", "2", "--lr", "0.4"];
const TABLE: [&str; 17] = [
    "experiment",
    "table1",
    "--proxies",
    "flops",
    "--search-seeds",
    "3",
    "--training-seeds",
    "1",
    "--iterations",
    "20",
    "--population",
    "4",
    "--levels",
    "1",
    "--curve-iterations",
    "50",
    "--json",
];

fn table(dir: &Path, extra: &[&str]) -> Value {
    edgezen_json(dir, &[&TABLE[..], &SMALL, extra].concat())
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn a_table_is_made_kept_and_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let made = table(dir, &["--random", "2"]);
    let names: Vec<&str> = list(&made["lines"]).iter().map(|line| line["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["zen", "flops", "zen, any shape", "zen, any shape and depth", "random"]);
    for line in list(&made["lines"]) {
        assert!(
            (0.0..=100.0).contains(&number(line, "accuracy")) && number(line, "params") <= 20_000.0,
            "{line}"
        );
        assert_eq!(line["networks"], if line["name"] == "random" { 2 } else { 3 });
    }
    let flops = &made["lines"][1];
    assert_eq!(flops["paper"], serde_json::json!([93.1, 64.7]));
    let of = &flops["to_zen"];
    assert!(
        number(of, "lower") <= number(of, "points") && number(of, "points") <= number(of, "upper"),
        "{of}"
    );
    assert_eq!(list(&made["curves"]).len(), 3);
    for trial in list(&made["trials"]) {
        assert!(number(trial, "epoch") <= 1.0 && (0.0..=1.0).contains(&number(trial, "test")), "{trial}");
    }
    assert!(text(&dir.join("table1/table1.md")).contains("| flops | 93.1 | 64.7 |"));
    assert!(text(&dir.join("table1/table1.svg")).starts_with("<svg"));
    let csv = text(&dir.join("table1/table1_networks.csv"));
    // Nothing is computed twice: seconds are those of the first time.
    let again = table(dir, &["--random", "2"]);
    assert_eq!(again["trials"], made["trials"]);
    assert_eq!(text(&dir.join("table1/table1_networks.csv")), csv);
    // Other settings are refused with what differs, or keep what is the same.
    refused(
        dir,
        &[&TABLE[..], &SMALL, &["--random", "3"]].concat(),
        2,
        &["random 2 there, 3 here", "--force"],
    );
    let more = table(dir, &["--random", "3", "--force"]);
    assert_eq!(list(&more["trials"]).len(), list(&made["trials"]).len() + 1);
    assert_eq!(more["trials"][0], made["trials"][0]);
    // The random networks of the table are those of the experiment of that name, in a folder of its own or not.
    let random = ["experiment", "random", "--random", "2", "--json"];
    let alone = edgezen_json(dir, &[&random[..], &SMALL, &["-o", "alone"]].concat());
    let accuracies = |report: &Value| -> Vec<f64> {
        let is_random = |trial: &&Value| trial["origin"]["random"].is_object();
        list(&report["trials"]).iter().filter(is_random).map(|trial| number(trial, "test")).collect()
    };
    assert_eq!(accuracies(&alone), accuracies(&made));
    assert_eq!(list(&alone["lines"]).len(), 1);
    assert!(dir.join("alone/random.md").is_file());
}

/// A small network learns the digits, the same from the same seed.
#[test]
fn a_short_training_learns_and_is_repeated_to_the_bit() {
    tch::set_num_threads(1);
    let (path, bytes) = edgezen::shipped::DIGITS;
    let data = Split::of_digits(bytes, Path::new(path), None, 0).unwrap();
    assert_eq!([&data.training, &data.validation, &data.test].map(Part::len), [500, 300, 997]);
    let net = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,16,1)SuperResK3K3(16,32,2,32,1)SuperConvK1BNRELU(32,64,1,1)";
    let model =
        Model { name: None, network: notation::parse(net).unwrap(), resolution: 16, classes: 10, se: false };
    let recipe = brief::recipe(6, 32, 0.8, &data);
    let trained = |seed| brief::train(&model, &data, &recipe, seed, Device::Cpu, &|| false).unwrap();
    let first = trained(1);
    assert!(first.test > 0.7 && first.validation > 0.7 && first.epoch > 1, "{first:?}");
    assert_eq!(first.diverged, None);
    assert_eq!(trained(1), first);
    assert_ne!(trained(2), first);
    // Steps that are far too long end in numbers that are none; what was best before counts.
    let wild = Recipe { rate_per_256: 1e30, warmup_epochs: 0.0, ..recipe.clone() };
    let wild = brief::train(&model, &data, &wild, 1, Device::Cpu, &|| false).unwrap();
    assert!(wild.diverged.is_some() && wild.test < 0.5, "{wild:?}");
    let stopped = brief::train(&model, &data, &recipe, 1, Device::Cpu, &|| true);
    assert!(matches!(stopped, Err(TrainError::Interrupted { epoch: 1 })));
    let mixed = Recipe { mixup: 0.2, ..recipe };
    assert!(brief::train(&model, &data, &mixed, 1, Device::Cpu, &|| false).is_err());
}

#[test]
fn what_cannot_be_done_is_said_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let table = |extra: &[&'static str]| [&["experiment", "table1"][..], extra].concat();
    refused(dir, &table(&["--proxies", "naswut"]), 2, &["naswut", "did you mean naswot"]);
    refused(dir, &table(&["--images", "1500"]), 7, &["1500 images", "1797"]);
    refused(dir, &table(&["--images", "20"]), 2, &["20 images", "--batch"]);
    refused(dir, &table(&["--data", "nowhere"]), 7, &["data set"]);
    refused(
        dir,
        &["experiment", "random", "--params", "10", "--random", "1"],
        6,
        &["random network", "--params"],
    );
}

#[test]
fn a_run_that_was_interrupted_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let args = [&["experiment", "random", "--random", "3"][..], &SMALL[..10]].concat();
    let whole = edgezen_json(dir, &[&args[..], &["--json", "-o", "whole"]].concat());
    let mut child = Command::new(env!("CARGO_BIN_EXE_edgezen"))
        .args([&args[..], &["-o", "parts"]].concat())
        .current_dir(dir)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let units = dir.join("parts/table1-units");
    let begun = || {
        std::fs::read_dir(&units).is_ok_and(|entries| {
            entries.flatten().any(|entry| entry.path().extension().is_some_and(|ending| ending == "json"))
        })
    };
    while !begun() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(2));
    }
    // SAFETY: a signal to our own child.
    unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) };
    let code = child.wait().unwrap().code();
    assert!(matches!(code, Some(0 | 130)), "{code:?}");
    let output = edgezen(dir, &[&args[..], &["-o", "parts", "--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let parts: Value = serde_json::from_slice(&output.stdout).unwrap();
    let tests = |report: &Value| -> Vec<f64> {
        list(&report["trials"]).iter().map(|trial| number(trial, "test")).collect()
    };
    assert_eq!(tests(&parts), tests(&whole));
}
