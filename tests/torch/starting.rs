//! Networks that do not begin from nothing: with a teacher, or with the weights of the network that they were made from.

use crate::commands::deploying::pictures;
use crate::commands::{edgezen_json, refused};
use crate::golden::{list, number};
use edgezen::engine::safetensors::Tensors;
use edgezen::plainnet::{Model, notation};
use edgezen::train::network::Network;
use edgezen::train::teacher::Teacher;
use std::path::Path;
use tch::{CModule, Device, Kind, Tensor};

const NET: &str = "SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,2,8,1)SuperConvK1BNRELU(16,32,1,1)";

fn train(dir: &Path, net: &str, extra: &[&str]) -> serde_json::Value {
    let args = [
        "train",
        net,
        "--resolution",
        "16",
        "--data",
        "pictures",
        "--batch",
        "16",
        "--threads",
        "1",
        "--json",
    ];
    edgezen_json(dir, &[&args[..], extra].concat())
}

fn taken(trained: &serde_json::Value) -> [f64; 3] {
    ["whole", "part", "random"].map(|what| number(&trained["started_from"], what))
}

#[test]
fn a_changed_network_begins_with_what_it_has_in_common() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    pictures(&dir.join("pictures"), 30);
    let parent = train(dir, NET, &["--epochs", "3", "--out", "parent"]);
    assert!(parent.get("started_from").is_none());
    let all = Tensors::read(&dir.join("parent/best.safetensors")).unwrap().tensors.len() as f64;
    // The same network takes all of it, from the folder or from the file.
    let same = train(dir, NET, &["--epochs", "1", "--start-from", "parent", "--out", "same"]);
    assert_eq!(taken(&same), [all, 0.0, 0.0]);
    // One unit more, which begins as its shortcut: two convolutions with their normalisations.
    let deeper = NET.replace("(8,16,2,8,1)", "(8,16,2,8,2)");
    let file = ["--epochs", "1", "--start", "parent/best.safetensors", "--out", "deeper"];
    assert_eq!(taken(&train(dir, &deeper, &file)), [all, 0.0, 10.0]);
    let wider = NET.replace("(16,32,1,1)", "(16,48,1,1)");
    let trained = train(dir, &wider, &["--epochs", "1", "--start-from", "parent", "--out", "wider"]);
    // The last convolution, its normalisation, and the classifier's weight; not its bias.
    assert_eq!(taken(&trained), [all - 6.0, 6.0, 0.0]);
    let args = ["train", NET, "--resolution", "16", "--data", "pictures", "--out", "x", "--start-from"];
    std::fs::create_dir(dir.join("empty")).unwrap();
    refused(dir, &[&args[..], &["empty"]].concat(), 2, &["best.safetensors"]);
    refused(dir, &[&args[..], &["nowhere"]].concat(), 2, &["nowhere"]);
    let other = [
        "train",
        NET,
        "--resolution",
        "16",
        "--data",
        "pictures",
        "--batch",
        "16",
        "--epochs",
        "1",
        "--resume",
    ];
    refused(dir, &[&other[..], &["--out", "same"]].concat(), 7, &["other weights to begin with"]);
}

/// The same weights as an ONNX file for `batch` images, and as a TorchScript file.
fn teachers(dir: &Path, batch: &str) {
    let weights = ["--weights", "parent/best.safetensors", "--batch", batch, "-o"];
    edgezen_json(
        dir,
        &[&["export", NET], &weights[..], &[&format!("teacher{batch}.onnx"), "--json"]].concat(),
    );
}

#[test]
fn a_teacher_says_the_same_in_each_format() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    pictures(&dir.join("pictures"), 30);
    train(dir, NET, &["--epochs", "3", "--out", "parent"]);
    teachers(dir, "1");
    teachers(dir, "16");
    let model =
        Model { name: None, network: notation::parse(NET).unwrap(), resolution: 16, classes: 3, se: false };
    let mut network = Network::new(&model, Device::Cpu, 0).unwrap();
    network.load(&Tensors::read(&dir.join("parent/best.safetensors")).unwrap(), false).unwrap();
    for parameter in &mut network.parameters {
        let _ = parameter.value.requires_grad_(false);
    }
    let x = Tensor::randn([16, 3, 16, 16], (Kind::Float, Device::Cpu));
    {
        let _guard = tch::no_grad_guard();
        let mut forward =
            |inputs: &[Tensor]| vec![network.forward(inputs[0].shallow_clone(), false).unwrap()];
        let inputs = [x.shallow_clone()];
        let traced = CModule::create_by_tracing("Teacher", "forward", &inputs, &mut forward).unwrap();
        traced.save(dir.join("teacher.pt")).unwrap();
    }
    let want = tch::no_grad(|| network.forward(x.shallow_clone(), false).unwrap().softmax(-1, Kind::Float));
    for name in ["teacher1.onnx", "teacher16.onnx", "teacher.pt"] {
        let mut teacher = Teacher::load(&dir.join(name), &model, 16, Device::Cpu).unwrap();
        let found = (teacher.shares(&x).unwrap() - &want).abs().max().double_value(&[]);
        assert!(found < 1e-5, "{name}: {found}");
    }
    // A pupil learns the same from each of them, and more than from the targets alone.
    let small = "SuperConvK3BNRELU(3,8,2,1)SuperConvK3BNRELU(8,16,2,1)";
    let first_loss = |teacher: &[&str], out: &str| {
        let trained = train(dir, small, &[teacher, &["--epochs", "1", "--out", out]].concat());
        number(&list(&trained["history"])[0], "train_loss")
    };
    let alone = first_loss(&[], "alone");
    let of_script = first_loss(&["--teacher", "teacher.pt"], "script");
    let of_onnx = first_loss(&["--teacher", "teacher1.onnx"], "onnx");
    assert!((of_script - of_onnx).abs() < 1e-4 && of_onnx > alone + 0.1, "{alone} {of_script} {of_onnx}");

    let refuse = |net: &str, teacher: &str, extra: &[&str], words: &[&str]| {
        let args = ["train", net, "--data", "pictures", "--batch", "16", "--out", "x", "--teacher", teacher];
        refused(dir, &[&args[..], extra].concat(), 7, words);
        assert!(!dir.join("x").exists());
    };
    refuse(
        NET,
        "teacher1.onnx",
        &["--resolution", "16", "--classes", "4"],
        &["teacher1.onnx", "[16, 3]", "[16, 4]"],
    );
    refuse(NET, "teacher1.onnx", &["--resolution", "32"], &["teacher1.onnx", "same size"]);
    std::fs::write(dir.join("no.onnx"), "no").unwrap();
    refuse(NET, "no.onnx", &["--resolution", "16"], &["not an ONNX file"]);
    std::fs::write(dir.join("no.pt"), "no").unwrap();
    refuse(NET, "no.pt", &["--resolution", "16"], &["not a TorchScript file"]);
}
