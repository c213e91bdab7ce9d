//! Operators with known shapes as operations of our graph.
//!
//! Sizes are those of one image: a fixed batch of the file is divided out, and images that a network
//! multiplies inside (crops, frames) are laid below each other.

use super::operation::Operation;
use super::products::{self, Einsum};
use super::unroll::{Network, Step};
use super::value::Value;
use super::{shapes, windows};
use crate::imported::builder::{Constant, Soft, sides, usual};
use crate::imported::{Builder, Pair};
use crate::onnx::OnnxError;
use edgezen_core::plainnet::graph::{Act, Op};
use edgezen_core::plainnet::{Graph, Shape, Window};

pub struct Translation<'n> {
    network: &'n Network<'n>,
    built: Builder,
    /// The node of each value.
    nodes: Vec<Option<usize>>,
}

type Translated = Option<usize>;

impl<'n> Translation<'n> {
    pub fn new(network: &'n Network<'n>) -> Result<Self, OnnxError> {
        let mut translation = Translation {
            network,
            built: Builder::with_capacity(network.steps.len() + 1),
            nodes: vec![None; network.values.len()],
        };
        for &place in &network.inputs {
            let shape = translation.shape_of(&network.values[place])?;
            translation.nodes[place] = Some(translation.built.input(shape));
        }
        Ok(translation)
    }

    /// The finished graph.
    pub fn graph(self) -> Graph {
        let outputs: Vec<usize> =
            self.network.outputs.iter().filter_map(|&place| self.nodes[place]).collect();
        self.built.finish(&outputs)
    }

    /// The shape for one image of a value of these dimensions.
    fn shape_of(&self, value: &Value) -> Result<Shape, OnnxError> {
        let dims = value.dims().unwrap_or_default();
        let batch = self.network.batch;
        let (images, rest) = match dims.split_first() {
            Some((&first, rest)) if first % batch == 0 && (dims.len() > 1 || batch > 1) => {
                (first / batch, rest)
            }
            _ => (1, dims),
        };
        let product = |dims: &[usize]| dims.iter().product::<usize>();
        let (c, h, w) = match *rest {
            [] => (1, images, 1),
            [c] => (c, images, 1),
            [c, h] => (c, images * h, 1),
            [c, ref middle @ .., w] => (c, images * product(middle), w),
        };
        let side = |side: usize| {
            u32::try_from(side).map_err(|_| OnnxError::Invalid(format!("{dims:?} is too large")))
        };
        Ok(Shape { c: side(c)?, h: side(h)?, w: side(w)? })
    }

    /// Goes on after an operator without a counterpart.
    pub fn skip(&mut self, step: &Step) -> Result<(), OnnxError> {
        self.keep(step);
        for place in step.outputs.iter().copied().flatten() {
            let shape = self.shape_of(&self.network.values[place])?;
            self.nodes[place] = Some(self.built.input(shape));
        }
        Ok(())
    }

    /// Keeps what an operator reads that is not in the graph.
    pub fn keep(&mut self, step: &Step) {
        let read = step.inputs.iter().copied().flatten().filter_map(|place| self.nodes[place]);
        self.built.keep(read);
    }

    /// Translates one operator; false if it has no counterpart.
    pub fn step(&mut self, step: &Step, op: &Operation) -> Result<bool, OnnxError> {
        let network = self.network;
        let mut shapes = Vec::new();
        for place in step.outputs.iter().copied().flatten() {
            shapes.push((place, self.shape_of(&network.values[place])?));
        }
        let Some(&(first, shape)) = shapes.first() else { return Ok(true) };
        let nodes: Vec<Option<usize>> =
            step.inputs.iter().map(|place| place.and_then(|place| self.nodes[place])).collect();
        let maps: Vec<usize> = nodes.iter().copied().flatten().collect();
        if maps.is_empty() {
            return Ok(false);
        }
        // Each part of a Split is a copy of its own.
        if op.kind() == "Split" {
            for &(place, shape) in &shapes {
                let part = self.built.view(maps[0], shape);
                self.nodes[place] = Some(self.built.push(Op::Pass { to: shape }, vec![part]));
            }
            return Ok(true);
        }
        let out = &network.values[first];
        let Some(node) = self.translate(op, &nodes, &maps, out, shape) else { return Ok(false) };
        let node = self.built.view(node, shape);
        self.nodes[first] = Some(node);
        // Masks and indices come with the first result.
        for &(place, shape) in &shapes[1..] {
            self.nodes[place] = Some(self.built.push(Op::View { to: shape }, vec![node]));
        }
        Ok(true)
    }

    fn translate(
        &mut self,
        op: &Operation,
        nodes: &[Option<usize>],
        maps: &[usize],
        out: &Value,
        to: Shape,
    ) -> Translated {
        let x = nodes.first().copied().flatten();
        let first = maps[0];
        match op.kind() {
            // Quantisation runs inside its neighbours.
            "Identity" | "Dropout" | "Cast" | "CastLike" | "QuantizeLinear" | "DequantizeLinear" => {
                Some(first)
            }
            "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => {
                let flat = to == (Shape { c: to.c, h: 1, w: 1 })
                    && out.dims().is_some_and(|dims| dims.len() == 2)
                    && self.built.shape(first).elements() == u64::from(to.c);
                Some(if flat {
                    self.built.push(Op::Flatten, vec![first])
                } else {
                    self.built.view(first, to)
                })
            }
            "Conv" | "ConvInteger" | "FusedConv" => self.conv(op, x?, 1, op.input(2).is_some(), out),
            "QLinearConv" => self.conv(op, x?, 3, op.input(8).is_some(), out),
            "ConvTranspose" => self.conv_transposed(op, x?, out),
            "BatchNormalization" => Some(self.built.push(Op::BatchNorm, vec![x?])),
            "Relu" | "LeakyRelu" | "ThresholdedRelu" | "QLinearLeakyRelu" => {
                Some(self.built.act(Act::Relu, first))
            }
            "Sigmoid" | "QLinearSigmoid" => Some(self.built.act(Act::Sigmoid, first)),
            "HardSwish" => Some(self.built.act(Act::HardSwish, first)),
            "HardSigmoid" => Some(self.built.act(Act::HardSigmoid, first)),
            "Elu" | "Selu" | "Celu" | "Gelu" | "Mish" | "Tanh" | "Softplus" | "Softsign" | "Erf"
            | "Swish" | "FastGelu" | "QuickGelu" | "BiasGelu" | "Exp" => {
                Some(self.built.act(Act::Swish, first))
            }
            "Clip" => {
                let bound = |at: usize, name: &str| match op.input(at) {
                    Some(value) => value.scalar(),
                    None => op.float(name),
                };
                match (bound(1, "min"), bound(2, "max")) {
                    (Some(0.0), None) => Some(self.built.act(Act::Relu, first)),
                    (Some(0.0), Some(max)) if max >= f64::from(f32::MAX) => {
                        Some(self.built.act(Act::Relu, first))
                    }
                    _ => Some(self.built.act(Act::Relu6, first)),
                }
            }
            "PRelu" | "Abs" | "Neg" | "Sqrt" | "Reciprocal" | "Log" | "Floor" | "Ceil" | "Round" | "Sign"
            | "Sin" | "Cos" | "Not" | "Shrink" => {
                Some(self.built.softened(Op::Pass { to }, vec![first], Soft::Element))
            }
            "Add" | "Sum" | "QLinearAdd" | "Sub" | "Mul" | "QLinearMul" | "Div" | "Pow" | "Max" | "Min"
            | "Mean" => Some(self.together(op, nodes, maps, to)),
            "MaxPool" => self.pool(op, x?, out, true),
            "AveragePool" | "LpPool" | "QLinearAveragePool" => self.pool(op, x?, out, false),
            "GlobalAveragePool" | "GlobalMaxPool" | "GlobalLpPool" | "QLinearGlobalAveragePool" => {
                Some(self.built.push(Op::GlobalAvgPool, vec![x?]))
            }
            kind if kind.starts_with("Reduce") => Some(self.reduced(op, first, out, to)),
            kind if products::operands(kind).is_some() => self.product(op, nodes, out),
            "Einsum" => self.einsum(op, nodes),
            "Concat" => Some(self.joined(op, &(0..op.inputs.len()).collect::<Vec<_>>(), nodes, out, to)),
            "QLinearConcat" => {
                Some(self.joined(op, &(2..op.inputs.len()).step_by(3).collect::<Vec<_>>(), nodes, out, to))
            }
            // Copies of as much as they give.
            "Slice" | "Gather" | "GatherElements" | "GatherND" => {
                let part = self.built.view(first, to);
                Some(self.built.push(Op::Pass { to }, vec![part]))
            }
            "DeformConv"
            | "LSTM"
            | "GRU"
            | "RNN"
            | "DynamicQuantizeLSTM"
            | "Attention"
            | "MultiHeadAttention"
            | "QAttention" => None,
            _ => {
                // The largest operand counts.
                let largest = maps.iter().copied().max_by_key(|&map| self.built.shape(map).elements())?;
                Some(self.built.push(Op::Pass { to }, vec![largest]))
            }
        }
    }

    /// Element-wise operations of several operands.
    fn together(&mut self, op: &Operation, nodes: &[Option<usize>], maps: &[usize], to: Shape) -> usize {
        let kind = op.kind();
        let [a, b] = maps[..] else {
            return match maps {
                [x] => self.with_constant(op, nodes, *x, to),
                [first, rest @ ..] => {
                    let mut sum = *first;
                    for &map in rest {
                        sum = self.built.push(Op::Pass { to }, vec![sum, map]);
                    }
                    sum
                }
                [] => 0,
            };
        };
        let pair = match kind {
            "Add" | "Sum" | "QLinearAdd" => Pair::Sum,
            "Mul" | "QLinearMul" => Pair::Product,
            _ => Pair::Other,
        };
        self.built.pair(pair, a, b, to)
    }

    /// An element-wise operation of a map and constants.
    fn with_constant(&mut self, op: &Operation, nodes: &[Option<usize>], x: usize, to: Shape) -> usize {
        let others =
            op.inputs.iter().zip(nodes).filter(|(_, node)| node.is_none()).filter_map(|(value, _)| *value);
        let sizes = others.filter_map(|value| value.dims().map(|dims| dims.iter().product::<usize>()));
        let constant = match op.kind() {
            "Add" => Constant::Added,
            "Sub" | "Mul" | "Div" | "QLinearAdd" | "QLinearMul" => Constant::Affine,
            "Max" | "Min" => Constant::Clamp,
            _ => Constant::Other,
        };
        self.built.with_constant(constant, sizes.max().unwrap_or(1), x, to)
    }

    fn conv(&mut self, op: &Operation, x: usize, weight: usize, bias: bool, out: &Value) -> Translated {
        let (input, weight, out) = (op.dims(0).ok()?, op.dims(weight).ok()?, out.dims()?);
        let axes = weight.len() - 2;
        let walk = windows::walk(op, &input[2..], Some(&weight[2..])).ok()?;
        let groups = u32::try_from(op.int("group", 1)).ok()?;
        let (in_c, out_c) = (u32::try_from(input[1]).ok()?, u32::try_from(weight[0]).ok()?);
        let images = input[0] / self.network.batch.min(input[0]).max(1);
        let (x, from) = self.plane(x, axes, images, &input[1..])?;
        let window = plane_window(&walk, axes, images, &out[2..])?;
        Some(match usual(&window, from) {
            Some((kernel, stride)) => {
                self.built.push(Op::Conv { in_c, out_c, kernel, stride, groups, bias }, vec![x])
            }
            None => self.built.push(Op::AnyConv { in_c, out_c, groups, bias, window }, vec![x]),
        })
    }

    fn conv_transposed(&mut self, op: &Operation, x: usize, out: &Value) -> Translated {
        let (input, weight, out) = (op.dims(0).ok()?, op.dims(1).ok()?, out.dims()?);
        let axes = weight.len() - 2;
        let walk = windows::transposed(op, &input[2..], &weight[2..]).ok()?;
        let groups = u32::try_from(op.int("group", 1)).ok()?;
        let (in_c, out_c) = (u32::try_from(input[1]).ok()?, u32::try_from(out[1]).ok()?);
        let images = input[0] / self.network.batch.min(input[0]).max(1);
        let (x, _) = self.plane(x, axes, images, &input[1..])?;
        let window = Window { transposed: true, ..plane_window(&walk, axes, images, &out[2..])? };
        let bias = op.input(2).is_some();
        Some(self.built.push(Op::AnyConv { in_c, out_c, groups, bias, window }, vec![x]))
    }

    /// A map of one or two axes as the plane that windows walk over.
    fn plane(&mut self, x: usize, axes: usize, images: usize, dims: &[usize]) -> Option<(usize, Shape)> {
        let [c, h, w] = match (axes, dims) {
            (1, &[c, h]) => [c, images * h, 1],
            (2, &[c, h, w]) => [c, images * h, w],
            _ => return None,
        };
        let shape = Shape { c: u32::try_from(c).ok()?, h: u32::try_from(h).ok()?, w: u32::try_from(w).ok()? };
        Some((self.built.view(x, shape), shape))
    }

    fn pool(&mut self, op: &Operation, x: usize, out: &Value, max: bool) -> Translated {
        let (input, out) = (op.dims(0).ok()?, out.dims()?);
        let axes = input.len() - 2;
        let walk = windows::walk(op, &input[2..], None).ok()?;
        let images = input[0] / self.network.batch.min(input[0]).max(1);
        let Some((x, from)) = self.plane(x, axes, images, &input[1..]) else {
            let to = Shape {
                c: self.built.shape(x).c,
                h: u32::try_from(out[2..].iter().product::<usize>()).ok()?,
                w: 1,
            };
            return Some(self.built.push(Op::Pass { to }, vec![x]));
        };
        let window = plane_window(&walk, axes, images, &out[2..])?;
        if max {
            return Some(match usual(&window, from) {
                Some((kernel, stride)) => self.built.push(Op::MaxPool { kernel, stride }, vec![x]),
                None => self.built.push(Op::AnyPool { window }, vec![x]),
            });
        }
        if walk.unpadded && window.out == [1, 1] && window.kernel == [from.h, from.w] {
            return Some(self.built.push(Op::GlobalAvgPool, vec![x]));
        }
        // Cells that tile the map.
        let [h, w] = window.out;
        let tiles = walk.unpadded && window.kernel == window.stride && !window.is_odd() && h == w;
        let [kernel_h, kernel_w] = window.kernel;
        if tiles && h * kernel_h == from.h && w * kernel_w == from.w {
            return Some(self.built.push(Op::AdaptiveAvgPool { size: h }, vec![x]));
        }
        Some(self.built.push(Op::AnyPool { window }, vec![x]))
    }

    fn reduced(&mut self, op: &Operation, x: usize, out: &Value, to: Shape) -> usize {
        let axes = shapes::reduced_axes(op).unwrap_or_default();
        let dims = op.dims(0).unwrap_or_default();
        let single = dims.first() == Some(&self.network.batch);
        let side = |axis: usize| u32::try_from(dims[axis]).unwrap_or(u32::MAX);
        let mut sorted = axes;
        sorted.sort_unstable();
        let pooled = match (dims.len(), &sorted[..]) {
            (4, [2, 3]) if single => Some(Shape { c: side(1), h: side(2), w: side(3) }),
            (4, [1, 2]) if single => Some(Shape { c: side(3), h: side(1), w: side(2) }),
            _ => None,
        };
        match pooled {
            Some(map) => {
                let map = self.built.view(x, map);
                let pool = self.built.push(Op::GlobalAvgPool, vec![map]);
                let flat = out.dims().is_some_and(|dims| dims.len() == 2);
                if flat { self.built.push(Op::Flatten, vec![pool]) } else { pool }
            }
            None => self.built.softened(Op::Pass { to }, vec![x], Soft::Row),
        }
    }

    /// A product with weights as a linear layer, or as a 1×1 convolution of its rows.
    fn product(&mut self, op: &Operation, nodes: &[Option<usize>], out: &Value) -> Translated {
        let product = products::of(op).ok()?;
        let [a, b] = product.operands;
        let places = [nodes.get(a).copied().flatten(), nodes.get(b).copied().flatten()];
        let bias = op.input(if a == 0 && b == 1 { 2 } else { 6 }).is_some() && op.kind() != "MatMulInteger";
        let (x, weight) = match places {
            [Some(x), None] => (x, op.dims(b).ok()?),
            [None, Some(x)] => (x, op.dims(a).ok()?),
            _ => return None,
        };
        let depth = product.depth;
        // One matrix for each group.
        let groups = weight[..weight.len().saturating_sub(2)].iter().product::<usize>().max(1);
        let columns = weight.iter().product::<usize>() / (groups * depth).max(1);
        let total = out.dims()?.iter().product::<usize>() / self.network.batch;
        let rows = total / (groups * columns).max(1);
        let of = if places[0].is_some() { op.dims(a).ok()? } else { op.dims(b).ok()? };
        let sides = match (groups, places[0].is_some(), of) {
            // Channels last: the map keeps its sides.
            (1, true, [_, h, w, _]) if h * w == rows => [*h, *w],
            _ => sides(rows),
        };
        self.built.weighted(x, [groups * depth, groups * columns], groups, sides, bias)
    }

    fn einsum(&mut self, op: &Operation, nodes: &[Option<usize>]) -> Translated {
        let einsum = Einsum::of(op).ok()?;
        let depth = einsum.depth();
        let (x, weight) = match nodes {
            [Some(x), None] => (*x, 1),
            [None, Some(x)] => (*x, 0),
            _ => return None,
        };
        if depth == 1 {
            let elements: usize = einsum.dims().iter().product::<usize>() / self.network.batch;
            let to = Shape { c: u32::try_from(elements).ok()?, h: 1, w: 1 };
            return Some(self.built.push(Op::Pass { to }, vec![x]));
        }
        let of_map = &einsum.operands[1 - weight];
        let size =
            |letters: &mut dyn Iterator<Item = &char>| letters.map(|&c| einsum.size(c)).product::<usize>();
        let kept = |letter: &&char| einsum.out.contains(letter);
        let groups = size(&mut einsum.operands[weight].iter().filter(kept).filter(|c| of_map.contains(c)));
        let columns = size(&mut einsum.operands[weight].iter().filter(kept).filter(|c| !of_map.contains(c)));
        let rows = einsum.dims().iter().product::<usize>() / (groups * columns).max(1) / self.network.batch;
        self.built.weighted(x, [groups * depth, groups * columns], groups, sides(rows), false)
    }

    /// Values side by side along any axis, which becomes the channels.
    fn joined(
        &mut self,
        op: &Operation,
        parts: &[usize],
        nodes: &[Option<usize>],
        out: &Value,
        to: Shape,
    ) -> usize {
        let dims = out.dims().unwrap_or_default();
        let axis = op.axis(op.int("axis", 1), dims.len()).unwrap_or(0);
        let maps: Vec<usize> = parts.iter().filter_map(|&part| nodes[part]).collect();
        let side = u32::try_from(dims.get(axis).copied().unwrap_or(1)).unwrap_or(u32::MAX).max(1);
        let of_maps =
            maps.iter().all(|&map| (self.built.shape(map).h, self.built.shape(map).w) == (to.h, to.w));
        if axis == 1 && maps.len() == parts.len() && of_maps {
            return self.built.push(Op::Concat, maps);
        }
        let area = u32::try_from(to.elements() / u64::from(side)).unwrap_or(u32::MAX).max(1);
        let mut views = Vec::new();
        for map in maps {
            let c = u32::try_from(self.built.shape(map).elements() / u64::from(area)).unwrap_or(1).max(1);
            views.push(self.built.view(map, Shape { c, h: area, w: 1 }));
        }
        self.built.push(Op::Concat, views)
    }
}

/// The window of a walk over a plane with `images` below each other.
fn plane_window(walk: &windows::Walk, axes: usize, images: usize, out: &[usize]) -> Option<Window> {
    let pair = |list: &[usize]| -> Option<[u32; 2]> {
        let first = u32::try_from(*list.first()?).ok()?;
        let second = if axes == 1 { 1 } else { u32::try_from(*list.get(1)?).ok()? };
        Some([first, second])
    };
    // More than this is damage.
    if walk.kernel.iter().product::<usize>() > 1 << 24 {
        return None;
    }
    let mut out = out.to_vec();
    *out.first_mut()? *= images;
    Some(Window {
        kernel: pair(&walk.kernel)?,
        stride: pair(&walk.stride)?,
        dilation: pair(&walk.dilation)?,
        out: pair(&out)?,
        transposed: false,
    })
}
