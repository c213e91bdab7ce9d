//! The operators of an ONNX file, for looking at what a runtime made of a network.

use super::OnnxError;
use prost::Message;
use tract_onnx::pb::ModelProto;

/// Of each operator of the file: its type, its activation where it names one, and the number of its operands.
///
/// # Errors
/// Bytes that are no ONNX file.
pub fn operators(bytes: &[u8]) -> Result<Vec<(String, Option<String>, usize)>, OnnxError> {
    let model = ModelProto::decode(bytes).map_err(|e| OnnxError::Format(e.to_string()))?;
    let Some(graph) = model.graph else {
        return Err(OnnxError::Format("it holds no graph".into()));
    };
    let operator = |node: tract_onnx::pb::NodeProto| {
        let named = node.attribute.iter().find(|attribute| attribute.name == "activation");
        let activation = named.map(|attribute| String::from_utf8_lossy(&attribute.s).into_owned());
        (node.op_type, activation, node.input.len())
    };
    Ok(graph.node.into_iter().map(operator).collect())
}
