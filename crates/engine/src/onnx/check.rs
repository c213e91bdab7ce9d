//! Checks a file before anything reads it: its sizes must agree with its data, and none may take all memory.

use super::OnnxError;
use crate::input;
use edgezen_core::files::FileError;
use prost::Message;
use std::collections::BTreeSet;
use std::path::{Component, Path};
use tract_onnx::pb;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Dim;

/// Largest side, channel count, kernel size and so on; a file with larger numbers is taken to be damaged.
const MAX_DIM: i64 = 1 << 20;
const MAX_ELEMENTS: i64 = 1 << 30;
const MAX_WINDOW: i64 = 1 << 10;

/// Decodes a model and checks its sizes. Data of weights may be missing.
pub fn model(bytes: &[u8]) -> Result<pb::ModelProto, OnnxError> {
    let proto = pb::ModelProto::decode(bytes).map_err(|e| OnnxError::Format(e.to_string()))?;
    let Some(graph) = &proto.graph else {
        return Err(OnnxError::Format("it holds no graph".into()));
    };
    if graph.node.is_empty() {
        return Err(OnnxError::Invalid("the graph is empty".into()));
    }
    for tensor in &graph.initializer {
        self::tensor(tensor)?;
    }
    for node in &graph.node {
        for attribute in &node.attribute {
            if let Some(t) = &attribute.t {
                tensor(t)?;
            }
            let window = ["kernel_shape", "strides", "dilations", "pads", "output_padding", "group"];
            let all = attribute.ints.iter().chain([&attribute.i]);
            if window[..5].contains(&attribute.name.as_str())
                && let Some(value) = all.clone().find(|&&v| !(-MAX_WINDOW..=MAX_WINDOW).contains(&v))
            {
                return Err(odd(node, &attribute.name, *value));
            }
            if attribute.name == "group" && !(1..=MAX_DIM).contains(&attribute.i) {
                return Err(odd(node, "group", attribute.i));
            }
        }
    }
    Ok(proto)
}

fn odd(node: &pb::NodeProto, name: &str, value: i64) -> OnnxError {
    OnnxError::Invalid(format!("{} {:?} has {name} {value}", node.op_type, node.name))
}

/// The data of a tensor must be as long as its shape says.
fn tensor(tensor: &pb::TensorProto) -> Result<(), OnnxError> {
    let bad = |reason: String| OnnxError::Invalid(format!("tensor {:?}: {reason}", tensor.name));
    let mut elements: i64 = 1;
    for &dim in &tensor.dims {
        if !(0..=MAX_ELEMENTS).contains(&dim) {
            return Err(bad(format!("dimension {dim}")));
        }
        elements = elements
            .checked_mul(dim)
            .filter(|&n| n <= MAX_ELEMENTS)
            .ok_or_else(|| bad("too many elements".into()))?;
    }
    let bytes = match tensor.data_type {
        1 | 6 | 12 => 4,
        2 | 3 | 9 => 1,
        4 | 5 | 10 | 16 => 2,
        7 | 11 | 13 => 8,
        _ => return Ok(()),
    };
    let have = tensor.raw_data.len() as i64;
    let typed = [
        tensor.float_data.len(),
        tensor.int32_data.len(),
        tensor.int64_data.len(),
        tensor.double_data.len(),
        tensor.uint64_data.len(),
    ];
    if have > 0 && have != elements * bytes {
        return Err(bad(format!("{have} bytes for {elements} elements")));
    }
    let external = tensor.data_location.is_some_and(|location| location == 1);
    let packed = matches!(tensor.data_type, 2..=5 | 9 | 10 | 16);
    let right = |n: usize| n as i64 == elements || n == 0 || packed && n as i64 >= elements;
    if have == 0 && !external && !typed.into_iter().all(right) {
        return Err(bad(format!("other data than its {elements} elements")));
    }
    Ok(())
}

/// Checks that all weights have data, here or in a file beside.
pub fn data(proto: &pb::ModelProto) -> Result<(), OnnxError> {
    let Some(graph) = &proto.graph else { return Ok(()) };
    for tensor in &graph.initializer {
        let empty = tensor.raw_data.is_empty()
            && tensor.float_data.is_empty()
            && tensor.int32_data.is_empty()
            && tensor.int64_data.is_empty()
            && tensor.double_data.is_empty()
            && tensor.uint64_data.is_empty()
            && tensor.string_data.is_empty();
        let external = tensor.data_location.is_some_and(|location| location == 1);
        if empty && !external && !tensor.dims.contains(&0) {
            return Err(OnnxError::Invalid(format!("tensor {:?}: no data", tensor.name)));
        }
    }
    Ok(())
}

/// The files with weights that lie beside this one, as it names them: each once, in alphabetical order.
pub fn files_beside(proto: &pb::ModelProto) -> Vec<String> {
    let Some(graph) = &proto.graph else { return Vec::new() };
    let of_nodes =
        graph.node.iter().flat_map(|node| &node.attribute).filter_map(|attribute| attribute.t.as_ref());
    let tensors = graph.initializer.iter().chain(of_nodes);
    let entries = tensors.flat_map(|tensor| &tensor.external_data);
    let names = entries.filter(|entry| entry.key == "location").map(|entry| entry.value.clone());
    names.collect::<BTreeSet<String>>().into_iter().collect()
}

/// Checks that weights in other files are in files beside this one: neither elsewhere, nor in a device without end.
pub fn beside(proto: &pb::ModelProto, dir: Option<&Path>) -> Result<(), OnnxError> {
    let Some(graph) = &proto.graph else { return Ok(()) };
    let of_nodes =
        graph.node.iter().flat_map(|node| &node.attribute).filter_map(|attribute| attribute.t.as_ref());
    for tensor in graph.initializer.iter().chain(of_nodes) {
        for entry in tensor.external_data.iter().filter(|entry| entry.key == "location") {
            let bad = |what: &str| {
                OnnxError::Invalid(format!(
                    "tensor {:?}: its data are in {:?}, {what}",
                    tensor.name, entry.value
                ))
            };
            let inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
            if !Path::new(&entry.value).components().all(inside) {
                return Err(bad("which is not beside this file"));
            }
            let path = dir.map(|dir| dir.join(&entry.value));
            if let Some(Err(FileError::Damaged { reason, .. })) = path.map(|path| input::open(&path)) {
                return Err(bad(&reason));
            }
        }
    }
    Ok(())
}

/// A declared input that is no weight.
pub struct Input {
    pub name: String,
    /// `None` where the file leaves the size open.
    pub dims: Vec<Option<usize>>,
}

impl Input {
    /// The shape for `batch` images.
    pub fn with_batch(&self, batch: u32) -> Result<Vec<usize>, OnnxError> {
        let Some((first, rest)) = self.dims.split_first() else {
            return Err(OnnxError::Invalid(format!("input {:?} is a scalar", self.name)));
        };
        match first {
            Some(fixed) if *fixed != batch as usize => {
                return Err(OnnxError::Engine(format!(
                    "the file is for batch {fixed}, asked for is batch {batch}"
                )));
            }
            _ => {}
        }
        let mut shape = vec![batch as usize];
        for dim in rest {
            shape.push(dim.ok_or_else(|| {
                OnnxError::Engine(format!(
                    "input {:?} leaves its size open; export the network for one resolution",
                    self.name
                ))
            })?);
        }
        if shape.iter().product::<usize>() as i64 > MAX_ELEMENTS / 4 {
            return Err(OnnxError::Invalid(format!("input {:?} is too large", self.name)));
        }
        Ok(shape)
    }
}

/// Inputs of the graph that are not initialised by the file itself.
pub fn inputs(proto: &pb::ModelProto) -> Result<Vec<Input>, OnnxError> {
    let Some(graph) = &proto.graph else { return Ok(Vec::new()) };
    let mut inputs = Vec::new();
    for info in &graph.input {
        if graph.initializer.iter().any(|tensor| tensor.name == info.name) {
            continue;
        }
        let Some(dims) = dims(info)? else {
            return Err(OnnxError::Invalid(format!("input {:?} has no shape", info.name)));
        };
        inputs.push(Input { name: info.name.clone(), dims });
    }
    if inputs.is_empty() {
        return Err(OnnxError::Invalid("the graph has no inputs".into()));
    }
    Ok(inputs)
}

/// The shape of a declared value, if the file gives one.
pub fn dims(info: &pb::ValueInfoProto) -> Result<Option<Vec<Option<usize>>>, OnnxError> {
    let Some(pb::type_proto::Value::TensorType(tensor)) = info.r#type.as_ref().and_then(|t| t.value.as_ref())
    else {
        return Ok(None);
    };
    let Some(shape) = &tensor.shape else { return Ok(None) };
    let mut dims = Vec::new();
    for dim in &shape.dim {
        dims.push(match &dim.value {
            // Older exporters write 0 or −1 for "open".
            Some(Dim::DimValue(n)) if *n > 0 => {
                if *n > MAX_DIM {
                    return Err(OnnxError::Invalid(format!("{:?} has a side of {n}", info.name)));
                }
                Some(*n as usize)
            }
            _ => None,
        });
    }
    let known: i64 = dims
        .iter()
        .flatten()
        .try_fold(1_i64, |product, &n| product.checked_mul(n as i64))
        .unwrap_or(i64::MAX);
    if known > MAX_ELEMENTS {
        return Err(OnnxError::Invalid(format!("{:?} is too large", info.name)));
    }
    Ok(Some(dims))
}
