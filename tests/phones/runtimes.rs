//! A phone with the processor of this computer, measured in ONNX Runtime and LiteRT. Where their libraries are not here, these
//! tests say that they were skipped, and fail instead where `EDGEZEN_REQUIRE_RUNTIMES` is set, as in `scripts/test`.

use super::arm::{PLAN, journal_of};
use super::loopback::{Desk, desk_with_phone, errors, parts_are_here};
use edgezen_lab::device::runtimes::found;
use serde_json::Value;
use std::process::Output;

/// Makes a small dataset `out` of the device; with `environment`, in addition to what the desk sets.
fn profile(desk: &Desk, device: &str, out: &str, environment: &[(&str, &str)]) -> Output {
    std::fs::write(desk.folder.path().join("small.json"), PLAN).unwrap();
    let arguments =
        ["profile", "--device", device, "--plan", "small.json", "--rounds", "1", "-o", out, "--json"];
    desk.edgezen(&arguments).envs(environment.iter().copied()).output().unwrap()
}

#[test]
fn a_phone_is_measured_in_both_runtimes() {
    if !parts_are_here() {
        return;
    }
    let installed: Vec<_> = found().into_iter().filter(|found| found.library.is_some()).collect();
    if installed.is_empty() {
        assert!(std::env::var_os("EDGEZEN_REQUIRE_RUNTIMES").is_none(), "no runtime is installed");
        eprintln!("skipped: no runtime is installed");
        return;
    }
    let (desk, _phone) = desk_with_phone();
    desk.hurry();
    for runtime in installed {
        // Integers in the one, two threads in the other.
        let name = match runtime.name.as_str() {
            "litert" => "pixel2@litert@int8".to_owned(),
            other => format!("pixel2@{other}@fp32@2t"),
        };
        let output = profile(&desk, &name, &runtime.name, &[]);
        assert_eq!(output.status.code(), Some(0), "{name}: {}", errors(&output));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&report["identity"], &report["configurations"]), (&name.as_str().into(), &4.into()));
        let journal = journal_of(&desk, &runtime.name);
        let environment = &journal[0]["environment"];
        assert!(environment["runtime_library_sha256"].is_string(), "{environment}");
        assert!(environment["c_library_sha256"].is_null(), "this computer has the C library of its runner");
        let whole = serde_json::to_string(&journal[0]).unwrap();
        // The target that the runner was built for follows.
        let version = format!("\"runtime_version\":\"{} ", runtime.version.unwrap());
        assert!(whole.contains(&version), "{whole}");
    }
}

#[test]
fn what_a_runtime_needs_is_named_before_a_phone_is_measured() {
    if !parts_are_here() {
        return;
    }
    let (desk, phone) = desk_with_phone();
    desk.hurry();
    let settings = phone.settings();
    let nowhere = desk.folder.path().join("nowhere").display().to_string();
    let empty = [("EDGEZEN_RUNTIMES", nowhere.as_str()), ("VIRTUAL_ENV", "")];
    for (device, code, words) in [
        ("pixel2@litert", 1, &["libLiteRt.so", "scripts/setup-runtimes", "--device pixel2@tract"][..]),
        ("pixel2@onnxruntime@fp16", 2, &["fp16", "int8"]),
        ("pixel2@tract@2t", 2, &["2 threads"]),
        ("pixel2@onnxruntime@4096t", 2, &["4096 threads"]),
        ("pixel2@tflite", 2, &["tflite", "litert"]),
    ] {
        let output = profile(&desk, device, "none", &empty);
        assert_eq!(output.status.code(), Some(code), "{device}: {}", errors(&output));
        for word in words {
            assert!(errors(&output).contains(word), "{device}, {word}: {}", errors(&output));
        }
    }
    assert_eq!(phone.settings(), settings);
}
