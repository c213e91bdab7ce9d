//! Measuring in ONNX Runtime and LiteRT. Where they are not installed, only what is said then is tested; `EDGEZEN_REQUIRE_RUNTIMES`
//! makes that a failure, as in `scripts/test`.

use edgezen_lab::device::runtimes::found;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

/// A small network with a depthwise convolution, a residual sum and a classifier.
const NET: &str = "SuperConvK3BNRELU(3,8,2,1)SuperResIDWE2K3(8,8,1,8,1)SuperConvK1BNRELU(8,16,1,1)";

/// Runs edgezen in `dir` where no runtime is installed.
fn without(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edgezen"));
    command.env("EDGEZEN_RUNTIMES", dir).env("XDG_DATA_HOME", dir).env_remove("VIRTUAL_ENV");
    command.args(args).current_dir(dir).output().unwrap()
}

/// The names of the runtimes that are opened as libraries and are here.
fn installed() -> Vec<String> {
    let names: Vec<String> =
        found().iter().filter(|found| found.library.is_some()).map(|found| found.name.clone()).collect();
    if names.is_empty() {
        assert!(std::env::var_os("EDGEZEN_REQUIRE_RUNTIMES").is_none(), "no runtime is installed");
        println!("skipped: no runtime is installed");
    }
    names
}

#[test]
fn a_missing_runtime_is_named_with_the_command_that_fetches_it() {
    let dir = tempfile::tempdir().unwrap();
    for runtime in ["onnxruntime", "litert"] {
        let device = format!("host@{runtime}");
        for command in ["measure", "profile"] {
            let args = [command, "--device", &device, "--json"];
            let nets: &[&str] = if command == "measure" { &["resnet18"] } else { &[] };
            let output = without(dir.path(), &[&args, nets].concat());
            let said: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!((output.status.code(), &said["error"]["code"]), (Some(1), &1.into()), "{said}");
            assert!(said["error"]["message"].as_str().unwrap().contains(runtime), "{said}");
            let remedy = said["error"]["remedy"].as_str().unwrap();
            assert!(
                remedy.contains("scripts/setup-runtimes") && remedy.contains("EDGEZEN_RUNTIMES"),
                "{remedy}"
            );
        }
    }
    let output = without(dir.path(), &["devices", "--json"]);
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    let of = |name: &str| {
        let runtimes = list["runtimes"].as_array().unwrap();
        runtimes.iter().find(|runtime| runtime["name"] == name).unwrap().clone()
    };
    assert!(of("tract")["version"].is_string() && of("tract")["missing"].is_null());
    assert!(of("litert")["version"].is_null() && of("litert")["missing"].is_string());
    let for_phones = list["phone_runtimes"].as_array().unwrap();
    let missing: Vec<&Value> = for_phones.iter().filter(|found| found["missing"].is_string()).collect();
    assert_eq!((for_phones.len(), missing.len()), (3, 2), "{for_phones:?}");
    assert!(missing.iter().all(|found| found["remedy"] == "scripts/setup-runtimes aarch64"), "{missing:?}");
}

#[test]
fn a_library_that_is_none_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("libonnxruntime.so"), "not a library").unwrap();
    let output = without(dir.path(), &["measure", "--device", "host@onnxruntime", "resnet18"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("libonnxruntime.so cannot be used") && said.contains("setup-runtimes"), "{said}");
}

#[test]
fn networks_and_files_are_measured_in_each_runtime() {
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| super::edgezen(dir.path(), args);
    for (file, endings) in [("net.onnx", "onnx"), ("net.tflite", "tflite")] {
        let output = run(&["export", NET, "--resolution", "32", "-o", file]);
        assert!(output.status.success(), "{endings}: {output:?}");
    }
    for runtime in installed() {
        let device = format!("host@{runtime}");
        let (own, other) = match runtime.as_str() {
            "litert" => ("net.tflite", "net.onnx"),
            _ => ("net.onnx", "net.tflite"),
        };
        let short = ["--resolution", "32", "--seconds", "0.1", "--json"];
        let output = run(&[&["measure", "--device", &device, NET, own][..], &short].concat());
        // 3: this computer is busy.
        assert!(matches!(output.status.code(), Some(0 | 3)), "{runtime}: {output:?}");
        let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
        for row in rows.as_array().unwrap() {
            assert_eq!(row["device"], format!("{device}@fp32"));
            for field in ["median_ms", "p90_ms", "p99_ms", "first_ms", "load_ms"] {
                assert!(row[field].as_f64().unwrap() > 0.0, "{field}: {row}");
            }
            if cfg!(target_os = "linux") {
                assert!((0.0..2e3).contains(&row["peak_memory_mb"].as_f64().unwrap()), "{row}");
            }
        }
        let output = run(&["measure", "--device", &device, other]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(other) && said.contains(&runtime), "{said}");
    }
}

#[test]
fn what_a_runtime_does_not_have_is_refused() {
    for (device, word) in [
        ("host@tract@int8", "int8"),
        ("host@2t", "2 threads"),
        ("host@tensorrt", "onnxruntime"),
        ("host@onnxruntime@fp16", "fp16"),
    ] {
        super::refused(Path::new("."), &["measure", "--device", device, "resnet18"], 2, &[word]);
    }
}
