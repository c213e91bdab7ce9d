//! Operators as operations of our graph.
//!
//! Sizes are those of one image: a fixed batch of the file is divided out. Maps of a file have their channels last; what is
//! no map is laid out as if it were one.

use super::file::{File, Operator, Tensor};
use crate::imported::builder::{Constant, Soft};
use crate::imported::{Builder, Pair};
use crate::tflite::TfliteError;
use crate::tflite::schema::element;
use edgezen_core::plainnet::graph::{Act, Op};
use edgezen_core::plainnet::{Graph, Shape};

/// What became of an operator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// A node of the graph has its value.
    Node(usize),
    /// A node of the graph has its value, and what reads it does the rest.
    Deferred(usize),
    /// It has no counterpart.
    Unknown,
}

pub struct Translation<'t, 'r, 'f> {
    pub(super) file: &'t File<'r, 'f>,
    pub built: Builder,
    /// The node of each tensor.
    nodes: Vec<Option<usize>>,
    /// How often each tensor is read, by operators and as an output of the network, and the last operator that reads it.
    readers: Vec<(usize, Option<usize>)>,
    /// Images of the file.
    pub batch: usize,
}

impl<'t, 'r, 'f> Translation<'t, 'r, 'f> {
    pub fn new(file: &'t File<'r, 'f>) -> Result<Self, TfliteError> {
        let mut readers = vec![(0, None); file.tensors.len()];
        for (index, step) in file.operators.iter().enumerate() {
            for &tensor in step.inputs.iter().flatten() {
                readers[tensor] = (readers[tensor].0 + 1, Some(index));
            }
        }
        file.outputs.iter().for_each(|&tensor| readers[tensor].0 += 1);
        let first = file.inputs.first().map(|&input| &file.tensors[input].dims);
        let batch = first.filter(|dims| dims.len() > 1).map_or(1, |dims| dims[0]);
        let built = Builder::with_capacity(file.operators.len() + 1);
        let nodes = vec![None; file.tensors.len()];
        let mut translation = Translation { file, built, nodes, readers, batch };
        for &input in &file.inputs {
            let shape = translation.shape_of(&file.tensors[input])?;
            translation.nodes[input] = Some(translation.built.input(shape));
        }
        Ok(translation)
    }

    /// The finished graph.
    pub fn graph(self) -> Graph {
        let outputs: Vec<usize> = self.file.outputs.iter().filter_map(|&output| self.nodes[output]).collect();
        self.built.finish(&outputs)
    }

    /// The shape for one image of a tensor.
    fn shape_of(&self, tensor: &Tensor) -> Result<Shape, TfliteError> {
        let dims = &tensor.dims[..];
        let (images, rest) = match dims.split_first() {
            Some((&first, rest)) if first % self.batch == 0 && (dims.len() > 1 || self.batch > 1) => {
                (first / self.batch, rest)
            }
            _ => (1, dims),
        };
        let product = |dims: &[usize]| dims.iter().product::<usize>();
        let (h, w, c) = match *rest {
            [] => (images, 1, 1),
            [c] => (images, 1, c),
            [h, c] => (images * h, 1, c),
            [ref above @ .., w, c] => (images * product(above), w, c),
        };
        let side = |side: usize| match u32::try_from(side) {
            Ok(side) if side > 0 => Ok(side),
            _ => Err(TfliteError::Invalid(format!("tensor {:?} of {dims:?}", tensor.name))),
        };
        Ok(Shape { c: side(c)?, h: side(h)?, w: side(w)? })
    }

    pub(super) fn dims(&self, tensor: usize) -> &'t [usize] {
        &self.file.tensors[tensor].dims
    }

    /// Translates one operator; false if it has no counterpart.
    pub fn step(&mut self, step: &Operator<'r, 'f>) -> Result<bool, TfliteError> {
        let Some(&first) = step.outputs.first() else { return Ok(true) };
        if self.file.tensors[first].constant {
            return Ok(true);
        }
        let mut shapes = Vec::with_capacity(step.outputs.len());
        for &output in &step.outputs {
            shapes.push((output, self.shape_of(&self.file.tensors[output])?));
        }
        let nodes: Vec<Option<usize>> =
            step.inputs.iter().map(|place| place.and_then(|place| self.nodes[place])).collect();
        let maps: Vec<usize> = nodes.iter().copied().flatten().collect();
        // Each part of a split is a copy of its own.
        if matches!(&step.name[..], "SPLIT" | "SPLIT_V" | "UNPACK") && !maps.is_empty() {
            for (output, shape) in shapes {
                let part = self.built.view(maps[0], shape);
                self.nodes[output] = Some(self.built.push(Op::Pass { to: shape }, vec![part]));
            }
            return Ok(true);
        }
        let outcome = match maps.first() {
            Some(_) => self.operation(step, &nodes, &maps, shapes[0].1)?,
            None => Outcome::Unknown,
        };
        if let Outcome::Deferred(node) = outcome {
            self.nodes[first] = Some(node);
            return Ok(true);
        }
        let Outcome::Node(node) = outcome else {
            self.built.keep(maps.into_iter());
            for (output, shape) in shapes {
                self.nodes[output] = Some(self.built.input(shape));
            }
            return Ok(false);
        };
        let node = self.built.view(node, shapes[0].1);
        self.nodes[first] = Some(node);
        for &(output, shape) in &shapes[1..] {
            self.nodes[output] = Some(self.built.push(Op::View { to: shape }, vec![node]));
        }
        Ok(true)
    }

    fn operation(
        &mut self,
        step: &Operator<'r, 'f>,
        nodes: &[Option<usize>],
        maps: &[usize],
        to: Shape,
    ) -> Result<Outcome, TfliteError> {
        let x = nodes.first().copied().flatten();
        let first = maps[0];
        let name = &step.name[..];
        let pointwise = match name {
            "RELU" | "LEAKY_RELU" => Some(Act::Relu),
            "RELU6" | "RELU_N1_TO_1" | "RELU_0_TO_1" => Some(Act::Relu6),
            "LOGISTIC" => Some(Act::Sigmoid),
            "HARD_SWISH" => Some(Act::HardSwish),
            "TANH" | "ELU" | "GELU" | "EXP" => Some(Act::Swish),
            _ => None,
        };
        if let Some(act) = pointwise {
            return Ok(Outcome::Node(self.built.act(act, first)));
        }
        let node = match name {
            // Quantisation runs inside its neighbours.
            "QUANTIZE" | "DEQUANTIZE" | "CAST" | "FAKE_QUANT" | "DENSIFY" | "BITCAST" => Some(first),
            "RESHAPE" | "SQUEEZE" | "EXPAND_DIMS" => Some(self.reshaped(first, to)),
            "CONV_2D" => self.convolution(step, x)?,
            "DEPTHWISE_CONV_2D" => self.depthwise(step, x)?,
            "TRANSPOSE_CONV" => self.transposed(step, nodes.get(2).copied().flatten())?,
            "FULLY_CONNECTED" => self.linear(step, x)?,
            "BATCH_MATMUL" => self.product(step, nodes)?,
            "MAX_POOL_2D" | "AVERAGE_POOL_2D" | "L2_POOL_2D" => self.pool(step, x)?,
            "MEAN" | "SUM" | "REDUCE_MAX" | "REDUCE_MIN" | "REDUCE_PROD" => {
                Some(self.reduced(step, first, to))
            }
            "ADD" | "SUB" | "MUL" | "DIV" | "MAXIMUM" | "MINIMUM" | "POW" | "SQUARED_DIFFERENCE"
            | "FLOOR_DIV" | "FLOOR_MOD" | "ADD_N" => Some(self.together(step, nodes, maps, to)?),
            "CONCATENATION" => Some(self.joined(step, nodes, to)?),
            "PAD" | "PADV2" | "MIRROR_PAD" => match self.hidden_padding(step) {
                true => return Ok(Outcome::Deferred(first)),
                false => Some(self.built.push(Op::Pass { to }, vec![first])),
            },
            "SLICE" => Some(self.slice(step, first, to)),
            // Copies of as much as they give.
            "STRIDED_SLICE" | "GATHER" | "GATHER_ND" | "DYNAMIC_UPDATE_SLICE" => {
                let part = self.built.view(first, to);
                Some(self.built.push(Op::Pass { to }, vec![part]))
            }
            "PRELU" | "ABS" | "NEG" | "SQRT" | "RSQRT" | "SQUARE" | "LOG" | "FLOOR" | "CEIL" | "ROUND"
            | "SIGN" | "SIN" | "COS" | "LOGICAL_NOT" => {
                Some(self.built.softened(Op::Pass { to }, vec![first], Soft::Element))
            }
            _ if is_unknown(name) => None,
            _ => {
                // The largest operand counts.
                let largest = maps.iter().copied().max_by_key(|&map| self.built.shape(map).elements());
                largest.map(|map| self.built.push(Op::Pass { to }, vec![map]))
            }
        };
        Ok(node.map_or(Outcome::Unknown, Outcome::Node))
    }

    fn reshaped(&mut self, x: usize, to: Shape) -> usize {
        let flat = (to.h, to.w) == (1, 1) && self.built.shape(x).elements() == u64::from(to.c);
        if flat && self.built.shape(x) != to {
            self.built.push(Op::Flatten, vec![x])
        } else {
            self.built.view(x, to)
        }
    }

    /// The operator with the number of a field of its options.
    pub(super) fn option(
        &self,
        step: &Operator<'r, 'f>,
        slot: u16,
        default: i32,
    ) -> Result<i32, TfliteError> {
        Ok(step.options.as_ref().map_or(Ok(default), |options| options.i32(slot, default))?)
    }

    pub(super) fn small_option(&self, step: &Operator<'r, 'f>, slot: u16) -> Result<i8, TfliteError> {
        Ok(step.options.as_ref().map_or(Ok(0), |options| options.i8(slot, 0))?)
    }

    /// The node after the activation inside an operator, which the field of this slot names.
    pub(super) fn activated(
        &mut self,
        step: &Operator<'r, 'f>,
        slot: u16,
        node: usize,
    ) -> Result<usize, TfliteError> {
        let act = match self.small_option(step, slot)? {
            0 => return Ok(node),
            1 => Act::Relu,
            2 | 3 => Act::Relu6,
            4 => Act::Swish,
            other => return Err(wrong(step, format!("activation {other} inside it"))),
        };
        Ok(self.built.act(act, node))
    }

    pub(super) fn operand(&self, step: &Operator<'r, 'f>, at: usize) -> Result<usize, TfliteError> {
        step.inputs.get(at).copied().flatten().ok_or_else(|| wrong(step, format!("operand {at} is missing")))
    }

    fn reduced(&mut self, step: &Operator<'r, 'f>, x: usize, to: Shape) -> usize {
        let axes = self.numbers(step, 1);
        let dims = step.inputs.first().copied().flatten().map(|input| self.dims(input)).unwrap_or_default();
        let rank = dims.len() as i64;
        let mut axes: Vec<i64> =
            axes.unwrap_or_default().iter().map(|&axis| if axis < 0 { axis + rank } else { axis }).collect();
        axes.sort_unstable();
        if rank == 4 && axes == [1, 2] && dims[0] == self.batch {
            return self.built.push(Op::GlobalAvgPool, vec![x]);
        }
        self.built.softened(Op::Pass { to }, vec![x], Soft::Row)
    }

    /// The integers of a constant operand.
    fn numbers(&self, step: &Operator<'r, 'f>, at: usize) -> Option<Vec<i64>> {
        let tensor = &self.file.tensors[step.inputs.get(at).copied().flatten()?];
        let data = tensor.data.filter(|_| tensor.constant)?;
        match tensor.element {
            element::INT32 => {
                let numbers = data.chunks_exact(4).filter_map(|bytes| bytes.try_into().ok());
                Some(numbers.map(|bytes| i64::from(i32::from_le_bytes(bytes))).collect())
            }
            element::INT64 => {
                let numbers = data.chunks_exact(8).filter_map(|bytes| bytes.try_into().ok());
                Some(numbers.map(i64::from_le_bytes).collect())
            }
            _ => None,
        }
    }

    /// Element-wise operations.
    fn together(
        &mut self,
        step: &Operator<'r, 'f>,
        nodes: &[Option<usize>],
        maps: &[usize],
        to: Shape,
    ) -> Result<usize, TfliteError> {
        let pair = match &step.name[..] {
            "ADD" | "ADD_N" => Pair::Sum,
            "MUL" => Pair::Product,
            _ => Pair::Other,
        };
        let node = match *maps {
            [x] => {
                let constants = step.inputs.iter().zip(nodes).filter(|(_, node)| node.is_none());
                let sizes = constants.filter_map(|(place, _)| place.map(|place| self.dims(place)));
                let largest = sizes.map(|dims| dims.iter().product::<usize>()).max().unwrap_or(1);
                let constant = match &step.name[..] {
                    "ADD" => Constant::Added,
                    "SUB" | "MUL" | "DIV" => Constant::Affine,
                    "MAXIMUM" | "MINIMUM" => Constant::Clamp,
                    _ => Constant::Other,
                };
                self.built.with_constant(constant, largest, x, to)
            }
            [first, ref rest @ ..] => {
                rest.iter().fold(first, |sum, &map| self.built.pair(pair, sum, map, to))
            }
            [] => return Err(wrong(step, "it has no operand")),
        };
        match &step.name[..] {
            "ADD" | "SUB" | "MUL" | "DIV" => self.activated(step, 0, node),
            _ => Ok(node),
        }
    }

    /// Maps one after another along any axis, which becomes the channels.
    fn joined(
        &mut self,
        step: &Operator<'r, 'f>,
        nodes: &[Option<usize>],
        to: Shape,
    ) -> Result<usize, TfliteError> {
        let rank = self.dims(step.outputs[0]).len() as i32;
        let axis = self.option(step, 0, 0)?;
        let axis = if axis < 0 { axis + rank } else { axis };
        if !(0..rank).contains(&axis) {
            return Err(wrong(step, format!("axis {axis} of {rank}")));
        }
        let maps: Vec<usize> = nodes.iter().copied().flatten().collect();
        let alike =
            maps.iter().all(|&map| (self.built.shape(map).h, self.built.shape(map).w) == (to.h, to.w));
        let channels = maps.iter().map(|&map| u64::from(self.built.shape(map).c)).sum::<u64>();
        let node = if axis == rank - 1 && alike && channels == u64::from(to.c) {
            self.built.push(Op::Concat, maps)
        } else {
            let side = u32::try_from(self.dims(step.outputs[0])[axis as usize]).unwrap_or(u32::MAX).max(1);
            let area = u32::try_from(to.elements() / u64::from(side)).unwrap_or(u32::MAX).max(1);
            let mut views = Vec::new();
            for map in maps {
                let c = u32::try_from(self.built.shape(map).elements() / u64::from(area)).unwrap_or(1).max(1);
                views.push(self.built.view(map, Shape { c, h: area, w: 1 }));
            }
            self.built.push(Op::Concat, views)
        };
        self.activated(step, 1, node)
    }

    /// A part of a map: of its channels, or of anything else.
    fn slice(&mut self, step: &Operator<'r, 'f>, x: usize, to: Shape) -> usize {
        let from = self.built.shape(x);
        let begin = self.numbers(step, 1).unwrap_or_default();
        let first = begin.last().and_then(|&first| u32::try_from(first).ok());
        if let Some(first) = first
            && (from.h, from.w) == (to.h, to.w)
            && first.checked_add(to.c).is_some_and(|end| end <= from.c)
        {
            return self.built.push(Op::Slice { from: first, count: to.c }, vec![x]);
        }
        let part = self.built.view(x, to);
        self.built.push(Op::Pass { to }, vec![part])
    }

    /// Whether a padding is part of the window after it, as runtimes run it: it puts zeros around the map alone, and one
    /// convolution or pool without padding of its own reads it.
    fn hidden_padding(&self, step: &Operator<'r, 'f>) -> bool {
        let output = step.outputs[0];
        let sides = self.numbers(step, 1).unwrap_or_default();
        let around = sides.len() == 8 && sides[..2] == [0, 0] && sides[6..] == [0, 0];
        let few = sides.iter().all(|&side| (0..64).contains(&side));
        let Some(Some(input)) = step.inputs.first().copied().filter(|_| around && few) else { return false };
        let padded = |(axis, &side): (usize, &usize)| side as i64 + sides[2 * axis] + sides[2 * axis + 1];
        let told = self.dims(output).iter().map(|&side| side as i64);
        let of_map = self.dims(input).len() == 4;
        if !of_map || !self.dims(input).iter().enumerate().map(padded).eq(told) {
            return false;
        }
        let windows = ["CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D"];
        let (reads, reader) = self.readers[output];
        let reader = reader
            .map(|reader| &self.file.operators[reader])
            .filter(|next| next.inputs.first() == Some(&Some(output)) && windows.contains(&&next.name[..]));
        step.name != "MIRROR_PAD"
            && reads == 1
            && reader.is_some_and(|next| self.small_option(next, 0).is_ok_and(|padding| padding == 1))
    }
}

/// What is wrong with an operator.
pub(super) fn wrong(step: &Operator, reason: impl Into<String>) -> TfliteError {
    TfliteError::Invalid(format!("{}: {}", step.name, reason.into()))
}

/// Operators that may multiply in ways that are not counted here.
fn is_unknown(name: &str) -> bool {
    let parts =
        ["LSTM", "RNN", "SVDF", "CUSTOM", "CONV", "MATMUL", "DOT_GENERAL", "FFT", "CALL", "COMPOSITE"];
    let whole = ["IF", "WHILE", "STABLEHLO_WHILE", "STABLEHLO_CASE", "DELEGATE", "EMBEDDING_LOOKUP_SPARSE"];
    parts.iter().any(|part| name.contains(part)) || whole.contains(&name) || name.starts_with("operator")
}
