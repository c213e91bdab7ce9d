//! A graph as a TensorFlow Lite file: static shapes, channels last, normalisations folded, activations inside the operators
//! before them, weights inside. `docs/tflite.md` says what becomes of each operation.

mod file;
mod layout;
mod model;
mod nodes;

use super::TfliteError;
use crate::quantisation::Maps;
use crate::weights::Weights;
use edgezen_core::plainnet::Graph;
use edgezen_core::plainnet::graph::Op;
use layout::Layout;

/// Largest file in bytes: distances in it have 31 bits.
const MAX_BYTES: u64 = i32::MAX as u64;

/// The file of `graph` for `batch` images. Its input is called `input` (`input_1`, …) and has the shape [batch, height, width,
/// channels]; its output is called `logits`. A vector has the shape [batch, channels].
///
/// # Errors
/// A graph that the format cannot express.
pub fn write(graph: &Graph, batch: u32, weights: &Weights<'_>) -> Result<Vec<u8>, TfliteError> {
    lay_out(graph, batch, weights, None)
}

/// As [`write()`], in 8-bit integers, which input and output are, too.
///
/// # Errors
/// A graph that the format cannot express.
pub fn write_int8(
    graph: &Graph,
    batch: u32,
    weights: &Weights<'_>,
    maps: &Maps,
) -> Result<Vec<u8>, TfliteError> {
    lay_out(graph, batch, weights, Some(maps))
}

/// Checks that `graph` is a whole network, which reads one image. The graph of a kernel, or of a cell of a network, may read
/// several maps; a file of it would be a network in pieces.
///
/// # Errors
/// A graph with several inputs.
pub fn check_whole(graph: &Graph) -> Result<(), TfliteError> {
    let inputs = graph.nodes.iter().filter(|node| node.op == Op::Input).count();
    if inputs == 1 { Ok(()) } else { Err(TfliteError::Pieces { inputs }) }
}

fn lay_out(
    graph: &Graph,
    batch: u32,
    weights: &Weights<'_>,
    maps: Option<&Maps>,
) -> Result<Vec<u8>, TfliteError> {
    let elements = (0..graph.nodes.len()).filter_map(|index| weights.shape_of(index)).map(|(shape, _)| {
        shape.iter().map(|&side| side as u64).fold(1, u64::saturating_mul).saturating_add(shape[0] as u64)
    });
    let size = if maps.is_some() { 1 } else { 4 };
    let bytes = elements.fold(0, u64::saturating_add).saturating_mul(size);
    // Names, shapes and operators take less than a kilobyte for each node.
    if bytes.saturating_add(1024 * graph.nodes.len() as u64) > MAX_BYTES {
        return Err(TfliteError::TooLarge { bytes });
    }
    let mut layout = Layout::new(graph, batch.max(1), weights, maps);
    for (index, node) in graph.nodes.iter().enumerate() {
        layout.node(index, node)?;
    }
    let mut model = layout.finish();
    model.description = format!("edgezen {}", env!("CARGO_PKG_VERSION"));
    if let Some(maps) = maps {
        model.description += &format!("; {}", maps.note);
    }
    Ok(file::bytes(model))
}
