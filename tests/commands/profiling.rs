//! Profiling, measuring and exporting through the command line, on the simulated device.

use edgezen::dataset::Dataset;
use serde_json::Value;
use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn edgezen(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edgezen"));
    command.args(arguments).env_remove("EDGEZEN_SIMULATE").env_remove("ANDROID_SERIAL");
    command
}

fn profile(dir: &Path, samples: &str, simulate: &str, more: &[&str]) -> Command {
    let dir = dir.to_str().unwrap();
    let fixed = ["profile", "--device", "simulated", "--samples", samples, "-o", dir, "--simulate", simulate];
    let mut command = edgezen(&fixed);
    command.args(more);
    command
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", errors(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Finished measurements of a journal (configuration and pass), in order, and its sentinels.
fn journal(dir: &Path) -> (Vec<(u64, u64)>, usize) {
    let text = std::fs::read_to_string(dir.join("journal.jsonl")).unwrap_or_default();
    let (mut finished, mut sentinels) = (Vec::new(), 0);
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let line: Value = serde_json::from_str(line).unwrap();
        match line["line"].as_str() {
            Some("sample") => {
                finished.push((line["index"].as_u64().unwrap(), line["round"].as_u64().unwrap()))
            }
            Some("sentinel") => sentinels += 1,
            _ => {}
        }
    }
    (finished, sentinels)
}

#[test]
fn twenty_kills_lose_at_most_twenty_measurements() {
    let dir = tempfile::tempdir().unwrap();
    let (killed, whole) = (dir.path().join("killed"), dir.path().join("whole"));
    let log = dir.path().join("started");
    let simulate = format!("delay=8ms,log={}", log.display());
    let (samples, total) = ("80", 240);
    // A fixed but irregular sequence of moments, in milliseconds after the first new line.
    let mut moment = 7_u64;
    let mut before = 0;
    for kill in 0..20 {
        let mut child = profile(&killed, samples, &simulate, &["--rounds", "3", "--resume"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Wait until it measures: a kill before that would prove nothing.
        let start = Instant::now();
        let started = |at: &Path| std::fs::read_to_string(at).unwrap_or_default().lines().count();
        while started(&log) == before && start.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(1));
        }
        moment = (moment * 31 + 17) % 53;
        std::thread::sleep(Duration::from_millis(moment));
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert!(!status.success(), "kill {kill} came too late");
        before = started(&log);
    }
    let (finished, sentinels) = journal(&killed);
    assert!(!finished.is_empty() && finished.len() < total, "{} finished", finished.len());
    assert!(before <= finished.len() + sentinels + 20, "more than one measurement was lost in a kill");

    let last = profile(&killed, samples, "", &["--rounds", "3", "--resume", "--json"]).output().unwrap();
    assert_eq!(json(&last)["configurations"], 80);
    let (finished, _) = journal(&killed);
    assert_eq!(finished.len(), total, "a configuration was measured twice or not at all");
    assert_eq!(finished.iter().collect::<HashSet<_>>().len(), total);

    json(&profile(&whole, samples, "", &["--rounds", "3", "--json"]).output().unwrap());
    let (killed, whole) = (Dataset::read(&killed).unwrap(), Dataset::read(&whole).unwrap());
    assert_eq!(killed.samples, whole.samples);
    assert_eq!(killed.identity, whole.identity);
}

#[test]
fn an_unfinished_profile_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("data");
    let lost = profile(&at, "30", "lose_after=10", &[]).output().unwrap();
    assert_eq!(code(&lost), Some(4), "{}", errors(&lost));
    assert!(errors(&lost).contains("--resume"));
    let again = profile(&at, "30", "", &[]).output().unwrap();
    assert_eq!(code(&again), Some(2));
    assert!(errors(&again).contains("--resume"), "{}", errors(&again));
    let other = profile(&at, "31", "", &["--resume"]).output().unwrap();
    assert_eq!(code(&other), Some(2));
    assert!(errors(&other).contains("another plan"), "{}", errors(&other));
    // The plan in the folder is the plan that was begun.
    let plan = at.join("plan.json");
    let arguments = ["profile", "--device", "simulated", "--resume", "--json", "--plan"];
    let mut resume = edgezen(&arguments);
    let resumed = resume.arg(&plan).arg("-o").arg(&at).output().unwrap();
    assert_eq!(json(&resumed)["configurations"], 30);
    let table = std::fs::read_to_string(at.join("lookup_table.csv")).unwrap();
    assert!(
        table.starts_with("block,in_channels,out_channels,stride,bottleneck,sublayers,resolution,median_ms")
    );
    let journal = at.join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, text.replacen("\"line\":", "\"lime\":", 1)).unwrap();
    let damaged = profile(&at, "30", "", &["--resume"]).output().unwrap();
    assert_eq!(code(&damaged), Some(7), "{}", errors(&damaged));
}

#[test]
#[cfg(unix)]
fn ctrl_c_ends_with_130_and_a_journal() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = profile(dir.path(), "100", "delay=30ms", &[])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while journal(dir.path()).0.len() < 2 && start.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let signalled = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(signalled.success());
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    let (finished, _) = journal(dir.path());
    assert!(finished.len() >= 2 && finished.len() < 100);
}

#[test]
fn networks_are_measured_and_exported() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("net.onnx");
    let file = file.to_str().unwrap();
    let net = "zennet_cifar10_model_size1M_res32";
    let export = edgezen(&["export", net, "--format", "onnx", "-o", file, "--json"]).output().unwrap();
    assert!(json(&export)["bytes"].as_u64().unwrap() > 3_000_000);
    let measure = ["measure", "--device", "simulated", "--json", net, file, "mobilenet_v2"];
    let rows = json(&edgezen(&measure).output().unwrap());
    let median = |i: usize| rows[i]["median_ms"].as_f64().unwrap();
    // The file holds the same kernels as the structure.
    assert!((median(0) / median(1) - 1.0).abs() < 0.02, "{rows}");
    for row in rows.as_array().unwrap() {
        for field in ["net", "device", "mean_ms", "min_ms", "p10_ms", "p90_ms", "runs", "quality"] {
            assert!(!row[field].is_null(), "{field}");
        }
        assert_eq!(row["ci95_ms"].as_array().unwrap().len(), 2);
    }
    let described = dir.path().join("net.json");
    let described = described.to_str().unwrap();
    json(&edgezen(&["export", net, "--format", "json", "-o", described, "--json"]).output().unwrap());
    let read: Value = serde_json::from_str(&std::fs::read_to_string(described).unwrap()).unwrap();
    let info = json(&edgezen(&["info", net, "--json"]).output().unwrap());
    assert_eq!(read["kernels"].as_array().unwrap().len() as u64, info["kernels"].as_u64().unwrap());
}

#[test]
fn a_dataset_is_refined_where_it_knows_least() {
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| edgezen(arguments).current_dir(dir.path()).output().unwrap();
    json(&run(&["profile", "--device", "simulated", "--samples", "80", "-o", "data", "--json"]));
    let refine = ["profile", "--device", "simulated", "--refine", "data", "--samples", "40", "--json"];
    let report = json(&run(&refine));
    assert_eq!((&report["kernels"], &report["dataset"]), (&40.into(), &"data-refined".into()));
    assert_eq!(report["next"], "edgezen fit --data data data-refined --force");
    let kernels = |name: &str| -> HashSet<String> {
        let samples = Dataset::read(&dir.path().join(name)).unwrap().samples;
        samples.iter().map(|sample| format!("{:?}", sample.subject)).collect()
    };
    assert!(kernels("data").is_disjoint(&kernels("data-refined")), "measured twice");
    let fitted = json(&run(&["fit", "--data", "data", "data-refined", "--json"]));
    assert_eq!(fitted["rows"], 120);
    // What is refined stays, by whatever name; the same measurements count once.
    let before = std::fs::read(dir.path().join("data/samples.parquet")).unwrap();
    for place in ["data", "./data", "data-refined/../data"] {
        let onto = run(&[&refine[..], &["-o", place, "--force"]].concat());
        assert_eq!(code(&onto), Some(2), "{}", errors(&onto));
        assert!(errors(&onto).contains("both read and to be written"), "{}", errors(&onto));
    }
    assert_eq!(std::fs::read(dir.path().join("data/samples.parquet")).unwrap(), before);
    let twice = run(&["fit", "--data", "data", "./data", "-o", "twice.json"]);
    assert_eq!(code(&twice), Some(2), "{}", errors(&twice));
    assert!(errors(&twice).contains("the same measurements"), "{}", errors(&twice));
    // Not of this device; nothing there.
    let other = run(&["profile", "--device", "simulated", "--refine", "datasets/nowhere"]);
    assert_eq!(code(&other), Some(2), "{}", errors(&other));
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    let empty = run(&["profile", "--device", "simulated", "--refine", "empty"]);
    assert!(matches!(code(&empty), Some(2 | 7)), "{}", errors(&empty));
}

#[test]
fn a_dataset_is_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| edgezen(arguments).current_dir(dir.path()).output().unwrap();
    json(&run(&["profile", "--device", "simulated", "--samples", "120", "-o", "data", "--json"]));
    let repeat = ["profile", "--device", "simulated", "--repeat", "data"];
    let report = json(&run(&[&repeat[..], &["--json"]].concat()));
    assert_eq!((report["rows"].as_array().unwrap().len(), &report["dataset"]), (6, &"data".into()));
    assert!(report["worst_difference_percent"].as_f64().unwrap() < 3.0, "{report}");
    let text = String::from_utf8(run(&repeat).stdout).unwrap();
    assert!(text.contains("from one day to another"), "{text}");
    let lines = std::fs::read_to_string(dir.path().join("data/repeats.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 2);
    let other = run(&["profile", "--device", "host", "--repeat", "data"]);
    assert_eq!(code(&other), Some(2), "{}", errors(&other));
    // What belongs to a new plan does not belong here.
    for (option, value) in [
        ("--plan", "plan.json"),
        ("--output", "out"),
        ("--space", "resnet"),
        ("--samples", "9"),
        ("--time", "20m"),
        ("--refine", "data"),
        ("--rounds", "2"),
    ] {
        let output = run(&[&repeat[..], &[option, value]].concat());
        assert_eq!(code(&output), Some(2), "{}", errors(&output));
        assert!(errors(&output).contains(option), "{}", errors(&output));
    }
}

#[test]
fn bad_input_gets_its_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let rubbish = dir.path().join("rubbish.onnx");
    std::fs::write(&rubbish, b"this is not a network").unwrap();
    let rubbish = rubbish.to_str().unwrap();
    let plan = dir.path().join("plan.json");
    std::fs::write(&plan, "{").unwrap();
    let plan = plan.to_str().unwrap();
    let out = dir.path().join("out");
    let out = out.to_str().unwrap();
    for (arguments, want, word) in [
        (&["measure", "--device", "nokia", "resnet18"][..], 2, "nokia"),
        (&["measure", "--device", "simulated", "resnet19"], 2, "resnet19"),
        (&["measure", "--device", "simulated", "missing.onnx"], 2, "missing.onnx"),
        (&["predict", "--device", "v100", "missing.onnx"], 2, "missing.onnx"),
        (&["measure", "--device", "simulated", rubbish], 7, "rubbish.onnx"),
        (&["measure", "--device", "host", rubbish], 7, "rubbish.onnx"),
        (&["measure", "--device", "simulated", "--simulate", "noise=0.9", "resnet18"], 3, "noisy"),
        (&["measure", "--device", "simulated", "--simulate", "lose_after=0", "resnet18"], 4, "lost"),
        (&["profile", "--device", "simulated", "--samples", "3", "-o", out], 2, "--samples"),
        (&["profile", "--device", "simulated", "--plan", plan, "-o", out], 7, "plan.json"),
        (&["profile", "--device", "simulated", "--plan", "nowhere.json", "-o", out], 2, "nowhere.json"),
        (&["export", "resnet18", "--format", "onnx", "-o", "/nowhere/at/all.onnx"], 2, "/nowhere"),
    ] {
        let output = edgezen(arguments).output().unwrap();
        assert_eq!(code(&output), Some(want), "{arguments:?}: {}", errors(&output));
        assert!(errors(&output).contains(word), "{arguments:?}: {}", errors(&output));
        assert!(!errors(&output).contains("panicked"), "{arguments:?}: {}", errors(&output));
    }
}

#[test]
fn the_sustained_state_goes_from_profile_to_search() {
    let dir = tempfile::tempdir().unwrap();
    let simulated = |arguments: &[&str], codes: &[i32], heat: &str| {
        let mut command = edgezen(arguments);
        let output = command.current_dir(dir.path()).args(["--simulate", heat, "--json"]).output().unwrap();
        assert!(codes.contains(&code(&output).unwrap()), "{arguments:?}: {}", errors(&output));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let run = |arguments: &[&str], codes: &[i32]| simulated(arguments, codes, "heat=0.3");
    let state = ["--device", "simulated", "--state", "sustained"];
    let profile = run(&[&["profile", "--samples", "60"][..], &state].concat(), &[0]);
    assert_eq!(profile["identity"], "simulated@formula@fp32@sustained");
    assert!(dir.path().join("datasets/simulated@formula@sustained/samples.parquet").exists());
    let fit = edgezen(&["fit", "--data", "datasets/simulated@formula@sustained", "--json"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(json(&fit)["predictor"].as_str().unwrap().contains("simulated@formula@fp32@sustained"));
    assert!(dir.path().join("predictors/simulated@formula@fp32@sustained.json").exists());
    let rows = run(&[&["measure", "mobilenet_v2"][..], &state].concat(), &[0]);
    assert_eq!(rows[0]["device"], "simulated@formula@fp32@sustained");
    // While it warms up, its launches differ.
    let cold = simulated(&["measure", "mobilenet_v2", "--device", "simulated"], &[0], "heat=0");
    let ratio = rows[0]["median_ms"].as_f64().unwrap() / cold[0]["median_ms"].as_f64().unwrap();
    assert!((ratio - 1.3).abs() < 0.05, "{ratio}");
    let search = [
        "search",
        "--device",
        "simulated@formula@sustained",
        "--latency",
        "4ms",
        "--iterations",
        "300",
        "--verify",
        "2",
        "--out",
        "runs/hot",
    ];
    let found = run(&search, &[0]);
    let verified = found["verified"].as_array().unwrap();
    assert!(verified.len() >= 2, "{found}");
    for row in verified {
        let error = row["measured_ms"].as_f64().unwrap() / row["predicted_ms"].as_f64().unwrap() - 1.0;
        assert!(error.abs() < 0.1, "{row}");
    }
}

#[test]
fn the_lookup_table_of_a_space_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str], wanted: i32| {
        let output = edgezen(arguments).current_dir(dir.path()).output().unwrap();
        assert_eq!(code(&output), Some(wanted), "{arguments:?}: {}", errors(&output));
        output
    };
    run(&["profile", "--device", "simulated", "--samples", "60", "-o", "data"], 0);
    run(&["fit", "--data", "data"], 0);
    let lookup = [
        "predict",
        "--device",
        "simulated",
        "--blocks",
        "mobilenet",
        "--data",
        "data",
        "-o",
        "lookup.csv",
        "--json",
    ];
    let report = json(&run(&lookup, 0));
    let text = std::fs::read_to_string(dir.path().join("lookup.csv")).unwrap();
    let rows: Vec<&str> = text.lines().skip(1).collect();
    let measured = rows.iter().filter(|row| row.contains(",measured,")).count();
    assert_eq!((&report["blocks"], &report["measured"]), (&rows.len().into(), &measured.into()), "{report}");
    // Those that the profile measured, and all types of the space at all places.
    let blocks =
        std::fs::read_to_string(dir.path().join("data/lookup_table.csv")).unwrap().lines().count() - 1;
    assert_eq!(measured, blocks);
    assert!(rows.len() >= 120 && rows.len() - measured >= 100, "{}", rows.len());
    // What is there stays, and a table of another device is not mixed in.
    run(&lookup, 0);
    std::fs::write(dir.path().join("lookup.csv"), "mine").unwrap();
    run(&lookup, 2);
    run(&["predict", "--device", "pixel2", "--blocks", "mobilenet", "--data", "data", "-o", "x.csv"], 2);
    assert!(!dir.path().join("x.csv").exists());
}
