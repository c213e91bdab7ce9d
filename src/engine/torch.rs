//! [libtorch](https://pytorch.org) through tch, as eager PyTorch runs a network: every batch
//! normalisation, activation, sum and pooling is a kernel of its own. CPU and CUDA through the same code.

use super::weights::{self, Weights};
use super::{Engine, EngineError, Loaded, Tensor};
use crate::plainnet::Graph;
use crate::plainnet::graph::{Act, Op};
use tch::{Device, Kind, TchError, no_grad};

const NAME: &str = "torch";

/// The libtorch that tch is bound to; the build refuses any other.
const VERSION: &str = "2.13.0";

/// ε of every batch normalisation (SPEC 2.6).
const EPSILON: f64 = 1e-3;

/// Where and in which form libtorch computes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Torch {
    pub place: Device,
    pub kind: Kind,
    /// Channels next to one another in memory (NHWC), which tensor cores prefer.
    pub channels_last: bool,
}

impl Torch {
    /// f32 on the CPU.
    pub const CPU: Torch = Torch { place: Device::Cpu, kind: Kind::Float, channels_last: false };

    fn tensor(&self, shape: &[usize], values: &[f32]) -> Result<tch::Tensor, EngineError> {
        let shape: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
        let tensor = tch::Tensor::f_from_slice(values)
            .and_then(|tensor| tensor.f_reshape(shape))
            .and_then(|tensor| tensor.f_to_kind(self.kind))
            .and_then(|tensor| tensor.f_to_device(self.place))
            .map_err(failed)?;
        if self.channels_last && tensor.dim() == 4 {
            let nhwc = tensor.f_permute([0, 2, 3, 1]).and_then(|t| t.f_contiguous());
            return nhwc.and_then(|t| t.f_permute([0, 3, 1, 2])).map_err(failed);
        }
        Ok(tensor)
    }

    /// Waits until everything that was launched is done.
    pub fn synchronize(&self) {
        if let Device::Cuda(index) = self.place {
            tch::Cuda::synchronize(index as i64);
        }
    }
}

impl Engine for Torch {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> String {
        VERSION.to_owned()
    }

    fn load(&self, graph: &Graph, batch: u32, seed: u64) -> Result<Box<dyn Loaded>, EngineError> {
        super::check(graph, NAME)?;
        Ok(Box::new(TorchModel::new(*self, graph, batch.max(1), seed)?))
    }
}

fn failed(error: TchError) -> EngineError {
    // The first line says what; the others are addresses in libtorch.
    let text = error.to_string();
    let reason = text.lines().next().unwrap_or_default().to_owned();
    EngineError::Failed { engine: NAME, reason }
}

/// A graph with its weights where libtorch computes.
struct TorchModel {
    torch: Torch,
    nodes: Vec<Prepared>,
    /// Index of the last node that reads each node's value.
    last_use: Vec<usize>,
    shapes: Vec<Vec<usize>>,
    /// What [`Loaded::run_once`] runs on.
    fixed: Vec<tch::Tensor>,
}

struct Prepared {
    op: Op,
    inputs: Vec<usize>,
    weight: Option<tch::Tensor>,
    bias: Option<tch::Tensor>,
    /// Running mean and variance of a batch normalisation: 0 and 1.
    statistics: Option<(tch::Tensor, tch::Tensor)>,
}

impl TorchModel {
    fn new(torch: Torch, graph: &Graph, batch: u32, seed: u64) -> Result<TorchModel, EngineError> {
        let drawn = Weights::new(graph, seed);
        let folded = weights::folded(graph);
        let mut nodes = Vec::with_capacity(graph.nodes.len());
        let mut last_use = vec![graph.nodes.len(); graph.nodes.len()];
        let (mut fixed, mut shapes) = (Vec::new(), Vec::new());
        for (index, node) in graph.nodes.iter().enumerate() {
            for &input in &node.inputs {
                last_use[input] = index;
            }
            if node.op == Op::Input {
                let input = weights::input(graph, index, batch, seed);
                fixed.push(torch.tensor(&input.shape, &input.data)?);
                shapes.push(input.shape);
            }
            let mut prepared =
                Prepared { op: node.op, inputs: node.inputs.clone(), weight: None, bias: None, statistics: None };
            let channels = node.shape.c as usize;
            let row = |values: &[f32]| torch.tensor(&[values.len()], values);
            match node.op {
                Op::BatchNorm => {
                    // The drawn bias of a convolution stands for its normalisation as well: the
                    // normalisation keeps it here, and the two compute the same.
                    let scale = (1.0 + EPSILON).sqrt() as f32;
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
                            let values = if normalised { vec![0.0; p.shape[0]] } else { p.bias.unwrap_or_default() };
                            prepared.bias = Some(row(&values)?);
                        }
                    }
                }
                _ => {}
            }
            nodes.push(prepared);
        }
        Ok(TorchModel { torch, nodes, last_use, shapes, fixed })
    }

    fn forward(&self, inputs: &[tch::Tensor]) -> Result<tch::Tensor, TchError> {
        let mut values: Vec<Option<tch::Tensor>> = Vec::with_capacity(self.nodes.len());
        let mut next_input = inputs.iter();
        for (index, node) in self.nodes.iter().enumerate() {
            let value = if node.op == Op::Input {
                next_input.next().map(tch::Tensor::shallow_clone).ok_or_else(|| missing("an input"))?
            } else {
                let operands: Option<Vec<&tch::Tensor>> = node.inputs.iter().map(|&i| values[i].as_ref()).collect();
                node.apply(&operands.ok_or_else(|| missing("a value"))?)?
            };
            values.push(Some(value));
            for &input in &node.inputs {
                if self.last_use[input] == index {
                    values[input] = None;
                }
            }
        }
        values.pop().flatten().ok_or_else(|| missing("an output"))
    }
}

fn missing(what: &str) -> TchError {
    TchError::Torch(format!("{what} is missing"))
}

impl Prepared {
    fn apply(&self, inputs: &[&tch::Tensor]) -> Result<tch::Tensor, TchError> {
        let first = inputs[0];
        let (weight, bias) = (self.weight.as_ref(), self.bias.as_ref());
        let needed = || weight.ok_or_else(|| missing("a weight"));
        match self.op {
            Op::Input => Err(missing("an input")),
            Op::Conv { kernel, stride, groups, .. } => {
                let (stride, pad) = (i64::from(stride), i64::from((kernel - 1) / 2));
                map(first)?.f_conv2d(needed()?, bias, [stride; 2], [pad; 2], [1, 1], i64::from(groups))
            }
            Op::BatchNorm => {
                let statistics = self.statistics.as_ref();
                first.f_batch_norm(
                    weight,
                    bias,
                    statistics.map(|s| &s.0),
                    statistics.map(|s| &s.1),
                    false,
                    0.1,
                    EPSILON,
                    true,
                )
            }
            Op::Act(act) => match act {
                Act::None => Ok(first.shallow_clone()),
                Act::Relu => first.f_relu(),
                Act::Relu6 => first.f_clamp(0.0, 6.0),
                Act::Sigmoid => first.f_sigmoid(),
                Act::Swish => first.f_silu(),
                Act::HardSwish => first.f_hardswish(),
                Act::HardSigmoid => first.f_hardsigmoid(),
            },
            Op::Add => {
                let (a, b) = same_rank(first, inputs[1])?;
                a.f_add(&b)
            }
            Op::Scale => {
                let (a, b) = same_rank(first, inputs[1])?;
                a.f_mul(&b)
            }
            Op::Concat => tch::Tensor::f_cat(inputs, 1),
            Op::MaxPool { kernel, stride } => {
                let (kernel, stride) = (i64::from(kernel), i64::from(stride));
                first.f_max_pool2d([kernel; 2], [stride; 2], [(kernel - 1) / 2; 2], [1, 1], false)
            }
            Op::GlobalAvgPool => map(first)?.f_adaptive_avg_pool2d([1, 1]),
            Op::AdaptiveAvgPool { size } => first.f_adaptive_avg_pool2d([i64::from(size); 2]),
            Op::Flatten => first.f_flatten(1, -1),
            Op::Linear { .. } => first.f_flatten(1, -1)?.f_linear(needed()?, bias),
        }
    }
}

/// A vector as a map of 1×1.
fn map(tensor: &tch::Tensor) -> Result<tch::Tensor, TchError> {
    if tensor.dim() == 2 { tensor.f_unsqueeze(-1)?.f_unsqueeze(-1) } else { Ok(tensor.shallow_clone()) }
}

fn same_rank(a: &tch::Tensor, b: &tch::Tensor) -> Result<(tch::Tensor, tch::Tensor), TchError> {
    if a.dim() == b.dim() { Ok((a.shallow_clone(), b.shallow_clone())) } else { Ok((map(a)?, map(b)?)) }
}

fn read(tensor: &tch::Tensor) -> Result<Tensor, TchError> {
    let shape = tensor.size().iter().map(|&n| n.unsigned_abs() as usize).collect();
    let flat = tensor.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?.f_view([-1])?;
    Ok(Tensor { shape, data: Vec::<f32>::try_from(flat)? })
}

impl Loaded for TorchModel {
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, EngineError> {
        if inputs.len() != self.shapes.len() {
            let reason = format!("{} inputs were given, the graph has {}", inputs.len(), self.shapes.len());
            return Err(EngineError::Input { index: inputs.len().min(self.shapes.len()), reason });
        }
        for (index, (tensor, want)) in inputs.iter().zip(&self.shapes).enumerate() {
            if tensor.shape != *want || tensor.data.len() != want.iter().product::<usize>() {
                return Err(EngineError::Input { index, reason: format!("{tensor}, expected {want:?}") });
            }
        }
        let inputs: Result<Vec<_>, _> = inputs.iter().map(|t| self.torch.tensor(&t.shape, &t.data)).collect();
        let inputs = inputs?;
        let output = no_grad(|| self.forward(&inputs)).map_err(failed)?;
        Ok(vec![read(&output).map_err(failed)?])
    }

    fn run_once(&mut self) -> Result<f64, EngineError> {
        let output = no_grad(|| self.forward(&self.fixed)).map_err(failed)?;
        self.torch.synchronize();
        let output = read(&output).map_err(failed)?;
        Ok(super::checksum(&output.data))
    }
}
