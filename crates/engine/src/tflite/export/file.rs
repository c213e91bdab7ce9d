//! The tables of a file.

use super::model::{Element, Model, Operator, Quantisation, Tensor};
use crate::tflite::flatbuffer::encode::{Table, Value, encode};
use crate::tflite::schema::{
    self, buffer, metadata, model, operator, operator_code, quantisation, signature,
};
use crate::tflite::schema::{subgraph, tensor};

/// What the file says of the oldest runtime that runs it: the first whose convolutions take groups.
const OLDEST_RUNTIME: &str = "2.5.0";

/// The bytes of a file.
pub fn bytes(contents: Model) -> Vec<u8> {
    let Model { description, tensors, operators, inputs, outputs } = contents;
    let mut codes: Vec<(&'static str, i32)> = Vec::new();
    let mut steps = Vec::with_capacity(operators.len());
    for step in operators {
        let code = (step.name, version(&step, &tensors));
        let at = codes.iter().position(|&other| other == code).unwrap_or_else(|| {
            codes.push(code);
            codes.len() - 1
        });
        steps.push(operator_table(step, at));
    }
    let ports = |prefix: &[usize]| -> Vec<Table> {
        let port = |&index: &usize| {
            let name = tensors.get(index).map(|tensor| tensor.name.clone()).unwrap_or_default();
            Table::default()
                .with(signature::NAME, Value::Text(name))
                .with(signature::TENSOR, Value::U32(index as u32))
        };
        prefix.iter().map(port).collect()
    };
    let signature = Table::default()
        .with(signature::INPUTS, Value::Tables(ports(&inputs)))
        .with(signature::OUTPUTS, Value::Tables(ports(&outputs)))
        .with(signature::KEY, Value::Text("serving_default".into()));
    // Buffer 0 is empty, and is that of all tensors without data.
    let mut buffers = vec![Table::default()];
    let mut rows = Vec::with_capacity(tensors.len());
    for tensor in tensors {
        rows.push(tensor_table(tensor, &mut buffers));
    }
    buffers.push(data(OLDEST_RUNTIME.as_bytes().to_vec()));
    let oldest = Table::default()
        .with(metadata::NAME, Value::Text("min_runtime_version".into()))
        .with(metadata::BUFFER, Value::U32(buffers.len() as u32 - 1));
    let graph = Table::default()
        .with(subgraph::TENSORS, Value::Tables(rows))
        .with(subgraph::INPUTS, indices(&inputs))
        .with(subgraph::OUTPUTS, indices(&outputs))
        .with(subgraph::OPERATORS, Value::Tables(steps))
        .with(subgraph::NAME, Value::Text("main".into()));
    let codes = codes.into_iter().map(|(name, version)| code_table(name, version)).collect();
    let root = Table::default()
        .with(model::VERSION, Value::U32(schema::VERSION))
        .with(model::OPERATOR_CODES, Value::Tables(codes))
        .with(model::SUBGRAPHS, Value::Tables(vec![graph]))
        .with(model::DESCRIPTION, Value::Text(description))
        .with(model::BUFFERS, Value::Tables(buffers))
        .with(model::METADATA, Value::Tables(vec![oldest]))
        .with(model::SIGNATURES, Value::Tables(vec![signature]));
    encode(&root, schema::IDENTIFIER)
}

/// The version of an operator: what it must be able to do. Runtimes refuse versions that they do not know.
fn version(step: &Operator, tensors: &[Tensor]) -> i32 {
    let of = |at: usize| step.inputs.get(at).and_then(|&index| tensors.get(index));
    let integers = of(0).is_some_and(|tensor| tensor.element == Element::I8);
    let channels = |at: usize| of(at).and_then(|tensor| tensor.shape.last().copied());
    let scales = of(1).and_then(|weight| weight.quantisation.as_ref()).map_or(0, |q| q.scales.len());
    match (step.name, integers) {
        // Groups.
        ("CONV_2D", _) if channels(0) != channels(1) => 6,
        ("CONV_2D" | "DEPTHWISE_CONV_2D", true) => 3,
        // A scale for each output.
        ("FULLY_CONNECTED", true) if scales > 1 => 12,
        ("FULLY_CONNECTED", true) => 4,
        ("HARD_SWISH" | "RESHAPE", _) => 1,
        (_, true) => 2,
        (_, false) => 1,
    }
}

fn code_table(name: &str, version: i32) -> Table {
    let number = schema::number(name).unwrap_or(u8::MAX);
    // Readers of before 2020 know the first of these alone; 127 says that the number does not fit.
    Table::default()
        .with(operator_code::DEPRECATED, Value::I8(i8::try_from(number).unwrap_or(i8::MAX)))
        .with(operator_code::VERSION, Value::I32(version))
        .with(operator_code::NUMBER, Value::I32(i32::from(number)))
}

fn operator_table(step: Operator, code: usize) -> Table {
    let mut table = Table::default();
    if code > 0 {
        table = table.with(operator::CODE, Value::U32(code as u32));
    }
    table =
        table.with(operator::INPUTS, indices(&step.inputs)).with(operator::OUTPUTS, indices(&[step.output]));
    match step.options.table() {
        Some((kind, options)) => {
            table.with(operator::OPTIONS_TYPE, Value::U8(kind)).with(operator::OPTIONS, Value::Table(options))
        }
        None => table,
    }
}

fn tensor_table(tensor: Tensor, buffers: &mut Vec<Table>) -> Table {
    let shape = tensor.shape.iter().map(|&side| i32::try_from(side).unwrap_or(i32::MAX)).collect();
    let place = match tensor.data {
        Some(bytes) => {
            buffers.push(data(bytes));
            buffers.len() - 1
        }
        None => 0,
    };
    let table = Table::default()
        .with(tensor::SHAPE, Value::I32s(shape))
        .with(tensor::TYPE, Value::I8(tensor.element.number()))
        .with(tensor::BUFFER, Value::U32(place as u32))
        .with(tensor::NAME, Value::Text(tensor.name));
    let Some(Quantisation { scales, zero_points, axis }) = tensor.quantisation else { return table };
    let quantised = Table::default()
        .with(quantisation::SCALE, Value::F32s(scales))
        .with(quantisation::ZERO_POINT, Value::I64s(zero_points))
        .with(quantisation::AXIS, Value::I32(axis));
    table.with(tensor::QUANTISATION, Value::Table(quantised))
}

fn data(bytes: Vec<u8>) -> Table {
    Table::default().with(buffer::DATA, Value::Bytes(bytes))
}

fn indices(list: &[usize]) -> Value {
    Value::I32s(list.iter().map(|&index| i32::try_from(index).unwrap_or(i32::MAX)).collect())
}
