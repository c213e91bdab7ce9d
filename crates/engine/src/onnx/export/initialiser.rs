//! Weights and constants of an ONNX file, whose values are made when they are written.

use prost::Message;
use tract_onnx::pb::{self, TensorProto};

/// The value of `TensorProto.data_location` that says that the values are in another file.
const EXTERNAL: i32 = 1;

/// An initialiser whose values are not in memory.
pub struct Initialiser {
    /// Name, type and shape; no values.
    pub header: TensorProto,
    pub values: Values,
}

/// Where the values of an initialiser come from.
pub enum Values {
    /// Weight of a node, drawn when it is written.
    Weight(usize),
    Bias(usize),
    /// Weight of a node in integers, the scales of its channels, its bias, and the scales of that.
    IntegerWeight(usize),
    WeightScales(usize),
    IntegerBias(usize),
    BiasScales(usize),
    /// Little-endian bytes.
    Bytes(Vec<u8>),
}

impl Initialiser {
    /// Bytes of the values; saturates, since the sizes of a network that nobody can build are still asked for.
    pub fn value_bytes(&self) -> u64 {
        match &self.values {
            Values::Bytes(bytes) => bytes.len() as u64,
            Values::IntegerWeight(_) => self.elements(),
            _ => self.elements().saturating_mul(4),
        }
    }

    fn elements(&self) -> u64 {
        let dims = self.header.dims.iter().map(|&n| u64::try_from(n).unwrap_or(0));
        dims.fold(1, u64::saturating_mul)
    }

    /// The node whose parameters the values are made of.
    pub fn node(&self) -> Option<usize> {
        match self.values {
            Values::Weight(node)
            | Values::Bias(node)
            | Values::IntegerWeight(node)
            | Values::WeightScales(node)
            | Values::IntegerBias(node)
            | Values::BiasScales(node) => Some(node),
            Values::Bytes(_) => None,
        }
    }

    pub fn encoded_len(&self) -> u64 {
        (self.header.encoded_len() as u64).saturating_add(field_len(self.value_bytes()))
    }

    /// The header of the same tensor, whose values begin at byte `offset` of the file `location`.
    pub fn referring(&self, location: &str, offset: u64) -> TensorProto {
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
pub fn field_len(content: u64) -> u64 {
    let digits = u64::from(u64::BITS - (content | 1).leading_zeros()).div_ceil(7);
    content.saturating_add(1 + digits)
}
