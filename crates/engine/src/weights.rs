//! The seeded weights of a graph: one definition, read by the engines and by the ONNX exporter, so that
//! an exported file and a graph that runs here compute the same.
//!
//! Values are uniform with standard deviation about √(2/fan_in) before a ReLU and less before a sum, so
//! that activations of deep networks neither vanish nor explode. Batch normalisation is part of the
//! convolution before it: the convolution's bias stands for both.

use edgezen_core::plainnet::Graph;
use edgezen_core::plainnet::graph::Op;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Weights and bias of one node.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// Convolution `[out, in/groups, k, k]`; linear `[out, in]`; a batch normalisation on its own `[c]`.
    pub shape: Vec<usize>,
    pub weight: Vec<f32>,
    /// One number for each output channel; absent where the node has none.
    pub bias: Option<Vec<f32>>,
}

/// Why a file does not hold the weights of a trained network.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TrainedError {
    #[error("of another network: {0}")]
    Other(String),
    #[error("{tensor} holds {value}, which no trained network has there")]
    Value { tensor: String, value: f32 },
}

/// For each batch normalisation, the convolution that it is folded into, if there is one.
pub fn folded(graph: &Graph) -> Vec<Option<usize>> {
    let uses = graph.uses();
    let into = |node: &edgezen_core::plainnet::graph::Node| match (node.op, node.inputs.first()) {
        (Op::BatchNorm, Some(&conv)) if uses[conv] == 1 => {
            matches!(graph.nodes[conv].op, Op::Conv { .. }).then_some(conv)
        }
        _ => None,
    };
    graph.nodes.iter().map(into).collect()
}

/// The parameters of every node; each is drawn when it is asked for.
pub struct Weights<'a> {
    graph: &'a Graph,
    seed: u64,
    /// Nodes whose bias comes from a batch normalisation after them.
    normalised: Vec<bool>,
    /// Nodes whose output reaches a sum before any activation.
    summed: Vec<bool>,
    /// Parameters that are not drawn: those of a trained network.
    trained: std::collections::BTreeMap<usize, Parameters>,
}

impl<'a> Weights<'a> {
    pub fn new(graph: &'a Graph, seed: u64) -> Self {
        let folded = folded(graph);
        let mut normalised = vec![false; graph.nodes.len()];
        for conv in folded.iter().flatten() {
            normalised[*conv] = true;
        }
        let mut summed = vec![false; graph.nodes.len()];
        for node in graph.nodes.iter().rev().filter(|node| node.op == Op::Add) {
            for &input in &node.inputs {
                summed[input] = true;
                if let Some(conv) = folded[input] {
                    summed[conv] = true;
                }
            }
        }
        Weights { graph, seed, normalised, summed, trained: std::collections::BTreeMap::new() }
    }

    /// The weights of a trained network, its normalisations folded into convolutions.
    ///
    /// # Errors
    /// Tensors that are missing, or of another shape; values that are not finite, and variances below zero.
    pub fn trained(graph: &'a Graph, file: &super::safetensors::Tensors) -> Result<Self, TrainedError> {
        let mut weights = Weights::new(graph, 0);
        let find = |index: usize, name: &str, shape: &[usize]| -> Result<Vec<f32>, TrainedError> {
            let tensor = format!("n{index}.{name}");
            let other = |reason: String| TrainedError::Other(reason);
            let found = file.tensors.get(&tensor).ok_or_else(|| other(format!("it has no {tensor}")))?;
            if found.shape != shape {
                return Err(other(format!("{tensor} is {:?} there and {shape:?} here", found.shape)));
            }
            let least = if name == "running_var" { 0.0 } else { f32::MIN };
            match found.data.iter().find(|value| !(value.is_finite() && **value >= least)) {
                Some(&value) => Err(TrainedError::Value { tensor, value }),
                None => Ok(found.data.clone()),
            }
        };
        for (index, node) in graph.nodes.iter().enumerate() {
            let parameters = match node.op {
                Op::Conv { bias, .. } | Op::Linear { bias, .. } => {
                    let Some((shape, _)) = weights.shape_of(index) else { continue };
                    let weight = find(index, "weight", &shape)?;
                    let bias = if bias { Some(find(index, "bias", &shape[..1])?) } else { None };
                    Parameters { shape, weight, bias }
                }
                Op::BatchNorm => {
                    let shape = vec![node.shape.c as usize];
                    let of = |name: &str| find(index, name, &shape);
                    let (gain, shift) = (of("weight")?, of("bias")?);
                    let (mean, variance) = (of("running_mean")?, of("running_var")?);
                    let scale = gain.iter().zip(&variance).map(|(gain, variance)| {
                        (f64::from(*gain)
                            / (f64::from(*variance) + edgezen_core::plainnet::graph::BN_EPS).sqrt())
                            as f32
                    });
                    let weight: Vec<f32> = scale.collect();
                    let moved = shift
                        .iter()
                        .zip(&mean)
                        .zip(&weight)
                        .map(|((shift, mean), scale)| shift - mean * scale);
                    let bias = Some(moved.collect());
                    Parameters { shape, weight, bias }
                }
                _ => continue,
            };
            weights.trained.insert(index, parameters);
        }
        for (index, conv) in folded(graph).into_iter().enumerate() {
            let Some(conv) = conv else { continue };
            let Some(Parameters { weight: scale, bias: Some(shift), .. }) = weights.trained.remove(&index)
            else {
                continue;
            };
            let Some(parameters) = weights.trained.get_mut(&conv) else { continue };
            let fan_in = parameters.weight.len() / scale.len().max(1);
            for (weights, scale) in parameters.weight.chunks_mut(fan_in.max(1)).zip(&scale) {
                weights.iter_mut().for_each(|weight| *weight *= scale);
            }
            let before = parameters.bias.take().unwrap_or_else(|| vec![0.0; scale.len()]);
            let after =
                before.iter().zip(&scale).zip(&shift).map(|((bias, scale), shift)| bias * scale + shift);
            parameters.bias = Some(after.collect());
        }
        // Products of finite numbers may still be too large.
        for (index, Parameters { weight, bias, .. }) in &weights.trained {
            let mut all = weight.iter().chain(bias.iter().flatten());
            if let Some(&value) = all.find(|value| !value.is_finite()) {
                let tensor = format!("n{index} with its normalisation");
                return Err(TrainedError::Value { tensor, value });
            }
        }
        Ok(weights)
    }

    /// Shape of the weight of node `index`, and whether it has a bias; `None` if it has no parameters.
    pub fn shape_of(&self, index: usize) -> Option<(Vec<usize>, bool)> {
        match self.graph.nodes[index].op {
            Op::Conv { in_c, out_c, kernel, groups, bias, .. } => {
                let shape = [out_c, in_c / groups.max(1), kernel, kernel].map(|n| n as usize);
                Some((shape.to_vec(), bias || self.normalised[index]))
            }
            Op::Linear { in_c, out_c, bias } => Some((vec![out_c as usize, in_c as usize], bias)),
            Op::BatchNorm => Some((vec![self.graph.nodes[index].shape.c as usize], true)),
            _ => None,
        }
    }

    /// Parameters of node `index`; `None` if it has none.
    pub fn of(&self, index: usize) -> Option<Parameters> {
        if let Some(parameters) = self.trained.get(&index) {
            return Some(parameters.clone());
        }
        let mut draw = Draw::new(self.seed, index);
        let (shape, has_bias) = self.shape_of(index)?;
        let fan_in: usize = shape[1..].iter().product();
        let weight = match self.graph.nodes[index].op {
            Op::BatchNorm => draw.uniform(shape[0], 0.1).into_iter().map(|w| 1.0 + w).collect(),
            op => {
                let gain: f32 = match op {
                    Op::Conv { .. } if !self.summed[index] => 2.0,
                    Op::Conv { .. } => 0.5,
                    _ => 1.0,
                };
                draw.uniform(shape.iter().product(), (3.0 * gain / fan_in as f32).sqrt())
            }
        };
        let bias = has_bias.then(|| draw.uniform(shape[0], 0.1));
        Some(Parameters { shape, weight, bias })
    }
}

/// The input of node `index`, `[batch, c, h, w]`, uniform in −1 to 1.
pub fn input(graph: &Graph, index: usize, batch: u32, seed: u64) -> super::Tensor {
    let s = graph.nodes[index].shape;
    noise([batch, s.c, s.h, s.w].map(|n| n as usize).to_vec(), seed, index)
}

/// A tensor for input `index`, uniform in −1 to 1.
pub fn noise(shape: Vec<usize>, seed: u64, index: usize) -> super::Tensor {
    let data = Draw::new(seed ^ 0x1_0000_0001, index).uniform(shape.iter().product(), 1.0);
    super::Tensor { shape, data }
}

struct Draw(Xoshiro256PlusPlus);

impl Draw {
    /// The generator of node `index`. Each node has a stream of its own, so that the weights of one node do not depend
    /// on the sizes of the others.
    fn new(seed: u64, index: usize) -> Draw {
        Draw(Xoshiro256PlusPlus::seed_from_u64(
            seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(index as u64),
        ))
    }

    /// `count` numbers in −`bound` to `bound`.
    fn uniform(&mut self, count: usize, bound: f32) -> Vec<f32> {
        let scale = bound / (1_u32 << 23) as f32;
        let mut numbers = Vec::with_capacity(count);
        while numbers.len() < count {
            let bits = self.0.random::<u64>();
            for half in [bits >> 40, bits & 0xFF_FFFF] {
                if numbers.len() < count {
                    numbers.push((half as f32 - (1_u32 << 23) as f32) * scale);
                }
            }
        }
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_core::plainnet::published;

    #[test]
    fn weights_depend_on_seed_and_node_only() {
        let graph = published::by_name("resnet18").unwrap().graph().unwrap();
        let (a, b) = (Weights::new(&graph, 1), Weights::new(&graph, 2));
        let conv = graph.nodes.iter().position(|n| matches!(n.op, Op::Conv { .. })).unwrap();
        let parameters = a.of(conv).unwrap();
        assert_eq!(parameters, a.of(conv).unwrap());
        assert_ne!(parameters, b.of(conv).unwrap());
        assert_eq!(parameters.shape, [64, 3, 7, 7]);
        assert_eq!(parameters.weight.len(), 64 * 3 * 49);
        // Its batch normalisation is folded into the bias.
        assert_eq!(parameters.bias.unwrap().len(), 64);
        let bound = (6.0_f32 / 147.0).sqrt() * 1.0001;
        assert!(parameters.weight.iter().all(|w| w.abs() <= bound));
        let mean = parameters.weight.iter().sum::<f32>() / parameters.weight.len() as f32;
        assert!(mean.abs() < 0.01, "{mean}");
    }
}
