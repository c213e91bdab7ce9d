//! Multiply-accumulates of the operators that have any, whatever they are part of.

use super::operation::Operation;
use super::products::{self, Einsum};
use super::value::Value;

/// What kind of work an operator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Convolution over so many axes, transposed ones included.
    Conv { axes: usize },
    /// Matrix product with weights.
    Weights,
    /// Product of two values that both depend on the image: attention.
    Maps,
    /// Recurrent cells.
    Recurrent,
}

/// Kind and number of the multiply-accumulates for all images; nothing for operators without any. Operands
/// and the result must have known shapes.
pub fn of(op: &Operation, out: Option<&Value>) -> Option<(Work, f64)> {
    let size = |dims: &[usize]| dims.iter().map(|&dim| dim as f64).product::<f64>();
    let dims = |at: usize| op.input(at).and_then(Value::dims);
    let constant = |at: usize| op.input(at).is_some_and(|value| value.constant);
    let out = out.and_then(Value::dims);
    match op.kind() {
        "Conv" | "ConvInteger" | "FusedConv" | "DeformConv" | "QLinearConv" => {
            let weight = dims(if op.kind() == "QLinearConv" { 3 } else { 1 })?;
            let axes = weight.len().saturating_sub(2);
            Some((Work::Conv { axes }, size(out?) * size(weight.get(1..)?)))
        }
        "ConvTranspose" => {
            let weight = dims(1)?;
            Some((
                Work::Conv { axes: weight.len().saturating_sub(2) },
                size(dims(0)?) * size(weight.get(1..)?),
            ))
        }
        kind if products::operands(kind).is_some() => {
            let product = products::of(op).ok()?;
            let with_weights = product.operands.iter().any(|&at| constant(at));
            let work = if with_weights { Work::Weights } else { Work::Maps };
            Some((work, size(&product.out) * product.depth as f64))
        }
        "Einsum" => {
            let einsum = Einsum::of(op).ok()?;
            let depth = einsum.depth();
            // Without a sum it is an element-wise product.
            (op.inputs.len() == 2 && depth > 1).then(|| {
                let work = if constant(0) || constant(1) { Work::Weights } else { Work::Maps };
                (work, size(&einsum.dims()) * depth as f64)
            })
        }
        "LSTM" | "GRU" | "RNN" | "DynamicQuantizeLSTM" => {
            let (input, weight, again) = (dims(0)?, dims(1)?, dims(2)?);
            let steps = size(input.get(..2)?);
            Some((Work::Recurrent, steps * (size(weight) + size(again))))
        }
        "Attention" | "MultiHeadAttention" | "QAttention" => {
            let query = dims(0)?;
            let (rows, width) = match *query {
                [batch, heads, rows, width] => (rows, batch * heads * width),
                [batch, rows, width] => (rows, batch * width),
                _ => return None,
            };
            let keys = match op.node.domain.as_str() {
                "com.microsoft" if op.kind() != "MultiHeadAttention" => query[1],
                _ => dims(1).and_then(|dims| dims.get(dims.len().checked_sub(2)?).copied()).unwrap_or(rows),
            };
            let mut macs = 2.0 * rows as f64 * keys as f64 * width as f64;
            if op.node.domain == "com.microsoft" && op.kind() != "MultiHeadAttention" {
                macs += size(query) * dims(1)?.last().copied()? as f64;
            }
            Some((Work::Maps, macs))
        }
        _ => None,
    }
}

/// Whether the operator may multiply although its shapes are not known.
pub fn multiplies(op: &Operation) -> bool {
    matches!(
        op.kind(),
        "Conv"
            | "ConvInteger"
            | "FusedConv"
            | "DeformConv"
            | "QLinearConv"
            | "ConvTranspose"
            | "LSTM"
            | "GRU"
            | "RNN"
            | "DynamicQuantizeLSTM"
            | "Attention"
            | "MultiHeadAttention"
            | "QAttention"
            | "Einsum"
    ) || products::operands(op.kind()).is_some()
        || holds_products(op)
}

/// Whether a loop, or a branch that depends on the image, multiplies inside.
fn holds_products(op: &Operation) -> bool {
    let inside = op.node.attribute.iter().filter_map(|attribute| attribute.g.as_ref());
    inside.flat_map(|graph| &graph.node).any(|node| multiplies(&Operation { node, inputs: &[] }))
}
