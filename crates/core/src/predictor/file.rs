//! Predictor files: JSON, data only.
//!
//! The text is canonical: keys sorted, numbers with at most six significant digits, one layout. The
//! field `sha256` is the SHA-256 of the same text without the line of that field:
//! `grep -v '^ "sha256"' FILE | sha256sum`. So any changed byte is noticed, and fitting the same data
//! twice gives the same bytes.
//!
//! The layout's number, [`SCHEMA`], grows when a reader of the old number would misread a file; new optional fields are such
//! a change too, because unknown fields are refused.

use crate::digest::sha256;
use crate::files::{FileError, Format};
use crate::measurement::Identity;
use crate::plainnet::KernelKind;
use crate::predictor::calibration::{KernelCalibration, Margin, NetworkCalibration};
use crate::predictor::domain::Domain;
use crate::predictor::layout::{SCHEMA, SIMPLE_SCHEMA};
use crate::predictor::metrics::Metrics;
use crate::predictor::model::{KernelModel, Model};
use crate::predictor::net_level::NetLevel;
use crate::predictor::roofline::Roofline;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// What this module reads.
pub const FORMAT: Format = Format {
    name: "predictor file",
    field: "schema_version",
    oldest: 1,
    newest: SCHEMA,
    most_bytes: 32 << 20,
};

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
    /// How long a probe of the core's pace took at the speed that the data stand for; absent where the
    /// pace was not probed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usual_probe_ns: Option<u64>,
    /// The CPU of the computer that was measured; absent for other devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
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

impl PredictorFile {
    /// Checks the bytes of a file; `path` is for the messages.
    ///
    /// # Errors
    /// A damaged, too new or nonsensical file.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<PredictorFile, FileError> {
        PredictorFile::of(verified(bytes, path)?, path)
    }

    /// From a value without checksum, as [`verified`] gives it.
    pub(super) fn of(value: Value, path: &Path) -> Result<PredictorFile, FileError> {
        let file: PredictorFile = serde_json::from_value(value).map_err(|e| FileError::damaged(path, e))?;
        file.check().map_err(|reason| FileError::damaged(path, reason))?;
        Ok(file)
    }

    /// With the oldest layout that holds what is in it.
    pub fn in_its_schema(mut self) -> PredictorFile {
        let models = self.model.kinds.values().map(KernelModel::layout).max().unwrap_or(SIMPLE_SCHEMA);
        let newer = self.net_level.depthwise != 0.0
            || self.net_level.per_output_ns != 0.0
            || self.provenance.cpu.is_some();
        self.schema_version = if newer { SCHEMA } else { models };
        self
    }

    /// The same as it is read back: files hold six digits, and a split of a tree may lie within the last of them.
    ///
    /// # Errors
    /// Contents that no file may have.
    pub fn as_written(&self) -> Result<PredictorFile, FileError> {
        let path = Path::new("the fitted predictor");
        PredictorFile::of(rounded(self).map_err(|e| FileError::damaged(path, e))?, path)
    }

    /// The text of the file.
    ///
    /// # Errors
    /// A number that JSON cannot hold.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        canonical(self)
    }

    /// The checksum that stands in the file.
    ///
    /// # Errors
    /// A number that JSON cannot hold.
    pub fn sha256(&self) -> Result<String, serde_json::Error> {
        Ok(checksum(&rounded(self)?))
    }

    fn check(&self) -> Result<(), String> {
        check_header(self.schema_version, &self.id, &self.device, &self.identity)?;
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

/// What every predictor file says of itself.
pub(super) fn check_header(schema: u32, id: &str, device: &str, identity: &Identity) -> Result<(), String> {
    if schema == 0 {
        return Err("schema 0 was never written".into());
    }
    if identity.batch == 0 || id != identity.to_string() {
        return Err(format!("id {id:?} does not fit the identity {identity}"));
    }
    if device != identity.device {
        return Err(format!("device {device:?} does not fit the identity {identity}"));
    }
    Ok(())
}

/// The value in `bytes`, of a known schema and with the right checksum, which is taken out.
pub(super) fn verified(bytes: &[u8], path: &Path) -> Result<Value, FileError> {
    let mut value = FORMAT.value(path, bytes)?;
    let checksum_error = || FileError::Checksum { path: path.to_owned() };
    if pretty(&value).as_bytes() != bytes {
        return Err(checksum_error());
    }
    let sum = value.as_object_mut().and_then(|object| object.remove("sha256"));
    if sum.as_ref().and_then(Value::as_str) != Some(checksum(&value).as_str()) {
        return Err(checksum_error());
    }
    Ok(value)
}

/// The text of a file that holds `content`, with its checksum.
pub(super) fn canonical(content: &impl Serialize) -> Result<String, serde_json::Error> {
    Ok(signed(rounded(content)?))
}

/// The text of a file that holds `value`, with its checksum in place of any that it had.
pub fn signed(mut value: Value) -> String {
    if let Some(object) = value.as_object_mut() {
        object.remove("sha256");
    }
    let sum = checksum(&value);
    if let Some(object) = value.as_object_mut() {
        object.insert("sha256".into(), Value::String(sum));
    }
    pretty(&value)
}

/// `content` as files hold it, without a checksum.
fn rounded(content: &impl Serialize) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::to_value(content)?;
    round(&mut value);
    Ok(value)
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
    sha256(pretty(value))
}

/// Objects one field to a line, lists of plain values on one line.
fn pretty(value: &Value) -> String {
    let mut text = String::new();
    write(value, 0, &mut text);
    text + "\n"
}

fn write(value: &Value, depth: usize, out: &mut String) {
    let newline = |depth: usize, out: &mut String| {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', depth));
    };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| key.as_str());
            out.push('{');
            for (i, (key, field)) in fields.into_iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                newline(depth + 1, out);
                out.push_str(&Value::String(key.clone()).to_string());
                out.push_str(": ");
                write(field, depth + 1, out);
            }
            newline(depth, out);
            out.push('}');
        }
        Value::Array(items) if items.iter().any(|item| item.is_array() || item.is_object()) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                newline(depth + 1, out);
                write(item, depth + 1, out);
            }
            newline(depth, out);
            out.push(']');
        }
        // Plain values and lists of them: serde_json's compact form has no choices left.
        plain => out.push_str(&plain.to_string()),
    }
}
