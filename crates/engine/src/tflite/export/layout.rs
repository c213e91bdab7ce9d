//! From a graph to the operators of a file: which nodes become one operator, and which tensors they read.

use super::model::{Element, Fused, Model, Operator, Options, Padding, Quantisation, Tensor};
use crate::fusion::Fusion;
use crate::quantisation::{Affine, Maps};
use crate::tflite::TfliteError;
use crate::weights::Weights;
use edgezen_core::plainnet::graph::{Act, Node, Op};
use edgezen_core::plainnet::{Graph, Shape};
use std::collections::BTreeMap;

/// Lays out a graph node by node.
pub struct Layout<'a> {
    pub graph: &'a Graph,
    pub weights: &'a Weights<'a>,
    pub batch: u32,
    /// The integers of each map; absent in files of 32-bit floats.
    pub maps: Option<&'a Maps>,
    fusion: Fusion,
    /// Rank of each node's value: 4 with channels last, or 2.
    pub rank: Vec<usize>,
    /// Whether no value of a node is below zero.
    pub nonnegative: Vec<bool>,
    /// Nodes whose vector holds a map with channels last, where the graph has them first.
    pub flattened: Vec<Option<Shape>>,
    /// The tensor of each node.
    pub tensors: Vec<usize>,
    /// The tensors that were made of others, of floats for integers or the other way round.
    conversions: BTreeMap<usize, usize>,
    pub model: Model,
}

impl<'a> Layout<'a> {
    pub fn new(graph: &'a Graph, batch: u32, weights: &'a Weights<'a>, maps: Option<&'a Maps>) -> Layout<'a> {
        let nodes = graph.nodes.len();
        Layout {
            graph,
            weights,
            batch,
            maps,
            fusion: Fusion::of(graph),
            rank: Vec::with_capacity(nodes),
            nonnegative: Vec::with_capacity(nodes),
            flattened: Vec::with_capacity(nodes),
            tensors: Vec::with_capacity(nodes),
            conversions: BTreeMap::new(),
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
        let root = self.fusion.root[index];
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
        let tensor = match self.maps {
            Some(maps) => self.mixed_operator(index, node, maps)?,
            None => self.operator(index, node)?,
        };
        self.tensors.push(tensor);
        Ok(())
    }

    /// The operator of a node, in floats where `maps` say so: what it reads is converted before it.
    fn mixed_operator(&mut self, index: usize, node: &Node, maps: &'a Maps) -> Result<usize, TfliteError> {
        let before: Vec<usize> = node.inputs.iter().map(|&input| self.tensors[input]).collect();
        let in_floats = maps.in_floats(index);
        for &input in &node.inputs {
            self.tensors[input] = self.in_numbers_of(input, in_floats, maps);
        }
        self.maps = (!in_floats).then_some(maps);
        let tensor = self.operator(index, node);
        self.maps = Some(maps);
        for (&input, tensor) in node.inputs.iter().zip(before) {
            self.tensors[input] = tensor;
        }
        tensor
    }

    /// The tensor of node `index` in floats, or in its integers.
    fn in_numbers_of(&mut self, index: usize, floats: bool, maps: &Maps) -> usize {
        let tensor = self.tensors[index];
        if floats == self.integers_of(tensor).is_none() {
            return tensor;
        }
        if let Some(&converted) = self.conversions.get(&tensor) {
            return converted;
        }
        let Tensor { name, shape, .. } = &self.model.tensors[tensor];
        let (what, operator, options) = if floats {
            ("floats", "DEQUANTIZE", Options::None)
        } else {
            ("integers", "QUANTIZE", Options::Empty(89))
        };
        let (name, shape) = (format!("{name}.{what}"), shape.clone());
        let output = self.value(name, shape, (!floats).then(|| maps.affine(index)));
        self.step(operator, vec![tensor], options, output);
        self.conversions.insert(tensor, output);
        output
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

    /// The activation inside the operator of a node.
    pub fn fused(&self, index: usize) -> Fused {
        match self.fusion.act[index] {
            Act::Relu => Fused::Relu,
            Act::Relu6 => Fused::Relu6,
            _ => Fused::None,
        }
    }

    /// A new tensor for the value that the operator of a node writes.
    pub fn computed(&mut self, index: usize) -> usize {
        let integers = self.maps.map(|maps| maps.affine(index));
        self.value(self.name(index), self.dims(index), integers)
    }

    /// A new tensor for a value: of floats, or of these integers.
    pub fn value(&mut self, name: String, shape: Vec<u32>, integers: Option<Affine>) -> usize {
        let element = if integers.is_some() { Element::I8 } else { Element::F32 };
        self.push(Tensor { name, shape, element, data: None, quantisation: integers.map(Into::into) })
    }

    /// The integers of a tensor; nothing if it holds floats.
    pub fn integers_of(&self, tensor: usize) -> Option<Affine> {
        self.model.tensors[tensor].quantisation.as_ref().and_then(Quantisation::single)
    }

    /// A new tensor with these integers in place of numbers.
    pub fn whole(&mut self, name: String, shape: Vec<u32>, data: &[i8], quantisation: Quantisation) -> usize {
        let data = data.iter().map(|&integer| integer.cast_unsigned()).collect();
        let quantisation = Some(quantisation);
        self.push(Tensor { name, shape, element: Element::I8, data: Some(data), quantisation })
    }

    /// A new tensor with a bias in units of these scales.
    pub fn bias(&mut self, name: String, data: &[i32], scales: Vec<f32>) -> usize {
        let index = self.integers(name, vec![data.len() as u32], data);
        let zero_points = vec![0; scales.len()];
        self.model.tensors[index].quantisation = Some(Quantisation { scales, zero_points, axis: 0 });
        index
    }

    /// A new tensor with numbers that are an operand: as floats, or as integers.
    pub fn operand(&mut self, name: String, shape: Vec<u32>, numbers: &[f32]) -> usize {
        if self.maps.is_none() {
            return self.floats(name, shape, numbers);
        }
        let affine = Affine::of_numbers(numbers);
        let data: Vec<i8> = numbers.iter().map(|&number| affine.quantise(number)).collect();
        self.whole(name, shape, &data, affine.into())
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
        let output = self.value(name, shape, self.integers_of(tensor));
        self.step("RESHAPE", vec![tensor, wanted], Options::Empty(17), output)
    }

    /// A map in the integers of a node.
    pub fn converted(&mut self, tensor: usize, index: usize) -> usize {
        let wanted = self.maps.map(|maps| maps.affine(index));
        if self.integers_of(tensor) == wanted {
            return tensor;
        }
        let Tensor { name, shape, .. } = &self.model.tensors[tensor];
        let (name, shape) = (format!("n{index}.{name}"), shape.clone());
        let output = self.value(name, shape, wanted);
        self.step("QUANTIZE", vec![tensor], Options::Empty(89), output)
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
                let lowest = format!("{name}.lowest");
                operands.push(match self.integers_of(tensor) {
                    Some(affine) => self.whole(lowest, vec![1], &[i8::MIN], affine.into()),
                    None => self.floats(lowest, vec![1], &[f32::MIN]),
                });
                ("PADV2", Options::Empty(43))
            }
        };
        let output = self.value(name, shape, self.integers_of(tensor));
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
