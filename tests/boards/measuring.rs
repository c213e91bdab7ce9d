//! Profiling, fitting, searching and verifying on a board.

use super::loopback::{Board, parts_are_here};
use crate::phones::loopback::errors;
use crate::phones::measuring::{journal, measured};
use serde_json::Value;
use std::collections::HashSet;

#[test]
fn from_ssh_to_a_verified_network() {
    if !parts_are_here() {
        return;
    }
    let board = Board::new();
    let host = ["--host", "board"];
    let profile = ["profile", "--device", "board", "--samples", "40", "-o", "data", "--json"];
    // On a busy computer some are not measured well enough; all are measured.
    let report = board.json(&[&profile[..], &host].concat(), &[0, 3]);
    assert_eq!((&report["identity"], &report["configurations"]), (&"board@tract@fp32".into(), &40.into()));
    assert_eq!(report["failed"], Value::Array(vec![]));
    let journal = journal(&board.path("data"));
    let all = measured(&journal);
    assert_eq!(all.len(), all.iter().collect::<HashSet<_>>().len());
    let environment = &journal[0]["environment"];
    for name in ["build_fingerprint", "boot_id", "runner_sha256", "serial"] {
        assert!(environment[name].is_string(), "{name}: {environment}");
    }
    assert!(environment["board"]["cores"].is_array(), "{environment}");
    let sample = journal.iter().find(|line| line["line"] == "sample").unwrap();
    assert_eq!(sample["measured"]["after"]["cores"].as_array().unwrap().len(), 1);
    // Results are safe here, so the board has forgotten them, and nobody measures on it; the runner stays for the next time.
    let left = board.left();
    assert!(left.len() == 1 && left[0].starts_with("device-runner-"), "{left:?}");
    // The shared connection ended with the program.
    assert_eq!(std::fs::read_dir(board.path("run")).unwrap().flatten().filter(is_socket_folder).count(), 0);

    board.run(&["fit", "--data", "data"], &[0]);
    let search = ["search", "--device", "board@tract", "--latency", "60ms", "--layers", "14"];
    let few = ["--iterations", "300", "--verify", "3", "--json", "--out", "runs/mine"];
    let found = board.json(&[&search[..], &few, &host].concat(), &[0, 3]);
    let verified = found["verified"].as_array().unwrap();
    assert!(verified.len() >= 3, "{found}");
    assert!(verified.iter().all(|row| row["measured_ms"].as_f64().unwrap() > 0.0), "{found}");
    let validate = ["validate", "runs/mine", "--device", "board@tract", "--top", "1", "--json"];
    board.run(&[&validate[..], &host].concat(), &[0, 3]);
    let measure = ["measure", "--device", "board", "--json", "zennet_cifar10_model_size05M_res32"];
    let rows = board.json(&[&measure[..], &host].concat(), &[0, 3]);
    // Five, or more where they differ.
    assert!(rows[0]["launches"].as_u64().unwrap() >= 5, "{rows}");
    let transfer = ["transfer", "--from", "host", "--device", "board", "--samples", "5", "--force", "--json"];
    board.run(&[&transfer[..], &host].concat(), &[0, 3]);
}

fn is_socket_folder(entry: &std::fs::DirEntry) -> bool {
    entry.file_name().to_string_lossy().starts_with("ez-")
}

#[test]
fn a_board_is_looked_at() {
    if !parts_are_here() {
        return;
    }
    let mut board = Board::new();
    let doctor = board.json(&["devices", "doctor", "--host", "board", "--json"], &[0, 3]);
    let seen = &doctor["boards"][0];
    assert_eq!((&seen["host"], &seen["state"]), (&"board".into(), &"ready".into()));
    assert!(seen["title"].is_string() && seen["board"]["boot_id"].is_string(), "{seen}");
    assert!(seen["status"]["load"].is_number(), "{seen}");
    board.stop();
    let doctor = board.json(&["devices", "doctor", "--host", "board", "--json"], &[3]);
    assert_eq!(doctor["boards"][0]["state"], "not reached");
    assert!(doctor["boards"][0]["complaints"].to_string().contains("refused"), "{doctor}");
}

/// What `measure --seconds` gives on a device, for one small network.
pub fn check_percentiles(rows: &Value) {
    let row = &rows[0];
    for name in ["load_ms", "first_ms", "median_ms", "p90_ms", "p99_ms", "peak_memory_mb"] {
        assert!(row[name].as_f64().is_some_and(|value| value > 0.0), "{name}: {row}");
    }
    let number = |name: &str| row[name].as_f64().unwrap();
    assert!(number("median_ms") <= number("p90_ms") && number("p90_ms") <= number("p99_ms"), "{row}");
    assert_eq!(row["runs_per_sample"], 1, "{row}");
    assert_eq!(row["p99_reliable"], number("runs") >= 1024.0, "{row}");
}

#[test]
fn percentiles_come_from_single_runs() {
    if !parts_are_here() {
        return;
    }
    let board = Board::new();
    let net = "zennet_cifar10_model_size05M_res32";
    let measure = ["measure", "--device", "board", "--host", "board", "--seconds", "3", "--json", net];
    let warm = board.json(&measure, &[0, 3]);
    check_percentiles(&warm);
    let cold = board.json(&[&measure[..], &["--cold-caches"]].concat(), &[0, 3]);
    check_percentiles(&cold);
    assert_eq!((&warm[0]["cold_caches"], &cold[0]["cold_caches"]), (&false.into(), &true.into()));
}

#[test]
fn files_are_measured_as_they_are_on_a_board() {
    if !parts_are_here() {
        return;
    }
    let board = Board::new();
    let net = "zennet_cifar10_model_size05M_res32";
    for file in ["my own.onnx", "mine.tflite"] {
        board.run(&["export", net, "-o", file], &[0]);
    }
    let measure = ["measure", "--device", "board", "--host", "board", "--json"];
    // The last one has no structure string: it is written as a file, too.
    let rows = board.json(&[&measure[..], &[net, "my own.onnx", "squeezenet1_1"]].concat(), &[0, 3]);
    let median = |row: usize| rows[row]["median_ms"].as_f64().unwrap();
    assert_eq!((&rows[1]["net"], &rows[1]["outputs"]), (&"my own.onnx".into(), &"reference".into()));
    assert!((0.3..3.0).contains(&(median(1) / median(0))), "{rows}");
    assert!(median(2) > 0.0 && rows[2]["batch"] == 1, "{rows}");
    // It lies there under a name that tells its content, and was copied once.
    let names = board.left();
    assert_eq!(names.iter().filter(|name| name.starts_with("network-")).count(), 2, "{names:?}");
    let refused = errors(&board.run(&[&measure[..], &["mine.tflite"]].concat(), &[1, 2]));
    assert!(refused.contains("mine.tflite") && refused.contains(".onnx files"), "{refused}");
}

#[test]
fn the_sustained_state_is_measured_on_a_board() {
    if !parts_are_here() {
        return;
    }
    let board = Board::new();
    let at = ["--device", "board", "--host", "board", "--state", "sustained"];
    let profile = ["profile", "--samples", "24", "-o", "data", "--json"];
    let report = board.json(&[&profile[..], &at].concat(), &[0, 3]);
    assert_eq!(report["identity"], "board@tract@fp32@sustained", "{report}");
    let heated = journal(&board.path("data")).into_iter().find(|line| line["line"] == "heated").unwrap();
    assert!(heated["heated"]["seconds"].as_f64().unwrap() >= 2.0, "{heated}");
    board.run(&["fit", "--data", "data"], &[0]);
    assert!(board.path("predictors/board@tract@fp32@sustained.json").exists());
    let net = "zennet_cifar10_model_size05M_res32";
    let rows = board.json(&[&["measure", "--json", net][..], &at].concat(), &[0, 3]);
    assert_eq!(rows[0]["device"], "board@tract@fp32@sustained", "{rows}");
    // A budget for this state has this name; that of the usual state has no predictor here.
    let predict = |device: &str, codes: &[i32]| board.run(&["predict", "--device", device, net], codes);
    predict("board@tract@sustained", &[0]);
    predict("board@tract", &[2]);
}
