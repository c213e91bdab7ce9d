//! Operations of a [`Graph`] in libtorch, and the walk over them.

use edgezen_core::plainnet::Graph;
use edgezen_core::plainnet::graph::{Act, Op};
use tch::{TchError, Tensor};

/// The operations of a graph in order, and when each value is read for the last time.
#[derive(Debug)]
pub struct Walk {
    nodes: Vec<(Op, Vec<usize>)>,
    last_use: Vec<usize>,
}

impl Walk {
    pub fn new(graph: &Graph) -> Walk {
        let mut last_use = vec![graph.nodes.len(); graph.nodes.len()];
        for (index, node) in graph.nodes.iter().enumerate() {
            node.inputs.iter().for_each(|&input| last_use[input] = index);
        }
        Walk { nodes: graph.nodes.iter().map(|node| (node.op, node.inputs.clone())).collect(), last_use }
    }

    /// Runs the graph on `inputs`; `apply` makes each value from its operands, given the node's index.
    ///
    /// # Errors
    /// The first error of `apply`, or a missing input.
    pub fn run<E: From<TchError>>(
        &self,
        inputs: &[Tensor],
        mut apply: impl FnMut(usize, Op, &[&Tensor]) -> Result<Tensor, E>,
    ) -> Result<Tensor, E> {
        let mut values: Vec<Option<Tensor>> = Vec::with_capacity(self.nodes.len());
        let mut next = inputs.iter();
        for (index, (op, from)) in self.nodes.iter().enumerate() {
            let value = if *op == Op::Input {
                next.next().map(Tensor::shallow_clone).ok_or_else(|| missing("an input"))?
            } else {
                let operands: Option<Vec<&Tensor>> = from.iter().map(|&i| values[i].as_ref()).collect();
                apply(index, *op, &operands.ok_or_else(|| missing("a value"))?)?
            };
            values.push(Some(value));
            for &input in from {
                if self.last_use[input] == index {
                    values[input] = None;
                }
            }
        }
        Ok(values.pop().flatten().ok_or_else(|| missing("an output"))?)
    }
}

fn missing(what: &str) -> TchError {
    TchError::Torch(format!("{what} is missing"))
}

/// The value of one operation, other than an input and batch normalisation.
///
/// # Errors
/// What libtorch reports, or missing weights.
pub fn apply(
    op: Op,
    inputs: &[&Tensor],
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
) -> Result<Tensor, TchError> {
    let first = inputs[0];
    let needed = || weight.ok_or_else(|| missing("a weight"));
    match op {
        Op::Input | Op::BatchNorm => Err(missing("an operation")),
        Op::AnyConv { .. } | Op::AnyPool { .. } | Op::View { .. } | Op::Pass { .. } => {
            Err(TchError::Torch("an operation that only files of others have cannot be run".into()))
        }
        Op::Conv { kernel, stride, groups, .. } => {
            let (stride, pad) = (i64::from(stride), i64::from((kernel - 1) / 2));
            map(first)?.f_conv2d(needed()?, bias, [stride; 2], [pad; 2], [1, 1], i64::from(groups))
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
        Op::Concat => Tensor::f_cat(inputs, 1),
        Op::MaxPool { kernel, stride } => {
            let (kernel, stride) = (i64::from(kernel), i64::from(stride));
            first.f_max_pool2d([kernel; 2], [stride; 2], [(kernel - 1) / 2; 2], [1, 1], false)
        }
        Op::GlobalAvgPool => map(first)?.f_adaptive_avg_pool2d([1, 1]),
        Op::AdaptiveAvgPool { size } => first.f_adaptive_avg_pool2d([i64::from(size); 2]),
        Op::Slice { from, count } => first.f_narrow(1, i64::from(from), i64::from(count)),
        Op::Flatten => first.f_flatten(1, -1),
        Op::Linear { .. } => first.f_flatten(1, -1)?.f_linear(needed()?, bias),
    }
}

/// A vector as a map of 1×1.
fn map(tensor: &Tensor) -> Result<Tensor, TchError> {
    if tensor.dim() == 2 { tensor.f_unsqueeze(-1)?.f_unsqueeze(-1) } else { Ok(tensor.shallow_clone()) }
}

fn same_rank(a: &Tensor, b: &Tensor) -> Result<(Tensor, Tensor), TchError> {
    if a.dim() == b.dim() { Ok((a.shallow_clone(), b.shallow_clone())) } else { Ok((map(a)?, map(b)?)) }
}
