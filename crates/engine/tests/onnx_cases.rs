//! The small files of `tests/onnx_cases`: right multiply-accumulates, all of them in the graph or listed.
#![cfg(feature = "onnx")]

use edgezen_core::plainnet::kernel::{self, Lowering};
use edgezen_engine::onnx;
use std::path::{Path, PathBuf};

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests")
}

fn folder() -> PathBuf {
    tests().join("onnx_cases")
}

fn expected(folder: &Path) -> serde_json::Map<String, serde_json::Value> {
    let text = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 0.005 * b
}

#[test]
fn every_case_has_its_macs() {
    let mut wrong = Vec::new();
    for (name, case) in expected(&folder()) {
        let macs = case["macs"].as_f64().unwrap();
        let imported = match onnx::read(&folder().join(format!("{name}.onnx"))) {
            Ok(imported) => imported,
            Err(error) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        let priced: f64 = kernel::fused(&imported.graph).iter().map(|kernel| kernel.macs()).sum();
        let eager: f64 = Lowering::Eager.kernels(&imported.graph).iter().map(|kernel| kernel.macs()).sum();
        let left_out: f64 = imported.unknown.iter().filter_map(|unknown| unknown.macs).sum();
        if !near(imported.macs, macs) || !near(priced + left_out, macs) || !near(priced, eager) {
            wrong.push(format!(
                "{name}: {} MACs, {priced} priced, {left_out} left out; right are {macs}",
                imported.macs
            ));
        }
        // What is refused, and nothing else, says that it is no convolutional network.
        let refused = ["45_conv1d", "46_mlp", "83_video5d", "94_attention"].contains(&name.as_str());
        if imported.no_cnn.is_some() != refused {
            wrong.push(format!("{name}: {:?}", imported.no_cnn));
        }
        if !refused && !imported.unknown.is_empty() {
            wrong.push(format!("{name}: {:?}", imported.unknown));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn further_cases_have_their_macs_or_are_refused() {
    let folder = tests().join("onnx_more");
    let mut wrong = Vec::new();
    for (name, case) in expected(&folder) {
        let side = case["resolution"].as_str().map(|text| text.parse().unwrap());
        match (onnx::read_at(&folder.join(format!("{name}.onnx")), side), case["refused"].as_str()) {
            (Ok(imported), None) => {
                let priced: f64 = kernel::fused(&imported.graph).iter().map(|kernel| kernel.macs()).sum();
                let left_out: f64 = imported.unknown.iter().filter_map(|unknown| unknown.macs).sum();
                let macs = case["macs"].as_f64().unwrap();
                if !near(imported.macs, macs) || !near(priced + left_out, macs) {
                    wrong.push(format!("{name}: {} MACs, {priced} priced; right are {macs}", imported.macs));
                }
                let named: Vec<&str> = imported.unknown.iter().map(|unknown| &unknown.operator[..]).collect();
                let expected = case["unknown"].as_array().cloned().unwrap_or_default();
                if named != expected {
                    wrong.push(format!("{name}: {named:?} unknown"));
                }
            }
            (Err(error), Some(word)) if error.to_string().contains(word) => {}
            (result, refused) => wrong.push(format!("{name}: {refused:?}, {result:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn weights_beside_the_file_are_found() {
    let run = |name: &str| onnx::load(&folder().join(name), 1, 0).map(|mut model| model.run_once().unwrap());
    assert!(run("85_external_data.onnx").unwrap().is_finite());
    // Missing weights, and weights elsewhere than beside the file.
    let error = run("36_weight_no_data.onnx").unwrap_err().to_string();
    assert!(error.contains("no data"), "{error}");
    let dir = tempfile::tempdir().unwrap();
    let alone = dir.path().join("85_external_data.onnx");
    std::fs::copy(folder().join("85_external_data.onnx"), &alone).unwrap();
    assert!(onnx::load(&alone, 1, 0).is_err());
    assert_eq!(onnx::read(&alone).unwrap().macs, 55_376.0);
}

#[test]
fn every_prefix_of_a_case_is_refused_without_panic() {
    for name in ["96_if", "95_local_function", "63_dyn_pad", "A1_keras_like"] {
        let bytes = std::fs::read(folder().join(format!("{name}.onnx"))).unwrap();
        for cut in (0..bytes.len()).step_by((bytes.len() / 300).max(1)) {
            let _ = onnx::decode(&bytes[..cut]);
        }
    }
}
