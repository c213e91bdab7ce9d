//! The operators of a file: what each operation of a graph becomes.

use super::layout::{Around, Layout};
use super::model::{Fused, Options, Padding, Quantisation};
use crate::quantisation::{Affine, IntegerWeights, WeightRange, integers};
use crate::tflite::TfliteError;
use crate::weights::Parameters;
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
                let tensor = self.computed(index);
                self.model.inputs.push(tensor);
                Ok(tensor)
            }
            Op::Conv { in_c, out_c, kernel, stride, groups, .. } => {
                if groups == 0 || in_c % groups != 0 || out_c % groups != 0 {
                    return refused(format!("{groups} groups of {in_c} and {out_c} channels"));
                }
                let (map, padding) = self.padded(index, kernel, stride, Around::Zeros)?;
                let act = self.fused(index);
                let depthwise = groups > 1 && groups == in_c;
                let (operator, options) = if depthwise {
                    let multiplier = out_c / in_c;
                    ("DEPTHWISE_CONV_2D", Options::Depthwise { padding, stride, multiplier, act })
                } else {
                    ("CONV_2D", Options::Conv { padding, stride, act })
                };
                let [weight, bias] = self.convolution(index, map, depthwise)?;
                let output = self.computed(index);
                Ok(self.step(operator, vec![map, weight, bias], options, output))
            }
            Op::Linear { in_c, .. } => {
                let (vector, map) = self.vector(index, node.inputs[0], in_c);
                let [weight, bias] = self.linear(index, vector, map)?;
                let output = self.computed(index);
                let options = Options::Linear { act: self.fused(index) };
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
                let act = self.fused(index);
                Ok(match node.op {
                    Op::Add => self.step("ADD", inputs, Options::Add { act }, output),
                    _ => self.step("MUL", inputs, Options::Mul { act }, output),
                })
            }
            Op::Concat => {
                let inputs =
                    node.inputs.iter().map(|&input| self.converted(self.tensors[input], index)).collect();
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

    /// Weight and bias of a convolution of `map`; no bias is one of zeros, because not all runtimes do without.
    fn convolution(&mut self, index: usize, map: usize, depthwise: bool) -> Result<[usize; 2], TfliteError> {
        let p = self.parameters(index)?;
        let [out, inside, kernel] = [p.shape[0], p.shape[1], p.shape[2]];
        let area = kernel * kernel;
        // From [out, in, place] to [out, place, in], or, where there is one input for each output, to [place, out].
        let order = if depthwise { Order::Whole(out, area) } else { Order::Rows(inside, area) };
        let shape = if depthwise { [1, kernel, kernel, out] } else { [out, kernel, kernel, inside] };
        Ok(self.layer(index, map, &p, shape.map(|side| side as u32).to_vec(), order))
    }

    /// Weight and bias of a linear layer, whose inputs are the pixels of a `map` one after another, or in the order of the
    /// graph.
    fn linear(&mut self, index: usize, vector: usize, map: Option<Shape>) -> Result<[usize; 2], TfliteError> {
        let p = self.parameters(index)?;
        let order =
            map.map_or(Order::Kept, |map| Order::Rows(map.c as usize, map.h as usize * map.w as usize));
        Ok(self.layer(index, vector, &p, p.shape.iter().map(|&side| side as u32).collect(), order))
    }

    fn parameters(&self, index: usize) -> Result<Parameters, TfliteError> {
        let missing = || TfliteError::Node { node: index, what: "a layer without weights".into() };
        self.weights.of(index).ok_or_else(missing)
    }

    /// The tensors of weight and bias: floats, or integers for the integers of `map`.
    fn layer(
        &mut self,
        index: usize,
        map: usize,
        parameters: &Parameters,
        shape: Vec<u32>,
        order: Order,
    ) -> [usize; 2] {
        let [weight_name, bias_name] = ["weight", "bias"].map(|what| format!("n{index}.{what}"));
        let Some(affine) = self.integers_of(map) else {
            let none = vec![0.0; parameters.shape[0]];
            let bias = parameters.bias.as_ref().unwrap_or(&none);
            let weight = self.floats(weight_name, shape, &order.of(&parameters.weight));
            return [weight, self.floats(bias_name, vec![bias.len() as u32], bias)];
        };
        let IntegerWeights { weight, scales, bias } = integers(parameters, affine.scale, WeightRange::Full);
        let units = scales.iter().map(|scale| scale * affine.scale).collect();
        let zero_points = vec![0; scales.len()];
        let axis = if matches!(order, Order::Whole(..)) { 3 } else { 0 };
        let quantisation = Quantisation { scales, zero_points, axis };
        let weight = self.whole(weight_name, shape, &order.of(&weight), quantisation);
        [weight, self.bias(bias_name, &bias, units)]
    }

    /// A normalisation on its own: a factor and a shift for each channel.
    fn normalisation(&mut self, index: usize, node: &Node) -> Result<usize, TfliteError> {
        let p = self.parameters(index)?;
        let channels = vec![node.shape.c];
        let map = self.tensors[node.inputs[0]];
        let scale = self.operand(format!("n{index}.scale"), channels.clone(), &p.weight);
        let shift = self.operand(format!("n{index}.shift"), channels, &p.bias.unwrap_or_default());
        let between = self.integers_of(map).map(|affine| affine.times(&p.weight));
        let scaled = self.value(format!("n{index}.scaled"), self.dims(index), between);
        let act = self.fused(index);
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
                let gate = self.value(part("gate"), dims, self.maps.map(|_| Affine::SIGMOID));
                self.step("LOGISTIC", vec![map], Options::None, gate);
                let output = self.computed(index);
                self.step("MUL", vec![map, gate], Options::Mul { act: Fused::None }, output)
            }
            // min(max(x + 3, 0), 6) / 6.
            Act::HardSigmoid => {
                let three = self.operand(part("three"), vec![1], &[3.0]);
                let sixth = self.operand(part("sixth"), vec![1], &[1.0 / 6.0]);
                let clamped =
                    self.value(part("clamped"), dims, self.maps.map(|_| Affine::of_range(0.0, 6.0)));
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
        let sides = vec![self.batch, shape.c, shape.h, shape.w];
        let turned = self.value(format!("{name}.turned"), sides, self.integers_of(map));
        self.step("TRANSPOSE", vec![map, order], Options::Empty(26), turned);
        self.reshaped(name, turned, dims)
    }
}

/// How the elements of a weight are ordered in the file.
#[derive(Clone, Copy, Debug)]
enum Order {
    Kept,
    /// The matrix of so many rows and columns, transposed.
    Whole(usize, usize),
    /// Each output's matrix of so many rows and columns, transposed.
    Rows(usize, usize),
}

impl Order {
    fn of<T: Copy>(self, elements: &[T]) -> Vec<T> {
        match self {
            Order::Kept => elements.to_vec(),
            Order::Whole(rows, columns) => transposed(elements, rows, columns).collect(),
            Order::Rows(rows, columns) => {
                let outputs = elements.chunks((rows * columns).max(1));
                outputs.flat_map(|output| transposed(output, rows, columns)).collect()
            }
        }
    }
}

/// A matrix that is given row by row, as its columns one after another.
fn transposed<T: Copy>(matrix: &[T], rows: usize, columns: usize) -> impl Iterator<Item = T> + '_ {
    (0..columns).flat_map(move |column| (0..rows).map(move |row| matrix[row * columns + column]))
}
