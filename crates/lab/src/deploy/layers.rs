//! Which layers lose most by their integers: each is computed in integers alone, by the runtime itself, and the outputs are
//! compared with those of floats.

use super::accuracy::logits;
use super::{DeployError, Writing};
use edgezen_core::plainnet::Graph;
use edgezen_core::plainnet::graph::Op;
use edgezen_engine::Tensor;
use edgezen_engine::fusion::Fusion;
use edgezen_engine::quantisation::Maps;
use serde::Serialize;

/// A layer with weights, and what its integers change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Layer {
    /// Its node in the graph; files name it `n` and this number.
    pub node: usize,
    /// What it is.
    pub operation: String,
    /// Deviation of the outputs from those of floats, relative to these, where this layer alone is in integers.
    pub error: f64,
}

/// The operators with weights: convolutions and linear layers.
pub fn with_weights(graph: &Graph) -> Vec<usize> {
    let nodes = graph.nodes.iter().enumerate();
    nodes
        .filter(|(_, node)| matches!(node.op, Op::Conv { .. } | Op::Linear { .. }))
        .map(|(index, _)| index)
        .collect()
}

/// All layers with weights, the worst first. `floats` are the outputs of the network in floats for `inputs`. `progress` is called
/// after each layer.
///
/// # Errors
/// Whatever the runtime says of a file with one layer in integers.
pub fn worst(
    writing: &Writing<'_>,
    maps: &Maps,
    inputs: &[Tensor],
    floats: &[Tensor],
    progress: &dyn Fn(),
) -> Result<Vec<Layer>, DeployError> {
    let graph = writing.graph;
    let fusion = Fusion::of(graph);
    let mut layers = Vec::new();
    for node in with_weights(graph) {
        let others = (0..graph.nodes.len()).filter(|&other| fusion.root[other] != fusion.root[node]);
        let file = writing.integers(maps.keeping(others))?;
        let mut network = writing.load(&file)?;
        let outputs = logits(network.as_mut(), writing.engine.name(), inputs)?;
        layers.push(Layer { node, operation: operation(graph, node), error: deviation(&outputs, floats) });
        progress();
    }
    layers.sort_by(|a, b| b.error.total_cmp(&a.error));
    Ok(layers)
}

/// What a layer is, for people.
fn operation(graph: &Graph, node: usize) -> String {
    let shape = graph.nodes[node].shape;
    match graph.nodes[node].op {
        Op::Conv { in_c, out_c, kernel, groups, .. } if groups > 1 && groups == in_c => {
            format!("{kernel}×{kernel} depthwise convolution of {out_c} channels at {}×{}", shape.h, shape.w)
        }
        Op::Conv { in_c, out_c, kernel, .. } => {
            format!("{kernel}×{kernel} convolution of {in_c} to {out_c} channels at {}×{}", shape.h, shape.w)
        }
        Op::Linear { in_c, out_c, .. } => format!("linear layer of {in_c} to {out_c}"),
        _ => "another operator".into(),
    }
}

/// How far outputs are from others, relative to the length of these.
pub fn deviation(outputs: &[Tensor], others: &[Tensor]) -> f64 {
    let (mut distance, mut length) = (0.0, 0.0);
    for (output, other) in outputs.iter().zip(others) {
        for (a, b) in output.data.iter().zip(&other.data) {
            distance += (f64::from(*a) - f64::from(*b)).powi(2);
            length += f64::from(*b).powi(2);
        }
    }
    if length > 0.0 { (distance / length).sqrt() } else { 0.0 }
}
