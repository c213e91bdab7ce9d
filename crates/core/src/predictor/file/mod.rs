//! Files of predictors of kernels: JSON, data only. `text` says how they are written, [`Header`] what they share with
//! files of predictors of whole networks.

mod header;
pub(super) mod text;

pub use header::Header;
pub use text::signed;

pub(super) use header::check as check_header;

use self::text::{canonical, checksum, rounded, unsigned, verified};
use crate::files::FileError;
use crate::measurement::Identity;
use crate::plainnet::KernelKind;
use crate::predictor::calibration::{KernelCalibration, Margin, NetworkCalibration, check_level};
use crate::predictor::domain::Domain;
use crate::predictor::layout::{DETAILED_SCHEMA, FAMILIES_SCHEMA, FORMAT, SCHEMA, SIMPLE_SCHEMA};
use crate::predictor::metrics::Metrics;
use crate::predictor::model::{AnyModel, KernelModel};
use crate::predictor::net_level::NetLevel;
use crate::predictor::prior::Prior;
use crate::predictor::ranges::{ERRORS, PROBES, within};
use crate::predictor::roofline::Roofline;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

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
    /// What the fit took from other runtimes or devices; absent where it leant on its own data alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior: Option<Prior>,
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
    /// The median of the sentinel, a kernel that is measured again and again, at that speed; absent where it was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usual_sentinel_ns: Option<u64>,
    /// The CPU of the computer that was measured; absent for other devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Models {
    pub kinds: BTreeMap<KernelKind, AnyModel>,
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

impl FitMetrics {
    fn check(&self) -> Result<(), String> {
        let FitMetrics {
            kernels,
            blocks,
            networks,
            by_kind,
            families,
            baseline_flops,
            baseline_roofline,
            ..
        } = self;
        let whole = [kernels, blocks, networks, baseline_flops, baseline_roofline].into_iter().flatten();
        whole.chain(by_kind.values()).try_for_each(Metrics::check)?;
        let mut errors =
            families.iter().flat_map(|(family, errors)| errors.values().map(move |error| (family, error)));
        errors.try_for_each(|(family, &error)| within(family, error, &ERRORS))
    }
}

/// The numbers of a predictor, and how good they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// Units of the features that the models read.
    pub features: BTreeMap<String, String>,
    pub model: Models,
    pub domain: BTreeMap<KernelKind, Domain>,
    pub calibration: Calibration,
    pub net_level: NetLevel,
    pub metrics: FitMetrics,
    pub prior: Option<Prior>,
}

impl PredictorFile {
    /// Puts a file together, in the oldest layout that holds it.
    pub fn new(header: Header, provenance: Provenance, content: Content) -> PredictorFile {
        let Header { created, tool_version, licence, identity, dataset_sha256 } = header;
        let Content { features, model, domain, calibration, net_level, metrics, prior } = content;
        let file = PredictorFile {
            schema_version: SCHEMA,
            id: identity.to_string(),
            created,
            tool_version,
            licence,
            provenance,
            device: identity.device.to_string(),
            identity,
            dataset_sha256,
            features,
            model,
            domain,
            calibration,
            net_level,
            metrics,
            prior,
        };
        file.in_its_schema()
    }

    /// Checks the bytes of a file; `path` is for the messages.
    ///
    /// # Errors
    /// A damaged, too new or nonsensical file.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<PredictorFile, FileError> {
        match PredictorFile::signed(bytes) {
            Some(file) => Ok(file),
            None => PredictorFile::of(verified(bytes, path)?, path),
        }
    }

    /// The content of a sound file of this kind; nothing where anything is wrong, and [`verified`] finds out what. Read without
    /// making a value of it first, which takes the most time of a start.
    pub(super) fn signed(bytes: &[u8]) -> Option<PredictorFile> {
        let file: PredictorFile = serde_json::from_slice(&unsigned(bytes)?).ok()?;
        (FORMAT.reads(u64::from(file.schema_version)) && file.check().is_ok()).then_some(file)
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
        let detailed = self.net_level.depthwise != 0.0
            || self.net_level.per_output_ns != 0.0
            || self.provenance.cpu.is_some();
        self.schema_version = match self.calibration.network.families {
            _ if self.prior.is_some() => SCHEMA,
            Some(_) => FAMILIES_SCHEMA,
            None if detailed => models.max(DETAILED_SCHEMA),
            None => models,
        };
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
            let lent = self.prior.as_ref().is_some_and(|prior| prior.domain.contains_key(kind));
            if !self.domain.contains_key(kind) && !lent {
                return Err(format!("the model of {kind} has no domain"));
            }
        }
        for (kind, domain) in &self.domain {
            domain.check().map_err(|reason| format!("domain of {kind}: {reason}"))?;
        }
        for (kind, calibration) in &self.calibration.kernels {
            calibration.check().map_err(|reason| format!("calibration of {kind}: {reason}"))?;
        }
        self.prior.iter().try_for_each(Prior::check).map_err(|reason| format!("prior: {reason}"))?;
        self.calibration.network.check()?;
        NetworkCalibration { margin: self.calibration.other_kernels, ..self.calibration.network }.check()?;
        self.net_level.check()?;
        check_level(self.calibration.level)?;
        let Provenance { usual_probe_ns, usual_sentinel_ns, .. } = self.provenance;
        for (what, ns) in [("usual_probe_ns", usual_probe_ns), ("usual_sentinel_ns", usual_sentinel_ns)] {
            ns.map_or(Ok(()), |ns| within(what, ns, &PROBES))?;
        }
        self.model.roofline.check().map_err(|reason| format!("roofline: {reason}"))?;
        self.metrics.check().map_err(|reason| format!("metrics: {reason}"))
    }
}
