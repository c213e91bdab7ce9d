//! The operators of a file: what each operation of a graph becomes.

use super::layout::{Around, Layout};
use super::model::{Fused, Options, Padding};
use crate::tflite::TfliteError;
use edgezen_core::plainnet::graph::{Act, Node, Op};
use edgezen_core::plainnet::{Shape, window};

impl Layout<'_> {
    /// Appends the operators of a node; gives the tensor of its value.
    pub(super) fn operator(&mut self, index: usize, node: &Node) -> Result<usize, TfliteError> {
        let refused = |what: String| Err(TfliteError::Node { node: index, what });
        let name = self.name(index);
        match node.op {
            Op::AnyConv { .. } | Op::AnyPool { .. } | Op::View { .. } | Op::Pass { .. } => {
                refused(format!("again what was read from a file ({:?})", node.op))
            }
            Op::Input => {
                let s = node.shape;
                let tensor = self.value(name, vec![self.batch, s.h, s.w, s.c]);
                self.model.inputs.push(tensor);
                Ok(tensor)
            }
            Op::Conv { in_c, out_c, kernel, stride, groups, .. } => {
                if groups == 0 || in_c % groups != 0 || out_c % groups != 0 {
                    return refused(format!("{groups} groups of {in_c} and {out_c} channels"));
                }
                let (map, padding) = self.padded(index, kernel, stride, Around::Zeros)?;
                let act = self.fused[index];
                let depthwise = groups > 1 && groups == in_c;
                let (operator, options) = if depthwise {
                    let multiplier = out_c / in_c;
                    ("DEPTHWISE_CONV_2D", Options::Depthwise { padding, stride, multiplier, act })
                } else {
                    ("CONV_2D", Options::Conv { padding, stride, act })
                };
                let [weight, bias] = self.convolution(index, depthwise)?;
                let output = self.computed(index);
                Ok(self.step(operator, vec![map, weight, bias], options, output))
            }
            Op::Linear { in_c, .. } => {
                let (vector, map) = self.vector(index, node.inputs[0], in_c);
                let [weight, bias] = self.linear(index, map)?;
                let output = self.computed(index);
                let options = Options::Linear { act: self.fused[index] };
                Ok(self.step("FULLY_CONNECTED", vec![vector, weight, bias], options, output))
            }
            Op::BatchNorm => self.normalisation(index, node),
            Op::Act(act) => Ok(self.activation(index, act, self.tensors[node.inputs[0]])),
            Op::Add | Op::Scale => {
                let same = node.inputs.iter().all(|&input| self.rank[input] == self.rank[node.inputs[0]]);
                let inputs = node
                    .inputs
                    .iter()
                    .map(|&input| if same { self.tensors[input] } else { self.map(input, index) });
                let inputs = inputs.collect();
                let output = self.computed(index);
                let act = self.fused[index];
                Ok(match node.op {
                    Op::Add => self.step("ADD", inputs, Options::Add { act }, output),
                    _ => self.step("MUL", inputs, Options::Mul { act }, output),
                })
            }
            Op::Concat => {
                let inputs = node.inputs.iter().map(|&input| self.tensors[input]).collect();
                let output = self.computed(index);
                let axis = self.rank[index] as i32 - 1;
                Ok(self.step("CONCATENATION", inputs, Options::Concat { axis }, output))
            }
            Op::Slice { from, count } => {
                let channels = self.graph.nodes[node.inputs[0]].shape.c;
                if count == 0 || from.checked_add(count).is_none_or(|end| end > channels) {
                    return refused(format!("{count} channels from channel {from} of a map of {channels}"));
                }
                let rank = self.rank[index];
                let (mut begin, mut size) = (vec![0; rank], vec![-1; rank]);
                (begin[rank - 1], size[rank - 1]) = (from as i32, count as i32);
                let begin = self.integers(format!("{name}.begin"), vec![rank as u32], &begin);
                let size = self.integers(format!("{name}.size"), vec![rank as u32], &size);
                let output = self.computed(index);
                let map = self.tensors[node.inputs[0]];
                Ok(self.step("SLICE", vec![map, begin, size], Options::Empty(48), output))
            }
            Op::MaxPool { kernel, stride } => {
                let zeros = self.nonnegative[node.inputs[0]];
                let around = if zeros { Around::Zeros } else { Around::Lowest };
                let (map, padding) = self.padded(index, kernel, stride, around)?;
                let output = self.computed(index);
                let options = Options::Pool { padding, kernel: [kernel; 2], stride: [stride; 2] };
                Ok(self.step("MAX_POOL_2D", vec![map], options, output))
            }
            Op::GlobalAvgPool => {
                let axes = self.integers(format!("{name}.axes"), vec![2], &[1, 2]);
                let map = self.map(node.inputs[0], index);
                let output = self.computed(index);
                Ok(self.step("MEAN", vec![map, axes], Options::Reduce { keep: true }, output))
            }
            Op::AdaptiveAvgPool { size } => {
                let from = self.graph.nodes[node.inputs[0]].shape;
                let [rows, columns] = [from.h, from.w].map(|side| window::of_cells(side, size));
                let (Some((h, down)), Some((w, across))) = (rows, columns) else {
                    return refused(format!(
                        "pooling {from} to a grid of {size}×{size}, whose cells are not alike"
                    ));
                };
                let map = self.map(node.inputs[0], index);
                let output = self.computed(index);
                let options =
                    Options::Pool { padding: Padding::Valid, kernel: [h, w], stride: [down, across] };
                Ok(self.step("AVERAGE_POOL_2D", vec![map], options, output))
            }
            Op::Flatten => Ok(self.flatten(index, node.inputs[0])),
        }
    }

    /// The tensor of a node's own shape.
    fn computed(&mut self, index: usize) -> usize {
        self.value(self.name(index), self.dims(index))
    }

    /// Weight and bias of a convolution; no bias is one of zeros, because not all runtimes do without.
    fn convolution(&mut self, index: usize, depthwise: bool) -> Result<[usize; 2], TfliteError> {
        let Some(p) = self.weights.of(index) else {
            return Err(TfliteError::Node { node: index, what: "a convolution without weights".into() });
        };
        let [out, inside, kernel] = [p.shape[0], p.shape[1], p.shape[2]];
        let area = kernel * kernel;
        // From [out, in, place] to [out, place, in], or, where there is one input for each output, to [place, out].
        let (weight, shape) = if depthwise {
            (transposed(&p.weight, out, area), [1, kernel, kernel, out])
        } else {
            let rows = p.weight.chunks(inside * area).flat_map(|row| transposed(row, inside, area));
            (rows.collect(), [out, kernel, kernel, inside])
        };
        let shape = shape.map(|side| side as u32).to_vec();
        let bias = p.bias.unwrap_or_else(|| vec![0.0; out]);
        let weight = self.floats(format!("n{index}.weight"), shape, &weight);
        Ok([weight, self.floats(format!("n{index}.bias"), vec![out as u32], &bias)])
    }

    /// Weight and bias of a linear layer, whose inputs are the pixels of a `map` one after another, or in the order of the
    /// graph.
    fn linear(&mut self, index: usize, map: Option<Shape>) -> Result<[usize; 2], TfliteError> {
        let Some(p) = self.weights.of(index) else {
            return Err(TfliteError::Node { node: index, what: "a linear layer without weights".into() });
        };
        let weight = match map {
            Some(map) => {
                let (channels, area) = (map.c as usize, map.h as usize * map.w as usize);
                p.weight.chunks(channels * area).flat_map(|row| transposed(row, channels, area)).collect()
            }
            None => p.weight,
        };
        let shape = p.shape.iter().map(|&side| side as u32).collect();
        let out = p.shape[0];
        let bias = p.bias.unwrap_or_else(|| vec![0.0; out]);
        let weight = self.floats(format!("n{index}.weight"), shape, &weight);
        Ok([weight, self.floats(format!("n{index}.bias"), vec![out as u32], &bias)])
    }

    /// A normalisation on its own: a factor and a shift for each channel.
    fn normalisation(&mut self, index: usize, node: &Node) -> Result<usize, TfliteError> {
        let Some(p) = self.weights.of(index) else {
            return Err(TfliteError::Node { node: index, what: "a normalisation without parameters".into() });
        };
        let channels = vec![node.shape.c];
        let scale = self.floats(format!("n{index}.scale"), channels.clone(), &p.weight);
        let shift = self.floats(format!("n{index}.shift"), channels, &p.bias.unwrap_or_default());
        let scaled = self.value(format!("n{index}.scaled"), self.dims(index));
        let act = self.fused[index];
        let map = self.tensors[node.inputs[0]];
        self.step("MUL", vec![map, scale], Options::Mul { act: Fused::None }, scaled);
        let output = self.computed(index);
        Ok(self.step("ADD", vec![scaled, shift], Options::Add { act }, output))
    }

    fn activation(&mut self, index: usize, act: Act, map: usize) -> usize {
        let dims = self.dims(index);
        let part = |what: &str| format!("n{index}.{what}");
        match act {
            Act::None => map,
            Act::Relu | Act::Relu6 | Act::Sigmoid | Act::HardSwish => {
                let (operator, options) = match act {
                    Act::Relu => ("RELU", Options::None),
                    Act::Relu6 => ("RELU6", Options::None),
                    Act::Sigmoid => ("LOGISTIC", Options::None),
                    _ => ("HARD_SWISH", Options::Empty(91)),
                };
                let output = self.computed(index);
                self.step(operator, vec![map], options, output)
            }
            Act::Swish => {
                let gate = self.value(part("gate"), dims);
                self.step("LOGISTIC", vec![map], Options::None, gate);
                let output = self.computed(index);
                self.step("MUL", vec![map, gate], Options::Mul { act: Fused::None }, output)
            }
            // min(max(x + 3, 0), 6) / 6.
            Act::HardSigmoid => {
                let three = self.floats(part("three"), vec![1], &[3.0]);
                let sixth = self.floats(part("sixth"), vec![1], &[1.0 / 6.0]);
                let clamped = self.value(part("clamped"), dims);
                self.step("ADD", vec![map, three], Options::Add { act: Fused::Relu6 }, clamped);
                let output = self.computed(index);
                self.step("MUL", vec![clamped, sixth], Options::Mul { act: Fused::None }, output)
            }
        }
    }

    /// The vector that a linear layer reads, and the map whose pixels it holds one after another.
    fn vector(&mut self, index: usize, input: usize, in_c: u32) -> (usize, Option<Shape>) {
        if self.rank[input] == 2 {
            return (self.tensors[input], self.flattened[input]);
        }
        let shape = self.graph.nodes[input].shape;
        let vector = self.reshaped(format!("n{index}.flat"), self.tensors[input], vec![self.batch, in_c]);
        (vector, (shape.h * shape.w > 1).then_some(shape))
    }

    /// A map as a vector. Where only linear layers read it, the pixels stay in their order, and the weights are ordered like
    /// them.
    fn flatten(&mut self, index: usize, input: usize) -> usize {
        let (map, shape) = (self.tensors[input], self.graph.nodes[input].shape);
        if self.rank[input] == 2 {
            self.flattened[index] = self.flattened[input];
            return map;
        }
        let mut readers = self.graph.nodes.iter().filter(|node| node.inputs.contains(&index)).peekable();
        let linear = readers.peek().is_some() && readers.all(|node| matches!(node.op, Op::Linear { .. }));
        let (name, dims) = (self.name(index), self.dims(index));
        if shape.h * shape.w == 1 {
            return self.reshaped(name, map, dims);
        }
        if linear {
            self.flattened[index] = Some(shape);
            return self.reshaped(name, map, dims);
        }
        let order = self.integers(format!("{name}.order"), vec![4], &[0, 3, 1, 2]);
        let turned = self.value(format!("{name}.turned"), vec![self.batch, shape.c, shape.h, shape.w]);
        self.step("TRANSPOSE", vec![map, order], Options::Empty(26), turned);
        self.reshaped(name, turned, dims)
    }
}

/// A matrix of `rows`, given row by row, as its columns one after another.
fn transposed(matrix: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| (0..rows).map(move |row| matrix[row * columns + column])).collect()
}
