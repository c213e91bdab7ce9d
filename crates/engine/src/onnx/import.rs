//! An ONNX file as a graph of our operations.
//!
//! Convolutions, normalisations, activations, sums, pools, linear layers, concatenations and
//! squeeze-excite gates are translated, with the usual ways of writing them (`Mul(x, Sigmoid(x))` is a
//! swish, `ReduceMean` over height and width a global pool, …). Everything else is named in
//! [`Imported::unknown`]; where the file gives the shape of its result the network goes on from there.

use super::{OnnxError, check};
use edgezen_core::plainnet::graph::{Act, Op};
use edgezen_core::plainnet::{Graph, Shape};
use rustc_hash::FxHashMap;
use std::path::Path;
use tract_onnx::pb::{self, AttributeProto, NodeProto, TensorProto};

/// A network read from a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    pub graph: Graph,
    /// Operators without a counterpart, in the order of the file, one entry each time.
    pub unknown: Vec<String>,
}

/// Reads `path`.
///
/// # Errors
/// Unreadable and damaged files, and networks that are not about images.
pub fn read(path: &Path) -> Result<Imported, OnnxError> {
    decode(&std::fs::read(path)?)
}

/// As [`read`], from memory.
///
/// # Errors
/// As [`read`].
pub fn decode(bytes: &[u8]) -> Result<Imported, OnnxError> {
    let proto = check::model(bytes)?;
    let inputs = check::inputs(&proto)?;
    let graph = proto.graph.unwrap_or_default();
    let mut importer = Importer::new(&graph)?;
    for input in inputs {
        let dims = input.dims.get(1..).unwrap_or_default();
        let shape = shape_of(dims)
            .ok_or_else(|| OnnxError::Invalid(format!("input {:?} is not an image", input.name)))?;
        let node = match &mut importer.graph {
            Some(graph) => graph.push_input(shape),
            empty => {
                *empty = Some(Graph::new(shape));
                0
            }
        };
        importer.values.insert(input.name, Value::Map(node));
    }
    for node in &graph.node {
        importer.node(node)?;
    }
    let Some(graph) = importer.graph else { return Err(OnnxError::Invalid("no inputs".into())) };
    Ok(Imported { graph, unknown: importer.unknown })
}

/// `[c, h, w]` or `[c]`, all known and of reasonable size.
fn shape_of(dims: &[Option<usize>]) -> Option<Shape> {
    let dims: Vec<u32> = dims.iter().map(|d| u32::try_from((*d)?).ok()).collect::<Option<_>>()?;
    match dims[..] {
        [c, h, w] => Some(Shape { c, h, w }),
        [c] => Some(Shape::square(c, 1)),
        _ => None,
    }
}

/// What a name in the file stands for.
#[derive(Clone, Copy)]
enum Value<'a> {
    /// The output of a node of our graph.
    Map(usize),
    Constant(&'a TensorProto),
    /// Integers computed from shapes: they only steer reshapes.
    Sizes,
}

struct Importer<'a> {
    graph: Option<Graph>,
    values: FxHashMap<String, Value<'a>>,
    /// Shapes that the file declares for its values.
    declared: FxHashMap<&'a str, Shape>,
    /// How often each value is read.
    uses: FxHashMap<&'a str, usize>,
    unknown: Vec<String>,
}

impl<'a> Importer<'a> {
    fn new(proto: &'a pb::GraphProto) -> Result<Self, OnnxError> {
        let mut importer = Importer {
            graph: None,
            values: FxHashMap::default(),
            declared: FxHashMap::default(),
            uses: FxHashMap::default(),
            unknown: Vec::new(),
        };
        for tensor in &proto.initializer {
            importer.values.insert(tensor.name.clone(), Value::Constant(tensor));
        }
        for info in proto.value_info.iter().chain(&proto.output) {
            if let Some(dims) = check::dims(info)?
                && let Some(shape) = dims.get(1..).and_then(shape_of)
            {
                importer.declared.insert(&info.name, shape);
            }
        }
        for name in proto.node.iter().flat_map(|node| &node.input) {
            *importer.uses.entry(name).or_default() += 1;
        }
        for output in &proto.output {
            *importer.uses.entry(&output.name).or_default() += 1;
        }
        Ok(importer)
    }

    fn graph(&mut self) -> &mut Graph {
        self.graph.get_or_insert_with(|| Graph::new(Shape::square(1, 1)))
    }

    fn shape(&mut self, node: usize) -> Shape {
        self.graph().nodes[node].shape
    }

    fn input(&self, node: &NodeProto, at: usize) -> Result<Option<Value<'a>>, OnnxError> {
        match node.input.get(at).map(String::as_str) {
            None | Some("") => Ok(None),
            Some(name) => match self.values.get(name) {
                Some(value) => Ok(Some(*value)),
                None => Err(OnnxError::Invalid(format!(
                    "{} {:?} reads {name:?}, which nothing has produced yet",
                    node.op_type, node.name
                ))),
            },
        }
    }

    fn node(&mut self, node: &'a NodeProto) -> Result<(), OnnxError> {
        let inputs: Vec<Option<Value<'a>>> =
            (0..node.input.len()).map(|at| self.input(node, at)).collect::<Result<_, _>>()?;
        if node.op_type == "Constant" {
            if let Some(tensor) = node.attribute.iter().find_map(|a| a.t.as_ref()) {
                self.name(node, Value::Constant(tensor));
            } else {
                self.name(node, Value::Sizes);
            }
            return Ok(());
        }
        let maps: Vec<usize> = inputs
            .iter()
            .filter_map(|value| match value {
                Some(Value::Map(map)) => Some(*map),
                _ => None,
            })
            .collect();
        // Arithmetic over shapes and constants costs nothing at run time.
        if node.op_type == "Shape" || maps.is_empty() {
            self.name(node, Value::Sizes);
            return Ok(());
        }
        match self.translate(node, &inputs, &maps) {
            Some(map) => self.name(node, Value::Map(map)),
            None => self.unknown(node, maps[0]),
        }
        Ok(())
    }

    /// Names the first output of `node`.
    fn name(&mut self, node: &NodeProto, value: Value<'a>) {
        if let Some(name) = node.output.first() {
            self.values.insert(name.clone(), value);
        }
    }

    /// Notes an operator without a counterpart. The network goes on from the declared shape of its outputs, or from its
    /// input if no shape is declared.
    fn unknown(&mut self, node: &NodeProto, input: usize) {
        self.unknown.push(node.op_type.clone());
        for name in node.output.iter().filter(|name| !name.is_empty()) {
            let map = match self.declared.get(name.as_str()).copied() {
                Some(shape) if shape != self.shape(input) => self.graph().push_input(shape),
                _ => input,
            };
            self.values.insert(name.clone(), Value::Map(map));
        }
    }

    /// The node of our graph that does what `node` does.
    fn translate(&mut self, node: &NodeProto, inputs: &[Option<Value<'a>>], maps: &[usize]) -> Option<usize> {
        let constant = |at: usize| match inputs.get(at) {
            Some(Some(Value::Constant(tensor))) => Some(*tensor),
            _ => None,
        };
        let Some(Some(Value::Map(x))) = inputs.first().copied() else {
            // Only sums and products commute.
            return match node.op_type.as_str() {
                "Add" | "Mul" => self.affine(maps[0], constant(0)?),
                _ => None,
            };
        };
        let shape = self.shape(x);
        match node.op_type.as_str() {
            "Identity" | "Dropout" => Some(x),
            "Conv" => self.conv(node, x, constant(1)?, inputs.len() > 2),
            "BatchNormalization" => Some(self.graph().push(Op::BatchNorm, vec![x])),
            "Relu" => self.act(Act::Relu, x),
            "Sigmoid" => self.act(Act::Sigmoid, x),
            "HardSwish" => self.act(Act::HardSwish, x),
            "HardSigmoid" => self.act(Act::HardSigmoid, x),
            "Clip" => {
                let bound = |at: usize, name: &str| match inputs.get(at) {
                    Some(Some(Value::Constant(tensor))) => scalar(tensor),
                    _ => attribute(node, name).map(|a| a.f),
                };
                match (bound(1, "min"), bound(2, "max")) {
                    (Some(0.0), Some(6.0)) => self.act(Act::Relu6, x),
                    (Some(0.0), None) => self.act(Act::Relu, x),
                    (Some(0.0), Some(max)) if max >= f32::MAX => self.act(Act::Relu, x),
                    _ => None,
                }
            }
            "Add" | "Sum" if maps.len() == 2 => {
                let same = self.shape(maps[1]) == shape;
                same.then(|| self.graph().push(Op::Add, vec![x, maps[1]]))
            }
            "Add" => {
                // The bias of a linear layer belongs to it.
                let bias = constant(1)?;
                if let Op::Linear { in_c, out_c, bias: false } = self.graph().nodes[x].op
                    && elements(bias) == i64::from(out_c)
                {
                    self.graph().nodes[x].op = Op::Linear { in_c, out_c, bias: true };
                    return Some(x);
                }
                self.affine(x, bias)
            }
            "Mul" if maps.len() == 2 => self.product(node, x, maps[1]),
            "Mul" => self.affine(x, constant(1)?),
            "MaxPool" => {
                let (kernel, stride) = self.window(node, shape, None)?;
                Some(self.graph().push(Op::MaxPool { kernel, stride }, vec![x]))
            }
            "GlobalAveragePool" => Some(self.graph().push(Op::GlobalAvgPool, vec![x])),
            "ReduceMean" => self.reduce_mean(node, x, constant(1)),
            "AveragePool" => self.average_pool(node, x),
            "Flatten" => match attribute(node, "axis").map_or(1, |a| a.i) {
                1 => Some(self.graph().push(Op::Flatten, vec![x])),
                _ => None,
            },
            "Reshape" => {
                let flat = match constant(1).map(integers) {
                    Some(to) => to.len() == 2 && (to[1] == -1 || to[1] == shape.elements() as i64),
                    None => (shape.h, shape.w) == (1, 1),
                };
                flat.then(|| self.graph().push(Op::Flatten, vec![x]))
            }
            "Squeeze" if (shape.h, shape.w) == (1, 1) => Some(self.graph().push(Op::Flatten, vec![x])),
            // A vector and a 1×1 map are the same in our graph.
            "Unsqueeze" if (shape.h, shape.w) == (1, 1) => Some(x),
            "Gemm" | "MatMul" => {
                let weight = constant(1)?;
                let &[rows, columns] = &weight.dims[..] else { return None };
                let transposed = attribute(node, "transB").is_some_and(|a| a.i == 1);
                if attribute(node, "transA").is_some_and(|a| a.i == 1) {
                    return None;
                }
                let (in_c, out_c) = if transposed { (columns, rows) } else { (rows, columns) };
                let (in_c, out_c) = (u32::try_from(in_c).ok()?, u32::try_from(out_c).ok()?);
                if u64::from(in_c) != shape.elements() || out_c == 0 {
                    return None;
                }
                let bias = node.op_type == "Gemm" && inputs.len() > 2;
                Some(self.graph().push(Op::Linear { in_c, out_c, bias }, vec![x]))
            }
            "Concat" => {
                let axis = attribute(node, "axis").map_or(1, |a| a.i);
                let alike = maps.len() == inputs.len()
                    && maps.iter().all(|&map| {
                        let other = self.shape(map);
                        (other.h, other.w) == (shape.h, shape.w)
                    });
                (alike && (axis == 1 || axis == -3)).then(|| self.graph().push(Op::Concat, maps.to_vec()))
            }
            _ => None,
        }
    }

    fn act(&mut self, act: Act, x: usize) -> Option<usize> {
        Some(self.graph().push(Op::Act(act), vec![x]))
    }

    /// Scaling or shifting by a constant, for each channel or for all, becomes a normalisation.
    fn affine(&mut self, x: usize, by: &TensorProto) -> Option<usize> {
        let channels = i64::from(self.shape(x).c);
        let count = elements(by);
        (count == 1 || count == channels).then(|| self.graph().push(Op::BatchNorm, vec![x]))
    }

    fn product(&mut self, node: &NodeProto, a: usize, b: usize) -> Option<usize> {
        let (of_a, of_b) = (self.shape(a), self.shape(b));
        // x · sigmoid(x): the gate becomes the whole activation, if nobody else reads it.
        for (x, gate, name) in [(a, b, node.input.get(1)), (b, a, node.input.first())] {
            let private = name.is_some_and(|name| self.uses.get(name.as_str()) == Some(&1));
            let nodes = &mut self.graph().nodes;
            let whole = match nodes[gate].op {
                Op::Act(Act::Sigmoid) => Act::Swish,
                Op::Act(Act::HardSigmoid) => Act::HardSwish,
                _ => continue,
            };
            if private && nodes[gate].inputs == [x] {
                nodes[gate].op = Op::Act(whole);
                return Some(gate);
            }
        }
        let (map, gate) = if (of_b.h, of_b.w) == (1, 1) { (a, b) } else { (b, a) };
        let (of_map, of_gate) = (self.shape(map), self.shape(gate));
        let gates = (of_gate.h, of_gate.w) == (1, 1) && of_map.c == of_gate.c && of_a.c == of_b.c;
        gates.then(|| self.graph().push(Op::Scale, vec![map, gate]))
    }

    fn conv(&mut self, node: &NodeProto, x: usize, weight: &TensorProto, bias: bool) -> Option<usize> {
        let shape = self.shape(x);
        let &[out_c, per_group, kernel_h, kernel_w] = &weight.dims[..] else { return None };
        let groups = attribute(node, "group").map_or(1, |a| a.i);
        let in_c = per_group.checked_mul(groups)?;
        let (kernel, stride) = self.window(node, shape, Some([kernel_h, kernel_w]))?;
        let [in_c, out_c, groups] = [in_c, out_c, groups].map(|n| u32::try_from(n).ok().filter(|&n| n > 0));
        let (in_c, out_c, groups) = (in_c?, out_c?, groups?);
        if in_c != shape.c || !out_c.is_multiple_of(groups) {
            return None;
        }
        Some(self.graph().push(Op::Conv { in_c, out_c, kernel, stride, groups, bias }, vec![x]))
    }

    /// Kernel and stride of a square window whose output is ceil(input / stride); others have no
    /// counterpart.
    fn window(&self, node: &NodeProto, input: Shape, weight: Option<[i64; 2]>) -> Option<(u32, u32)> {
        let list =
            |name: &str, default: &[i64]| attribute(node, name).map_or(default.to_vec(), |a| a.ints.clone());
        let kernel = match weight {
            Some(kernel) => kernel.to_vec(),
            None => list("kernel_shape", &[]),
        };
        let &[k, k2] = &kernel[..] else { return None };
        let &[s, s2] = &list("strides", &[1, 1])[..] else { return None };
        let &[d, d2] = &list("dilations", &[1, 1])[..] else { return None };
        if k != k2 || s != s2 || (d, d2) != (1, 1) || k < 1 || s < 1 {
            return None;
        }
        let same = attribute(node, "auto_pad").is_some_and(|a| a.s.starts_with(b"SAME"));
        let &[top, left, bottom, right] = &list("pads", &[0; 4])[..] else { return None };
        let ceil = attribute(node, "ceil_mode").is_some_and(|a| a.i == 1);
        let out = |side: u32, pads: i64| {
            let room = i64::from(side) + pads - k;
            if room < 0 {
                return None;
            }
            Some(if ceil { (room + s - 1) / s + 1 } else { room / s + 1 })
        };
        let want = |side: u32| Some((i64::from(side) + s - 1) / s);
        let fits = out(input.h, top + bottom) == want(input.h) && out(input.w, left + right) == want(input.w);
        (same || fits).then_some((u32::try_from(k).ok()?, u32::try_from(s).ok()?))
    }

    fn reduce_mean(&mut self, node: &NodeProto, x: usize, axes: Option<&TensorProto>) -> Option<usize> {
        let mut axes: Vec<i64> =
            axes.map_or_else(|| attribute(node, "axes").map(|a| a.ints.clone()), |t| Some(integers(t)))?;
        axes.iter_mut().for_each(|axis| *axis = if *axis < 0 { *axis + 4 } else { *axis });
        axes.sort_unstable();
        if axes != [2, 3] {
            return None;
        }
        let pool = self.graph().push(Op::GlobalAvgPool, vec![x]);
        let keeps = attribute(node, "keepdims").is_none_or(|a| a.i == 1);
        Some(if keeps { pool } else { self.graph().push(Op::Flatten, vec![pool]) })
    }

    fn average_pool(&mut self, node: &NodeProto, x: usize) -> Option<usize> {
        let shape = self.shape(x);
        let kernel = &attribute(node, "kernel_shape")?.ints;
        let &[h, w] = &kernel[..] else { return None };
        let (h, w) = (u32::try_from(h).ok()?, u32::try_from(w).ok()?);
        let padded = attribute(node, "pads").is_some_and(|a| a.ints.iter().any(|&pad| pad != 0));
        if padded || h == 0 || w == 0 {
            return None;
        }
        if (h, w) == (shape.h, shape.w) {
            return Some(self.graph().push(Op::GlobalAvgPool, vec![x]));
        }
        let strides = attribute(node, "strides").map(|a| a.ints.clone());
        let tiles =
            strides.is_some_and(|s| s == *kernel) && shape.h.is_multiple_of(h) && shape.w.is_multiple_of(w);
        let size = shape.h / h;
        (tiles && size == shape.w / w).then(|| self.graph().push(Op::AdaptiveAvgPool { size }, vec![x]))
    }
}

fn attribute<'n>(node: &'n NodeProto, name: &str) -> Option<&'n AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}

fn elements(tensor: &TensorProto) -> i64 {
    tensor.dims.iter().product()
}

/// The only element of a float tensor.
fn scalar(tensor: &TensorProto) -> Option<f32> {
    if elements(tensor) != 1 {
        return None;
    }
    match tensor.raw_data.first_chunk::<4>() {
        Some(bytes) => Some(f32::from_le_bytes(*bytes)),
        None => tensor.float_data.first().copied(),
    }
}

/// The elements of an integer tensor.
fn integers(tensor: &TensorProto) -> Vec<i64> {
    if tensor.raw_data.is_empty() {
        return tensor.int64_data.clone();
    }
    tensor.raw_data.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect()
}
