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
    for (precision, most) in [("fp16", 13.0), ("w8a8", 20.0)] {
        let rows = &found[precision];
        let of = |at: usize| median(rows.iter().map(|row| row[at]).collect());
        let inside = rows.iter().map(|row| row[2]).sum::<f64>() / rows.len() as f64;
        assert!(rows.len() > 20 && of(0) < most && of(0) < 0.7 * of(1), "{precision}: {} {}", of(0), of(1));
        assert!((85.0..=97.0).contains(&inside), "{precision}: {inside}");
    }
}
