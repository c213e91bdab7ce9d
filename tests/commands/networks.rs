//! Tables of whole networks, predictors of them, transfer, and the breakdown, as a user meets them.

use crate::commands::{edgezen, edgezen_json, refused};
use crate::golden::{list, number, text};
use std::path::{Path, PathBuf};

fn table(name: &str, file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/tables").join(name).join(file)
}

/// The first `count` rows of a shipped table, and the next thousand, beside the table of architectures.
fn split(dir: &Path, name: &str, count: usize) {
    let read = |path: PathBuf| {
        let mut text = String::new();
        let file = std::fs::File::open(path).unwrap();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(file), &mut text).unwrap();
        text
    };
    let text = read(table(name, "latency.csv.gz"));
    let (header, rows) = text.split_once('\n').unwrap();
    let rows: Vec<&str> = rows.lines().collect();
    let write = |name: &str, rows: &[&str]| {
        std::fs::write(dir.join(name), format!("{header}\n{}\n", rows.join("\n"))).unwrap();
    };
    // Every seventh row: neighbours were measured in one session.
    let train: Vec<&str> = rows.iter().step_by(7).take(count).copied().collect();
    let test: Vec<&str> = rows.iter().skip(3).step_by(7).take(400).copied().collect();
    write("train.csv", &train);
    write("test.csv", &test);
    std::fs::copy(table(name, "archs.csv.gz"), dir.join("archs.csv.gz")).unwrap();
}

#[test]
fn fifty_networks_make_a_predictor_of_networks() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    split(dir, "help-ofa", 50);
    let import =
        ["dataset", "import", "--format", "help-ofa", "train.csv", "--device", "v100", "--batch", "64"];
    let info = edgezen_json(dir, &[&import[..], &["-o", "data", "--json"]].concat());
    assert_eq!((text(&info, "id"), number(&info, "networks")), ("v100@help-ofa-b64@fp32", 50.0));
    let fit = edgezen_json(dir, &["fit", "--data", "data", "--json"]);
    assert!(number(&fit["metrics"]["networks"], "mape_percent") < 1.5, "{fit}");
    let args =
        ["evaluate", "--predictor", "v100@help-ofa-b64", "--data", "test.csv", "--svg", "s.svg", "--json"];
    let report = edgezen_json(dir, &args);
    let svg = std::fs::read_to_string(dir.join("s.svg")).unwrap();
    assert_eq!(svg.matches("<circle").count(), 400);
    let (error, line) = (&report["metrics"], &report["baseline_flops"]);
    assert!(number(error, "mape_percent") < 1.5 && number(error, "spearman") > 0.99, "{report}");
    assert!(number(error, "mape_percent") < 0.5 * number(line, "mape_percent"));
    // A table in, a table out; a network by its code.
    let args =
        ["predict", "--device", "v100@help-ofa-b64", "--networks", "test.csv", "-o", "out.csv", "--json"];
    assert_eq!(number(&edgezen_json(dir, &args), "rows"), 400.0);
    let header = std::fs::read_to_string(dir.join("out.csv")).unwrap();
    assert!(header.lines().next().unwrap().ends_with("predicted_ms,lower_ms,upper_ms,in_domain"));
    let code =
        "ofa:224;2,2,2,2,2;3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3;3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3";
    let one = edgezen_json(dir, &["predict", "--device", "v100@help-ofa-b64", code, "--json"]);
    assert!(number(&one[0], "ms") > 0.05 && number(&one[0], "ms") < 1.0, "{one}");
    // What it does not take.
    refused(dir, &["predict", "--device", "v100@help-ofa-b64", "mobilenet_v2"], 2, &["ofa", "networks"]);
    refused(dir, &["search", "--device", "v100@help-ofa-b64", "--latency", "1ms"], 2, &["kernels"]);
    refused(dir, &["predict", "--device", "v100@help-ofa-b64", "ofa:1;2"], 2, &["ofa"]);
}

#[test]
fn tables_of_networks_are_refused_by_row_and_column() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    split(dir, "help-nb201", 30);
    let import = |extra: &[&'static str]| {
        [&["dataset", "import", "--format", "help-nb201", "train.csv", "-o", "data"], extra].concat()
    };
    refused(dir, &import(&[]), 2, &["pixel2", "titan_rtx_256"]);
    refused(dir, &import(&["--device", "pixel9"]), 2, &["pixel9"]);
    let good = std::fs::read_to_string(dir.join("train.csv")).unwrap();
    let damaged = |change: &dyn Fn(&mut Vec<Vec<String>>)| {
        let mut rows: Vec<Vec<String>> =
            good.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect();
        change(&mut rows);
        let lines: Vec<String> = rows.iter().map(|row| row.join(",")).collect();
        std::fs::write(dir.join("train.csv"), lines.join("\n")).unwrap();
    };
    let pixel2 = good.lines().next().unwrap().split(',').position(|name| name == "pixel2").unwrap();
    for bad in ["-3", "NaN", "", "inf", "x"] {
        damaged(&|rows| rows[2][pixel2] = bad.to_owned());
        refused(dir, &import(&["--device", "pixel2"]), 7, &["row 2", "pixel2"]);
    }
    damaged(&|rows| rows[3][0] = rows[1][0].clone());
    refused(dir, &import(&["--device", "pixel2"]), 7, &["row 3", "row 1"]);
    damaged(&|rows| rows[3][0] = "99999".into());
    refused(dir, &import(&["--device", "pixel2"]), 7, &["row 3", "arch_id", "99999"]);
    assert!(!dir.join("data").exists());
}

#[test]
fn ten_networks_of_another_device_are_enough_for_a_transfer() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let table = table("help-nb201", "latency.csv.gz");
    let args = [
        "transfer",
        "--from",
        "samsung_a50@help-nb201",
        "essential_ph_1@help-nb201",
        "--device",
        "pixel2",
        "--data",
        table.to_str().unwrap(),
        "--samples",
        "10",
        "-o",
        "p.json",
        "--json",
    ];
    let report = edgezen_json(dir, &args);
    assert_eq!(text(&report, "predictor"), "pixel2@help-nb201@fp32");
    assert_eq!(list(&report["chosen"]).len(), 10);
    assert!(number(&report["unseen"], "spearman") > 0.88, "{}", report["unseen"]);
    assert!(number(&report["after"], "mape_percent") < number(&report["before"], "mape_percent"));
    let first = std::fs::read(dir.join("p.json")).unwrap();
    assert_eq!(edgezen_json(dir, &args), report);
    assert_eq!(std::fs::read(dir.join("p.json")).unwrap(), first);
    refused(dir, &["transfer", "--from", "samsung_a50@help-nb201", "--device", "pixel2"], 2, &["--data"]);
    let wrong = ["transfer", "--from", "samsung_a50@help-fbnet", "--device", "pixel2", "--data"];
    refused(dir, &[&wrong[..], &[table.to_str().unwrap()]].concat(), 2, &["fbnet"]);
}

#[test]
fn hundreds_of_networks_tell_details_and_a_transfer_takes_them_over() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let terms = |file: &str| {
        let value: serde_json::Value =
            serde_json::from_slice(&std::fs::read(dir.join(file)).unwrap()).unwrap();
        list(&value["model"]["terms"]).len()
    };
    for (count, file) in [(50, "few.json"), (300, "many.json")] {
        split(dir, "help-fbnet", count);
        let import = ["dataset", "import", "--format", "help-fbnet", "train.csv", "--device", "titan_rtx"];
        edgezen_json(dir, &[&import[..], &["--batch", "64", "-o", file, "--json"]].concat());
        let data = file;
        let file = &format!("p_{file}");
        edgezen_json(dir, &["fit", "--data", data, "-o", file, "--json"]);
        let report = edgezen_json(dir, &["evaluate", "--predictor", file, "--data", "test.csv", "--json"]);
        let spearman = number(&report["metrics"], "spearman");
        assert!(spearman > if count == 50 { 0.95 } else { 0.99 }, "{report}");
    }
    // Ten prices, and one of each operation at each place besides.
    assert_eq!((terms("p_few.json"), terms("p_many.json")), (10, 10 + 102));
    let table = table("help-fbnet", "latency.csv.gz");
    let towards = |sources: &[&str], file: &str| {
        let data = ["--device", "titanxp", "--batch", "64", "--data", table.to_str().unwrap()];
        let rest = ["--samples", "10", "-o", file, "--json"];
        edgezen_json(dir, &[&["transfer", "--from"][..], sources, &data, &rest].concat())
    };
    let plain = towards(&["p_few.json"], "plain.json");
    let detailed = towards(&["p_few.json", "p_many.json"], "detailed.json");
    assert_eq!((terms("plain.json"), terms("detailed.json")), (10, 112));
    let spearman = |report: &serde_json::Value| number(&report["unseen"], "spearman");
    assert!(spearman(&detailed) > 0.98 && spearman(&detailed) > spearman(&plain), "{plain} {detailed}");
    // Places that none of the ten has are known from the source.
    let code = "fbnet:7,8,1,8,4,8,8,8,7,4,1,4,7,3,2,7,3,2,4,2,4,5";
    let args = ["predict", "--predictor", "detailed.json", code, "--json"];
    assert_eq!(number(&edgezen_json(dir, &args)[0], "coverage"), 1.0);
}

#[test]
fn a_predictor_of_kernels_is_adapted_to_a_device_that_can_be_measured() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let args = ["transfer", "--from", "pixel2@tflite", "--device", "simulated", "--samples", "15", "--json"];
    let report = edgezen_json(dir, &args);
    assert_eq!(text(&report, "predictor"), "simulated@formula@fp32");
    let (before, after) = (&report["before"], &report["after"]);
    assert!(number(after, "mape_percent") < 0.7 * number(before, "mape_percent"), "{report}");
    let ms = |device: &str| {
        number(&edgezen_json(dir, &["predict", "--device", device, "mobilenet_v2", "--json"])[0], "ms")
    };
    let truth = number(
        &edgezen_json(dir, &["measure", "--device", "simulated", "mobilenet_v2", "--json"])[0],
        "median_ms",
    );
    let error = |predicted: f64| (predicted / truth - 1.0).abs();
    assert!(error(ms("simulated")) < error(ms("pixel2@tflite")), "{truth}");
    edgezen_json(dir, &["predictors", "verify", "predictors/simulated@formula@fp32.json", "--json"]);
    let unknown = ["transfer", "--from", "pixel2@tflite", "--device", "pixle2", "--samples", "15"];
    refused(dir, &unknown, 2, &["pixle2", "pixel2"]);
}

#[test]
fn networks_of_one_table_become_one_dataset_and_a_table_again() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let table = table("tflite-hosted", "networks.csv.gz");
    let table = table.to_str().unwrap();
    for (name, precision) in [("a", "fp32"), ("b", "fp32"), ("c", "int8")] {
        edgezen_json(
            dir,
            &[
                "dataset",
                "import",
                "--format",
                "tflite-hosted",
                table,
                "--precision",
                precision,
                "-o",
                name,
                "--json",
            ],
        );
    }
    let merged = edgezen_json(dir, &["dataset", "merge", "a", "b", "-o", "ab", "--json"]);
    let alone = edgezen_json(dir, &["dataset", "info", "a", "--json"]);
    assert_eq!(merged["networks"], alone["networks"]);
    refused(dir, &["dataset", "merge", "a", "c", "-o", "ac"], 2, &["int8", "fp32"]);
    edgezen_json(dir, &["dataset", "export", "ab", "-o", "out.csv", "--json"]);
    let args = [
        "dataset",
        "import",
        "--format",
        "networks",
        "out.csv",
        "--device",
        "pixel2",
        "--runtime",
        "tflite",
        "-o",
        "d",
        "--json",
    ];
    assert_eq!(edgezen_json(dir, &args)["networks"], alone["networks"]);
}

#[test]
fn the_breakdown_shows_which_block_breaks_the_budget() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    edgezen_json(dir, &["export", "mobilenet_v2", "--format", "onnx", "-o", "m.onnx", "--json"]);
    for net in ["mobilenet_v2", "m.onnx", "zoo:mobilenet_v3_large_1.0@224"] {
        let args = ["predict", "--device", "pixel2", net, "--breakdown", "--latency", "60ms", "--json"];
        let prediction = &edgezen_json(dir, &args)[0];
        let blocks = list(&prediction["blocks"]);
        assert!((8..40).contains(&blocks.len()), "{net}: {}", blocks.len());
        let parts = ["compute_ms", "memory_ms", "overhead_ms"];
        for block in blocks {
            let sum: f64 = parts.iter().map(|part| number(block, part)).sum();
            assert!((sum - number(block, "ms")).abs() < 1e-9, "{block}");
        }
        let broken = blocks.iter().filter(|block| block["breaks_budget"] == true).count();
        assert_eq!(broken == 1, prediction["inside_budget"] == false, "{net}");
        let output =
            edgezen(dir, &["predict", "--device", "pixel2", net, "--breakdown", "--latency", "60ms"]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.lines().skip(1).all(|line| line.chars().count() <= 80), "{text}");
        assert!(!text.contains('\x1b') && text.contains("compute"), "{text}");
    }
}

#[test]
fn measured_networks_are_fed_back() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    edgezen_json(
        dir,
        &["profile", "--device", "simulated", "--space", "mobilenet", "--samples", "40", "--json"],
    );
    edgezen_json(dir, &["fit", "--data", "datasets/simulated@formula", "--json"]);
    let before = edgezen_json(dir, &["dataset", "info", "datasets/simulated@formula", "--json"]);
    let nets = ["mobilenet_v2", "resnet18", "zennet_imagenet1k_flops400M_SE_res224"];
    let args = [&["validate"], &nets[..], &["--device", "simulated", "--refit", "--json"]].concat();
    let report = edgezen_json(dir, &args);
    assert!(text(&report, "refitted").ends_with("simulated@formula@fp32.json"));
    let after = edgezen_json(dir, &["dataset", "info", "datasets/simulated@formula", "--json"]);
    assert_eq!(number(&after, "networks"), number(&before, "networks") + 3.0);
    // Of networks without a structure string, latencies are compared; a dataset does not hold them.
    edgezen_json(dir, &["export", "resnet18", "-o", "mine.onnx", "--json"]);
    let others = ["mobilenet_v3_small", "mine.onnx", "resnet18"];
    let args_of = |more: &[&'static str]| {
        [&["validate"], &others[..], &["--device", "simulated", "--json"], more].concat()
    };
    let report = edgezen_json(dir, &args_of(&[]));
    let rows = list(&report["rows"]);
    assert_eq!(rows.iter().map(|row| text(row, "net")).collect::<Vec<_>>(), others);
    let of = |row: usize, key: &str| number(&rows[row], key);
    for key in ["measured_ms", "predicted_ms"] {
        assert!((of(1, key) / of(2, key) - 1.0).abs() < 0.03, "{key}: {report}");
    }
    // Its activations are none of the space's; a profile of 40 holds two of them.
    let ratio = of(0, "predicted_ms") / of(0, "measured_ms");
    assert!((0.6..1.7).contains(&ratio), "{ratio}: {report}");
    let refused = edgezen(dir, &args_of(&["--refit"]));
    let said: serde_json::Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(text(&said["rows"][0]["error"], "message").contains("mobilenet_v3_small"), "{said}");
    let still = edgezen_json(dir, &["dataset", "info", "datasets/simulated@formula", "--json"]);
    assert_eq!(number(&still, "networks"), number(&after, "networks"));
    // The same networks again replace themselves.
    edgezen_json(dir, &args);
    assert_eq!(
        edgezen_json(dir, &["dataset", "info", "datasets/simulated@formula", "--json"])["networks"],
        after["networks"]
    );
}
