//! Exported files in the runtimes that they are made for: LiteRT and onnxruntime must compute what tract computes, in floats
//! and nearly so in 8-bit integers.

use crate::contracts::onnx::{python_with, write_floats};
use edgezen::engine::quantisation::{Images, Maps, Ranges};
use edgezen::engine::weights::Weights;
use edgezen::engine::{Engine, Tensor, Tract, onnx, tflite, weights};
use edgezen::plainnet::graph::{Act, Op};
use edgezen::plainnet::{Graph, Model, Shape, notation, published};
use std::path::{Path, PathBuf};
use std::process::Command;

const SEED: u64 = 11;

/// A Python that has LiteRT and onnxruntime, or nothing, with the reason printed.
fn runtimes() -> Option<PathBuf> {
    match python_with("numpy, onnxruntime, ai_edge_litert.interpreter") {
        Ok(python) => Some(python),
        Err(reason) => {
            println!("skipped: no Python with the runtimes: {reason}");
            None
        }
    }
}

/// The reports of `scripts/check_exports.py` on `files`; `wanted` are the options of its tolerance.
fn check(python: &Path, files: &[PathBuf], wanted: [&str; 2]) -> Vec<serde_json::Value> {
    let output = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/check_exports.py"))
        .args(wanted)
        .args(files)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let reports: Vec<serde_json::Value> =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{errors}"));
    let wrong: Vec<_> = reports.iter().filter(|report| report["agrees"] != true).collect();
    assert!(wrong.is_empty(), "{wrong:#?}{errors}");
    assert_eq!(reports.len(), files.len());
    reports
}

/// Writes the inputs of `graph`, and what tract computes of them, beside `file`.
fn expect(file: &Path, graph: &Graph, batch: u32) {
    let of_inputs = (0..graph.nodes.len()).filter(|&index| graph.nodes[index].op == Op::Input);
    let inputs: Vec<Tensor> = of_inputs.map(|index| weights::input(graph, index, batch, SEED)).collect();
    let expected = Tract.load(graph, batch, SEED).unwrap().run(&inputs).unwrap();
    let inputs: Vec<f32> = inputs.into_iter().flat_map(|input| input.data).collect();
    let beside = |what: &str| PathBuf::from(format!("{}.{what}", file.display()));
    write_floats(&beside("input"), &inputs);
    write_floats(&beside("output"), &expected[0].data);
}

/// Small graphs that together hold every operation, with every padding.
pub fn small_graphs() -> Vec<(String, Graph)> {
    let mut graphs = Vec::new();
    let mut add = |name: String, graph: Graph| graphs.push((name, graph));
    for (in_c, out_c, kernel, stride, groups, side) in [
        (3, 8, 3, 2, 1, 9),
        (3, 8, 3, 2, 1, 8),
        (4, 8, 5, 2, 1, 12),
        (8, 8, 5, 1, 8, 7),
        (8, 8, 3, 2, 8, 8),
        (8, 16, 3, 2, 8, 7),
        (8, 4, 1, 2, 1, 7),
        (8, 12, 3, 1, 4, 6),
        (8, 8, 7, 2, 2, 10),
        (6, 9, 1, 1, 1, 5),
    ] {
        let mut graph = Graph::new(Shape::square(in_c, side));
        let conv = graph.push(Op::Conv { in_c, out_c, kernel, stride, groups, bias: kernel != 1 }, vec![0]);
        graph.push(Op::BatchNorm, vec![conv]);
        add(format!("conv{kernel}x{stride}g{groups}on{side}"), graph);
    }
    for act in Act::ALL {
        let mut graph = Graph::new(Shape { c: 4, h: 5, w: 6 });
        let conv = Op::Conv { in_c: 4, out_c: 6, kernel: 3, stride: 1, groups: 1, bias: true };
        let conv = graph.push(conv, vec![0]);
        let first = graph.push(Op::Act(act), vec![conv]);
        // Once more on its own, because two operations read it.
        let second = graph.push(Op::Act(act), vec![first]);
        graph.push(Op::Add, vec![first, second]);
        add(format!("act_{}", act.name()), graph);
    }
    for (side, positive) in [(8, false), (8, true), (9, false)] {
        let mut graph = Graph::new(Shape::square(4, side));
        let mut at = 0;
        if positive {
            at = graph.push(Op::Act(Act::Relu), vec![at]);
        }
        let pool = graph.push(Op::MaxPool { kernel: 3, stride: 2 }, vec![at]);
        graph.push(Op::BatchNorm, vec![pool]);
        add(format!("pool{side}{positive}"), graph);
    }
    let mut graph = Graph::new(Shape::square(6, 7));
    let low = graph.push(Op::Slice { from: 0, count: 2 }, vec![0]);
    let high = graph.push(Op::Slice { from: 3, count: 3 }, vec![0]);
    let joined = graph.push(Op::Concat, vec![high, low]);
    graph.push(Op::AdaptiveAvgPool { size: 6 }, vec![joined]);
    add("slices".into(), graph.clone());
    // Pixels in the order of the file, read by a linear layer, and in that of the graph.
    let last = graph.nodes.len() - 1;
    let flat = graph.push(Op::Flatten, vec![last]);
    add("flat".into(), graph.clone());
    let linear = graph.push(Op::Linear { in_c: 5 * 36, out_c: 7, bias: true }, vec![flat]);
    let relu = graph.push(Op::Act(Act::Relu), vec![linear]);
    graph.push(Op::Linear { in_c: 7, out_c: 4, bias: false }, vec![relu]);
    add("linear".into(), graph);
    // A gate that was computed by linear layers.
    let mut graph = Graph::new(Shape::square(6, 4));
    let pool = graph.push(Op::GlobalAvgPool, vec![0]);
    let flat = graph.push(Op::Flatten, vec![pool]);
    let hidden = graph.push(Op::Linear { in_c: 6, out_c: 3, bias: true }, vec![flat]);
    let hidden = graph.push(Op::Act(Act::Relu6), vec![hidden]);
    let gate = graph.push(Op::Linear { in_c: 3, out_c: 6, bias: true }, vec![hidden]);
    let gate = graph.push(Op::Act(Act::HardSigmoid), vec![gate]);
    let scaled = graph.push(Op::Scale, vec![0, gate]);
    let sum = graph.push(Op::Add, vec![scaled, 0]);
    graph.push(Op::Act(Act::Relu), vec![sum]);
    add("gate".into(), graph);
    add("nothing".into(), Graph::new(Shape::square(3, 4)));
    graphs
}

/// Networks with blocks of every kind.
pub fn small_networks() -> Vec<(&'static str, Graph)> {
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
    [
        ("mobile_se", small("zennet_imagenet1k_flops400M_SE_res224")),
        ("resnet18", small("resnet18")),
        ("mobilenet_v2", small("mobilenet_v2")),
        ("basic", basic),
    ]
    .into_iter()
    .map(|(name, model)| (name, model.graph().unwrap()))
    .collect()
}

/// In which format and in which numbers a network is written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Tflite,
    TfliteIntegers,
    OnnxIntegers,
}

impl Form {
    fn write(self, graph: &Graph, batch: u32) -> Vec<u8> {
        let weights = Weights::new(graph, SEED);
        let maps = || {
            let images = Images::Random { count: 4, seed: SEED };
            Maps::of(graph, &Ranges::observe(graph, &weights, &images).unwrap())
        };
        match self {
            Form::Tflite => tflite::write(graph, batch, &weights).unwrap(),
            Form::TfliteIntegers => tflite::write_int8(graph, batch, &weights, &maps()).unwrap(),
            Form::OnnxIntegers => {
                let (maps, mut bytes) = (maps(), Vec::new());
                let weights = Weights::new(graph, SEED);
                let export = onnx::Export::with_integers(graph, batch, weights, Some(&maps)).unwrap();
                export.write(&mut bytes).unwrap();
                bytes
            }
        }
    }

    fn ending(self) -> &'static str {
        if self == Form::OnnxIntegers { "onnx" } else { "tflite" }
    }

    /// What is asked of its output.
    fn wanted(self) -> [&'static str; 2] {
        if self == Form::Tflite { ["--tolerance", "1e-3"] } else { ["--cosine", "0.99"] }
    }
}

/// Writes `graphs` in one form, and checks what the runtime computes.
fn compare(form: Form, graphs: Vec<(String, Graph, u32)>) {
    let Some(python) = runtimes() else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (name, graph, batch) in graphs {
        let file = dir.path().join(format!("{name}.{}", form.ending()));
        std::fs::write(&file, form.write(&graph, batch)).unwrap();
        expect(&file, &graph, batch);
        files.push(file);
    }
    for report in check(&python, &files, form.wanted()) {
        assert_eq!(report["inputs"][0], "input", "{report}");
        assert_eq!(report["outputs"], serde_json::json!(["logits"]), "{report}");
        println!("{form:?} {} {} {}", report["model"], report["relative_difference"], report["cosine"]);
    }
}

fn all_small() -> Vec<(String, Graph, u32)> {
    let graphs = small_graphs().into_iter().map(|(name, graph)| (name, graph, 2));
    graphs.chain(small_networks().into_iter().map(|(name, graph)| (name.to_owned(), graph, 1))).collect()
}

#[test]
fn litert_computes_the_same() {
    compare(Form::Tflite, all_small());
}

#[test]
fn litert_computes_nearly_the_same_in_integers() {
    compare(Form::TfliteIntegers, all_small());
}

#[test]
fn onnxruntime_computes_nearly_the_same_in_integers() {
    compare(Form::OnnxIntegers, all_small());
}
