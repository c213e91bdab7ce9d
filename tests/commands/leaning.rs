//! What is known of other runtimes and of sister devices, as a user meets it.

use crate::commands::{edgezen, edgezen_json, refused};
use crate::golden::{list, number, text};
use serde_json::Value;
use std::path::Path;

fn table(name: &str) -> String {
    let tables = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/tables");
    tables.join(name).join("networks.csv.gz").to_str().unwrap().to_owned()
}

fn import(dir: &Path, format: &str, more: &[&str], to: &str) {
    let table = table(format);
    let args = [
        "dataset",
        "import",
        "--format",
        format,
        &table,
        "--created",
        "2026-01-01T00:00:00Z",
        "-o",
        to,
        "--json",
    ];
    edgezen_json(dir, &[&args[..], more].concat());
}

/// Milliseconds that `device` is predicted to need for `net`.
fn ms(dir: &Path, device: &str, net: &str) -> f64 {
    number(&edgezen_json(dir, &["predict", "--predictor", device, net, "--json"])[0], "ms")
}

#[test]
fn a_fit_to_mobilenets_leans_on_another_runtime_for_dense_convolutions() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    import(dir, "tflite-hosted", &[], "data");
    for runtime in ["paddlelite", "paddlelite-armv7"] {
        import(dir, "paddlelite", &["--device", "snapdragon835", "--runtime", runtime], runtime);
    }
    let mobilenets = ["--leave-out", "zoo:resnet_v2", "--leave-out", "zoo:inception", "--json"];
    let lent = ["fit", "--data", "data", "--prior", "paddlelite", "paddlelite-armv7", "-o", "lent.json"];
    let report = edgezen_json(dir, &[&lent[..], &mobilenets].concat());
    edgezen_json(dir, &[&["fit", "--data", "data", "-o", "alone.json"][..], &mobilenets].concat());
    let file: Value = serde_json::from_slice(&std::fs::read(dir.join("lent.json")).unwrap()).unwrap();
    let prior = &file["prior"];
    let from = ["snapdragon835@paddlelite@fp32", "snapdragon835@paddlelite-armv7@fp32"];
    assert_eq!((list(&prior["from"]).len(), number(prior, "networks")), (2, 8.0), "{prior}");
    assert!(list(&prior["from"]).iter().zip(from).all(|(id, from)| id == from), "{prior}");
    assert!((1.0..=2.0).contains(&number(prior, "factor")), "{prior}");
    assert_eq!(number(&file, "schema_version"), 6.0);
    let notes = file["provenance"]["notes"].to_string();
    assert!(notes.contains("4 of snapdragon835@paddlelite@fp32") && notes.contains("10 %"), "{notes}");
    assert!(number(&report["metrics"]["networks"], "rows") == 10.0, "{report}");
    // Residual networks have the shape that Paddle Lite gives them on the same chip: 484.79 against 82.48 ms.
    let shape = 484.79 / 82.48;
    let found = ms(dir, "lent.json", "resnet50") / ms(dir, "lent.json", "mobilenet_v1");
    assert!((shape / 1.35..shape * 1.35).contains(&found), "{found} and {shape}");
    // MobileNets stay what the device's own data say of them.
    let same = ms(dir, "lent.json", "mobilenet_v2") / ms(dir, "alone.json", "mobilenet_v2");
    assert!((same - 1.0).abs() < 0.04, "{same}");
    let predict = |device: &str| {
        edgezen_json(dir, &["predict", "--predictor", device, "resnet50", "--json"])[0].clone()
    };
    let (lent, alone) = (predict("lent.json"), predict("alone.json"));
    let lent_rows = list(&lent["extrapolated"]).iter().filter(|row| row["why"] == "lent").count();
    assert!(lent_rows > 0 && list(&lent["lenders"]).len() == 2, "{lent}");
    assert!(alone["lenders"].is_null(), "{alone}");
    // What is lent is charged less than what nothing is known of, and more than what was measured.
    let surcharge = |row: &Value| number(row, "charged_ms") / number(row, "ms");
    assert!(1.05 < surcharge(&lent) && surcharge(&lent) < surcharge(&alone), "{lent} {alone}");
    let said = edgezen(dir, &["predict", "--predictor", "lent.json", "resnet50"]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(
        said.contains("priced by other runtimes") && said.contains("snapdragon835@paddlelite@fp32"),
        "{said}"
    );
    // The same data give the same bytes; a prior goes with kernels.
    let again = edgezen_json(
        dir,
        &[
            &["fit", "--data", "data", "--prior", "paddlelite", "paddlelite-armv7", "-o", "again.json"][..],
            &mobilenets,
        ]
        .concat(),
    );
    assert_eq!(text(&again, "predictor"), "pixel2@tflite@fp32");
    assert_eq!(std::fs::read(dir.join("lent.json")).unwrap(), std::fs::read(dir.join("again.json")).unwrap());
    refused(dir, &["fit", "--data", "data", "--prior", "nowhere", "-o", "no.json"], 2, &["nowhere"]);
}

#[test]
fn sister_devices_tell_the_networks_of_a_device() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let table = table("aihub");
    let args = ["evaluate", "--siblings", "--data", &table, "--of", "galaxy_s25", "--draws", "2"];
    let held = edgezen_json(dir, &[&args[..], &["--json"]].concat());
    assert_eq!(list(&held).len(), 1);
    let held = &held[0];
    assert_eq!(text(held, "device"), "galaxy_s25");
    let (all, ratio) = (&held["all"], &held["ratio"]);
    assert!(number(all, "mape_percent") < number(ratio, "mape_percent"), "{held}");
    assert!(number(all, "spearman") > 0.99, "{held}");
    assert!((80.0..=99.0).contains(&number(all, "coverage_percent")), "{held}");
    // Every network that the sisters have is written, measured here or not.
    edgezen_json(dir, &[&args[..], &["-o", "out.csv", "--json"]].concat());
    let out = std::fs::read_to_string(dir.join("out.csv")).unwrap();
    let header = "device,network,setting,measured_ms,predicted_ms,lower_ms,upper_ms";
    assert_eq!(out.lines().next(), Some(header));
    assert!(out.lines().any(|line| line.starts_with("galaxy_s25,resnet50@224,qnn@w8a8,")), "{out}");
    refused(
        dir,
        &["evaluate", "--siblings", "--data", &table, "--of", "galaxy_s52"],
        2,
        &["galaxy_s52", "galaxy_s25"],
    );
    refused(dir, &["evaluate", "--siblings", "--data", &table, "--samples", "500"], 2, &["500 networks"]);
    refused(dir, &["evaluate", "--data", &table], 2, &["--siblings"]);
}
