//! libtorch as something that is measured: the CPU really, GPUs as far as their driver's words go.

use crate::commands::{edgezen, edgezen_json, refused};
use crate::golden::{list, number};
use edgezen::device;
use edgezen::device::{DeviceError, Options, Workload};
use edgezen::measurement::Subject;
use edgezen::plainnet::graph::Act;
use edgezen::plainnet::{Kernel, KernelKind, published};
use edgezen::runner::Policy;
use std::path::Path;
use std::process::Command;

const T4: &str =
    "0, Tesla T4, GPU-aa, 570.10, 15360, 1590, 7.5, 41, 585, 405, 12.31, 70.00, 0x0000000000000001";

/// Runs edgezen where `nvidia-smi` says `text`.
fn with_gpu(dir: &Path, text: &str, args: &[&str]) -> (Option<i32>, String) {
    use std::os::unix::fs::PermissionsExt;
    let smi = dir.join("nvidia-smi");
    std::fs::write(&smi, format!("#!/bin/sh\necho '{text}'\n")).unwrap();
    std::fs::set_permissions(&smi, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", dir.display(), std::env::var("PATH").unwrap());
    let output = Command::new(env!("CARGO_BIN_EXE_edgezen"))
        .args(args)
        .current_dir(dir)
        .env("PATH", path)
        .env_remove("CUDA_VISIBLE_DEVICES")
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_gpu_must_be_what_the_profile_says() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (code, text) = with_gpu(dir, T4, &["profile", "--device", "v100"]);
    assert!(code == Some(3) && text.contains("Tesla T4") && text.contains("--device t4"), "{code:?} {text}");
    let (code, text) = with_gpu(dir, T4, &["measure", "--device", "cuda:1", "resnet18"]);
    assert!(code == Some(2) && text.contains("no GPU 1") && text.contains("0 (Tesla T4)"), "{code:?} {text}");
    let (code, text) = with_gpu(dir, "rubbish", &["profile", "--device", "t4"]);
    assert!(code == Some(3) && text.contains("rubbish"), "{code:?} {text}");
    let (code, text) = with_gpu(dir, T4, &["measure", "--device", "t4@tensorrt", "resnet18"]);
    assert!(code == Some(2) && text.contains("torch-nhwc"), "{code:?} {text}");
}

#[test]
fn without_cuda_a_gpu_is_not_measured() {
    if tch::utils::has_cuda() {
        println!("skipped: this libtorch has CUDA");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for device in ["t4", "cuda:0", "t4@torch@bf16"] {
        let (code, text) = with_gpu(dir, T4, &["profile", "--device", device]);
        let says = ["without CUDA", "setup-libtorch --cuda"].iter().all(|word| text.contains(word));
        assert!(code == Some(3) && says, "{device}: {code:?} {text}");
    }
    assert!(!dir.join("datasets").exists());
    // An unknown GPU has a draft from then on, which is never written over.
    let other = T4.replace("Tesla T4", "NVIDIA X9000");
    let (code, text) = with_gpu(dir, &other, &["profile", "--device", "cuda:0"]);
    let draft = dir.join("device-profiles/nvidia-x9000.toml");
    assert!(code == Some(3) && text.contains("nvidia-x9000.toml is a draft"), "{code:?} {text}");
    std::fs::write(&draft, std::fs::read_to_string(&draft).unwrap() + "# looked over\n").unwrap();
    with_gpu(dir, &other, &["profile", "--device", "nvidia-x9000"]);
    assert!(std::fs::read_to_string(&draft).unwrap().ends_with("# looked over\n"));
    let missing = ["train", "resnet18", "--data", ".", "--device", "cuda:0"];
    refused(dir, &missing, 2, &["device-profiles", "no image"]);
}

fn quick() -> Options {
    let policy = Policy { warmup_min_ns: 0, max_ns: 0, patience_ns: 0, ..Policy::HOST };
    Options { policy: Some(policy), ..Options::default() }
}

#[test]
fn kernels_are_chains_and_networks_are_single_runs() {
    std::thread::spawn(|| {
        let mut device = device::open(&edgezen::shipped::profiles(), "torch-cpu", &quick()).unwrap();
        let identity = device.identity().clone();
        assert_eq!(identity.to_string(), "torch-cpu@torch@fp32");
        assert_eq!(identity.runtime_version.as_deref(), Some("2.13.0"));
        let relu = Kernel {
            kind: KernelKind::Act,
            batch: 1,
            in_c: 16,
            out_c: 16,
            in_h: 28,
            in_w: 28,
            kernel: 1,
            stride: 1,
            groups: 1,
            act: Act::Relu,
            residual: false,
            window: None,
        };
        let timing = device.measure(Workload::Subject(&Subject::Kernel(relu))).unwrap().timing;
        assert!(timing.k >= 4 && timing.overhead_ns.is_some(), "{} {:?}", timing.k, timing.overhead_ns);
        assert!(timing.samples_ns.len() >= 30 && timing.summary().unwrap().median.ns() > 0.0);
        // A normalisation is a kernel of its own here.
        let norm = Kernel { act: Act::None, ..relu };
        let of_norm = device.measure(Workload::Subject(&Subject::Kernel(norm))).unwrap().timing;
        assert_ne!(of_norm.checksum, timing.checksum);
        let model = published::by_name("zennet_cifar10_model_size05M_res32").unwrap();
        let timing = device.measure(Workload::Subject(&Subject::network(&model, 1))).unwrap().timing;
        assert!(timing.k < 4 && timing.overhead_ns.is_none(), "{}", timing.k);
        let facts = device.facts();
        for name in ["libtorch", "onednn", "memory_format", "threads", "conditions"] {
            assert!(facts.contains_key(name), "{name}");
        }
    })
    .join()
    .unwrap();
}

#[test]
fn too_little_memory_fails_the_workload_and_not_the_device() {
    std::thread::spawn(|| {
        let mut device = device::open(&edgezen::shipped::profiles(), "torch-cpu", &quick()).unwrap();
        let huge = Kernel {
            kind: KernelKind::Maxpool,
            batch: 65_536,
            in_c: 512,
            out_c: 512,
            in_h: 256,
            in_w: 256,
            kernel: 3,
            stride: 1,
            groups: 1,
            act: Act::None,
            residual: false,
            window: None,
        };
        let error = device.measure(Workload::Subject(&Subject::Kernel(huge))).unwrap_err();
        assert!(matches!(error, DeviceError::Workload { .. }), "{error}");
        assert!(error.to_string().contains("out of memory"), "{error}");
        let small = Kernel { batch: 1, in_c: 8, out_c: 8, in_h: 14, in_w: 14, ..huge };
        device.measure(Workload::Subject(&Subject::Kernel(small))).unwrap();
    })
    .join()
    .unwrap();
}

#[test]
fn the_loop_closes_with_libtorch() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let args =
        ["profile", "--device", "torch-cpu", "--samples", "60", "--rounds", "1", "--seed", "1", "--json"];
    // Noise (exit 3) is this computer's, and does not matter here.
    let output = edgezen(dir, &args);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", String::from_utf8_lossy(&output.stderr));
    let data = dir.join("datasets/torch-cpu@torch");
    assert!(data.join("samples.parquet").exists() && data.join("lookup_table.csv").exists());
    let fitted = edgezen_json(dir, &["fit", "--data", "datasets/torch-cpu@torch", "--json"]);
    assert!(dir.join("predictors/torch-cpu@torch@fp32.json").exists(), "{fitted}");
    let found = edgezen(
        dir,
        &[
            "search",
            "--device",
            "torch-cpu",
            "--latency",
            "30ms",
            "--iterations",
            "300",
            "--population",
            "32",
            "--verify",
            "1",
            "--out",
            "run",
            "--json",
        ],
    );
    let code = found.status.code();
    assert!(matches!(code, Some(0 | 3)), "{code:?} {}", String::from_utf8_lossy(&found.stderr));
    let found: serde_json::Value = serde_json::from_slice(&found.stdout).unwrap();
    let verified = list(&found["verified"]);
    assert!(!verified.is_empty());
    for row in verified {
        let ratio = number(row, "predicted_ms") / number(row, "measured_ms");
        assert!((0.5..2.0).contains(&ratio), "{row}");
    }
}
