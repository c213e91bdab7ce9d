//! The small files of `tests/onnx_cases`: right multiply-accumulates, all of them in the graph or listed.
#![cfg(feature = "onnx")]
#![allow(clippy::unwrap_used)]

use edgezen_core::plainnet::lowering::{self, Lowering};
use edgezen_engine::onnx;
use prost::Message;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tract_onnx::pb;

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
        let priced: f64 = lowering::fused(&imported.graph).iter().map(|kernel| kernel.macs()).sum();
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
                let priced: f64 = lowering::fused(&imported.graph).iter().map(|kernel| kernel.macs()).sum();
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

/// Changes numbers, names and lists of a model, which stays well-formed protobuf: the inside is reached.
fn damage(model: &mut pb::ModelProto, rng: &mut impl RngExt) {
    const NUMBERS: [i64; 12] = [0, 1, -1, 2, 3, 7, 255, 1 << 20, 1 << 31, i64::MAX, i64::MIN, -7];
    let Some(graph) = &mut model.graph else { return };
    for _ in 0..rng.random_range(1..4) {
        let number = NUMBERS[rng.random_range(0..NUMBERS.len())];
        let nodes = graph.node.len();
        let node = rng.random_range(0..nodes);
        match rng.random_range(0..9) {
            0 => graph.node.swap(node, (node + 1) % nodes),
            1 => drop(graph.node[node].input.pop()),
            2 => graph.node[node].op_type = graph.node[(node * 7 + 3) % nodes].op_type.clone(),
            3 | 4 => {
                let attributes = &mut graph.node[node].attribute;
                if let Some(attribute) = attributes.first_mut() {
                    attribute.i = number;
                    attribute
                        .ints
                        .iter_mut()
                        .for_each(|n| *n = if rng.random_bool(0.5) { number } else { *n });
                }
            }
            5 => {
                let at = rng.random_range(0..graph.initializer.len().max(1));
                let Some(tensor) = graph.initializer.get_mut(at) else { continue };
                if tensor.data_type == 7 && tensor.raw_data.len() >= 8 {
                    tensor.raw_data[..8].copy_from_slice(&number.to_le_bytes());
                } else if let Some(dim) = tensor.dims.first_mut() {
                    *dim = number;
                    tensor.raw_data.clear();
                }
            }
            6 => {
                let names: Vec<String> = graph.node.iter().flat_map(|node| node.output.clone()).collect();
                if let Some(input) = graph.node[node].input.first_mut() {
                    *input = names[rng.random_range(0..names.len())].clone();
                }
            }
            7 => {
                let copy = graph.node[node].clone();
                graph.node.push(copy);
            }
            _ => {
                let mut attribute = pb::AttributeProto { i: number, ..Default::default() };
                attribute.name =
                    ["axis", "group", "auto_pad", "ceil_mode", "transA", "blocksize"][node % 6].into();
                graph.node[node].attribute.push(attribute);
            }
        }
    }
}

#[test]
fn damaged_cases_are_refused_without_panic() {
    let files: Vec<PathBuf> = ["onnx_cases", "onnx_more"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(tests().join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "onnx"))
        .collect();
    files.par_iter().enumerate().for_each(|(at, file)| {
        let model = pb::ModelProto::decode(&std::fs::read(file).unwrap()[..]).unwrap();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(at as u64);
        for _ in 0..300 {
            let mut damaged = model.clone();
            damage(&mut damaged, &mut rng);
            let start = Instant::now();
            if let Ok(imported) = onnx::decode(&damaged.encode_to_vec()) {
                let priced: f64 = lowering::fused(&imported.graph).iter().map(|kernel| kernel.macs()).sum();
                let left_out: f64 = imported.unknown.iter().filter_map(|unknown| unknown.macs).sum();
                let exact = imported.unknown.iter().all(|unknown| unknown.macs.is_some());
                assert!(!exact || near(priced + left_out, imported.macs), "{file:?}: {imported:?}");
            }
            assert!(start.elapsed() < Duration::from_secs(5), "{file:?}");
        }
    });
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
