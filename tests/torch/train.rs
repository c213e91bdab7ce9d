//! Training on a small generated set of images, in the files of CIFAR-10.

use crate::commands::{edgezen, edgezen_json, refused};
use crate::contracts::onnx::{check_onnx, python, write_floats};
use crate::contracts::pytorch::{torch_command, torch_python};
use crate::golden::{list, number};
use edgezen::engine::safetensors::Tensors;
use edgezen::engine::{Engine, onnx};
use edgezen::train::cifar::{Cifar, IMAGE, normalised};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Small enough for a CPU, with a residual link and squeeze-excite.
pub const NET: &str = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,16,1)SuperResIDWE2K3(16,24,2,24,1)SuperConvK1BNRELU(24,64,1,1)";

/// Ten classes of stripes: direction and width differ, phase, colours and noise are random. In a mirror, most directions are those
/// of another class.
fn images(path: &Path, count: usize, seed: u64) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut bytes = Vec::new();
    for _ in 0..count {
        let label = rng.random_range(0..10_u8);
        let angle = f64::from(label % 5) * std::f64::consts::PI / 5.0;
        let frequency = if label < 5 { 0.5 } else { 1.2 };
        let phase = rng.random_range(0.0..std::f64::consts::TAU);
        let colours: [f64; 3] = [(); 3].map(|()| rng.random_range(40.0..110.0));
        bytes.push(label);
        for colour in colours {
            for (y, x) in (0..32).flat_map(|y| (0..32).map(move |x| (f64::from(y), f64::from(x)))) {
                let wave = ((x * angle.cos() + y * angle.sin()) * frequency + phase).sin();
                let noise = rng.random_range(-25.0..25.0);
                bytes.push((127.0 + colour * wave + noise).clamp(0.0, 255.0) as u8);
            }
        }
    }
    std::fs::write(path, bytes).unwrap();
}

/// A folder with a set of so many images to train on.
pub fn set(count: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("data")).unwrap();
    images(&dir.path().join("data/data_batch_1.bin"), count, 1);
    images(&dir.path().join("data/test_batch.bin"), 200, 2);
    dir
}

const COMMON: [&str; 8] = ["train", NET, "--data", "data", "--no-auto-augment", "--threads", "1", "--json"];

fn train(dir: &Path, extra: &[&str]) -> Value {
    edgezen_json(dir, &[&COMMON[..], extra].concat())
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn training_learns_what_the_reference_learns() {
    let dir = set(1024);
    let dir = dir.path();
    let mut losses = Vec::new();
    for seed in ["0", "1", "2"] {
        let out = format!("run{seed}");
        let trained = train(dir, &["--epochs", "12", "--no-mirror", "--out", &out, "--seed", seed]);
        let history = list(&trained["history"]);
        assert_eq!(history.len(), 12);
        assert!(number(&history[11], "train_loss") < number(&history[0], "train_loss") - 0.2, "{history:?}");
        let csv = std::fs::read_to_string(dir.join(&out).join("metrics.csv")).unwrap();
        assert_eq!(csv.lines().count(), 13);
        losses.push((
            number(&trained, "train_loss"),
            number(&trained, "test_loss"),
            number(&trained, "top1"),
        ));
    }
    println!("edgezen {losses:?}");
    assert!(losses.iter().all(|(.., top1)| *top1 > 0.8), "{losses:?}");
    let python = match torch_python() {
        Ok(python) => python,
        Err(reason) => return println!("no reference run: {reason}"),
    };
    edgezen(
        dir,
        &["export", NET, "--resolution", "32", "--classes", "10", "--format", "pytorch", "-o", "net.py"],
    );
    let mut reference = Vec::new();
    for seed in ["0", "1", "2"] {
        let output = torch_command(&python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/reference_train.py"))
            .args(["net.py", "--data", "data", "--epochs", "12", "--no-mirror", "--seed", seed])
            .current_dir(dir)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let last = list(&report["losses"]).last().unwrap().as_f64().unwrap();
        reference.push((last, number(&report, "test_loss"), number(&report, "top1")));
    }
    println!("reference {reference:?}");
    // Within the noise of either: the difference of the means, and the deviations over seeds.
    for part in [0, 1, 2] {
        let of = |runs: &[(f64, f64, f64)]| -> Vec<f64> {
            runs.iter().map(|run| [run.0, run.1, run.2][part]).collect()
        };
        let (ours, theirs) = (of(&losses), of(&reference));
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let spread = |v: &[f64]| v.iter().map(|x| (x - mean(v)).powi(2)).sum::<f64>() / (v.len() - 1) as f64;
        let error = ((spread(&ours) + spread(&theirs)) / 3.0).sqrt();
        let gap = (mean(&ours) - mean(&theirs)).abs();
        assert!(gap <= 4.0 * error + 0.03, "{ours:?} against {theirs:?}");
    }
}

#[test]
fn a_run_that_is_broken_off_anywhere_ends_with_the_same_bits() {
    let dir = set(256);
    let dir = dir.path();
    // All of the recipe.
    let args =
        ["train", NET, "--data", "data", "--threads", "1", "--epochs", "4", "--warmup", "1", "--seed", "5"];
    edgezen_json(dir, &[&args[..], &["--out", "whole", "--json"]].concat());
    // Broken off by the signal of Ctrl-C, wherever it is then.
    let mut child = Command::new(env!("CARGO_BIN_EXE_edgezen"))
        .args([&args[..], &["--out", "parts"]].concat())
        .current_dir(dir)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let checkpoint = dir.join("parts/checkpoint.safetensors");
    while !checkpoint.exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    // SAFETY: a signal to our own child.
    unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) };
    let code = child.wait().unwrap().code();
    assert!(matches!(code, Some(0 | 130)), "{code:?}");
    let resumed = [&args[..], &["--out", "parts", "--resume", "--json"]].concat();
    let trained = edgezen_json(dir, &resumed);
    assert_eq!(list(&trained["history"]).len(), 4);
    for file in ["last.safetensors", "best.safetensors", "metrics.csv", "checkpoint.safetensors"] {
        assert!(
            bytes(&dir.join("whole").join(file)) == bytes(&dir.join("parts").join(file)),
            "{file} differs"
        );
    }
    // A run that is there is not begun again, nor gone on with as another.
    let again = [&args[..], &["--out", "parts"]].concat();
    refused(dir, &again, 2, &["--resume"]);
    let other = [
        "train",
        "SuperConvK3BNRELU(3,8,1,1)",
        "--data",
        "data",
        "--out",
        "parts",
        "--resume",
        "--epochs",
        "4",
    ];
    refused(dir, &other, 7, &["another network"]);
    let seed = [&args[..args.len() - 1], &["6", "--out", "parts", "--resume"]].concat();
    refused(dir, &seed, 7, &["another seed"]);
    let damaged = bytes(&checkpoint);
    std::fs::write(&checkpoint, &damaged[..damaged.len() / 2]).unwrap();
    refused(dir, &resumed, 7, &["cut off"]);
    assert_eq!(bytes(&checkpoint).len(), damaged.len() / 2);
}

#[test]
fn the_exported_network_classifies_as_the_trained_one() {
    let dir = set(512);
    let dir = dir.path();
    let trained = train(dir, &["--epochs", "6", "--out", "run"]);
    let weights = "run/best.safetensors";
    let evaluated = edgezen_json(dir, &["evaluate", NET, "--weights", weights, "--data", "data", "--json"]);
    assert_eq!(number(&evaluated, "top1"), number(&trained["best"], "top1"));
    let export =
        ["export", NET, "--format", "onnx", "--weights", weights, "--batch", "200", "-o", "net.onnx"];
    edgezen_json(dir, &[&export[..], &["--json"]].concat());
    let data = Cifar::read(&dir.join("data")).unwrap();
    let mut values = vec![0_f32; 200 * IMAGE];
    values.chunks_mut(IMAGE).enumerate().for_each(|(i, out)| normalised(data.test.image(i), out));
    let input = edgezen::engine::Tensor { shape: vec![200, 3, 32, 32], data: values };
    let logits = onnx::load(&dir.join("net.onnx"), 200, 0)
        .unwrap()
        .run(std::slice::from_ref(&input))
        .unwrap()
        .remove(0);
    let right = logits.data.chunks(10).zip(&data.test.labels).filter(|(row, label)| {
        let best = (0..10).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
        best == usize::from(**label)
    });
    assert_eq!(right.count() as f64 / 200.0, number(&evaluated, "top1"));
    if let Ok(python) = python() {
        write_floats(&dir.join("in.f32"), &input.data);
        write_floats(&dir.join("out.f32"), &logits.data);
        check_onnx(&python, &dir.join("net.onnx"), &dir.join("in.f32"), &dir.join("out.f32"), 1e-4);
    }
    let other =
        ["export", "SuperConvK3BNRELU(3,8,1,1)", "--format", "onnx", "--weights", weights, "-o", "x.onnx"];
    refused(dir, &other, 7, &["another network"]);
    refused(dir, &["export", NET, "--format", "json", "--weights", weights, "-o", "x.json"], 2, &["ONNX"]);
    assert!(Tensors::read(&dir.join(weights)).unwrap().metadata.contains_key("structure"));
    let _ = edgezen::engine::Tract.name();
}

#[test]
fn a_training_has_a_folder_of_its_own() {
    let dir = set(64);
    let dir = dir.path();
    let search =
        ["search", "--params", "300k", "--layers", "10", "--resolution", "32", "--iterations", "300"];
    edgezen_json(dir, &[&search[..], &["--out", "run", "--json"]].concat());
    for (out, words) in [
        ("run", ["holds the run of a search", "not for a training"]),
        ("run/checkpoint/deep", ["belongs to the run of a search", "for that alone"]),
        ("/", ["the root of all files", "a folder inside"]),
    ] {
        let args = ["train", NET, "--data", "data", "--epochs", "1", "--out", out];
        refused(dir, &args, 2, &words);
        refused(dir, &[&args[..], &["--find-rate"]].concat(), 2, &words);
    }
    // The images may lie beside it, and finalists inside their search.
    edgezen_json(
        dir,
        &["train", NET, "--data", "data", "--epochs", "1", "--batch", "32", "--out", "own", "--json"],
    );
    refused(dir, &[&search[..], &["--out", "own", "--force"]].concat(), 2, &["own holds a training"]);
}

#[test]
fn data_that_are_none_are_refused() {
    let dir = set(64);
    let dir = dir.path();
    let args = [&COMMON[..], &["--epochs", "1"]].concat();
    let file = dir.join("data/data_batch_1.bin");
    let whole = bytes(&file);
    std::fs::write(&file, &whole[..whole.len() - 7]).unwrap();
    refused(dir, &args, 7, &["data_batch_1.bin", "cut off"]);
    let mut wrong = whole.clone();
    wrong[3073 * 2] = 77;
    std::fs::write(&file, &wrong).unwrap();
    refused(dir, &args, 7, &["image 2", "class 77"]);
    std::fs::write(&file, &whole).unwrap();
    std::fs::write(dir.join("data/data_batch_3.bin"), &whole).unwrap();
    refused(dir, &args, 2, &["data_batch_2.bin"]);
    std::fs::rename(dir.join("data/data_batch_3.bin"), dir.join("data/data_batch_2.bin")).unwrap();
    std::fs::write(dir.join("data/data_batch_2.bin"), &whole[..3073 * 9]).unwrap();
    refused(dir, &args, 7, &["different length"]);
    std::fs::remove_file(dir.join("data/data_batch_2.bin")).unwrap();
    refused(dir, &[&args[..], &["--batch", "65"]].concat(), 2, &["64 images"]);
    refused(dir, &[&args[..], &["--classes", "5"]].concat(), 2, &["the data have 10"]);
    refused(dir, &[&args[..], &["--lr=-1"]].concat(), 2, &["--lr"]);
    std::fs::write(dir.join("teacher.pt"), "no").unwrap();
    refused(dir, &[&args[..], &["--teacher", "teacher.pt"]].concat(), 7, &["TorchScript"]);
    assert!(!dir.join("runs").exists());
    // CIFAR-100 has two labels an image.
    std::fs::create_dir(dir.join("hundred")).unwrap();
    let records: Vec<u8> = whole.chunks(3073).flat_map(|record| [&[0][..], record].concat()).collect();
    for name in ["train.bin", "test.bin"] {
        std::fs::write(dir.join("hundred").join(name), &records).unwrap();
    }
    let hundred = Cifar::read(&dir.join("hundred")).unwrap();
    assert_eq!((hundred.classes, hundred.training.len()), (100, 64));
    assert_eq!(hundred.training, Cifar::read(&dir.join("data")).unwrap().training);
}
