//! A graph as an ONNX file (opset 14): static shapes, batch normalisation folded, weights inside. Where one file cannot
//! hold the weights, they stand in a second one that it refers to.

mod initialiser;
mod integers;
mod nodes;

use super::OnnxError;
use crate::quantisation::{self, IntegerWeights, Maps, WeightRange};
use crate::weights::{Parameters, Weights};
use edgezen_core::plainnet::Graph;
use edgezen_core::plainnet::graph::Op;
use initialiser::{Initialiser, Values, field_len};
use nodes::Exporter;
use prost::Message;
use std::io::Write;
use tract_onnx::pb::{GraphProto, ModelProto, OperatorSetIdProto, TensorProto};

const OPSET: i64 = 14;
/// The version of the container format that goes with this opset.
const IR_VERSION: i64 = 7;

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

/// A network ready to be written as an ONNX file.
pub struct Export<'a> {
    /// The model without its graph, and the graph without its initialisers.
    model: ModelProto,
    graph: GraphProto,
    initialisers: Vec<Initialiser>,
    weights: Weights<'a>,
    /// By node: the scale of the map that a layer reads; empty in files of 32-bit floats.
    map_scales: Vec<Option<f32>>,
}

/// Largest file in bytes: protobuf readers refuse larger ones.
const MAX_BYTES: u64 = i32::MAX as u64;

/// Keys of length-delimited fields: `ModelProto.graph`, `GraphProto.initializer`,
/// `TensorProto.raw_data`.
const GRAPH: u8 = 7 << 3 | 2;
const INITIALISER: u8 = 5 << 3 | 2;
const RAW_DATA: u8 = 9 << 3 | 2;

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
        Export::with_integers(graph, batch, weights, None)
    }

    /// As [`Export::of`]; with `maps`, in 8-bit integers: a pair of QuantizeLinear and DequantizeLinear stands behind each
    /// operator, and a DequantizeLinear behind each weight and bias. Input and output stay floats.
    ///
    /// # Errors
    /// A graph that ONNX cannot express.
    pub fn with_integers(
        graph: &'a Graph,
        batch: u32,
        weights: Weights<'a>,
        maps: Option<&'a Maps>,
    ) -> Result<Export<'a>, OnnxError> {
        let mut exporter = Exporter::new(graph, batch.max(1), weights, maps);
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
                doc_string: maps.map(|maps| maps.note.clone()).unwrap_or_default(),
                ..ModelProto::default()
            },
            graph: exporter.proto,
            initialisers: exporter.initialisers,
            weights: exporter.weights,
            map_scales: exporter.map_scales,
        })
    }

    /// As [`Export::of`], of a whole network, which reads one image. The graph of a kernel, or of a cell of a network, may read
    /// several maps; a file of it would be a network in pieces.
    ///
    /// # Errors
    /// A graph that ONNX cannot express; one with several inputs.
    pub fn network(graph: &'a Graph, batch: u32, weights: Weights<'a>) -> Result<Export<'a>, OnnxError> {
        Export::network_with_integers(graph, batch, weights, None)
    }

    /// As [`Export::network`], in integers as [`Export::with_integers`].
    ///
    /// # Errors
    /// As [`Export::network`].
    pub fn network_with_integers(
        graph: &'a Graph,
        batch: u32,
        weights: Weights<'a>,
        maps: Option<&'a Maps>,
    ) -> Result<Export<'a>, OnnxError> {
        let inputs = graph.nodes.iter().filter(|node| node.op == Op::Input).count();
        if inputs != 1 {
            return Err(OnnxError::Unsupported(format!(
                "a network of pieces that reads {inputs} maps as one"
            )));
        }
        Export::with_integers(graph, batch, weights, maps)
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
                _ => self.write_drawn(initialiser, &mut drawn, out)?,
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
                _ => {
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
        drawn: &mut Option<Drawn>,
        out: &mut impl Write,
    ) -> std::io::Result<()> {
        let Some(index) = initialiser.node() else { return Ok(()) };
        if drawn.as_ref().is_none_or(|drawn| drawn.node != index) {
            *drawn = self.weights.of(index).map(|parameters| {
                let map_scale = self.map_scales.get(index).copied().flatten();
                let integers = map_scale
                    .map(|scale| (quantisation::integers(&parameters, scale, WeightRange::Reduced), scale));
                Drawn { node: index, parameters, integers }
            });
        }
        let Some(Drawn { parameters, integers, .. }) = drawn else { return Ok(()) };
        match (&initialiser.values, integers) {
            (Values::Weight(_), _) => write_floats(out, &parameters.weight),
            (Values::Bias(_), _) => write_floats(out, parameters.bias.as_deref().unwrap_or_default()),
            (Values::IntegerWeight(_), Some((layer, _))) => {
                layer.weight.iter().try_for_each(|weight| out.write_all(&weight.to_le_bytes()))
            }
            (Values::IntegerBias(_), Some((layer, _))) => {
                layer.bias.iter().try_for_each(|bias| out.write_all(&bias.to_le_bytes()))
            }
            (Values::WeightScales(_), Some((layer, _))) => write_floats(out, &layer.scales),
            (Values::BiasScales(_), Some((layer, scale))) => {
                write_floats(out, &layer.scales.iter().map(|weight| weight * *scale).collect::<Vec<f32>>())
            }
            _ => Err(std::io::Error::other("integers of a layer without a map")),
        }
    }
}

/// The parameters of the node that is being written.
struct Drawn {
    node: usize,
    parameters: Parameters,
    /// Their integers, and the scale of the map that they are for.
    integers: Option<(IntegerWeights, f32)>,
}

fn write_floats(out: &mut impl Write, values: &[f32]) -> std::io::Result<()> {
    values.iter().try_for_each(|value| out.write_all(&value.to_le_bytes()))
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
                if !graph.nodes.iter().any(|node| node.op.is_foreign()) {
                    refused.push(known.name);
                }
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
        let input = crate::weights::input(&graph, 0, 2, 3);
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
