//! Networks in files: ONNX, and trained weights.

use super::{Parser, Seeds, as_it_is, files, said};
use edgezen_core::plainnet::kernel::Lowering;
use edgezen_core::plainnet::{Graph, Model, notation};
use edgezen_engine::onnx;
use edgezen_engine::safetensors::Tensors;
use edgezen_engine::weights::Weights;

pub const PARSERS: &[Parser] = &[
    Parser { name: "onnx", seeds: onnx_files, seal: as_it_is, parse: import },
    Parser { name: "safetensors", seeds: weights, seal: as_it_is, parse: trained },
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
    let imported = onnx::decode(input).map_err(said)?;
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

fn trained(input: &[u8]) -> Result<(), String> {
    let graph = small()?;
    let tensors = Tensors::decode(input).map_err(said)?;
    Weights::trained(&graph, &tensors).map(drop).map_err(said)
}
