//! Predictor files: JSON, data only.
//!
//! The text is canonical: keys sorted, numbers with at most six significant digits, one layout. The
//! field `sha256` is the SHA-256 of the same JSON without that field, keys sorted, no whitespace.
//! So any changed byte is noticed, and fitting the same data twice gives the same bytes.
//!
//! [`SCHEMA`] grows when a reader of the old number would misread a file; new optional fields are such
//! a change too, because unknown fields are refused.

use super::conformal::{KernelCalibration, Margin, NetworkCalibration};
use super::domain::Domain;
use super::evaluate::Metrics;
use super::families::Model;
use super::net_level::NetLevel;
use super::training::Roofline;
use crate::dataset::{DatasetError, Identity, write_atomically};
use crate::plainnet::KernelKind;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Newest layout that this program reads and the one it writes.
pub const SCHEMA: u32 = 1;
/// Larger files are not read at all.
const MAX_BYTES: u64 = 32 << 20;

/// The content of a predictor file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PredictorFile {
    pub schema_version: u32,
    /// `v100@tensorrt@fp16`.
    pub id: String,
    /// Date of the data, RFC 3339: not of the fit, which can be repeated.
    pub created: String,
    pub tool_version: String,
    pub licence: String,
    pub provenance: Provenance,
    /// Name of the device's profile.
    pub device: String,
    pub identity: Identity,
    /// Of the samples tables, one after another.
    pub dataset_sha256: String,
    /// Units of the features that the models read.
    pub features: BTreeMap<String, String>,
    pub model: Models,
    pub domain: BTreeMap<KernelKind, Domain>,
    pub calibration: Calibration,
    pub net_level: NetLevel,
    pub metrics: FitMetrics,
}

/// Where the numbers come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The datasets' own sources.
    pub sources: Vec<String>,
    pub kernels: u32,
    pub blocks: u32,
    pub networks: u32,
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Models {
    pub kinds: BTreeMap<KernelKind, Model>,
    /// Bound for kinds without a model.
    pub roofline: Roofline,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// What an interval is meant to hold.
    pub level: f64,
    pub kernels: BTreeMap<KernelKind, KernelCalibration>,
    /// For kinds without a calibration of their own.
    pub other_kernels: Margin,
    pub network: NetworkCalibration,
}

/// Held-out errors (cross-validation by configuration), beside the baselines'.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FitMetrics {
    pub folds: u32,
    pub kernels: Option<Metrics>,
    pub blocks: Option<Metrics>,
    pub networks: Option<Metrics>,
    pub by_kind: BTreeMap<KernelKind, Metrics>,
    /// What else was tried: mean relative error in percent by family and part.
    pub families: BTreeMap<String, BTreeMap<String, f64>>,
    /// A line in the MACs alone, on the same folds.
    pub baseline_flops: Option<Metrics>,
    /// The roofline with one scale.
    pub baseline_roofline: Option<Metrics>,
}

/// Why a predictor file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{path}: {error}")]
    Io { path: PathBuf, error: std::io::Error },
    #[error("{path}: not a predictor file: {reason}")]
    Format { path: PathBuf, reason: String },
    #[error("{path}: written by a newer version of this program (schema {found}, this one reads {SCHEMA})")]
    TooNew { path: PathBuf, found: u64 },
    #[error("{path}: the checksum does not match: the file was changed or damaged")]
    Checksum { path: PathBuf },
    #[error("{path}: {reason}")]
    Content { path: PathBuf, reason: String },
    #[error("{0}")]
    Write(#[from] DatasetError),
}

impl PredictorFile {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// A missing, damaged, too new or nonsensical file.
    pub fn read(path: &Path) -> Result<PredictorFile, FileError> {
        let io = |error| FileError::Io { path: path.to_owned(), error };
        if std::fs::metadata(path).map_err(io)?.len() > MAX_BYTES {
            return Err(FileError::Format { path: path.to_owned(), reason: "it is far too large".into() });
        }
        PredictorFile::parse(&std::fs::read(path).map_err(io)?, path)
    }

    /// Checks the bytes of a file; `path` is for the messages.
    ///
    /// # Errors
    /// See [`PredictorFile::read`].
    pub fn parse(bytes: &[u8], path: &Path) -> Result<PredictorFile, FileError> {
        let path = || path.to_owned();
        let format = |reason: String| FileError::Format { path: path(), reason };
        let text = std::str::from_utf8(bytes).map_err(|_| format("it is not text".into()))?;
        let mut value: Value = serde_json::from_str(text).map_err(|e| format(e.to_string()))?;
        match value.get("schema_version").and_then(Value::as_u64) {
            None => return Err(format("schema_version is missing".into())),
            Some(found) if found > u64::from(SCHEMA) => {
                return Err(FileError::TooNew { path: path(), found });
            }
            Some(_) => {}
        }
        if pretty(&value) != text {
            return Err(FileError::Checksum { path: path() });
        }
        let sum = value.as_object_mut().and_then(|object| object.remove("sha256"));
        if sum.as_ref().and_then(Value::as_str) != Some(checksum(&value).as_str()) {
            return Err(FileError::Checksum { path: path() });
        }
        let content = |reason: String| FileError::Content { path: path(), reason };
        let file: PredictorFile = serde_json::from_value(value).map_err(|e| content(e.to_string()))?;
        file.check().map_err(content)?;
        Ok(file)
    }

    /// The text of the file.
    ///
    /// # Errors
    /// A number that JSON cannot hold.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        let mut value = serde_json::to_value(self)?;
        round(&mut value);
        let sum = checksum(&value);
        if let Some(object) = value.as_object_mut() {
            object.insert("sha256".into(), Value::String(sum));
        }
        Ok(pretty(&value))
    }

    /// Writes the file in one step.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        let text =
            self.text().map_err(|e| FileError::Format { path: path.to_owned(), reason: e.to_string() })?;
        Ok(write_atomically(path, text.as_bytes())?)
    }

    fn check(&self) -> Result<(), String> {
        if self.schema_version == 0 {
            return Err("schema 0 was never written".into());
        }
        if self.identity.batch == 0 || self.id != self.identity.to_string() {
            return Err(format!("id {:?} does not fit the identity {}", self.id, self.identity));
        }
        if self.device != self.identity.device {
            return Err(format!("device {:?} does not fit the identity {}", self.device, self.identity));
        }
        for (kind, model) in &self.model.kinds {
            model.check().map_err(|reason| format!("model of {kind}: {reason}"))?;
            if !self.domain.contains_key(kind) {
                return Err(format!("the model of {kind} has no domain"));
            }
        }
        for (kind, domain) in &self.domain {
            domain.check().map_err(|reason| format!("domain of {kind}: {reason}"))?;
        }
        for (kind, calibration) in &self.calibration.kernels {
            calibration.check().map_err(|reason| format!("calibration of {kind}: {reason}"))?;
        }
        self.calibration.network.check()?;
        NetworkCalibration { margin: self.calibration.other_kernels, ..self.calibration.network }.check()?;
        self.net_level.check()?;
        let Roofline { peak_gmacs_per_s, gbytes_per_s, launch_ns, .. } = self.model.roofline;
        let positive = |value: f64| value.is_finite() && value > 0.0;
        if !positive(peak_gmacs_per_s) || !positive(gbytes_per_s) || !(0.0..1e12).contains(&launch_ns) {
            return Err("the roofline's rates are not positive".into());
        }
        Ok(())
    }
}

/// Six significant digits: finer than any latency is known, and exact through every JSON reader.
fn round(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let rounded = number.as_f64().and_then(|x| format!("{x:.5e}").parse::<f64>().ok());
            if let Some(rounded) = rounded.and_then(serde_json::Number::from_f64) {
                *number = rounded;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(round),
        Value::Object(fields) => fields.values_mut().for_each(round),
        _ => {}
    }
}

fn checksum(value: &Value) -> String {
    let mut text = String::new();
    write(value, None, &mut text);
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Objects one field to a line, lists of plain values on one line.
fn pretty(value: &Value) -> String {
    let mut text = String::new();
    write(value, Some(0), &mut text);
    text + "\n"
}

fn write(value: &Value, indent: Option<usize>, out: &mut String) {
    let deeper = indent.map(|depth| depth + 1);
    let newline = |indent: Option<usize>, out: &mut String| {
        if let Some(depth) = indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', depth));
        }
    };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| key.as_str());
            out.push('{');
            for (i, (key, field)) in fields.into_iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                newline(deeper, out);
                out.push_str(&Value::String(key.clone()).to_string());
                out.push_str(if indent.is_some() { ": " } else { ":" });
                write(field, deeper, out);
            }
            newline(indent, out);
            out.push('}');
        }
        Value::Array(items) if items.iter().any(|item| item.is_array() || item.is_object()) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                newline(deeper, out);
                write(item, deeper, out);
            }
            newline(indent, out);
            out.push(']');
        }
        // Plain values and lists of them: serde_json's compact form has no choices left.
        plain => out.push_str(&plain.to_string()),
    }
}
