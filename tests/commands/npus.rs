//! Predictors of accelerators, and of throughputs, as a user meets them.

use crate::commands::{edgezen, edgezen_json, refused};
use crate::golden::{list, number, text};
use edgezen::catalogue::Predictors;
use edgezen::predictor::any::AnyPredictor;
use edgezen::shipped;

#[test]
fn a_phone_s_npu_answers_from_any_folder_and_by_its_other_names() {
    let dir = tempfile::tempdir().unwrap();
    let predict = |device: &str| {
        edgezen_json(dir.path(), &["predict", "--device", device, "mobilenet_v2", "resnet50", "--json"])
    };
    let rows = predict("galaxy_s25@qnn@w8a8");
    // Measured: 0.221 and 0.534 ms; both are among the networks of the fit.
    for (row, measured) in list(&rows).iter().zip([0.221, 0.534]) {
        assert_eq!(text(row, "device"), "galaxy_s25@qnn@w8a8");
        assert!((number(row, "ms") / measured - 1.0).abs() < 0.15, "{row}");
        assert!(number(row, "lower_ms") < measured && measured < number(row, "upper_ms"), "{row}");
        assert!(number(row, "coverage") > 0.99 && row.get("images_per_s").is_none(), "{row}");
    }
    assert_eq!(predict("dragonwing_q_8750@qnn@w8a8"), rows);
    let shown = edgezen_json(dir.path(), &["devices", "show", "dragonwing_q_8750", "--json"]);
    assert_eq!(list(&shown["hardware"])[0], "snapdragon-8-elite-for-galaxy, Phone, Android 15");
    let devices = edgezen_json(dir.path(), &["devices", "--json"]);
    let phone = list(&devices["devices"]).iter().find(|row| text(row, "name") == "galaxy_s25").unwrap();
    assert_eq!(list(&phone["aliases"])[0], "dragonwing_q_8750");
    assert!(list(&phone["predictors"]).iter().any(|id| id == "galaxy_s25@litert-npu@fp16"));
}

#[test]
fn a_search_under_a_phone_s_npu_keeps_its_budget() {
    let dir = tempfile::tempdir().unwrap();
    let result = edgezen_json(
        dir.path(),
        &["search", "--device", "galaxy_s25@qnn@w8a8", "--latency", "0.3ms", "--iterations", "300", "--json"],
    );
    let latency = &result["best"]["latency"]["galaxy_s25@qnn@w8a8"];
    assert!(number(latency, "ms") <= 0.3 && number(latency, "upper_ms") > 0.3, "{latency}");
}

#[test]
fn throughputs_say_so_and_are_no_latencies() {
    let dir = tempfile::tempdir().unwrap();
    let net = "anb:e1k3l1s0_e1k3l1s0_e4k5l1s0_e6k3l3s0_e4k3l1s0_e1k3l1s0_e4k3l1s0";
    let rows = edgezen_json(dir.path(), &["predict", "--device", "a100@anb", net, "--json"]);
    // Measured: 27,215 images a second, and 1.83426 ms for one on the FPGA.
    let row = &list(&rows)[0];
    assert!((number(row, "images_per_s") / 27215.0 - 1.0).abs() < 0.02, "{row}");
    assert!((number(row, "ms") * number(row, "images_per_s") - 1000.0).abs() < 1e-6, "{row}");
    let spoken = edgezen(dir.path(), &["predict", "--device", "a100@anb", net]);
    assert!(String::from_utf8(spoken.stdout).unwrap().contains("no latency of one"));
    let fpga = edgezen_json(dir.path(), &["predict", "--device", "zcu102@dpu", net, "--json"]);
    let row = &list(&fpga)[0];
    assert!((number(row, "ms") / 1.83426 - 1.0).abs() < 0.02 && row.get("images_per_s").is_none(), "{row}");
    for args in [
        &["predict", "--device", "a100@anb", net, "--latency", "1ms"][..],
        &["search", "--device", "a100@anb", "--latency", "1ms"],
        &["search", "--device", "zcu102@dpu-throughput", "--latency", "1ms"],
    ] {
        refused(dir.path(), args, 2, &["throughput"]);
    }
}

/// The median of `values`.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
fn networks_left_out_are_predicted_better_than_by_a_line_and_lie_in_their_intervals() {
    let mut found = std::collections::BTreeMap::<String, Vec<[f64; 3]>>::new();
    for entry in Predictors::new(shipped::PREDICTORS, Vec::new()).entries().unwrap() {
        let Ok(AnyPredictor::Kernels(predictor)) = entry.load() else { continue };
        let file = predictor.file();
        if !file.provenance.sources.iter().any(|source| source.contains("AI Hub")) {
            continue;
        }
        let (m, line) = (file.metrics.networks.unwrap(), file.metrics.baseline_flops.unwrap());
        let row = [m.mape_percent, line.mape_percent, m.coverage_percent.unwrap()];
        found.entry(file.identity.precision.to_string()).or_default().push(row);
    }
    for (precision, most) in [("fp16", 12.5), ("w8a8", 18.5)] {
        let rows = &found[precision];
        let of = |at: usize| median(rows.iter().map(|row| row[at]).collect());
        let inside = rows.iter().map(|row| row[2]).sum::<f64>() / rows.len() as f64;
        assert!(rows.len() > 20 && of(0) < most && of(0) < 0.7 * of(1), "{precision}: {} {}", of(0), of(1));
        assert!((85.0..=97.0).contains(&inside), "{precision}: {inside}");
    }
}

#[test]
fn a_search_under_a_throughput_says_images_per_second_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let device = "hailo15l@hailo-throughput@int8";
    let search = |more: &[&str]| {
        let run = run.display().to_string();
        let mut args = vec!["search", "--device", device, "--iterations", "300", "--out", &run];
        args.extend(more);
        edgezen_json(dir.path(), &[&args[..], &["--json"]].concat())
    };
    let result = search(&["--throughput", "300/s"]);
    let best = &result["best"];
    let predicted = &best["throughput"][device];
    let rate = |name: &str| number(predicted, name);
    assert!(best["latency"].get(device).is_none(), "{best}");
    assert!(rate("charged_images_per_s") >= 300.0 && rate("lower_images_per_s") < rate("images_per_s"));
    assert!(rate("images_per_s") < rate("upper_images_per_s"), "{predicted}");
    let budget = &list(&result["explanation"]["budgets"]).iter().find(|b| text(b, "budget") == "throughput");
    let budget = budget.unwrap();
    assert_eq!((text(budget, "unit"), number(budget, "limit")), ("images/s", 300.0));
    assert!(number(budget, "share") <= 1.0 && number(budget, "used") >= 300.0, "{budget}");
    let file = |name: &str| std::fs::read_to_string(run.join(name)).unwrap();
    assert!(file("run.toml").contains("limit_images_per_s = 300.0"), "{}", file("run.toml"));
    assert!(file("front.csv").lines().next().unwrap().contains(&format!("{device}_images_per_s")));
    // The same network again, from the run's own description.
    let again =
        edgezen_json(dir.path(), &["search", "--resume", "--out", &run.display().to_string(), "--json"]);
    assert_eq!(again["best"]["net"], best["net"]);
    let spoken = edgezen(dir.path(), &["search", "--resume", "--out", &run.display().to_string()]);
    let spoken = String::from_utf8(spoken.stdout).unwrap();
    assert!(spoken.contains("budget 300 images/s") && spoken.contains("no latency of one"), "{spoken}");
    let drawn = edgezen(dir.path(), &["report", &run.display().to_string()]);
    assert!(drawn.status.success(), "{}", String::from_utf8_lossy(&drawn.stderr));
    let page = file("report.html");
    assert!(
        page.contains("The best network within 300 images/s on") && page.contains("Score and throughput on")
    );
    assert!(page.contains("--throughput hailo15l@hailo-throughput@int8=300/s"));
}

#[test]
fn latencies_and_throughputs_are_never_held_against_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let throughput = "hailo15l@hailo-throughput";
    for args in [
        &["search", "--device", throughput, "--latency", "3ms"][..],
        &["search", "--latency", "hailo15l@hailo-throughput=3ms"],
        &["predict", "--device", throughput, "resnet18", "--latency", "3ms"],
    ] {
        refused(dir.path(), args, 2, &["states throughputs", "--throughput"]);
    }
    for args in [
        &["search", "--device", "galaxy_s25@qnn@w8a8", "--throughput", "2000/s"][..],
        &["search", "--throughput", "pixel2=20/s"],
        &["predict", "--device", "pixel2", "resnet18", "--throughput", "20/s"],
    ] {
        refused(dir.path(), args, 2, &["states latencies", "--latency"]);
    }
    for (args, words) in [
        (&["search", "--device", throughput, "--throughput", "2000"][..], "2000/s"),
        (&["search", "--device", throughput, "--throughput", "2ms"], "images/s"),
        (&["search", "--throughput", "2000/s"], "--device pixel2"),
        (
            &["search", "--device", throughput, "--throughput", "9/s", "--throughput", "8/s"],
            "two throughput budgets",
        ),
        (
            &["search", "--device", throughput, "--throughput", "9/s", "--verify", "1"],
            "--verify measures latencies",
        ),
    ] {
        refused(dir.path(), args, 2, &[words]);
    }
    // More images than the smallest network gives.
    refused(
        dir.path(),
        &["search", "--device", throughput, "--throughput", "1000000000/s"],
        6,
        &["images/s", "greatest reachable throughput", "lower that budget"],
    );
}

#[test]
fn predict_says_images_per_second_of_a_throughput() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["predict", "--device", "hailo15l@hailo-throughput", "resnet18", "--throughput", "100/s"];
    let rows = edgezen_json(dir.path(), &[&args[..], &["--json"]].concat());
    let row = &list(&rows)[0];
    let rate = |name: &str| number(row, name);
    assert!(rate("lower_images_per_s") < rate("images_per_s"), "{row}");
    assert!(rate("images_per_s") < rate("upper_images_per_s") && row["inside_budget"] == true, "{row}");
    let spoken = String::from_utf8(edgezen(dir.path(), &args).stdout).unwrap();
    assert!(spoken.contains(" images/s on hailo15l@hailo-throughput@int8 (90 %: "), "{spoken}");
    assert!(spoken.contains("inside the budget of 100 images/s"), "{spoken}");
}

#[test]
fn evaluate_reads_the_tables_of_accelerators_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let table = |name: &str| format!("{}/datasets/tables/{name}/networks.csv.gz", env!("CARGO_MANIFEST_DIR"));
    for (predictor, format, rows, most) in [
        ("galaxy_s25@qnn@w8a8", "aihub", 19.0, 30.0),
        ("a100@anb", "accel-nasbench", 3507.0, 1.0),
        ("zcu102@dpu", "accel-nasbench", 3505.0, 1.0),
        ("hailo15l@hailo-throughput", "hailo", 14.0, 40.0),
        ("pixel4@tflite@fp32", "efficientnet-lite", 5.0, 20.0),
    ] {
        let data = table(format);
        let judged =
            edgezen_json(dir.path(), &["evaluate", "--predictor", predictor, "--data", &data, "--json"]);
        let error = number(&judged["metrics"], "mape_percent");
        assert!(number(&judged, "rows") == rows && error < most, "{predictor}: {judged}");
    }
}

#[test]
fn devices_of_today_have_predictors_and_facts_with_sources() {
    let dir = tempfile::tempdir().unwrap();
    let devices = edgezen_json(dir.path(), &["devices", "--json"]);
    let rows = list(&devices["devices"]);
    let row = |name: &str| rows.iter().find(|row| text(row, "name") == name).unwrap();
    assert_eq!(number(row("galaxy_s25"), "year"), 2025.0);
    assert_eq!(number(row("galaxy_s26"), "year"), 2026.0);
    assert!(!list(&row("raspberrypi5")["predictors"]).is_empty());
    assert!(!list(&row("pixel4")["predictors"]).is_empty());
    // Known, and neither measured nor predicted.
    assert!(list(&row("galaxy_s24")["predictors"]).is_empty());
    let shown = edgezen_json(dir.path(), &["devices", "show", "galaxy_s22", "--json"]);
    assert_eq!(text(&shown, "name"), "galaxy_s22_5g");
    assert_eq!(list(&shown["copies"]), &["snapdragon_xr2_gen_2"]);
    let facts = list(&shown["facts"]);
    assert!(facts.iter().all(|fact| !text(fact, "source").is_empty()), "{facts:?}");
    assert!(facts.iter().any(|fact| text(fact, "value").contains("SM8450")));
    let spoken =
        String::from_utf8(edgezen(dir.path(), &["devices", "show", "dragonwing_q_8750"]).stdout).unwrap();
    assert!(spoken.contains("Samsung Galaxy S25, phone of 2025"), "{spoken}");
    assert!(spoken.contains("one measurement, not a second device"), "{spoken}");
}
