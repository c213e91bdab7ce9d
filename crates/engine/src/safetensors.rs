//! Tensors in a safetensors file: eight bytes with the length of a JSON header, the header, the values. Numbers are written as
//! `F32`; those of other widths are read, and tensors of integers, which are no weights, are left out.

use super::numbers::{self, Numbers};
use super::{Tensor, input};
use edgezen_core::files::FileError;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensors {
    /// Texts of the header, by name.
    pub metadata: BTreeMap<String, String>,
    pub tensors: BTreeMap<String, Tensor>,
}

/// Why a file is not a safetensors file.
#[derive(Debug, thiserror::Error)]
pub enum SafetensorsError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("not a safetensors file: {0}")]
    Format(String),
}

const METADATA: &str = "__metadata__";
/// Longer headers are refused, as the format's own library does.
const MAX_HEADER: u64 = 100_000_000;
/// Larger files are none of a network that is described here.
const MOST_BYTES: u64 = 16 << 30;

impl Tensors {
    /// # Errors
    /// A file that cannot be read or is damaged.
    pub fn read(path: &Path) -> Result<Tensors, SafetensorsError> {
        Tensors::decode(&input::read_at_most(path, MOST_BYTES)?)
    }

    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Tensors, SafetensorsError> {
        let bad = |reason: String| SafetensorsError::Format(reason);
        let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(|| bad("it is too short".into()))?;
        let length = u64::from_le_bytes(*length);
        if length > MAX_HEADER || length > rest.len() as u64 {
            return Err(bad("its header is cut off".into()));
        }
        let (header, values) = rest.split_at(length as usize);
        let header: Map<String, Value> =
            serde_json::from_slice(header).map_err(|e| bad(format!("its header: {e}")))?;
        let mut out = Tensors::default();
        let mut total = 0;
        for (name, entry) in header {
            if name == METADATA {
                let texts = entry.as_object().into_iter().flatten();
                out.metadata = texts.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect();
                continue;
            }
            let wrong = |what: &str| bad(format!("tensor {name}: {what}"));
            let kind = entry["dtype"].as_str().ok_or_else(|| wrong("no type"))?;
            let (kind, width) = stored(kind).ok_or_else(|| wrong("numbers of an unknown type"))?;
            let numbers = |key: &str| -> Option<Vec<usize>> {
                entry[key].as_array()?.iter().map(|n| usize::try_from(n.as_u64()?).ok()).collect()
            };
            let shape = numbers("shape").ok_or_else(|| wrong("no shape"))?;
            let span = numbers("data_offsets").ok_or_else(|| wrong("no offsets"))?;
            let [from, to] = span[..] else { return Err(wrong("no offsets")) };
            let size = shape.iter().try_fold(width, |product, &n| product.checked_mul(n));
            let part = values.get(from..to).ok_or_else(|| wrong("its values are cut off"))?;
            if size != Some(part.len()) {
                return Err(wrong("its shape and its values do not fit"));
            }
            total += part.len();
            if let Some(kind) = kind {
                out.tensors.insert(name, Tensor { shape, data: numbers::read(part, kind) });
            }
        }
        if total != values.len() {
            return Err(bad("there are values that belong to no tensor".into()));
        }
        Ok(out)
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut header = Map::new();
        if !self.metadata.is_empty() {
            header.insert(METADATA.into(), json!(self.metadata));
        }
        let mut at = 0;
        for (name, tensor) in &self.tensors {
            let end = at + 4 * tensor.data.len();
            header.insert(
                name.clone(),
                json!({"dtype": "F32", "shape": tensor.shape, "data_offsets": [at, end]}),
            );
            at = end;
        }
        let mut header = Value::Object(header).to_string().into_bytes();
        // Values begin at a multiple of eight.
        header.resize(header.len().next_multiple_of(8), b' ');
        let mut out = (header.len() as u64).to_le_bytes().to_vec();
        out.extend(header);
        for tensor in self.tensors.values() {
            out.extend(tensor.data.iter().flat_map(|value| value.to_le_bytes()));
        }
        out
    }
}

/// The numbers of a type, `None` for integers, and the bytes of one.
fn stored(kind: &str) -> Option<(Option<Numbers>, usize)> {
    Some(match kind {
        "F16" => (Some(Numbers::Half), 2),
        "BF16" => (Some(Numbers::Brain), 2),
        "F32" => (Some(Numbers::Single), 4),
        "F64" => (Some(Numbers::Double), 8),
        "BOOL" | "I8" | "U8" => (None, 1),
        "I16" | "U16" => (None, 2),
        "I32" | "U32" => (None, 4),
        "I64" | "U64" => (None, 8),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_other_widths_are_read_and_integers_are_left_out() {
        let header = r#"{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"n":{"dtype":"I64","shape":[],"data_offsets":[4,12]}}"#;
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.bytes().chain([0x00, 0x3e, 0x00, 0xc0]).chain(7_u64.to_le_bytes()));
        let file = Tensors::decode(&bytes).unwrap();
        assert_eq!(file.tensors.len(), 1);
        assert_eq!(file.tensors["a"].data, [1.5, -2.0]);
        let unknown = String::from_utf8_lossy(&bytes).replace("F16", "F8_");
        assert!(Tensors::decode(unknown.as_bytes()).unwrap_err().to_string().contains("unknown type"));
    }

    #[test]
    fn tensors_survive_and_damage_is_noticed() {
        let mut file = Tensors::default();
        file.metadata.insert("net".into(), "a \"net\"".into());
        file.tensors.insert("a".into(), Tensor { shape: vec![2, 3], data: vec![0.5; 6] });
        file.tensors.insert("b".into(), Tensor { shape: vec![1], data: vec![f32::MIN_POSITIVE] });
        let bytes = file.encode();
        assert_eq!(Tensors::decode(&bytes).unwrap(), file);
        for cut in 0..bytes.len() {
            assert!(Tensors::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        assert!(Tensors::decode(&[bytes.clone(), vec![0]].concat()).is_err());
        assert!(Tensors::decode(&[0xff; 64]).is_err());
    }
}
