//! Trained networks: `calibrate`, `score --calibration`, `search --objective`, ensembles, `experiment accuracy`.

use super::{edgezen_json, refused};
use crate::golden::list;
use std::fmt::Write;
use std::path::Path;

/// A table of networks of NAS-Bench-Macro whose accuracy grows with their layers.
fn table(dir: &Path, rows: u32) {
    let mut text = String::from("net,accuracy,phone_ms\n");
    for i in 0..rows {
        let digits = (0..8).map(|layer| (i.wrapping_mul(2_654_435_761) >> (3 * layer + 4)) % 3);
        let digits: Vec<u32> = digits.collect();
        let code: String = digits.iter().map(u32::to_string).collect();
        let sum: u32 = digits.iter().sum();
        writeln!(text, "nbm:{code},{},{}", 70 + sum, 1 + sum / 2).unwrap();
    }
    std::fs::write(dir.join("trained.csv"), text).unwrap();
}

#[test]
fn a_calibration_is_fitted_told_and_searched_by() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    table(dir, 90);
    let fit = |samples: &str, seed: &str| {
        let args = [
            "calibrate",
            "--accuracies",
            "trained.csv",
            "-o",
            "a.json",
            "--json",
            "--force",
            "--samples",
            samples,
        ];
        edgezen_json(dir, &[&args[..], &["--seed", seed]].concat())
    };
    let report = fit("40", "1");
    assert_eq!(report["networks"], 40);
    assert!(report["not_drawn"].as_u64().unwrap() > 20);
    let of = |list: &str, score: &str| {
        let found = report[list].as_array().unwrap().iter().find(|row| row["score"] == score);
        found.unwrap_or_else(|| panic!("{list}: {score}"))["spearman"].as_f64().unwrap()
    };
    assert!(of("others", "calibration") > 0.8);
    for score in ["zen (paper)", "zen (reference)", "params", "macs", "activations", "zen+params+macs"] {
        assert!(of("held_out", score) <= 1.0);
    }
    let first = std::fs::read(dir.join("a.json")).unwrap();
    fit("40", "1");
    assert_eq!(std::fs::read(dir.join("a.json")).unwrap(), first, "a seed gives one calibration");

    let nets = ["nbm:22222222", "nbm:00000000"];
    let scored = edgezen_json(dir, &[&["score"], &nets[..], &["--calibration", "a.json", "--json"]].concat());
    let number = |i: usize, field: &str| scored[i][field].as_f64().unwrap();
    assert!(number(0, "accuracy") > number(1, "accuracy"));
    for i in 0..2 {
        assert!(number(i, "accuracy_lower") <= number(i, "accuracy"));
        assert!(number(i, "accuracy_upper") >= number(i, "accuracy"));
    }

    let search = [
        "search",
        "--space",
        "mobilenet",
        "--params",
        "3M",
        "--layers",
        "10",
        "--resolution",
        "32",
        "--iterations",
        "300",
        "--objective",
        "a.json",
        "--out",
        "run",
        "--json",
    ];
    let found = edgezen_json(dir, &search);
    let best = found["best"]["score"].as_f64().unwrap();
    assert_eq!(found["proxy"], "accuracy");
    assert!((0.0..=100.0).contains(&best), "{best}");
    // The calibration knows no network of this space: the result says that its accuracy is extrapolated.
    let notes: Vec<&str> = list(&found["notes"]).iter().map(|note| note.as_str().unwrap()).collect();
    let said = |note: &&str| note.contains("predicts an accuracy of") && note.contains("extrapolated");
    assert!(notes.iter().any(said), "{notes:?}");
    refused(dir, &[&search[..13], &["--proxy", "zen"]].concat(), 2, &["--proxy"]);
    let mut other = search;
    other[12] = "trained.csv";
    other[14] = "run2";
    refused(dir, &other, 7, &["trained.csv"]);
}

#[test]
fn tables_that_make_no_calibration_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    table(dir, 15);
    let args = ["calibrate", "--accuracies", "trained.csv", "-o", "a.json"];
    refused(dir, &args, 2, &["at least 20"]);
    table(dir, 60);
    refused(dir, &[&args[..], &["--samples", "1000"]].concat(), 2, &["--samples"]);
    std::fs::write(dir.join("trained.csv"), "net,accuracy\nresnet18,0.7\n").unwrap();
    refused(dir, &args, 7, &["percent"]);
    std::fs::write(dir.join("a.json"), "{\"schema_version\":9,\"intercept\":1}").unwrap();
    refused(dir, &["score", "nbm:22222222", "--calibration", "a.json"], 7, &["newer"]);
    assert_eq!(
        std::fs::read_to_string(dir.join("a.json")).unwrap(),
        "{\"schema_version\":9,\"intercept\":1}"
    );
}

#[test]
fn an_ensemble_adds_the_logarithms_of_ranks() {
    let dir = tempfile::tempdir().unwrap();
    let nets = ["nbm:22222222", "nbm:11111111", "nbm:00000000"];
    let args = [&["score"], &nets[..], &["--proxy", "zen+params+macs", "--json"]].concat();
    let rows = edgezen_json(dir.path(), &args);
    assert_eq!(rows[0]["score"], 0.0);
    assert!((rows[2]["score"].as_f64().unwrap() - 3.0 * (1.0_f64 / 3.0).ln()).abs() < 1e-9);
    assert_eq!(rows[0]["proxy"], "zen+params+macs");
    assert!(rows[1]["of"]["params"].as_f64().unwrap() > 0.0);
    refused(dir.path(), &["score", "nbm:22222222", "--proxy", "zen+params"], 2, &["several"]);
    refused(dir.path(), &["score", "nbm:22222222", "resnet18", "--proxy", "zen+colour"], 2, &["colour"]);
}

#[test]
fn the_experiment_ranks_a_table_and_writes_a_page() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    table(dir, 60);
    let args =
        ["experiment", "accuracy", "--accuracies", "trained.csv", "--sampled", "8", "-o", "out", "--json"];
    let report = edgezen_json(dir, &args);
    let lines = report["lines"].as_array().unwrap();
    assert!(lines.iter().any(|line| line["group"] == "all" && line["proxy"] == "layers"));
    assert!(lines.iter().any(|line| line["group"] == "sample of 8" && line["proxy"] == "naswot"));
    assert!(report["worst"]["kendall"].as_f64().is_some());
    for file in ["accuracy.csv", "accuracy.svg", "accuracy.md"] {
        assert!(dir.join("out").join(file).is_file(), "{file}");
    }
}

#[test]
fn published_tables_become_ours() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("t.csv"), "code,canonical,mean_acc,params\n01200221,01200221,91.5,5\n").unwrap();
    let args = ["dataset", "accuracies", "t.csv", "--columns", "params", "-o", "ours.csv", "--json"];
    assert_eq!(edgezen_json(dir, &args)["rows"], 1);
    let text = std::fs::read_to_string(dir.join("ours.csv")).unwrap();
    assert_eq!(text, "net,accuracy,params\nnbm:01200221,91.5,5\n");
}
