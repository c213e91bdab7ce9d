//! A network that goes to PyTorch, is trained there by the parts of timm and torchvision, and comes back.

use crate::commands::deploying::pictures;
use crate::commands::{edgezen_json, refused};
use crate::contracts::pytorch::{torch_command, torch_python};
use crate::golden::{list, number};
use edgezen::engine::safetensors::Tensors;
use edgezen::engine::{Tensor, onnx};
use edgezen::plainnet::{Model, notation};
use edgezen::train::network::{Network, Step};
use edgezen::train::recipe::Recipe;
use serde_json::Value;
use std::path::Path;
use tch::Device;

const NET: &str = "SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,2,8,2)SuperResIDWE2K3(16,16,1,16,1)SuperConvK1BNRELU(16,32,1,1)";
const SIDE: u32 = 16;

fn model() -> Model {
    Model { name: None, network: notation::parse(NET).unwrap(), resolution: SIDE, classes: 3, se: false }
}

/// The largest difference of two files of weights, relative to one where values are larger.
fn difference(a: &Tensors, b: &Tensors) -> f32 {
    assert_eq!(a.tensors.keys().collect::<Vec<_>>(), b.tensors.keys().collect::<Vec<_>>());
    let pairs = a.tensors.iter().flat_map(|(name, a)| a.data.iter().zip(&b.tensors[name].data));
    pairs.map(|(a, b)| (a - b).abs() / (1.0 + b.abs())).fold(0.0, f32::max)
}

/// Trains a little here, and writes the folder for PyTorch.
fn exported(dir: &Path) {
    pictures(&dir.join("pictures/train"), 24);
    let train =
        ["train", NET, "--resolution", "16", "--data", "pictures/train", "--epochs", "2", "--batch", "16"];
    edgezen_json(dir, &[&train[..], &["--threads", "1", "--out", "here", "--json"]].concat());
    let export =
        ["export", NET, "--format", "pytorch", "--weights", "here/best.safetensors", "-o", "net", "--json"];
    let report = edgezen_json(dir, &export);
    assert!(number(&report, "bytes") > 10_000.0, "{report}");
    // Written again, the same is no conflict.
    edgezen_json(dir, &export);
}

#[test]
fn the_folder_says_how_the_network_is_trained() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    exported(dir);
    let guide = std::fs::read_to_string(dir.join("net/README.md")).unwrap();
    for words in [
        "torchrun --nproc_per_node=8 edgezen_net.py",
        "--model edgezen_net",
        "--num-classes 3",
        "--input-size 3 16 16",
    ] {
        assert!(guide.contains(words), "{words}: {guide}");
    }
    assert!(!guide.contains('{'), "{guide}");
    // The versions are those that the tests install.
    let pinned = include_str!("../../scripts/requirements-pytorch.txt");
    let requirements = std::fs::read_to_string(dir.join("net/requirements.txt")).unwrap();
    let versions: Vec<&str> = requirements.lines().filter(|line| line.contains("==")).collect();
    assert_eq!(versions.len(), 3, "{requirements}");
    for version in versions {
        assert!(pinned.contains(&format!("\n{version} ")), "{version}");
    }
    let module = std::fs::read_to_string(dir.join("net/edgezen_net.py")).unwrap();
    assert!(module.contains("NAME = \"edgezen_net\"") && module.contains("CLASSES = 3"));
    refused(
        dir,
        &["export", "resnet18", "--format", "pytorch", "--classes", "5", "-o", "net"],
        2,
        &["--force"],
    );
    assert_eq!(std::fs::read_to_string(dir.join("net/edgezen_net.py")).unwrap(), module);
}

#[test]
fn three_steps_of_timm_have_the_losses_of_three_steps_here() {
    let python = match torch_python() {
        Ok(python) => python,
        Err(reason) => return println!("skipped: {reason}"),
    };
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    exported(dir);
    let output = torch_command(&python)
        .arg("net/edgezen_net.py")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/check_timm.py"))
        .args(["--data", "pictures", "--model", "edgezen_net", "--weights", "net/weights.safetensors"])
        .args(["--out", "there"])
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let report: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let theirs: Vec<f64> = list(&report["losses"]).iter().map(|loss| loss.as_f64().unwrap()).collect();
    assert_eq!(theirs.len(), 3);
    assert!((number(&report, "torchvision") - theirs[0]).abs() < 1e-5, "{report}");
    assert_eq!(report["momenta"], serde_json::json!([0.01]));

    // The same three steps here.
    let fresh = Network::new(&model(), Device::Cpu, 0).unwrap();
    let is_zero = |tensor: &tch::Tensor| tensor.abs().max().double_value(&[]) == 0.0;
    let weights = fresh.parameters.iter().filter(|parameter| parameter.name.ends_with("weight"));
    let zeroed = weights.filter(|parameter| is_zero(&parameter.value)).count();
    assert_eq!(report["zeroed"], zeroed, "{report}");
    let mut network = fresh;
    network.load(&Tensors::read(&dir.join("here/best.safetensors")).unwrap(), false).unwrap();
    network.bn_momentum = 0.1;
    let recipe = Recipe { mixup: 0.0, ..Recipe::default() };
    let batches = Tensors::read(&dir.join("there/batches.safetensors")).unwrap();
    for (step, theirs) in theirs.iter().enumerate() {
        let images = &batches.tensors[&format!("{step}.images")];
        let shape: Vec<i64> = images.shape.iter().map(|&n| n as i64).collect();
        let labels = &batches.tensors[&format!("{step}.labels")].data;
        let targets: Vec<f32> = labels.iter().flat_map(|&label| recipe.target(label as u32, 3)).collect();
        let targets = tch::Tensor::from_slice(&targets).reshape([labels.len() as i64, 3]);
        let x = tch::Tensor::from_slice(&images.data).reshape(shape);
        let ours = network.learn(x, &[targets], Step { rate: 0.02, ..Step::default() }, &recipe).unwrap();
        assert!((ours - theirs).abs() < 1e-4, "step {step}: {ours} here, {theirs} there");
    }

    // Back again: timm's checkpoint is what was learnt here, and torchvision's what the training began with.
    let import = |from: &str, to: &str| {
        let args = ["import-weights", NET, from, "--resolution", "16", "-o", to, "--json"];
        let report = edgezen_json(dir, &args);
        assert_eq!(report["classes"], 3);
        Tensors::read(&dir.join(to)).unwrap()
    };
    let learnt = Tensors { tensors: network.tensors(false).unwrap(), ..Tensors::default() };
    let back = import("there/model_best.pth.tar", "back.safetensors");
    assert!(difference(&back, &learnt) < 1e-4);
    let began = Tensors::read(&dir.join("here/best.safetensors")).unwrap();
    // Its normalisations have seen a batch.
    let without = |mut file: Tensors| {
        file.tensors.retain(|name, _| !name.contains("running"));
        file
    };
    for (name, most) in [("checkpoint.pth", 0.0), ("plain.pth", 0.0), ("half.pth", 1e-3)] {
        let back = import(&format!("there/{name}"), &format!("{name}.safetensors"));
        let found = difference(&without(back), &without(began.clone()));
        assert!(found <= most, "{name}: {found}");
    }
    let state = import("net/weights.safetensors", "state.safetensors");
    assert_eq!(difference(&state, &began), 0.0);
    // What runs here with the weights answers as the module did.
    let export =
        ["export", NET, "--weights", "back.safetensors", "--batch", "8", "-o", "back.onnx", "--json"];
    edgezen_json(dir, &export);
    let input = batches.tensors["0.images"].clone();
    let mut loaded = onnx::load(&dir.join("back.onnx"), 8, 0).unwrap();
    let ours: Tensor = loaded.run(std::slice::from_ref(&input)).unwrap().remove(0);
    for (ours, theirs) in ours.data.iter().zip(&batches.tensors["logits"].data) {
        assert!((ours - theirs).abs() < 1e-4, "{ours} here, {theirs} there");
    }
    others_are_refused(dir);
}

#[test]
fn the_command_lines_do_what_they_say() {
    let python = match torch_python() {
        Ok(python) => python,
        Err(reason) => return println!("skipped: {reason}"),
    };
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    exported(dir);
    let output = torch_command(&python)
        .arg("net/edgezen_net.py")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/check_command_lines.py"))
        .args(["--guide", "net/README.md", "--data", "pictures"])
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let report: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    for script in ["timm", "torchvision"] {
        let losses = list(&report[script]["losses"]);
        assert!(losses.len() == 3 && losses.iter().all(|loss| loss.as_f64().unwrap() < 10.0), "{report}");
        assert_eq!(report[script]["nesterov"], true, "{report}");
    }
    assert_eq!(report["timm"]["decays"], serde_json::json!([0.0, 4e-5]));
    // Rates rise as the recipe's do. Then timm's cosine has begun with the first epoch, and the recipe's after the fifth.
    let recipe = Recipe { epochs: 480, batch: 512, warmup_epochs: 5.0, ..Recipe::default() };
    let images = 1_281_167;
    let rates = report["timm"]["rates"].as_object().unwrap();
    assert!(rates.len() > 5, "{report}");
    for (epoch, theirs) in rates {
        let ours = recipe.rate(epoch.parse::<u64>().unwrap() * images, images);
        let theirs = theirs.as_f64().unwrap();
        assert!((theirs / ours - 1.0).abs() < 0.025, "epoch {epoch}: {theirs} there, {ours} here");
    }
}

fn others_are_refused(dir: &Path) {
    let import = |net: &str, from: &str, extra: &[&str], code: i32, words: &[&str]| {
        let args =
            [&["import-weights", net, from, "--resolution", "16", "-o", "no.safetensors"], extra].concat();
        refused(dir, &args, code, words);
        assert!(!dir.join("no.safetensors").exists());
    };
    let checkpoint = "there/model_best.pth.tar";
    import("SuperConvK3BNRELU(3,8,2,1)", checkpoint, &[], 7, &["another network"]);
    import(NET, checkpoint, &["--classes", "7"], 7, &["[3, 32] there and [7, 32] here"]);
    import(NET, checkpoint, &["--ema"], 7, &["no means over the steps"]);
    import(NET, "net/weights.safetensors", &["--ema"], 2, &["no checkpoint"]);
    import(NET, "net/README.md", &[], 7, &["not a safetensors file"]);
    import(NET, "nowhere.pth", &[], 2, &["nowhere.pth"]);
    let whole = std::fs::read(dir.join(checkpoint)).unwrap();
    std::fs::write(dir.join("cut.pth"), &whole[..whole.len() / 2]).unwrap();
    import(NET, "cut.pth", &[], 7, &["cut off"]);
    std::fs::write(dir.join("old.pth"), b"\x80\x02\x8a\x0a").unwrap();
    import(NET, "old.pth", &[], 7, &["before 1.6", "save its state dict again"]);
}
