//! Predictors and tables of kernels as a user meets them: predictions, errors, and what is refused.

use crate::commands::{edgezen, edgezen_json, refused};
use crate::golden::{list, number, text};
use edgezen::catalogue::Predictors;
use edgezen::dataset::Dataset;
use edgezen::device::computer;
use edgezen::measurement::Subject;
use edgezen::plainnet::graph::Act;
use edgezen::plainnet::{Kernel, KernelKind};
use edgezen::predictor::Support;
use edgezen::predictor::any::AnyPredictor;
use edgezen::predictor::file::PredictorFile;
use edgezen::predictor::fitted::Bounded;
use edgezen::shipped;
use std::path::{Path, PathBuf};

const V100: &str = "v100@tensorrt@fp16";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A table of measured kernels: every `step`-th row of a shipped dataset.
fn table(dir: &Path, step: usize) -> PathBuf {
    let dataset = Dataset::read(&root().join("datasets").join(V100)).unwrap();
    let mut csv = "kind,batch,in_c,out_c,in_h,kernel,stride,groups,residual,latency_ms,note\n".to_owned();
    for (i, sample) in dataset.samples.iter().enumerate().step_by(step) {
        let Subject::Kernel(k) = &sample.subject else { panic!("not a kernel") };
        csv += &format!(
            "{},{},{},{},{},{},{},{},{},{},row {i}\n",
            k.kind,
            k.batch,
            k.in_c,
            k.out_c,
            k.in_h,
            k.kernel,
            k.stride,
            k.groups,
            k.residual,
            sample.median.ms()
        );
    }
    let path = dir.join("kernels.csv");
    std::fs::write(&path, csv).unwrap();
    path
}

#[test]
fn tables_of_kernels_get_milliseconds_and_keep_their_columns() {
    let dir = tempfile::tempdir().unwrap();
    let kernels = table(dir.path(), 700);
    let args =
        ["predict", "--predictor", V100, "--kernels", kernels.to_str().unwrap(), "-o", "out.csv", "--json"];
    // A device stands for its file, and a file for itself.
    let args = args.map(|arg| if arg == "--predictor" { "--device" } else { arg });
    let report = edgezen_json(dir.path(), &args);
    assert_eq!(report["inside"], report["rows"]);
    assert_eq!(list(&report["unknown"]).len(), 0);
    let mut reader = csv::Reader::from_path(dir.path().join("out.csv")).unwrap();
    let header = reader.headers().unwrap().clone();
    let at = |name: &str| header.iter().position(|column| column == name).unwrap();
    let mut errors = Vec::new();
    for row in reader.records().map(Result::unwrap) {
        let cell = |name: &str| row[at(name)].parse::<f64>().unwrap();
        let (low, predicted, high) = (cell("lower_ms"), cell("predicted_ms"), cell("upper_ms"));
        assert!(0.0 < low && low < predicted && predicted < high, "{row:?}");
        assert_eq!((&row[at("in_domain")], row[at("note")].starts_with("row ")), ("true", true));
        errors.push((predicted / cell("latency_ms") - 1.0).abs());
    }
    // Rows that it was fitted to: this is no measure of its quality.
    assert!(edgezen::stats::mean(&errors).unwrap() < 0.1);
}

#[test]
fn a_predictor_of_another_computer_says_so() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("predictors")).unwrap();
    let here = computer::cpu();
    let shipped = root().join("predictors/host@tract@fp32.json");
    let mut file = PredictorFile::parse(&std::fs::read(&shipped).unwrap(), &shipped).unwrap();
    for (cpu, another) in [(Some("Z80".to_owned()), true), (here.clone(), false), (None, false)] {
        file.provenance.cpu = cpu;
        std::fs::write(dir.path().join("predictors/host@tract@fp32.json"), file.text().unwrap()).unwrap();
        let output = edgezen(dir.path(), &["predict", "--device", "host", "resnet18", "--json"]);
        let notes = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{notes}");
        let remedy = "measured on another computer (Z80); for this one: edgezen profile --device host";
        assert_eq!(notes.contains(remedy), another, "{here:?}: {notes}");
    }
}

#[test]
fn evaluation_stands_beside_its_baselines() {
    let dir = tempfile::tempdir().unwrap();
    let kernels = table(dir.path(), 300);
    let file = root().join("predictors").join(format!("{V100}.json"));
    let (file, kernels) = (file.to_str().unwrap(), kernels.to_str().unwrap());
    let args = ["evaluate", "--predictor", file, "--data", kernels, "--svg", "scatter.svg", "--json"];
    let report = edgezen_json(dir.path(), &args);
    let metrics = &report["metrics"];
    for name in
        ["mape_percent", "median_percent", "within_5_percent", "within_10_percent", "coverage_percent"]
    {
        assert!((0.0..=100.0).contains(&number(metrics, name)), "{name}: {metrics}");
    }
    for name in ["spearman", "kendall"] {
        assert!(number(metrics, name) > 0.9, "{name}: {metrics}");
    }
    for baseline in ["baseline_flops", "baseline_roofline"] {
        assert!(
            number(&report[baseline], "mape_percent") > 2.0 * number(metrics, "mape_percent"),
            "{baseline}"
        );
    }
    let parts: Vec<&str> = list(&report["parts"]).iter().map(|part| text(part, "part")).collect();
    for wanted in ["conv", "dwconv", "batch 1", "batch 64", "decile 1 ", "decile 10 "] {
        assert!(parts.iter().any(|part| part.starts_with(wanted)), "{wanted}: {parts:?}");
    }
    let svg = std::fs::read_to_string(dir.path().join("scatter.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.matches("<circle").count() as f64 == number(metrics, "rows"));
}

#[test]
fn options_of_the_other_half_of_evaluate_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |args: &[&str], word| refused(dir.path(), &[&["evaluate"], args].concat(), 2, &[word]);
    let predictor = ["--predictor", V100, "--data", "t.csv"];
    for (option, value) in
        [("--device", "cpu"), ("--threads", "2"), ("--resolution", "32"), ("--classes", "10")]
    {
        refused(&[&predictor[..], &[option, value]].concat(), option);
    }
    refused(&[&predictor[..], &["--se"]].concat(), "--se");
    refused(&[&predictor[..], &["resnet18", "--weights", "w"]].concat(), "--predictor");
    let network = ["resnet18", "--weights", "w", "--data", "d"];
    for option in ["--svg", "--archs"] {
        refused(&[&network[..], &[option, "x"]].concat(), option);
    }
    refused(&["--data", "t.csv"], "--predictor");
    refused(&["--data", "t.csv", "--svg", "x"], "--predictor");
}

#[test]
fn kernels_outside_the_domain_and_without_a_model_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let csv =
        "kind,batch,in_c,out_c,in_h,kernel\nconv,64,64,64,56,3\nconv,64,64,64,2000,3\npool,64,64,64,7,1\n";
    std::fs::write(dir.join("k.csv"), csv).unwrap();
    let args = ["predict", "--device", V100, "--kernels", "k.csv", "-o", "out.csv"];
    let report = edgezen_json(dir, &[&args[..], &["--json"]].concat());
    assert_eq!((number(&report, "rows"), number(&report, "inside")), (3.0, 1.0));
    assert_eq!(list(&report["unknown"]), &[serde_json::json!("pool")]);
    let out = std::fs::read_to_string(dir.join("out.csv")).unwrap();
    let cell =
        |row: usize, back: usize| out.lines().nth(row).unwrap().rsplit(',').nth(back).unwrap().to_owned();
    // Unknown is never zero, and its interval is wide.
    let [upper, lower, ms] = [1, 2, 3].map(|back| cell(3, back).parse::<f64>().unwrap());
    assert!(ms > 0.0 && upper > 2.0 * lower, "{out}");
    assert_eq!([1, 2, 3].map(|row| cell(row, 0)), ["true", "false", "false"]);
    refused(dir, &[&args[..], &["--strict"]].concat(), 5, &["row 2", "2000"]);
}

#[test]
fn damaged_newer_and_edited_predictors_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let good = std::fs::read_to_string(root().join("predictors/pixel2@tflite@fp32.json")).unwrap();
    let newer = good.replacen("\"schema_version\": ", "\"schema_version\": 9", 1);
    for (name, text, word) in [
        ("cut.json", &good[..good.len() / 2], "not a predictor file"),
        ("empty.json", "", "not a predictor file"),
        ("edited.json", good.replacen("TensorFlow", "Tensorflow", 1).as_str(), "checksum"),
        ("newer.json", newer.as_str(), "newer"),
        ("other.json", "{\"schema_version\": 1}", "checksum"),
        ("list.json", "[1, 2]", "schema_version"),
    ] {
        std::fs::write(dir.join(name), text).unwrap();
        refused(dir, &["predict", "--predictor", name, "mobilenet_v2"], 7, &[name, word]);
        refused(dir, &["predictors", "verify", name], 7, &[name]);
    }
    refused(dir, &["predict", "--predictor", "absent.json", "mobilenet_v2"], 2, &["absent.json"]);
}

#[test]
fn bad_tables_are_refused_by_row_and_column() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let header = "kind,batch,in_c,out_c,in_h,kernel,precision,latency_ms\n";
    let good = "conv,64,64,64,56,3,fp16,0.5\n";
    for (name, rows, words) in [
        ("negative", good.replace("0.5", "-0.5").replace("64,64,64", "64,64,32"), ["row 2", "latency_ms"]),
        ("nan", good.replace("0.5", "NaN").replace("64,64,64", "64,64,32"), ["row 2", "latency_ms"]),
        ("twice", good.replace("0.5", "0.6"), ["row 2", "row 1"]),
        ("precision", good.replace("fp16", "int8").replace("56", "28"), ["row 2", "precision"]),
        ("kind", good.replace("conv", "cnov"), ["row 2", "kind"]),
        ("channels", good.replace("64,64,64", "64,1.5,64"), ["row 2", "in_c"]),
    ] {
        std::fs::write(dir.join("t.csv"), format!("{header}{good}{rows}")).unwrap();
        let args = ["evaluate", "--predictor", V100, "--data", "t.csv"];
        refused(dir, &args, 7, &[&["t.csv"], &words[..]].concat());
        assert!(!name.is_empty());
    }
    std::fs::write(dir.join("t.csv"), "kind,in_c\nconv,64\n").unwrap();
    refused(dir, &["evaluate", "--predictor", V100, "--data", "t.csv"], 7, &["out_c", "missing"]);
    std::fs::write(dir.join("t.csv"), format!("{header}{good}")).unwrap();
    refused(dir, &["evaluate", "--predictor", V100, "--data", "t.xlsx"], 2, &["t.xlsx"]);
}

#[test]
fn every_shipped_predictor_keeps_the_contract() {
    for entry in Predictors::new(shipped::PREDICTORS, Vec::new()).entries().unwrap() {
        let loaded = entry.load().unwrap_or_else(|e| panic!("{}: {e}", entry.id));
        assert_eq!(loaded.identity().to_string(), entry.id);
        let AnyPredictor::Kernels(predictor) = loaded else { continue };
        for kind in KernelKind::ALL {
            for (c, side, k) in [(1, 1, 1), (8, 7, 3), (64, 56, 3), (512, 14, 5), (4096, 480, 7)] {
                let depthwise = kind == KernelKind::Dwconv;
                let kernel = Kernel {
                    kind,
                    batch: 1,
                    in_c: c,
                    out_c: c,
                    in_h: side,
                    in_w: side,
                    kernel: k,
                    stride: 1,
                    groups: if depthwise { c } else { 1 },
                    act: Act::Relu,
                    residual: false,
                    window: None,
                };
                let Bounded { estimate, lower: low, upper: high } = predictor.bounded(&kernel);
                let ns = estimate.latency.ns();
                assert!(ns.is_finite() && ns > 0.0, "{}: {kernel}: {ns}", entry.id);
                let known = predictor.file().model.kinds.contains_key(&kind);
                assert_eq!(estimate.support == Support::Bound, !known, "{}: {kernel}", entry.id);
                assert!(low <= estimate.latency && estimate.latency <= high);
            }
        }
    }
}
