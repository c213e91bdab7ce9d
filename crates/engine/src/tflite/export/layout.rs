//! From a graph to the operators of a file: which nodes become one operator, and which tensors they read.

use super::model::{Element, Fused, Model, Operator, Options, Padding, Tensor};
use crate::tflite::TfliteError;
use crate::weights::{self, Weights};
use edgezen_core::plainnet::graph::{Act, Node, Op};
use edgezen_core::plainnet::{Graph, Shape};

/// Lays out a graph node by node.
pub struct Layout<'a> {
    pub graph: &'a Graph,
    pub weights: &'a Weights<'a>,
    pub batch: u32,
    /// The node whose operator computes each node: a folded normalisation and a fused activation stand for another.
    pub root: Vec<usize>,
    /// The activation inside the operator of each node.
    pub fused: Vec<Fused>,
    /// Rank of each node's value: 4 with channels last, or 2.
    pub rank: Vec<usize>,
    /// Whether no value of a node is below zero.
    pub nonnegative: Vec<bool>,
    /// Nodes whose vector holds a map with channels last, where the graph has them first.
    pub flattened: Vec<Option<Shape>>,
    /// The tensor of each node.
    pub tensors: Vec<usize>,
    pub model: Model,
}

impl<'a> Layout<'a> {
    pub fn new(graph: &'a Graph, batch: u32, weights: &'a Weights<'a>) -> Layout<'a> {
        let (root, fused) = operators(graph);
        let nodes = graph.nodes.len();
        Layout {
            graph,
            weights,
            batch,
            root,
            fused,
            rank: Vec::with_capacity(nodes),
            nonnegative: Vec::with_capacity(nodes),
            flattened: Vec::with_capacity(nodes),
            tensors: Vec::with_capacity(nodes),
            model: Model::default(),
        }
    }

    /// Lays out the next node.
    ///
    /// # Errors
    /// A node that a file cannot hold.
    pub fn node(&mut self, index: usize, node: &Node) -> Result<(), TfliteError> {
        let signs: Vec<bool> = node.inputs.iter().map(|&input| self.nonnegative[input]).collect();
        self.nonnegative.push(match node.op {
            Op::Act(Act::Relu | Act::Relu6 | Act::Sigmoid | Act::HardSigmoid) => true,
            Op::Input | Op::BatchNorm | Op::Conv { .. } | Op::Linear { .. } => false,
            Op::Act(Act::Swish | Act::HardSwish) => signs[0],
            _ => signs.iter().all(|&sign| sign),
        });
        let root = self.root[index];
        if root != index {
            self.rank.push(self.rank[root]);
            self.flattened.push(self.flattened[root]);
            self.tensors.push(self.tensors[root]);
            return Ok(());
        }
        self.rank.push(match node.op {
            Op::Flatten | Op::Linear { .. } => 2,
            _ => node.inputs.iter().map(|&input| self.rank[input]).max().unwrap_or(4),
        });
        self.flattened.push(None);
        let tensor = self.operator(index, node)?;
        self.tensors.push(tensor);
        Ok(())
    }

    /// Closes the graph and gives the contents of the file.
    pub fn finish(mut self) -> Model {
        let last = self.graph.nodes.len() - 1;
        let mut output = self.tensors[last];
        // The output of a graph that is nothing but its input is a tensor of its own.
        if self.model.inputs.contains(&output) {
            let shape = self.model.tensors[output].shape.clone();
            output = self.reshaped("logits".into(), output, shape);
        }
        self.model.tensors[output].name = "logits".into();
        self.model.outputs = vec![output];
        self.model
    }

    /// The name of the tensor of a node.
    pub fn name(&self, index: usize) -> String {
        let earlier = self.graph.nodes[..index].iter().filter(|node| node.op == Op::Input).count();
        match self.graph.nodes[index].op {
            Op::Input if earlier == 0 => "input".into(),
            Op::Input => format!("input_{earlier}"),
            _ => format!("n{index}"),
        }
    }

    /// The shape of a node's tensor.
    pub fn dims(&self, index: usize) -> Vec<u32> {
        let s = self.graph.nodes[index].shape;
        if self.rank[index] == 2 { vec![self.batch, s.c] } else { vec![self.batch, s.h, s.w, s.c] }
    }

    /// A new tensor for a value that is computed.
    pub fn value(&mut self, name: String, shape: Vec<u32>) -> usize {
        self.push(Tensor { name, shape, element: Element::F32, data: None, quantisation: None })
    }

    /// A new tensor with these numbers.
    pub fn floats(&mut self, name: String, shape: Vec<u32>, numbers: &[f32]) -> usize {
        let data = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.push(Tensor { name, shape, element: Element::F32, data: Some(data), quantisation: None })
    }

    /// A new tensor with integers that an operator is told: axes, shapes, paddings.
    pub fn integers(&mut self, name: String, shape: Vec<u32>, numbers: &[i32]) -> usize {
        let data = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.push(Tensor { name, shape, element: Element::I32, data: Some(data), quantisation: None })
    }

    fn push(&mut self, tensor: Tensor) -> usize {
        self.model.tensors.push(tensor);
        self.model.tensors.len() - 1
    }

    /// A new operator; gives its output.
    pub fn step(&mut self, name: &'static str, inputs: Vec<usize>, options: Options, output: usize) -> usize {
        self.model.operators.push(Operator { name, inputs, output, options });
        output
    }

    /// The same elements under another shape.
    pub fn reshaped(&mut self, name: String, tensor: usize, shape: Vec<u32>) -> usize {
        let sides: Vec<i32> = shape.iter().map(|&side| i32::try_from(side).unwrap_or(i32::MAX)).collect();
        let wanted = self.integers(format!("{name}.shape"), vec![sides.len() as u32], &sides);
        let output = self.value(name, shape);
        self.step("RESHAPE", vec![tensor, wanted], Options::Empty(17), output)
    }

    /// The tensor of a node as a map, also of a vector.
    pub fn map(&mut self, index: usize, reader: usize) -> usize {
        let tensor = self.tensors[index];
        if self.rank[index] == 4 {
            return tensor;
        }
        let shape = vec![self.batch, 1, 1, self.graph.nodes[index].shape.c];
        self.reshaped(format!("n{reader}.map{index}"), tensor, shape)
    }

    /// The map that a window walks over, with zeros around it where the padding of PyTorch is not that of the file format;
    /// and the padding that is left to the operator.
    ///
    /// # Errors
    /// Windows that make another output than the node's.
    pub fn padded(
        &mut self,
        index: usize,
        kernel: u32,
        stride: u32,
        around: Around,
    ) -> Result<(usize, Padding), TfliteError> {
        let node = &self.graph.nodes[index];
        let from = self.graph.nodes[node.inputs[0]].shape;
        let to = node.shape;
        let tensor = self.map(node.inputs[0], index);
        let before = kernel.saturating_sub(1) / 2;
        let mut same = true;
        for (side, out) in [(from.h, to.h), (from.w, to.w)] {
            let [side, out, before, kernel, stride] = [side, out, before, kernel, stride].map(i64::from);
            let covered = (out - 1) * stride + kernel;
            if stride < 1 || (side + 2 * before - kernel).div_euclid(stride.max(1)) + 1 != out {
                let what = format!("windows of {kernel} pixels, {stride} apart, that make {out} of {side}");
                return Err(TfliteError::Node { node: index, what });
            }
            same &= (covered - side).max(0) / 2 == before;
        }
        if same {
            return Ok((tensor, Padding::Same));
        }
        let name = format!("n{index}.padded");
        let around_sides = [0, 0, before, before, before, before, 0, 0].map(|side| side as i32);
        let sides = self.integers(format!("{name}.sides"), vec![4, 2], &around_sides);
        let shape = vec![self.batch, from.h + 2 * before, from.w + 2 * before, from.c];
        let mut operands = vec![tensor, sides];
        let (operator, options) = match around {
            Around::Zeros => ("PAD", Options::Empty(22)),
            Around::Lowest => {
                operands.push(self.floats(format!("{name}.lowest"), vec![1], &[f32::MIN]));
                ("PADV2", Options::Empty(43))
            }
        };
        let output = self.value(name, shape);
        Ok((self.step(operator, operands, options, output), Padding::Valid))
    }
}

/// What stands around a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Around {
    Zeros,
    /// Numbers that no maximum takes.
    Lowest,
}

/// For each node, the one whose operator computes it, and the activation in that operator.
fn operators(graph: &Graph) -> (Vec<usize>, Vec<Fused>) {
    let uses = graph.uses();
    let folded = weights::folded(graph);
    let mut root: Vec<usize> = (0..graph.nodes.len()).collect();
    let mut fused = vec![Fused::None; graph.nodes.len()];
    // Whether nothing but the next node reads a node, nor what it stands for.
    let mut private = vec![false; graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate() {
        let input = node.inputs.first().copied();
        if let Some(conv) = folded[index] {
            root[index] = root[conv];
        } else if let (Op::Act(act), Some(input)) = (node.op, input) {
            let of = root[input];
            let takes = matches!(
                graph.nodes[of].op,
                Op::Conv { .. } | Op::Linear { .. } | Op::BatchNorm | Op::Add | Op::Scale
            );
            let kind = match act {
                Act::Relu => Fused::Relu,
                Act::Relu6 => Fused::Relu6,
                _ => Fused::None,
            };
            if act == Act::None {
                root[index] = of;
            } else if kind != Fused::None && takes && private[input] && fused[of] == Fused::None {
                root[index] = of;
                fused[of] = kind;
            }
        }
        let alone = root[index] == index || input.is_some_and(|input| private[input]);
        private[index] = uses[index] == 1 && alone;
    }
    (root, fused)
}
