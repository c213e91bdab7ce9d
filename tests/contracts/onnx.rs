//! Exported networks in a second engine: onnxruntime must compute what tract computes.

use edgezen::engine::onnx;
use edgezen::engine::{Engine, Tensor, Tract, weights};
use edgezen::plainnet::{Graph, Model, notation, published};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A Python that has onnxruntime, or the reason why there is none.
pub fn python() -> Result<PathBuf, String> {
    python_with("numpy, onnxruntime")
}

/// A Python that has these modules, or the reason why there is none.
pub fn python_with(modules: &str) -> Result<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = match std::env::var_os("EDGEZEN_PYTHON") {
        Some(python) => PathBuf::from(python),
        None => root.join(".venv/bin/python"),
    };
    let found = Command::new(&python).args(["-c", &format!("import {modules}")]).output();
    match found {
        Ok(output) if output.status.success() => Ok(python),
        Ok(_) => Err(format!("{} has not all of {modules}", python.display())),
        Err(e) => Err(format!("{}: {e}", python.display())),
    }
}

pub fn write_floats(path: &Path, numbers: &[f32]) {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    std::fs::write(path, bytes).unwrap();
}

/// Checks that onnxruntime computes with `file` what is expected, and gives its report.
pub fn check_onnx(
    python: &Path,
    file: &Path,
    input: &Path,
    expect: &Path,
    tolerance: f64,
) -> serde_json::Value {
    let output = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/check_onnx.py"))
        .arg(file)
        .arg("--input")
        .arg(input)
        .arg("--expect")
        .arg(expect)
        .args(["--tolerance", &tolerance.to_string()])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {text}{errors}", file.display());
    serde_json::from_str(&text).unwrap()
}

/// Checks that tract and onnxruntime compute with `file` what tract computes with `graph`.
fn compare(python: &Path, file: &Path, graph: &Graph, batch: u32, seed: u64) {
    let name = file.display();
    let dir = file.parent().unwrap();
    let input: Tensor = weights::input(graph, 0, batch, seed);
    let inputs = std::slice::from_ref(&input);
    let expected = Tract.load(graph, batch, seed).unwrap().run(inputs).unwrap();
    let through_file = onnx::load(file, batch, seed).unwrap().run(inputs).unwrap();
    let scale = expected[0].data.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
    let differs = |(a, b): (&f32, &f32)| (a - b).abs() > 1e-4 * scale;
    assert!(!expected[0].data.iter().zip(&through_file[0].data).any(differs), "{name}: tract differs");
    let (input_file, output_file) = (dir.join("input.f32"), dir.join("output.f32"));
    write_floats(&input_file, &input.data);
    write_floats(&output_file, &expected[0].data);
    let report = check_onnx(python, file, &input_file, &output_file, 1e-4);
    assert_eq!(report["inputs"], serde_json::json!(["input"]), "{name}");
    assert_eq!(report["outputs"], serde_json::json!(["logits"]), "{name}");
}

#[test]
fn onnxruntime_computes_the_same() {
    let python = match python() {
        Ok(python) => python,
        Err(reason) => {
            println!("skipped: no Python with onnxruntime: {reason}");
            return;
        }
    };
    let dir = tempfile::tempdir().unwrap();
    let named = |name: &str| published::by_name(name).unwrap();
    let small = |name: &str| Model { resolution: 64, ..named(name) };
    let basic = Model {
        name: None,
        network: notation::parse(
            "ConvKX(3,8,3,2)BN(8)Swish(8)ConvKXG2(8,16,3,1)RELU(16)SE(16)MaxPool(16,3,2)AdaptiveAvgPool(16,1)",
        )
        .unwrap(),
        resolution: 31,
        classes: 7,
        se: false,
    };
    for (name, model, batch) in [
        ("cifar", named("zennet_cifar10_model_size1M_res32"), 3),
        ("mobile_se", small("zennet_imagenet1k_flops400M_SE_res224"), 1),
        ("residual", small("zennet_imagenet1k_latency01ms_res224"), 1),
        ("resnet18", named("resnet18"), 1),
        ("mobilenet_v2", named("mobilenet_v2"), 1),
        ("basic", basic, 2),
    ] {
        let (graph, seed) = (model.graph().unwrap(), 11);
        let file = dir.path().join(format!("{name}.onnx"));
        std::fs::write(&file, onnx::encode(&graph, batch, seed).unwrap()).unwrap();
        compare(&python, &file, &graph, batch, seed);
    }
}

#[test]
fn the_best_network_of_a_search_runs_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["search", "--device", "pixel2", "--latency", "60ms", "--iterations", "3000", "--seed", "5"];
    crate::commands::edgezen_json(dir.path(), &[&args[..], &["--out", "found", "--json"]].concat());
    let found = dir.path().join("found");
    let run = edgezen::runs::read(&found).unwrap();
    let model = Model {
        name: None,
        network: notation::parse(&run.best).unwrap(),
        resolution: run.manifest.resolution,
        classes: run.manifest.classes,
        se: false,
    };
    match python() {
        Ok(python) => compare(&python, &found.join("best.onnx"), &model.graph().unwrap(), 1, 5),
        Err(reason) => println!("skipped: no Python with onnxruntime: {reason}"),
    }
}
