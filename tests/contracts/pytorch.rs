//! Networks exported as PyTorch modules, in real PyTorch: the same logits as their ONNX file in
//! onnxruntime, the parameters that `info` counts, and a loss that training brings down.

use crate::commands::{edgezen_json, refused};
use crate::contracts::onnx::{check_onnx, python, write_floats};
use edgezen::engine::weights;
use edgezen::plainnet::{Model, notation, published};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a Python without the libtorch that this program may be run with: PyTorch brings its own.
pub fn torch_command(python: &Path) -> Command {
    let mut command = Command::new(python);
    command.env_remove("LD_LIBRARY_PATH");
    command
}

/// A Python that has what scripts/setup-pytorch installs, or the reason why there is none.
pub fn torch_python() -> Result<PathBuf, String> {
    let installed = || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pytorch/bin/python");
    let python = std::env::var_os("EDGEZEN_TORCH_PYTHON").map_or_else(installed, PathBuf::from);
    match torch_command(&python)
        .args(["-c", "import numpy, onnx, safetensors, timm, torch, torchvision"])
        .output()
    {
        Ok(output) if output.status.success() => Ok(python),
        Ok(output) => {
            Err(format!("{}: {}", python.display(), String::from_utf8_lossy(&output.stderr).trim()))
        }
        Err(e) => Err(format!("{}: {e}", python.display())),
    }
}

#[test]
fn pytorch_computes_what_onnxruntime_computes() {
    let (torch, onnxruntime) = match (torch_python(), python()) {
        (Ok(torch), Ok(onnxruntime)) => (torch, onnxruntime),
        (torch, onnxruntime) => {
            println!("skipped: {:?} {:?}", torch.err(), onnxruntime.err());
            return;
        }
    };
    let dir = tempfile::tempdir().unwrap();
    let basic = "ConvKX(3,8,3,2)BN(8)Swish(8)ConvKXG2(8,16,3,1)RELU(16)SE(16)MaxPool(16,3,2)\
                 ResBlockProj(16,1,ConvDW(16,3,1)BN(16)RELU(16)ConvKX(16,16,1,1)BN(16))BN(16)AdaptiveAvgPool(16,2)";
    for (name, net, resolution, extra) in [
        ("cifar", "zennet_cifar10_model_size1M_res32", 32, &[][..]),
        ("mobile_se", "zennet_imagenet1k_flops400M_SE_res224", 64, &[]),
        ("residual", "zennet_imagenet1k_latency01ms_res224", 64, &[]),
        ("resnet18", "resnet18", 64, &["--se"]),
        ("mobilenet_v2", "mobilenet_v2", 64, &[]),
        ("basic", basic, 32, &[]),
    ] {
        let (side, onnx, module) = (resolution.to_string(), format!("{name}.onnx"), format!("{name}.py"));
        let common = [&["export", net, "--resolution", &side, "--seed", "3"][..], extra].concat();
        let export = |format: &str, file: &str| {
            edgezen_json(dir.path(), &[&common[..], &["--format", format, "-o", file, "--json"]].concat())
        };
        export("onnx", &onnx);
        export("pytorch", &module);
        let model = published::by_name(net).unwrap_or_else(|| Model {
            name: None,
            network: notation::parse(net).unwrap(),
            resolution,
            classes: 1000,
            se: false,
        });
        let se = model.se || extra.contains(&"--se");
        let model = Model { resolution, se, ..model };
        let (input, logits) = (dir.path().join("input.f32"), dir.path().join("logits.f32"));
        write_floats(&input, &weights::input(&model.graph().unwrap(), 0, 1, 7).data);
        let output = torch_command(&torch)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/check_pytorch.py"))
            .args([dir.path().join(&module), dir.path().join(&onnx)])
            .arg("--input")
            .arg(&input)
            .arg("--output")
            .arg(&logits)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {errors}");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let exact = model.exact(edgezen::plainnet::Variant::built(se)).unwrap();
        assert_eq!(report["parameters"].as_f64(), Some(exact.params as f64), "{name}");
        let losses: Vec<f64> =
            report["losses"].as_array().unwrap().iter().map(|loss| loss.as_f64().unwrap()).collect();
        assert!(losses[2] < losses[0], "{name}: {losses:?}");
        check_onnx(&onnxruntime, &dir.path().join(&onnx), &input, &logits, 1e-5);
    }
}

#[test]
fn what_cannot_be_a_module_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let net = "ConvKX(3,8,3,1)Flatten(8)SE(8192)";
    let args = ["export", net, "--resolution", "32", "--format", "pytorch", "-o", "x.py"];
    refused(dir.path(), &args, 2, &["SE(8192)", "flattening"]);
    assert!(!dir.path().join("x.py").exists());
}
