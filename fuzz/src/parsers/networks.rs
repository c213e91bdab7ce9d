//! Networks in files: ONNX, TensorFlow Lite, and trained weights, also those of PyTorch.

use super::{Parser, Seeds, as_it_is, files, said};
use edgezen_core::plainnet::graph::{Act, Op};
use edgezen_core::plainnet::lowering::Lowering;
use edgezen_core::plainnet::{Graph, Model, Shape, notation};
use edgezen_engine::imported::Imported;
use edgezen_engine::pytorch::pickle;
use edgezen_engine::quantisation::{Images, Maps, Ranges};
use edgezen_engine::safetensors::Tensors;
use edgezen_engine::weights::Weights;
use edgezen_engine::{onnx, tflite};

pub const PARSERS: &[Parser] = &[
    Parser { name: "onnx", seeds: onnx_files, seal: as_it_is, parse: import },
    Parser { name: "tflite", seeds: tflite_files, seal: as_it_is, parse: import_tflite },
    Parser { name: "safetensors", seeds: weights, seal: as_it_is, parse: trained },
    Parser { name: "torch.save", seeds: checkpoints, seal: as_it_is, parse: state_dict },
];

fn onnx_files() -> Seeds {
    let cases = [
        "11_identity_weight",
        "51_qoperator",
        "96_if",
        "95_local_function",
        "97_yolo_detect",
        "A1_keras_like",
    ];
    let more = ["einsum", "shuffle", "transposed", "upsample"];
    let cases = cases.iter().map(|name| format!("tests/onnx_cases/{name}.onnx"));
    let paths: Vec<String> =
        cases.chain(more.iter().map(|name| format!("tests/onnx_more/{name}.onnx"))).collect();
    files(&paths.iter().map(String::as_str).collect::<Vec<_>>())
}

fn import(input: &[u8]) -> Result<(), String> {
    // What a runtime writes is looked at by its operators only.
    let _ = onnx::operators(input);
    kernels(&onnx::decode(input).map_err(said)?)
}

/// Files that are written here, with floats and with integers, one with slices, paddings, a concatenation and linear layers.
fn tflite_files() -> Seeds {
    let written = || -> Result<Vec<Vec<u8>>, String> {
        let mut parts = Graph::new(Shape::square(4, 8));
        let low = parts.push(Op::Slice { from: 0, count: 2 }, vec![0]);
        let high = parts.push(Op::Slice { from: 2, count: 2 }, vec![0]);
        let pool = parts.push(Op::MaxPool { kernel: 3, stride: 2 }, vec![low]);
        let conv = Op::Conv { in_c: 2, out_c: 4, kernel: 3, stride: 2, groups: 2, bias: true };
        let conv = parts.push(conv, vec![high]);
        let act = parts.push(Op::Act(Act::HardSigmoid), vec![conv]);
        let joined = parts.push(Op::Concat, vec![pool, act]);
        let flat = parts.push(Op::Flatten, vec![joined]);
        parts.push(Op::Linear { in_c: 96, out_c: 3, bias: true }, vec![flat]);
        let mut files = Vec::new();
        for graph in [small()?, parts] {
            let weights = Weights::new(&graph, 1);
            files.push(tflite::write(&graph, 1, &weights).map_err(said)?);
            let images = Images::Random { count: 1, seed: 1 };
            let maps = Maps::of(&graph, &Ranges::observe(&graph, &weights, &images).map_err(said)?);
            files.push(tflite::write_int8(&graph, 1, &weights, &maps).map_err(said)?);
        }
        Ok(files)
    };
    written().map_err(std::io::Error::other)
}

fn import_tflite(input: &[u8]) -> Result<(), String> {
    kernels(&tflite::decode(input).map_err(said)?)
}

fn kernels(imported: &Imported) -> Result<(), String> {
    for lowering in [Lowering::Fused, Lowering::Eager] {
        lowering.kernels(&imported.graph);
    }
    Ok(())
}

/// The network that the weights are of.
fn small() -> Result<Graph, String> {
    let network = notation::parse("SuperConvK3BNRELU(3,8,2,1)SuperResIDWE2K3(8,8,1,8,1)").map_err(said)?;
    let model = Model { name: None, network, resolution: 32, classes: 4, se: true };
    model.graph().map_err(said)
}

fn weights() -> Seeds {
    files(&["fuzz/seeds/weights.safetensors"])
}

fn checkpoints() -> Seeds {
    files(&["fuzz/seeds/checkpoint.pth"])
}

fn state_dict(input: &[u8]) -> Result<(), String> {
    // Damage in the middle of the instructions mostly leaves the archive whole.
    pickle::state_dict(input, false).map(drop).map_err(said)
}

fn trained(input: &[u8]) -> Result<(), String> {
    let graph = small()?;
    let tensors = Tensors::decode(input).map_err(said)?;
    Weights::trained(&graph, &tensors).map(drop).map_err(said)
}
