//! Deploying a network whose weights are given: its accuracy in the runtime, its card, and what is refused.

use super::{edgezen, edgezen_json, refused};
use edgezen::engine::Tensor;
use edgezen::engine::safetensors::Tensors;
use edgezen::engine::weights::Weights;
use edgezen::plainnet::graph::Op;
use edgezen::plainnet::{Model, notation};
use edgezen_lab::device::runtimes::found;
use serde_json::Value;
use std::path::Path;

const NET: &str = "SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,2,8,1)SuperConvK1BNRELU(16,32,1,1)";
const SIDE: u32 = 16;

/// A PNG with these bytes of red, green and blue.
pub fn png(width: u32, height: u32, rgb: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().unwrap().write_image_data(rgb).unwrap();
    bytes
}

/// Images of three classes, in folders: each has a colour, and stripes of its own.
pub fn pictures(dir: &Path, each: u32) {
    for class in 0..3_u32 {
        let folder = dir.join(["blue", "green", "red"][class as usize]);
        std::fs::create_dir_all(&folder).unwrap();
        for image in 0..each {
            let rgb: Vec<u8> = (0..20 * 18_u32)
                .flat_map(|at| {
                    let wave = (at % 20 * (class + 1) + at / 20 * (image % 5)) * 17 % 160;
                    let mut pixel = [wave as u8; 3];
                    pixel[2 - class as usize] = (90 + wave / 2 + image % 40) as u8;
                    pixel
                })
                .collect();
            std::fs::write(folder.join(format!("{image}.png")), png(20, 18, &rgb)).unwrap();
        }
    }
}

/// A file of weights of [`NET`] that are drawn at random, with normalisations that do nothing.
fn weights(path: &Path, about: &[(&str, &str)]) {
    let network = notation::parse(NET).unwrap();
    let model = Model { name: None, network, resolution: SIDE, classes: 3, se: false };
    let graph = model.graph().unwrap();
    let drawn = Weights::new(&graph, 3);
    let mut file = Tensors::default();
    for (index, node) in graph.nodes.iter().enumerate() {
        let mut put = |name: &str, shape: Vec<usize>, data: Vec<f32>| {
            file.tensors.insert(format!("n{index}.{name}"), Tensor { shape, data });
        };
        match node.op {
            Op::BatchNorm => {
                let count = node.shape.c as usize;
                for (name, value) in
                    [("weight", 1.0), ("bias", 0.05), ("running_mean", 0.0), ("running_var", 1.0)]
                {
                    put(name, vec![count], vec![value; count]);
                }
            }
            Op::Conv { bias, .. } | Op::Linear { bias, .. } => {
                let of = drawn.of(index).unwrap();
                put("weight", of.shape.clone(), of.weight);
                if bias {
                    put("bias", vec![of.shape[0]], vec![0.1; of.shape[0]]);
                }
            }
            _ => {}
        }
    }
    for (name, value) in [("resolution", "16"), ("classes", "3")].iter().chain(about) {
        file.metadata.insert((*name).to_owned(), (*value).to_owned());
    }
    std::fs::write(path, file.encode()).unwrap();
}

const DEPLOY: [&str; 6] = ["deploy", NET, "--weights", "w.safetensors", "--data", "pictures"];

fn deploy(dir: &Path, extra: &[&str]) -> Value {
    edgezen_json(dir, &[&DEPLOY[..], extra, &["--json"]].concat())
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[test]
fn a_card_tells_the_accuracy_in_each_runtime() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    pictures(&dir.join("pictures"), 40);
    weights(&dir.join("w.safetensors"), &[]);
    let reference = deploy(dir, &["--device", "host", "-o", "tract", "--latency", "1s"]);
    assert_eq!(reference["data"]["test_images"], 24);
    assert_eq!(reference["budgets"][0]["kept"], true);
    assert!(number(&reference["latency"]["median_ms"]) > 0.0);
    assert_eq!(reference["file"]["bytes"], std::fs::metadata(dir.join("tract/network.onnx")).unwrap().len());
    let top1 = |card: &Value, what: &str| number(&card["accuracy"][what]["share"]);
    // Weights that are random know some of the classes apart, but not all.
    assert!((0.0..1.0).contains(&top1(&reference, "top1")), "{}", reference["accuracy"]);
    let page = std::fs::read_to_string(dir.join("tract/card.md")).unwrap();
    // The command that is given is one that is taken.
    assert!(!reference["repeat"].to_string().contains("--ranges"), "{}", reference["repeat"]);
    for words in ["## Structure", NET, "24 test images", "edgezen deploy", "multiply-accumulates"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let card: Value = serde_json::from_slice(&std::fs::read(dir.join("tract/card.json")).unwrap()).unwrap();
    assert_eq!(card, reference);
    // The file in the format of its runtime is measured as any other.
    for runtime in found().iter().filter(|found| found.library.is_some()) {
        let (name, device) = (&runtime.name, format!("host@{}@int8", runtime.name));
        let floats = deploy(dir, &["--device", &format!("host@{name}"), "-o", &format!("{name}-floats")]);
        assert_eq!(top1(&floats, "top1"), top1(&reference, "top1"), "{name}");
        assert!(floats["quantisation"].is_null());
        let whole = deploy(dir, &["--device", &device, "-o", &format!("{name}-integers")]);
        assert_eq!(top1(&whole, "top1_in_floats"), top1(&reference, "top1"), "{name}");
        let gain = number(&whole["accuracy"]["gain_over_floats"]["share"]);
        assert!((gain - (top1(&whole, "top1") - top1(&whole, "top1_in_floats"))).abs() < 1e-9);
        let worst = whole["quantisation"]["worst"].as_array().unwrap();
        assert_eq!((worst.len(), &whole["quantisation"]["in_floats"]), (5, &serde_json::json!([])));
        assert!(worst.windows(2).all(|pair| number(&pair[0]["error"]) >= number(&pair[1]["error"])));
        let kept = deploy(
            dir,
            &["--device", &device, "-o", &format!("{name}-kept"), "--keep-float", "2", "--ranges", "entropy"],
        );
        assert_eq!(kept["quantisation"]["in_floats"].as_array().unwrap().len(), 2);
        assert_eq!(kept["quantisation"]["method"], "entropy");
    }
}

#[test]
fn what_would_be_no_true_accuracy_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    pictures(&dir.join("pictures"), 10);
    weights(&dir.join("w.safetensors"), &[("split_seed", "4"), ("class_names", r#"["blue","green","red"]"#)]);
    let refused = |extra: &[&str], code: i32, words: &[&str]| {
        refused(dir, &[&DEPLOY[..], &["-o", "card"], extra].concat(), code, words);
        assert!(!dir.join("card/card.json").exists());
    };
    refused(&["--device", "pixel2@tract"], 2, &["this computer", "edgezen measure"]);
    refused(&["--device", "host@tract@int8"], 2, &["fp32"]);
    refused(&["--device", "host@nothing"], 2, &["litert"]);
    refused(&["--device", "host", "--split-seed", "5"], 2, &["seed 4", "learnt from"]);
    refused(&["--device", "host", "--ranges", "12"], 2, &["minmax"]);
    // What is about integers says nothing of a device that computes in floats.
    refused(&["--device", "host", "--ranges", "entropy"], 2, &["--ranges", "computes in floats"]);
    refused(
        &["--device", "host@tract@fp32", "--keep-float", "1"],
        2,
        &["--keep-float", "computes in floats"],
    );
    // A file that is no image, and one that is cut off.
    let broken = dir.join("pictures/red/broken.png");
    std::fs::write(&broken, "a text").unwrap();
    let whole = std::fs::read(dir.join("pictures/red/1.png")).unwrap();
    for image in 20..40 {
        std::fs::write(dir.join(format!("pictures/red/cut{image}.png")), &whole[..whole.len() / 2]).unwrap();
    }
    refused(&["--device", "host"], 7, &["cut2", "--skip-broken"]);
    let output = edgezen(dir, &[&DEPLOY[..], &["-o", "card", "--device", "host", "--skip-broken"]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0)) && said.contains("left out"), "{said}");
    // What is there stays.
    let page = std::fs::read(dir.join("card/card.md")).unwrap();
    super::refused(
        dir,
        &[&DEPLOY[..], &["-o", "card", "--device", "host", "--skip-broken"]].concat(),
        2,
        &["--force"],
    );
    assert_eq!(std::fs::read(dir.join("card/card.md")).unwrap(), page);
    std::fs::rename(dir.join("pictures/red"), dir.join("pictures/scarlet")).unwrap();
    super::refused(
        dir,
        &[&DEPLOY[..], &["-o", "other", "--device", "host", "--skip-broken"]].concat(),
        2,
        &["scarlet, where it was red"],
    );
}
