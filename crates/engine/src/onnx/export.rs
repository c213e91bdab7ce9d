//! A graph as an ONNX file (opset 14): static shapes, batch normalisation folded, weights inside. Where one file cannot
//! hold the weights, they stand in a second one that it refers to.

use super::OnnxError;
use crate::weights::{self, Parameters, Weights};
use edgezen_core::plainnet::graph::{Act, Node, Op};
use edgezen_core::plainnet::{Graph, window};
use prost::Message;
use std::io::Write;
use tract_onnx::pb::{
    self, AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, ValueInfoProto,
    attribute_proto::AttributeType,
    tensor_shape_proto::{Dimension, dimension},
};

const OPSET: i64 = 14;
/// The version of the container format that goes with this opset.
const IR_VERSION: i64 = 7;
const FLOAT: i32 = 1;
const INT64: i32 = 7;

/// The ONNX file of `graph` for `batch` images with weights drawn from `seed`, in memory; see [`Export::of`].
///
/// # Errors
/// A graph that ONNX cannot express.
pub fn encode(graph: &Graph, batch: u32, seed: u64) -> Result<Vec<u8>, OnnxError> {
    let export = Export::of(graph, batch, Weights::new(graph, seed))?;
    if !export.fits_one_file() {
        return Err(OnnxError::Unsupported("more than 2 GB of weights in one file".into()));
    }
    let mut bytes = Vec::new();
    export.write(&mut bytes)?;
    Ok(bytes)
}

/// An initialiser whose values are not in memory.
struct Initialiser {
    /// Name, type and shape; no values.
    header: TensorProto,
    values: Values,
}

/// Where the values of an initialiser come from.
enum Values {
    /// Weight of a node, drawn when it is written.
    Weight(usize),
    Bias(usize),
    /// Little-endian bytes.
    Bytes(Vec<u8>),
}

/// A network ready to be written as an ONNX file.
pub struct Export<'a> {
    /// The model without its graph, and the graph without its initialisers.
    model: ModelProto,
    graph: GraphProto,
    initialisers: Vec<Initialiser>,
    weights: Weights<'a>,
}

/// Largest file in bytes: protobuf readers refuse larger ones.
const MAX_BYTES: u64 = i32::MAX as u64;

/// The value of `TensorProto.data_location` that says that the values are in another file.
const EXTERNAL: i32 = 1;

/// Keys of length-delimited fields: `ModelProto.graph`, `GraphProto.initializer`,
/// `TensorProto.raw_data`.
const GRAPH: u8 = 7 << 3 | 2;
const INITIALISER: u8 = 5 << 3 | 2;
const RAW_DATA: u8 = 9 << 3 | 2;

impl Initialiser {
    /// Bytes of the values; saturates, since the sizes of a network that nobody can build are still asked for.
    fn value_bytes(&self) -> u64 {
        match &self.values {
            Values::Bytes(bytes) => bytes.len() as u64,
            Values::Weight(_) | Values::Bias(_) => {
                let dims = self.header.dims.iter().map(|&n| u64::try_from(n).unwrap_or(0));
                dims.fold(4, u64::saturating_mul)
            }
        }
    }

    fn encoded_len(&self) -> u64 {
        (self.header.encoded_len() as u64).saturating_add(field_len(self.value_bytes()))
    }

    /// The header of the same tensor, whose values begin at byte `offset` of the file `location`.
    fn referring(&self, location: &str, offset: u64) -> TensorProto {
        let entry = |key: &str, value: String| pb::StringStringEntryProto { key: key.into(), value };
        TensorProto {
            data_location: Some(EXTERNAL),
            external_data: vec![
                entry("location", location.to_owned()),
                entry("offset", offset.to_string()),
                entry("length", self.value_bytes().to_string()),
            ],
            ..self.header.clone()
        }
    }
}

/// Length of a length-delimited field: key, length, content.
fn field_len(content: u64) -> u64 {
    let digits = u64::from(u64::BITS - (content | 1).leading_zeros()).div_ceil(7);
    content.saturating_add(1 + digits)
}

fn write_key(out: &mut impl Write, key: u8, content: u64) -> std::io::Result<()> {
    let mut start = vec![key];
    let content = usize::try_from(content).map_err(std::io::Error::other)?;
    prost::encode_length_delimiter(content, &mut start).map_err(std::io::Error::other)?;
    out.write_all(&start)
}

impl<'a> Export<'a> {
    /// Lays out `graph` for `batch` images with these weights. Inputs are called `input` (`input_1`, …), the output
    /// `logits`.
    ///
    /// # Errors
    /// A graph that ONNX cannot express.
    pub fn of(graph: &'a Graph, batch: u32, weights: Weights<'a>) -> Result<Export<'a>, OnnxError> {
        let mut exporter = Exporter::new(graph, batch.max(1), weights);
        for (index, node) in graph.nodes.iter().enumerate() {
            exporter.node(index, node)?;
        }
        exporter.finish();
        Ok(Export {
            model: ModelProto {
                ir_version: IR_VERSION,
                opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
                producer_name: "edgezen".into(),
                producer_version: env!("CARGO_PKG_VERSION").into(),
                ..ModelProto::default()
            },
            graph: exporter.proto,
            initialisers: exporter.initialisers,
            weights: exporter.weights,
        })
    }

    /// As [`Export::of`], of a whole network, which reads one image. The graph of a kernel, or of a cell of a network, may read
    /// several maps; a file of it would be a network in pieces.
    ///
    /// # Errors
    /// A graph that ONNX cannot express; one with several inputs.
    pub fn network(graph: &'a Graph, batch: u32, weights: Weights<'a>) -> Result<Export<'a>, OnnxError> {
        let inputs = graph.nodes.iter().filter(|node| node.op == Op::Input).count();
        if inputs != 1 {
            return Err(OnnxError::Unsupported(format!(
                "a network of pieces that reads {inputs} maps as one"
            )));
        }
        Export::of(graph, batch, weights)
    }

    /// Bytes that the weights take.
    pub fn value_bytes(&self) -> u64 {
        self.initialisers.iter().map(Initialiser::value_bytes).fold(0, u64::saturating_add)
    }

    /// Whether readers of ONNX open the network as one file. If not, [`Export::write_referring`] and
    /// [`Export::write_values`] make two of it.
    pub fn fits_one_file(&self) -> bool {
        self.graph_len() <= MAX_BYTES - 4096
    }

    fn graph_len(&self) -> u64 {
        let initialisers = self.initialisers.iter().map(|i| field_len(i.encoded_len()));
        initialisers.fold(self.graph.encoded_len() as u64, u64::saturating_add)
    }

    /// Writes the file. Weights are drawn while they are written: memory holds those of one layer at a time.
    ///
    /// # Errors
    /// An error of `out`.
    pub fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        out.write_all(&self.model.encode_to_vec())?;
        write_key(out, GRAPH, self.graph_len())?;
        out.write_all(&self.graph.encode_to_vec())?;
        let mut drawn = None;
        for initialiser in &self.initialisers {
            write_key(out, INITIALISER, initialiser.encoded_len())?;
            out.write_all(&initialiser.header.encode_to_vec())?;
            write_key(out, RAW_DATA, initialiser.value_bytes())?;
            match &initialiser.values {
                Values::Bytes(bytes) => out.write_all(bytes)?,
                Values::Weight(_) | Values::Bias(_) => self.write_drawn(initialiser, &mut drawn, out)?,
            }
        }
        out.flush()
    }

    /// Writes the file without the weights; it says that they stand in the file `location` beside it, one after another.
    ///
    /// # Errors
    /// An error of `out`.
    pub fn write_referring(&self, location: &str, out: &mut impl Write) -> std::io::Result<()> {
        let mut offset = 0;
        let mut graph = self.graph.clone();
        for initialiser in &self.initialisers {
            graph.initializer.push(match &initialiser.values {
                // Few bytes that readers need for the shapes of maps.
                Values::Bytes(bytes) => TensorProto { raw_data: bytes.clone(), ..initialiser.header.clone() },
                Values::Weight(_) | Values::Bias(_) => {
                    let at = offset;
                    offset += initialiser.value_bytes();
                    initialiser.referring(location, at)
                }
            });
        }
        let model = ModelProto { graph: Some(graph), ..self.model.clone() };
        out.write_all(&model.encode_to_vec())?;
        out.flush()
    }

    /// Writes the weights that [`Export::write_referring`] refers to.
    ///
    /// # Errors
    /// An error of `out`.
    pub fn write_values(&self, out: &mut impl Write) -> std::io::Result<()> {
        let mut drawn = None;
        let values = self.initialisers.iter().filter(|i| !matches!(i.values, Values::Bytes(_)));
        for initialiser in values {
            self.write_drawn(initialiser, &mut drawn, out)?;
        }
        out.flush()
    }

    /// Writes the weight or bias of a node. They follow one another, and are drawn together: `drawn` holds them.
    fn write_drawn(
        &self,
        initialiser: &Initialiser,
        drawn: &mut Option<(usize, Parameters)>,
        out: &mut impl Write,
    ) -> std::io::Result<()> {
        let (Values::Weight(index) | Values::Bias(index)) = initialiser.values else { return Ok(()) };
        if drawn.as_ref().is_none_or(|(of, _)| *of != index) {
            *drawn = self.weights.of(index).map(|parameters| (index, parameters));
        }
        let Some((_, parameters)) = drawn else { return Ok(()) };
        let bias = parameters.bias.as_deref().unwrap_or_default();
        let is_weight = matches!(initialiser.values, Values::Weight(_));
        write_floats(out, if is_weight { &parameters.weight } else { bias })
    }
}

fn write_floats(out: &mut impl Write, values: &[f32]) -> std::io::Result<()> {
    values.iter().try_for_each(|value| out.write_all(&value.to_le_bytes()))
}

struct Exporter<'a> {
    graph: &'a Graph,
    weights: Weights<'a>,
    /// The node whose value each node passes on: folded normalisations stand for their convolution.
    root: Vec<usize>,
    /// Rank of each node's value: 4, or 2 after flattening.
    rank: Vec<usize>,
    batch: u32,
    proto: GraphProto,
    initialisers: Vec<Initialiser>,
}

impl<'a> Exporter<'a> {
    fn new(graph: &'a Graph, batch: u32, weights: Weights<'a>) -> Self {
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
        Exporter { graph, weights, root, rank: Vec::new(), batch, proto, initialisers: Vec::new() }
    }

    /// The name under which the value of node `index` is known.
    fn value(&self, index: usize) -> String {
        let root = self.root[index];
        let output = self.root[self.graph.nodes.len() - 1];
        if self.graph.nodes[root].op == Op::Input {
            let earlier = self.graph.nodes[..root].iter().filter(|node| node.op == Op::Input).count();
            if earlier == 0 { "input".into() } else { format!("input_{earlier}") }
        } else if root == output {
            "logits".into()
        } else {
            format!("n{root}")
        }
    }

    fn node(&mut self, index: usize, node: &Node) -> Result<(), OnnxError> {
        let inputs: Vec<String> = node.inputs.iter().map(|&input| self.value(input)).collect();
        let ranks: Vec<usize> = node.inputs.iter().map(|&input| self.rank[input]).collect();
        self.rank.push(match node.op {
            Op::Input => 4,
            Op::Flatten | Op::Linear { .. } => 2,
            _ => ranks.iter().copied().max().unwrap_or(4),
        });
        if self.root[index] != index {
            return Ok(());
        }
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
                let scale = self.floats(format!("n{index}.scale"), &dims, &p.weight);
                let shift = self.floats(format!("n{index}.shift"), &dims, &p.bias.unwrap_or_default());
                let scaled = format!("n{index}.scaled");
                self.push("Mul", vec![inputs[0].clone(), scale], scaled.clone(), vec![]);
                self.push("Add", vec![scaled, shift], out, vec![]);
            }
            Op::Act(act) => self.act(index, act, inputs, out),
            Op::Add => {
                let inputs = self.same_rank(index, inputs, &ranks);
                self.push("Add", inputs, out, vec![]);
            }
            Op::Scale => {
                let inputs = self.same_rank(index, inputs, &ranks);
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

    fn floats(&mut self, name: String, dims: &[i64], data: &[f32]) -> String {
        let bytes = data.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initialiser(name, FLOAT, dims, Values::Bytes(bytes))
    }

    fn initialiser(&mut self, name: String, data_type: i32, dims: &[i64], values: Values) -> String {
        let header =
            TensorProto { dims: dims.to_vec(), data_type, name: name.clone(), ..TensorProto::default() };
        self.initialisers.push(Initialiser { header, values });
        name
    }

    fn push(&mut self, op_type: &str, input: Vec<String>, output: String, attribute: Vec<AttributeProto>) {
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

    fn finish(&mut self) {
        let last = self.graph.nodes.len() - 1;
        let s = self.graph.nodes[last].shape;
        let dims = [self.batch, s.c, s.h, s.w];
        // A graph that is nothing but its input still has an output.
        if self.graph.nodes[self.root[last]].op == Op::Input {
            let input = self.value(last);
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

fn int(name: &str, value: u32) -> AttributeProto {
    AttributeProto { i: i64::from(value), ..attribute(name, AttributeType::Int) }
}

fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { f: value, ..attribute(name, AttributeType::Float) }
}

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: kind as i32, ..AttributeProto::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{decode, load, load_bytes, read};
    use crate::{Engine, Tract};
    use edgezen_core::plainnet::{Model, Shape, graph_cost, notation};
    use edgezen_core::zoo::{self, Encoded, Named, Part};

    #[test]
    fn weights_in_a_second_file_are_the_same_network() {
        let network = notation::parse("SuperConvK3BNRELU(3,8,2,1)SuperResIDWE2K3(8,8,1,8,1)").unwrap();
        let model = Model { name: None, network, resolution: 32, classes: 10, se: true };
        let graph = model.graph().unwrap();
        let export = Export::of(&graph, 1, Weights::new(&graph, 3)).unwrap();
        assert!(export.fits_one_file());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("net.onnx");
        let (mut file, mut values) = (Vec::new(), Vec::new());
        export.write_referring("net.onnx.data", &mut file).unwrap();
        export.write_values(&mut values).unwrap();
        std::fs::write(&path, &file).unwrap();
        std::fs::write(dir.path().join("net.onnx.data"), &values).unwrap();
        assert!(file.len() < values.len() && values.len() as u64 <= export.value_bytes());
        let whole = dir.path().join("whole.onnx");
        std::fs::write(&whole, encode(&graph, 1, 3).unwrap()).unwrap();
        let run = |path: &std::path::Path| load(path, 1, 5).unwrap().run_once().unwrap();
        assert_eq!(run(&path), run(&whole));
        assert_eq!(read(&path).unwrap().graph.nodes.len(), read(&whole).unwrap().graph.nodes.len());
    }

    #[test]
    fn networks_of_the_zoo_are_whole_in_their_files_or_refused() {
        let mut refused = Vec::new();
        for known in zoo::known::KNOWN {
            let parts = Encoded::Named(Named::new(known.name, known.resolution).unwrap()).parts();
            let [Part { graph, .. }] = &parts[..] else { panic!("{} is in parts", known.name) };
            let Ok(export) = Export::network(graph, 1, Weights::new(graph, 0)) else {
                refused.push(known.name);
                continue;
            };
            // The weights would take gigabytes; they do not matter here.
            let mut file = Vec::new();
            export.write_referring("weights", &mut file).unwrap();
            let imported = decode(&file).unwrap();
            assert_eq!(imported.unknown, Vec::new(), "{}", known.name);
            let inputs = imported.graph.nodes.iter().filter(|node| node.op == Op::Input).count();
            assert_eq!((inputs, export.graph.input.len()), (1, 1), "{}", known.name);
            assert_eq!(graph_cost::of(&imported.graph).macs, graph_cost::of(graph).macs, "{}", known.name);
        }
        assert_eq!(refused, Vec::<&str>::new());
    }

    #[test]
    fn slices_and_uneven_pools_compute_the_same_in_a_file() {
        let mut graph = Graph::new(Shape::square(6, 7));
        let low = graph.push(Op::Slice { from: 0, count: 2 }, vec![0]);
        let high = graph.push(Op::Slice { from: 3, count: 3 }, vec![0]);
        let joined = graph.push(Op::Concat, vec![high, low]);
        graph.push(Op::AdaptiveAvgPool { size: 6 }, vec![joined]);
        let input = weights::input(&graph, 0, 2, 3);
        let inputs = [input];
        let direct = Tract.load(&graph, 2, 3).unwrap().run(&inputs).unwrap();
        let bytes = encode(&graph, 2, 3).unwrap();
        let through = load_bytes(&bytes, 2, 3).unwrap().run(&inputs).unwrap();
        assert_eq!(direct[0].shape, [2, 5, 6, 6]);
        assert_eq!(direct[0].shape, through[0].shape);
        let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5;
        assert!(direct[0].data.iter().zip(&through[0].data).all(near));
        // The first cell of the first channel is the mean of four pixels of channel 3.
        let pixel = |y: usize, x: usize| inputs[0].data[3 * 49 + y * 7 + x];
        let mean = (pixel(0, 0) + pixel(0, 1) + pixel(1, 0) + pixel(1, 1)) / 4.0;
        assert!((direct[0].data[0] - mean).abs() < 1e-5);
    }

    #[test]
    fn what_a_file_cannot_hold_is_refused() {
        let refused =
            |graph: &Graph| Export::network(graph, 1, Weights::new(graph, 0)).err().unwrap().to_string();
        let mut pieces = Graph::new(Shape::square(4, 8));
        let other = pieces.push_input(Shape::square(4, 8));
        pieces.push(Op::Add, vec![0, other]);
        assert!(refused(&pieces).contains("2 maps"));
        let mut beyond = Graph::new(Shape::square(4, 8));
        beyond.push(Op::Slice { from: 2, count: 3 }, vec![0]);
        assert!(refused(&beyond).contains("3 channels from channel 2"));
        let mut uneven = Graph::new(Shape::square(4, 7));
        uneven.push(Op::AdaptiveAvgPool { size: 4 }, vec![0]);
        assert!(refused(&uneven).contains("4×4"));
    }

    #[test]
    fn lengths_are_those_of_protobuf_and_do_not_overflow() {
        for content in [0_usize, 1, 127, 128, 16_383, 16_384, 1 << 31] {
            let delimiter = prost::length_delimiter_len(content);
            assert_eq!(field_len(content as u64), (1 + delimiter + content) as u64);
        }
        let header = TensorProto { dims: vec![1 << 31, 1 << 31, 7, 7], ..TensorProto::default() };
        assert_eq!(Initialiser { header, values: Values::Weight(0) }.encoded_len(), u64::MAX);
    }
}
