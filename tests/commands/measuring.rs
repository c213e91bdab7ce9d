//! `measure`: what its verdict means, and what it says of the machine.

use super::{edgezen, edgezen_json, refused};
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const NET: &str = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)SuperConvK1BNRELU(16,64,1,1)";

/// The rows and the exit code of a measurement.
fn measured(args: &[&str]) -> (Vec<Value>, i32) {
    let output = edgezen(Path::new("."), &[&["measure", "--json"], args].concat());
    let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
    (rows.as_array().unwrap().clone(), output.status.code().unwrap())
}

fn simulated(spec: &str) -> (Value, i32) {
    let (rows, code) = measured(&["--device", "simulated", "--simulate", spec, "mobilenet_v2"]);
    (rows[0].clone(), code)
}

#[test]
fn a_good_measurement_has_launches_and_a_state() {
    let (row, code) = simulated("launches=0.005,load=0");
    assert_eq!((code, &row["quality"], &row["reason"]), (0, &"good".into(), &Value::Null), "{row}");
    assert_eq!((&row["launches"], &row["state"]["use"]), (&5.into(), &"quiet".into()));
    assert_eq!(row["launch_medians_ms"].as_array().unwrap().len(), 5);
    let number = |field: &str| row[field].as_f64().unwrap_or_else(|| panic!("{field}: {row}"));
    assert!((0.1..2.0).contains(&number("between_launches_pct")));
    assert!(number("p90_ms") <= number("p99_ms") && number("first_ms") > 0.0 && number("load_ms") > 0.0);
    let [low, high] = [0, 1].map(|i| row["ci95_ms"][i].as_f64().unwrap());
    assert!(low < number("median_ms") && number("median_ms") < high);
    // Another session of the same machine falls inside.
    let again = edgezen_json(
        Path::new("."),
        &[
            "measure",
            "--device",
            "simulated",
            "--simulate",
            "launches=0.005,load=0",
            "--seed",
            "7",
            "mobilenet_v2",
            "--json",
        ],
    );
    let later = again[0]["median_ms"].as_f64().unwrap();
    assert!(low <= later && later <= high && later != number("median_ms"), "{later}: {row}");
}

#[test]
fn what_is_not_good_names_its_reason() {
    let (row, code) = simulated("launches=0.1,load=0");
    assert_eq!((code, &row["quality"], &row["launches"]), (3, &"noisy".into(), &8.into()), "{row}");
    assert!(row["reason"].as_str().unwrap().contains("launches differ"), "{row}");
    let busy = ["measure", "--device", "simulated", "--simulate", "load=0.6", "mobilenet_v2"];
    refused(Path::new("."), &busy, 3, &["mobilenet_v2", "other programs used", "doctor"]);
    let (row, _) = simulated("load=0.6");
    assert_eq!((&row["launches"], &row["state"]["use"]), (&5.into(), &"shared".into()), "{row}");
    assert!(row["state"]["others_on_machine_percent"].as_f64().unwrap() > 20.0);
}

#[test]
fn a_network_that_no_file_can_hold_does_not_end_the_measurement_of_others() {
    // On images of 160 pixels, AlexNet pools maps of 5×5 to a grid of 6×6.
    let nets = ["mobilenet_v2", "zoo:alexnet@160", "alexnet", "shufflenet_v2_x0_5"];
    let quiet = ["--device", "simulated", "--simulate", "launches=0.005,load=0"];
    let (rows, code) = measured(&[&quiet[..], &nets[..]].concat());
    assert_eq!((rows.len(), code), (4, 1), "{rows:?}");
    let error = rows[1]["error"].to_string();
    assert!(rows[1]["net"] == nets[1] && error.contains("6×6"), "{}", rows[1]);
    for at in [0, 2, 3] {
        assert!(rows[at]["median_ms"].as_f64().is_some_and(|median| median > 0.0), "{}", rows[at]);
    }
}

#[test]
fn this_computer_is_measured_in_processes_of_their_own() {
    let args = ["--device", "host", "--resolution", "16", "--seconds", "0.5", NET, NET];
    let (rows, code) = measured(&args);
    for row in &rows {
        assert!(row["launches"].as_u64().unwrap() >= 5, "{row}");
        assert!(row["load_ms"].as_f64().unwrap() > 0.0 && row["median_ms"].as_f64().unwrap() > 0.0, "{row}");
        let good = row["quality"] == "good";
        assert_eq!(good, row["reason"].is_null(), "{row}");
        assert!(good || code == 3, "{row}");
    }
    assert_eq!(rows.len(), 2);
    for seconds in ["0", "-1", "nan", "1e9", "soon"] {
        let seconds = format!("--seconds={seconds}");
        refused(Path::new("."), &["measure", "--device", "host", &seconds, NET], 2, &["seconds"]);
    }
}

#[test]
fn the_process_that_measures_answers_anything() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_edgezen"))
        .arg("launch")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"{\"work\":").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let reply: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(reply["failed"].as_str().unwrap().contains("not a job"), "{reply}");
    let help = edgezen(Path::new("."), &["--help"]);
    assert!(!String::from_utf8_lossy(&help.stdout).contains("launch "));
}

#[test]
fn p99_says_whether_it_is_of_enough_runs() {
    let (rows, code) = measured(&["--device", "simulated", "mobilenet_v2", "--seconds", "60"]);
    assert_eq!(code, 0);
    let row = &rows[0];
    assert!(row["runs"].as_u64().unwrap() >= 1024 && row["p99_reliable"] == true, "{row}");
    for name in ["load_ms", "first_ms", "median_ms", "p90_ms", "p99_ms"] {
        assert!(row[name].as_f64().unwrap() > 0.0, "{name}: {row}");
    }
    assert!(row["p99_ms"].as_f64() >= row["p90_ms"].as_f64() && row["cold_caches"] == false, "{row}");
    let (rows, _) = measured(&["--device", "simulated", "mobilenet_v2"]);
    assert_eq!(rows[0]["p99_reliable"], false);
}

#[test]
fn a_device_without_a_meter_says_that_it_has_none() {
    let (rows, code) = measured(&["--device", "simulated", "mobilenet_v2", "--energy"]);
    assert_eq!((code, &rows[0]["energy"]), (0, &Value::Null));
    assert!(rows[0]["energy_missing"].as_str().unwrap().contains("no meter of power"), "{}", rows[0]);
    let (rows, _) = measured(&["--device", "simulated", "mobilenet_v2"]);
    assert_eq!((&rows[0]["energy"], &rows[0]["energy_missing"]), (&Value::Null, &Value::Null));
}

#[test]
fn what_says_nothing_of_the_device_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    edgezen_json(dir, &["export", NET, "--resolution", "16", "-o", "net.onnx", "--json"]);
    for (args, words) in [
        (
            &["measure", "--device", "host", "--host", "X", NET][..],
            &["--host says nothing of host", "board"][..],
        ),
        (&["measure", "--device", "host", "--serial", "X", NET], &["--serial says nothing of host", "phone"]),
        (&["measure", "--device", "simulated", "--cores", "0", NET], &["--cores says nothing of simulated"]),
        (&["measure", "--device", "host", "--patience", "5", NET], &["--patience says nothing of host"]),
        (&["measure", "--device", "pixel2", "--host", "X", NET], &["--host says nothing of pixel2"]),
        (
            &["measure", "--device", "raspberrypi4", "--serial", "X", NET],
            &["--serial says nothing of raspberrypi4"],
        ),
        (&["profile", "--device", "host", "--other-phone"], &["--other-phone says nothing of host"]),
        (&["validate", NET, "--device", "host", "--host", "X"], &["--host says nothing of host"]),
        (
            &["transfer", "--from", "pixel2", "--device", "host", "--serial", "X"],
            &["--serial says nothing of host"],
        ),
        (
            &["measure", "--device", "simulated", "net.onnx", "--resolution", "32"],
            &["--resolution has no effect"],
        ),
        (&["measure", "--device", "simulated", "net.onnx", "--classes", "3"], &["--classes has no effect"]),
    ] {
        refused(dir, args, 2, words);
    }
    // What only the environment says is for phones.
    let output = Command::new(env!("CARGO_BIN_EXE_edgezen"))
        .args(["measure", "--device", "simulated", NET])
        .env("ANDROID_SERIAL", "X")
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[cfg(target_os = "linux")]
#[test]
fn cores_that_are_not_there_are_answered_with_those_that_are() {
    let args = ["measure", "--device", "host", "--cores", "65000", NET];
    refused(
        Path::new("."),
        &args,
        2,
        &["there is no core 65000: this computer has cores 0", "--cores with one"],
    );
}

#[test]
fn cold_caches_stand_above_the_table() {
    let measure = ["measure", "--device", "simulated", NET];
    let text = |more: &[&str]| {
        let output = edgezen(Path::new("."), &[&measure, more].concat());
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(text(&["--cold-caches"]).contains("per image, caches emptied before each run\n"));
    assert!(!text(&[]).contains("caches"));
}

#[test]
fn threads_of_a_predictor_stand_beside_its_latencies() {
    let dir = tempfile::tempdir().unwrap();
    let text = |args: &[&str]| String::from_utf8_lossy(&edgezen(dir.path(), args).stdout).into_owned();
    let predicted = text(&["predict", "--device", "pixel3", "mobilenet_v2"]);
    assert!(predicted.contains(" ms on pixel3@tflite@fp32, 4 threads (90 %"), "{predicted}");
    let one = text(&["predict", "--device", "pixel2", "mobilenet_v2"]);
    assert!(one.contains(" ms on pixel2@tflite@fp32 (90 %"), "{one}");
    let search = ["search", "--device", "pixel4", "--latency", "60ms", "--iterations", "500", "--out", "run"];
    let found = text(&search);
    assert!(found.contains("by pixel4@tflite@fp32, 4 threads, "), "{found}");
    let list = text(&["predictors", "list"]);
    let row = list.lines().find(|line| line.starts_with("pixel3@tflite@fp32 ")).unwrap();
    assert_eq!(row.split_whitespace().nth(1), Some("4"), "{row}");
}

#[test]
fn a_profile_says_what_the_doctor_says() {
    let dir = tempfile::tempdir().unwrap();
    let simulated = ["profile", "--device", "simulated", "--samples", "12", "-o", "data", "--json"];
    assert_eq!(edgezen_json(dir.path(), &simulated)["unfit"], serde_json::json!([]));
}
