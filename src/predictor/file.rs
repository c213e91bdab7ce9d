//! Predictor files: JSON, data only.
//!
//! The text is canonical: keys sorted, numbers with at most six significant digits, one layout. The
//! field `sha256` is the SHA-256 of the same text without the line of that field:
//! `grep -v '^ "sha256"' FILE | sha256sum`. So any changed byte is noticed, and fitting the same data
//! twice gives the same bytes.
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
use crate::digest::sha256;
use crate::plainnet::KernelKind;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Newest layout that this program reads.
pub const SCHEMA: u32 = 4;
/// The layout before, which is still written where nothing in a file is newer: older versions of this program read it.
/// Layout 4 has models of the family kriging, corrections of networks by what they write and by their depthwise
/// convolutions, the name of a CPU, and prices of a space's details.
pub const SIMPLE_SCHEMA: u32 = 3;
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
        PredictorFile::parse(&bytes(path)?, path)
    }

    /// Checks the bytes of a file; `path` is for the messages.
    ///
    /// # Errors
    /// See [`PredictorFile::read`].
    pub fn parse(bytes: &[u8], path: &Path) -> Result<PredictorFile, FileError> {
        PredictorFile::of(verified(bytes, path)?, path)
    }

    /// From a value without checksum, as [`verified`] gives it.
    pub(super) fn of(value: Value, path: &Path) -> Result<PredictorFile, FileError> {
        let content = |reason: String| FileError::Content { path: path.to_owned(), reason };
        let file: PredictorFile = serde_json::from_value(value).map_err(|e| content(e.to_string()))?;
        file.check().map_err(content)?;
        Ok(file)
    }

    /// With the oldest layout that holds what is in it.
    pub fn in_its_schema(mut self) -> PredictorFile {
        let newer = self.model.kinds.values().any(|model| matches!(model, Model::Kriging(_)))
            || self.net_level.depthwise != 0.0
            || self.net_level.per_output_ns != 0.0
            || self.provenance.cpu.is_some();
        self.schema_version = if newer { SCHEMA } else { SIMPLE_SCHEMA };
        self
    }

    /// The same as it is read back: files hold six digits, and a split of a tree may lie within the last of them.
    ///
    /// # Errors
    /// Contents that no file may have.
    pub fn as_written(&self) -> Result<PredictorFile, FileError> {
        let path = Path::new("the fitted predictor");
        let failed =
            |e: serde_json::Error| FileError::Content { path: path.to_owned(), reason: e.to_string() };
        PredictorFile::of(rounded(self).map_err(failed)?, path)
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

    /// Writes the file in one step.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        write_text(path, self.text())
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

/// Writes the text of a predictor file in one step.
pub(super) fn write_text(path: &Path, text: Result<String, serde_json::Error>) -> Result<(), FileError> {
    let text = text.map_err(|e| FileError::Format { path: path.to_owned(), reason: e.to_string() })?;
    Ok(write_atomically(path, text.as_bytes())?)
}

/// The bytes of a predictor file.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, FileError> {
    let io = |error| FileError::Io { path: path.to_owned(), error };
    if std::fs::metadata(path).map_err(io)?.len() > MAX_BYTES {
        return Err(FileError::Format { path: path.to_owned(), reason: "it is far too large".into() });
    }
    std::fs::read(path).map_err(io)
}

/// The value in `bytes`, of a known schema and with the right checksum, which is taken out.
pub(super) fn verified(bytes: &[u8], path: &Path) -> Result<Value, FileError> {
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
    Ok(value)
}

/// The text of a file that holds `content`, with its checksum.
pub(super) fn canonical(content: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut value = rounded(content)?;
    let sum = checksum(&value);
    if let Some(object) = value.as_object_mut() {
        object.insert("sha256".into(), Value::String(sum));
    }
    Ok(pretty(&value))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::Kernel;
    use crate::plainnet::graph::Act;
    use crate::predictor::LatencyPredictor;
    use crate::predictor::fit::{self, Request};
    use crate::predictor::fitted::FittedPredictor;
    use crate::predictor::training::Observation;
    use crate::units::Latency;
    use rand::{RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    fn kernel(in_c: u32, out_c: u32, side: u32, kernel: u32) -> Kernel {
        let kind = KernelKind::Conv;
        let (act, residual) = (Act::Relu, false);
        Kernel {
            kind,
            batch: 1,
            in_c,
            out_c,
            in_h: side,
            in_w: side,
            kernel,
            stride: 1,
            groups: 1,
            act,
            residual,
        }
    }

    /// A small predictor with trees.
    fn file() -> PredictorFile {
        fitted(16)
    }

    /// One of fewer kernels than trees are best for.
    fn kriged() -> PredictorFile {
        fitted(2)
    }

    fn fitted(widths: u32) -> PredictorFile {
        let mut observations = Vec::new();
        for i in 1..=widths {
            for j in 1..=8 {
                for side in [7, 14, 28, 56] {
                    for k in [1, 3] {
                        let kernel = kernel(8 * i, 8 * j, side, k);
                        // A cliff: narrow outputs take half as long again.
                        let cliff = if j < 4 { 1.5 } else { 1.0 };
                        let ns = cliff * (2e3 + 0.05 * kernel.macs());
                        observations.push(Observation::kernel(kernel, Latency::from_ns(ns)));
                    }
                }
            }
        }
        let identity = Identity {
            device: "test".into(),
            runtime: "none".into(),
            runtime_version: None,
            precision: "fp32".into(),
            batch: 1,
            threads: 1,
            cores: None,
            thermal_state: None,
        };
        let request = Request {
            identity,
            roofline: None,
            created: "2020-01-01T00:00:00Z".into(),
            licence: "MIT".into(),
            sources: vec!["a \"test\"".into()],
            notes: vec![],
            usual_probe_ns: Some(22_029),
            cpu: None,
            dataset_sha256: String::new(),
        };
        fit::fit(&observations, request).unwrap().file().clone()
    }

    fn parse(text: &str) -> Result<PredictorFile, FileError> {
        PredictorFile::parse(text.as_bytes(), Path::new("p.json"))
    }

    /// `value` with the checksum that belongs to it.
    fn signed(mut value: Value) -> String {
        value.as_object_mut().unwrap().remove("sha256");
        let sum = checksum(&value);
        value.as_object_mut().unwrap().insert("sha256".into(), sum.into());
        pretty(&value)
    }

    #[test]
    fn files_round_trip_and_trees_see_the_cliff() {
        let file = file();
        assert!(matches!(file.model.kinds[&KernelKind::Conv], Model::Boosted(_)), "{:?}", file.metrics);
        assert!(
            file.metrics.families["boosted"]["kernels"] < 0.5 * file.metrics.families["physical"]["kernels"]
        );
        let text = file.text().unwrap();
        let read = parse(&text).unwrap();
        assert_eq!(read.text().unwrap(), text);
        let (before, after) = (FittedPredictor::new(file), FittedPredictor::new(read));
        for c in [8, 24, 64, 500] {
            let kernel = kernel(c, c, 14, 3);
            let ratio = before.kernel(&kernel).latency.ns() / after.kernel(&kernel).latency.ns();
            assert!((ratio - 1.0).abs() < 1e-3, "{ratio}");
        }
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let text = file().text().unwrap();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        for _ in 0..2000 {
            let mut bytes = text.clone().into_bytes();
            let at = rng.random_range(0..bytes.len());
            let new: u8 = rng.random_range(0..=255);
            if bytes[at] != new {
                bytes[at] = new;
                assert!(PredictorFile::parse(&bytes, Path::new("p")).is_err(), "byte {at} became {new}");
            }
        }
        for cut in [0, 1, text.len() / 2, text.len() - 1] {
            assert!(parse(&text[..cut]).is_err());
        }
    }

    #[test]
    fn damage_behind_a_good_checksum_never_panics_or_hangs() {
        let value: Value = serde_json::from_str(&file().text().unwrap()).unwrap();
        let kriged: Value = serde_json::from_str(&kriged().text().unwrap()).unwrap();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(2);
        let numbers = [-1e300, -1.0, 0.0, 0.5, 1.0, 200.0, 1e9, 1e300];
        let mut accepted = 0;
        for (value, turns) in [(value, 300), (kriged, 1000)] {
            for _ in 0..turns {
                let mut damaged = value.clone();
                damage(&mut damaged, &mut rng, &numbers);
                if let Ok(file) = parse(&signed(damaged)) {
                    let estimate = FittedPredictor::new(file).predict(&[kernel(16, 40, 28, 3)]);
                    let ns = estimate.latency.ns();
                    assert!(ns > 0.0 && ns.is_finite(), "{estimate:?}");
                    accepted += 1;
                }
            }
        }
        assert!(accepted > 100, "next to nothing was accepted: {accepted}");
    }

    /// Changes, removes or retypes something at random depth.
    fn damage(value: &mut Value, rng: &mut Xoshiro256PlusPlus, numbers: &[f64]) {
        let size = match value {
            Value::Object(fields) => fields.len(),
            Value::Array(items) => items.len(),
            _ => 0,
        };
        let at = rng.random_range(0..size.max(1));
        match value {
            Value::Object(fields) if size > 0 => {
                let key = fields.keys().nth(at).unwrap().clone();
                if rng.random_range(0..20) == 0 {
                    fields.remove(&key);
                } else {
                    damage(&mut fields[&key], rng, numbers);
                }
            }
            Value::Array(items) if size > 0 => match rng.random_range(0..20) {
                0 => drop(items.remove(at)),
                1 => items.push(items[at].clone()),
                _ => damage(&mut items[at], rng, numbers),
            },
            _ => {
                let number = numbers[rng.random_range(0..numbers.len())];
                *value = if rng.random_range(0..5) == 0 { Value::Null } else { number.into() };
            }
        }
    }

    #[test]
    fn newer_files_say_so() {
        let mut value: Value = serde_json::from_str(&file().text().unwrap()).unwrap();
        value["schema_version"] = (SCHEMA + 1).into();
        value["something_new"] = true.into();
        let error = parse(&signed(value.clone())).unwrap_err();
        assert!(
            matches!(error, FileError::TooNew { found, .. } if found == u64::from(SCHEMA + 1)),
            "{error}"
        );
        value["schema_version"] = SCHEMA.into();
        let error = parse(&signed(value)).unwrap_err();
        assert!(error.to_string().contains("something_new"), "{error}");
    }

    fn without(value: &mut Value, field: &str) {
        match value {
            Value::Object(fields) => {
                fields.remove(field);
                fields.values_mut().for_each(|value| without(value, field));
            }
            Value::Array(items) => items.iter_mut().for_each(|item| without(item, field)),
            _ => {}
        }
    }

    #[test]
    fn only_what_needs_the_newest_schema_has_it() {
        let kriged = kriged();
        assert!(matches!(kriged.model.kinds[&KernelKind::Conv], Model::Kriging(_)), "{:?}", kriged.metrics);
        assert_eq!((file().schema_version, kriged.schema_version), (SIMPLE_SCHEMA, SCHEMA));
        let with_cpu = |cpu: &str| Provenance { cpu: Some(cpu.into()), ..file().provenance };
        let named = PredictorFile { provenance: with_cpu("A CPU"), ..file() };
        assert_eq!(named.in_its_schema().schema_version, SCHEMA);
        assert_eq!(parse(&kriged.text().unwrap()).unwrap(), kriged);
    }

    #[test]
    fn files_of_the_schema_before_are_read() {
        let mut value: Value = serde_json::from_str(&file().text().unwrap()).unwrap();
        value["schema_version"] = (SIMPLE_SCHEMA - 1).into();
        without(&mut value, "new_both");
        let before = parse(&signed(value)).unwrap();
        assert_eq!(before.schema_version, SIMPLE_SCHEMA - 1);
        assert_eq!(before.model, file().model);
    }
}
