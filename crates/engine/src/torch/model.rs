//! A graph with its weights in libtorch, run as eager PyTorch runs it.

use super::ops::{self, Walk};
use super::{Torch, failed, read};
use crate::weights;
use crate::weights::Weights;
use crate::{EngineError, Loaded, Tensor};
use edgezen_core::plainnet::Graph;
use edgezen_core::plainnet::graph::BN_EPS;
use edgezen_core::plainnet::graph::Op;
use tch::{TchError, no_grad};

/// A graph with its weights where libtorch computes.
pub struct TorchModel {
    torch: Torch,
    walk: Walk,
    nodes: Vec<Prepared>,
    shapes: Vec<Vec<usize>>,
    /// What [`Loaded::run_once`] runs on.
    fixed: Vec<tch::Tensor>,
}

#[derive(Default)]
struct Prepared {
    weight: Option<tch::Tensor>,
    bias: Option<tch::Tensor>,
    /// Running mean and variance of a batch normalisation: 0 and 1.
    statistics: Option<(tch::Tensor, tch::Tensor)>,
}

impl TorchModel {
    /// Draws the weights of `graph` from `seed`.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn new(torch: Torch, graph: &Graph, batch: u32, seed: u64) -> Result<TorchModel, EngineError> {
        let drawn = Weights::new(graph, seed);
        let folded = weights::folded(graph);
        let mut nodes = Vec::with_capacity(graph.nodes.len());
        let (mut fixed, mut shapes) = (Vec::new(), Vec::new());
        for (index, node) in graph.nodes.iter().enumerate() {
            if node.op == Op::Input {
                torch.fits(u64::from(batch) * node.shape.elements())?;
                let input = weights::input(graph, index, batch, seed);
                fixed.push(torch.tensor(&input.shape, &input.data)?);
                shapes.push(input.shape);
            }
            let mut prepared = Prepared::default();
            let channels = node.shape.c as usize;
            let row = |values: &[f32]| torch.tensor(&[values.len()], values);
            match node.op {
                Op::BatchNorm => {
                    // The drawn bias of a convolution stands for its normalisation as well: the
                    // normalisation keeps it here, and the two compute the same.
                    let scale = (1.0 + BN_EPS).sqrt() as f32;
                    let (weight, bias) = match folded[index] {
                        Some(conv) => (vec![scale; channels], drawn.of(conv).and_then(|p| p.bias)),
                        None => {
                            let p = drawn.of(index);
                            let weight = p.as_ref().map(|p| p.weight.iter().map(|w| w * scale).collect());
                            (weight.unwrap_or_else(|| vec![scale; channels]), p.and_then(|p| p.bias))
                        }
                    };
                    prepared.weight = Some(row(&weight)?);
                    prepared.bias = Some(row(&bias.unwrap_or_else(|| vec![0.0; channels]))?);
                    prepared.statistics = Some((row(&vec![0.0; channels])?, row(&vec![1.0; channels])?));
                }
                Op::Conv { bias, .. } | Op::Linear { bias, .. } => {
                    if let Some(p) = drawn.of(index) {
                        prepared.weight = Some(torch.tensor(&p.shape, &p.weight)?);
                        let normalised = folded.contains(&Some(index));
                        if bias {
                            let values =
                                if normalised { vec![0.0; p.shape[0]] } else { p.bias.unwrap_or_default() };
                            prepared.bias = Some(row(&values)?);
                        }
                    }
                }
                _ => {}
            }
            nodes.push(prepared);
        }
        Ok(TorchModel { torch, walk: Walk::new(graph), nodes, shapes, fixed })
    }

    /// Launches one run on the fixed inputs, and does not wait for it.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn launch(&self) -> Result<tch::Tensor, EngineError> {
        no_grad(|| self.forward(&self.fixed)).map_err(failed)
    }

    /// Checksum of an output.
    ///
    /// # Errors
    /// What libtorch reports; the error of a failed run may appear only here.
    pub fn checksum(&self, output: &tch::Tensor) -> Result<f64, EngineError> {
        self.torch.synchronize();
        Ok(crate::checksum(&read(output).map_err(failed)?.data))
    }

    fn forward(&self, inputs: &[tch::Tensor]) -> Result<tch::Tensor, TchError> {
        self.walk.run(inputs, |index, op, operands| {
            let node = &self.nodes[index];
            let (weight, bias) = (node.weight.as_ref(), node.bias.as_ref());
            if op != Op::BatchNorm {
                return ops::apply(op, operands, weight, bias);
            }
            let (mean, variance) =
                (node.statistics.as_ref().map(|s| &s.0), node.statistics.as_ref().map(|s| &s.1));
            operands[0].f_batch_norm(weight, bias, mean, variance, false, 0.1, BN_EPS, true)
        })
    }
}

impl Loaded for TorchModel {
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, EngineError> {
        crate::check_inputs(inputs, &self.shapes)?;
        let inputs: Result<Vec<_>, _> = inputs.iter().map(|t| self.torch.tensor(&t.shape, &t.data)).collect();
        let inputs = inputs?;
        let output = no_grad(|| self.forward(&inputs)).map_err(failed)?;
        Ok(vec![read(&output).map_err(failed)?])
    }

    fn run_once(&mut self) -> Result<f64, EngineError> {
        let output = self.launch()?;
        self.checksum(&output)
    }
}
