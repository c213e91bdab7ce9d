//! The nodes of an ONNX file: what each operation of a graph becomes.

use super::initialiser::{Initialiser, Values};
use crate::fusion::Fusion;
use crate::onnx::OnnxError;
use crate::quantisation::{Affine, Maps};
use crate::weights::{self, Weights};
use edgezen_core::plainnet::graph::{Act, Node, Op};
use edgezen_core::plainnet::{Graph, window};
use tract_onnx::pb::{
    self, AttributeProto, GraphProto, NodeProto, TensorProto, ValueInfoProto,
    attribute_proto::AttributeType,
    tensor_shape_proto::{Dimension, dimension},
};

pub(super) const FLOAT: i32 = 1;
const INT64: i32 = 7;

/// Lays out a graph node by node.
pub struct Exporter<'a> {
    graph: &'a Graph,
    pub weights: Weights<'a>,
    /// The node whose value each node passes on: folded normalisations stand for their convolution.
    root: Vec<usize>,
    /// Rank of each node's value: 4, or 2 after flattening.
    rank: Vec<usize>,
    batch: u32,
    /// The integers of each map; absent in files of 32-bit floats.
    pub(super) maps: Option<&'a Maps>,
    pub(super) fusion: Fusion,
    /// By node: the scale of the map that a layer reads.
    pub map_scales: Vec<Option<f32>>,
    pub proto: GraphProto,
    pub initialisers: Vec<Initialiser>,
}

impl<'a> Exporter<'a> {
    pub fn new(graph: &'a Graph, batch: u32, weights: Weights<'a>, maps: Option<&'a Maps>) -> Self {
        let mut root: Vec<usize> = (0..graph.nodes.len()).collect();
        for (index, conv) in weights::folded(graph).into_iter().enumerate() {
            if let Some(conv) = conv {
                root[index] = conv;
            }
            if graph.nodes[index].op == Op::Act(Act::None) {
                root[index] = root[graph.nodes[index].inputs[0]];
            }
        }
        let proto = GraphProto { name: "edgezen".into(), ..GraphProto::default() };
        Exporter {
            graph,
            weights,
            root,
            rank: Vec::new(),
            batch,
            maps,
            fusion: Fusion::of(graph),
            map_scales: Vec::new(),
            proto,
            initialisers: Vec::new(),
        }
    }

    /// The name under which node `reader` finds the value of node `index`: of the floats that the integers stand for, unless
    /// one operator computes both.
    fn read(&self, index: usize, reader: usize) -> String {
        let inside = self.fusion.root[index] == self.fusion.root[reader];
        let floats = self.in_floats(index) && self.in_floats(reader);
        if self.maps.is_none() || inside || floats { self.value(index) } else { self.float(index) }
    }

    /// Whether node `index` is computed in floats, in a file that holds integers otherwise.
    fn in_floats(&self, index: usize) -> bool {
        self.maps.is_some_and(|maps| maps.in_floats(index))
    }

    /// Whether an operator in integers reads the value of the operator that begins at `root`.
    fn is_read_in_integers(&self, root: usize) -> bool {
        let nodes = self.graph.nodes.iter().enumerate();
        let mut readers =
            nodes.filter(|(index, _)| self.fusion.root[*index] != root && !self.in_floats(*index));
        readers.any(|(_, node)| node.inputs.iter().any(|&input| self.fusion.root[input] == root))
    }

    /// The operation whose value node `index` passes on.
    pub(super) fn graph_op(&self, index: usize) -> Op {
        self.graph.nodes[self.root[index]].op
    }

    /// Whether the value of node `index` is the network's output.
    pub(super) fn is_output(&self, index: usize) -> bool {
        self.root[index] == self.root[self.graph.nodes.len() - 1]
    }

    /// The name under which the value of node `index` is known as its operator computes it.
    pub(super) fn value(&self, index: usize) -> String {
        let root = self.root[index];
        if self.graph.nodes[root].op == Op::Input {
            let earlier = self.graph.nodes[..root].iter().filter(|node| node.op == Op::Input).count();
            if earlier == 0 { "input".into() } else { format!("input_{earlier}") }
        } else if self.is_output(index) && (self.maps.is_none() || self.in_floats(index)) {
            "logits".into()
        } else {
            format!("n{root}")
        }
    }

    pub fn node(&mut self, index: usize, node: &Node) -> Result<(), OnnxError> {
        let inputs: Vec<String> = node.inputs.iter().map(|&input| self.read(input, index)).collect();
        let ranks: Vec<usize> = node.inputs.iter().map(|&input| self.rank[input]).collect();
        self.rank.push(match node.op {
            Op::Input => 4,
            Op::Flatten | Op::Linear { .. } => 2,
            _ => ranks.iter().copied().max().unwrap_or(4),
        });
        self.map_scales.push(self.maps.zip(node.inputs.first()).map(|(maps, &map)| maps.affine(map).scale));
        if self.root[index] != index {
            return Ok(());
        }
        let in_floats = self.in_floats(index);
        let maps = self.maps;
        if in_floats {
            // Everything that belongs to the operator is written as in a file without integers.
            self.maps = None;
        }
        let written = self.operator(index, node, inputs, &ranks);
        self.maps = maps;
        written?;
        let operator = self.fusion.root[index];
        if let Some(maps) = self.maps
            && self.root[self.fusion.last[operator]] == index
            && (!in_floats || self.is_read_in_integers(operator))
        {
            let to = self.float(index);
            self.quantised(self.value(index), to, maps.affine(index));
        }
        Ok(())
    }

    fn operator(
        &mut self,
        index: usize,
        node: &Node,
        inputs: Vec<String>,
        ranks: &[usize],
    ) -> Result<(), OnnxError> {
        let out = self.value(index);
        match node.op {
            Op::AnyConv { .. } | Op::AnyPool { .. } | Op::View { .. } | Op::Pass { .. } => {
                return Err(OnnxError::Unsupported(format!(
                    "again what was read from a file ({:?})",
                    node.op
                )));
            }
            Op::Input => {
                let s = node.shape;
                let info = info(&out, &[self.batch, s.c, s.h, s.w]);
                self.proto.input.push(info);
            }
            Op::Conv { kernel, stride, groups, .. } => {
                let mut operands = inputs;
                operands.extend(self.parameters(index));
                let mut attributes = window(kernel, stride);
                attributes.push(int("group", groups));
                self.push("Conv", operands, out, attributes);
            }
            Op::BatchNorm => {
                let Some(p) = self.weights.of(index) else {
                    return Err(OnnxError::Unsupported("a normalisation without parameters".into()));
                };
                let mut dims = vec![1; ranks[0]];
                dims[1] = i64::from(node.shape.c);
                let scale = self.operand(format!("n{index}.scale"), &dims, &p.weight);
                let shift = self.operand(format!("n{index}.shift"), &dims, &p.bias.unwrap_or_default());
                let mut scaled = format!("n{index}.scaled");
                self.push("Mul", vec![inputs[0].clone(), scale], scaled.clone(), vec![]);
                if let Some(maps) = self.maps {
                    let float = format!("{scaled}.float");
                    let between = maps.affine(node.inputs[0]).times(&p.weight);
                    self.quantised(scaled, float.clone(), between);
                    scaled = float;
                }
                self.push("Add", vec![scaled, shift], out, vec![]);
            }
            Op::Act(act) => self.act(index, act, inputs, out),
            Op::Add => {
                let inputs = self.same_rank(index, inputs, ranks);
                self.push("Add", inputs, out, vec![]);
            }
            Op::Scale => {
                let inputs = self.same_rank(index, inputs, ranks);
                self.push("Mul", inputs, out, vec![]);
            }
            Op::Concat => self.push("Concat", inputs, out, vec![int("axis", 1)]),
            Op::Slice { from, count } => {
                let channels = self.graph.nodes[node.inputs[0]].shape.c;
                let end = from.checked_add(count).filter(|&end| end <= channels && count > 0);
                let Some(end) = end else {
                    let what = format!("{count} channels from channel {from} of a map of {channels}");
                    return Err(OnnxError::Unsupported(what));
                };
                let mut operands = inputs;
                for (what, value) in [("start", from), ("end", end), ("axis", 1)] {
                    let bytes = i64::from(value).to_le_bytes().to_vec();
                    let name = format!("n{index}.{what}");
                    operands.push(self.initialiser(name, INT64, &[1], Values::Bytes(bytes)));
                }
                self.push("Slice", operands, out, vec![]);
            }
            Op::MaxPool { kernel, stride } => self.push("MaxPool", inputs, out, window(kernel, stride)),
            Op::GlobalAvgPool => self.push("GlobalAveragePool", inputs, out, vec![]),
            Op::AdaptiveAvgPool { size } => {
                let from = self.graph.nodes[node.inputs[0]].shape;
                let [rows, columns] = [from.h, from.w].map(|side| window::of_cells(side, size));
                let (Some((h, down)), Some((w, across))) = (rows, columns) else {
                    let what =
                        format!("pooling {from} to a grid of {size}×{size}, whose cells are not alike");
                    return Err(OnnxError::Unsupported(what));
                };
                let attributes = vec![ints("kernel_shape", &[h, w]), ints("strides", &[down, across])];
                self.push("AveragePool", inputs, out, attributes);
            }
            Op::Flatten => self.push("Flatten", inputs, out, vec![int("axis", 1)]),
            Op::Linear { .. } => {
                let mut flat = inputs[0].clone();
                if ranks[0] != 2 {
                    flat = format!("n{index}.flat");
                    self.push("Flatten", inputs, flat.clone(), vec![int("axis", 1)]);
                }
                let mut operands = vec![flat];
                operands.extend(self.parameters(index));
                self.push("Gemm", operands, out, vec![int("transB", 1)]);
            }
        }
        Ok(())
    }

    /// Initialisers of a convolution or linear layer: weight, and bias where there is one.
    fn parameters(&mut self, index: usize) -> Vec<String> {
        let Some((shape, has_bias)) = self.weights.shape_of(index) else { return Vec::new() };
        let dims: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
        if self.maps.is_some() {
            return self.integer_parameters(index, &dims, has_bias);
        }
        let mut names =
            vec![self.initialiser(format!("n{index}.weight"), FLOAT, &dims, Values::Weight(index))];
        if has_bias {
            names.push(self.initialiser(format!("n{index}.bias"), FLOAT, &dims[..1], Values::Bias(index)));
        }
        names
    }

    fn act(&mut self, index: usize, act: Act, inputs: Vec<String>, out: String) {
        let gate = format!("n{index}.gate");
        match act {
            Act::None => self.push("Identity", inputs, out, vec![]),
            Act::Relu => self.push("Relu", inputs, out, vec![]),
            Act::Relu6 => {
                let low = self.floats(format!("n{index}.low"), &[], &[0.0]);
                let high = self.floats(format!("n{index}.high"), &[], &[6.0]);
                let operands = inputs.into_iter().chain([low, high]).collect();
                self.push("Clip", operands, out, vec![]);
            }
            Act::Sigmoid => self.push("Sigmoid", inputs, out, vec![]),
            Act::Swish => {
                let map = inputs[0].clone();
                self.push("Sigmoid", inputs, gate.clone(), vec![]);
                let gate = match self.maps {
                    Some(_) => {
                        let float = format!("{gate}.float");
                        self.quantised(gate, float.clone(), Affine::SIGMOID);
                        float
                    }
                    None => gate,
                };
                self.push("Mul", vec![map, gate], out, vec![]);
            }
            Act::HardSwish => self.push("HardSwish", inputs, out, vec![]),
            Act::HardSigmoid => {
                self.push("HardSigmoid", inputs, out, vec![float("alpha", 1.0 / 6.0), float("beta", 0.5)]);
            }
        }
    }

    /// Reshapes a vector to a 1×1 map if the other operand is a map.
    fn same_rank(&mut self, index: usize, inputs: Vec<String>, ranks: &[usize]) -> Vec<String> {
        if ranks.iter().all(|&rank| rank == ranks[0]) {
            return inputs;
        }
        let mut same = Vec::new();
        for (i, (input, &rank)) in inputs.into_iter().zip(ranks).enumerate() {
            if rank == 4 {
                same.push(input);
                continue;
            }
            let axes = [2_i64, 3].iter().flat_map(|axis| axis.to_le_bytes()).collect();
            let axes = self.initialiser(format!("n{index}.axes{i}"), INT64, &[2], Values::Bytes(axes));
            let map = format!("n{index}.map{i}");
            self.push("Unsqueeze", vec![input, axes], map.clone(), vec![]);
            same.push(map);
        }
        same
    }

    pub(super) fn floats(&mut self, name: String, dims: &[i64], data: &[f32]) -> String {
        let bytes = data.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initialiser(name, FLOAT, dims, Values::Bytes(bytes))
    }

    pub(super) fn initialiser(
        &mut self,
        name: String,
        data_type: i32,
        dims: &[i64],
        values: Values,
    ) -> String {
        let header =
            TensorProto { dims: dims.to_vec(), data_type, name: name.clone(), ..TensorProto::default() };
        self.initialisers.push(Initialiser { header, values });
        name
    }

    pub(super) fn push(
        &mut self,
        op_type: &str,
        input: Vec<String>,
        output: String,
        attribute: Vec<AttributeProto>,
    ) {
        self.proto.node.push(NodeProto {
            // Profilers name layers after nodes: `Conv_n12` is node 12 of the graph.
            name: format!("{op_type}_{output}"),
            input,
            output: vec![output],
            op_type: op_type.into(),
            attribute,
            ..NodeProto::default()
        });
    }

    pub fn finish(&mut self) {
        let last = self.graph.nodes.len() - 1;
        let s = self.graph.nodes[last].shape;
        let dims = [self.batch, s.c, s.h, s.w];
        // A graph that is nothing but its input still has an output.
        if self.graph.nodes[self.root[last]].op == Op::Input {
            let input = self.value(last);
            let integers = self.maps.is_some() && !self.in_floats(last);
            let input = if integers { self.float(last) } else { input };
            self.push("Identity", vec![input], "logits".into(), vec![]);
        }
        self.proto.output.push(info("logits", &dims[..self.rank[last]]));
    }
}

fn info(name: &str, dims: &[u32]) -> ValueInfoProto {
    let dim = |&n: &u32| Dimension {
        denotation: String::new(),
        value: Some(dimension::Value::DimValue(i64::from(n))),
    };
    let shape = pb::TensorShapeProto { dim: dims.iter().map(dim).collect() };
    let tensor = pb::type_proto::Tensor { elem_type: FLOAT, shape: Some(shape) };
    ValueInfoProto {
        name: name.into(),
        r#type: Some(pb::TypeProto {
            denotation: String::new(),
            value: Some(pb::type_proto::Value::TensorType(tensor)),
        }),
        doc_string: String::new(),
    }
}

fn window(kernel: u32, stride: u32) -> Vec<AttributeProto> {
    let pad = (kernel - 1) / 2;
    vec![ints("kernel_shape", &[kernel; 2]), ints("strides", &[stride; 2]), ints("pads", &[pad; 4])]
}

fn ints(name: &str, values: &[u32]) -> AttributeProto {
    let ints = values.iter().map(|&value| i64::from(value)).collect();
    AttributeProto { ints, ..attribute(name, AttributeType::Ints) }
}

pub(super) fn int(name: &str, value: u32) -> AttributeProto {
    AttributeProto { i: i64::from(value), ..attribute(name, AttributeType::Int) }
}

fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { f: value, ..attribute(name, AttributeType::Float) }
}

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: kind as i32, ..AttributeProto::default() }
}
