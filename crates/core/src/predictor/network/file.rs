//! Files of predictors that know networks only as a whole: the layout of [`PredictorFile`], with sums over
//! networks where that has models of kernels.
//!
//! [`PredictorFile`]: crate::predictor::file::PredictorFile

use crate::files::FileError;
use crate::measurement::Identity;
use crate::plainnet::KernelKind;
use crate::predictor::Estimate;
use crate::predictor::calibration::{NetworkCalibration, check_level};
use crate::predictor::domain::check_range;
use crate::predictor::file::{Header, check_header, text};
use crate::predictor::layout::{DETAILED_SCHEMA, SIMPLE_SCHEMA};
use crate::predictor::metrics::Metrics;
use crate::predictor::network::sums;
use crate::predictor::network::sums::{Amount, Sum, Summing};
use crate::predictor::ranges::{ERRORS, SIGNED_NS, SOME_NS, within};
use crate::units::Latency;
use crate::zoo::{Encoded, Space};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The content of the file, and the predictor itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkPredictor {
    pub schema_version: u32,
    /// `pixel2@help-fbnet@fp32`.
    pub id: String,
    /// Date of the data, RFC 3339.
    pub created: String,
    pub tool_version: String,
    pub licence: String,
    pub provenance: Provenance,
    pub device: String,
    pub identity: Identity,
    pub dataset_sha256: String,
    /// Units of what is summed.
    pub features: BTreeMap<String, String>,
    pub model: NetworkModel,
    /// Where each sum of the model lay in the data, in the order of its terms.
    pub domain: Vec<Range>,
    pub calibration: Calibration,
    pub net_level: NetLevel,
    pub metrics: FitMetrics,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    pub sources: Vec<String>,
    pub networks: u32,
    pub notes: Vec<String>,
    /// Predictors of other devices that this one was adapted from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adapted_from: Vec<String>,
}

/// Latency = Σ price · sum + the constant of [`NetLevel`], for the whole batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkModel {
    /// What the predictor takes.
    pub space: Space,
    pub terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// See [`Sum`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<KernelKind>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u8>,
    pub of: Amount,
    /// Nanoseconds for one unit.
    pub ns: f64,
}

impl Term {
    pub fn new(sum: Sum, ns: f64) -> Term {
        Term { group: sum.group, kind: sum.kind, place: sum.place, of: sum.of, ns }
    }

    /// Whether layout 3 does not have it.
    pub fn is_detail(&self) -> bool {
        self.place.is_some() || self.of == Amount::Present
    }

    pub fn sum(&self) -> Sum {
        Sum { group: self.group.clone(), kind: self.kind, place: self.place, of: self.of }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    pub low: f64,
    pub high: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// What an interval is meant to hold.
    pub level: f64,
    pub network: NetworkCalibration,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetLevel {
    pub constant_ns: f64,
    /// No prediction falls below.
    pub floor_ns: f64,
}

/// Errors of rows that were left out of the fit, beside a line in the MACs on the same rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FitMetrics {
    pub networks: Option<Metrics>,
    /// Mean relative error in percent of what else was tried.
    pub families: BTreeMap<String, f64>,
    pub baseline_flops: Option<Metrics>,
    /// Of a transfer: the predictor that it started from, with the one scale that fits best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Metrics>,
}

impl FitMetrics {
    fn check(&self) -> Result<(), String> {
        let FitMetrics { networks, families, baseline_flops, before } = self;
        [networks, baseline_flops, before].into_iter().flatten().try_for_each(Metrics::check)?;
        families.iter().try_for_each(|(family, &error)| within(family, error, &ERRORS))
    }
}

/// How far beyond the extremes a value still counts as inside.
const MARGIN: f64 = 1.05;

/// The numbers of a predictor, and how good they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    pub model: NetworkModel,
    pub domain: Vec<Range>,
    pub calibration: Calibration,
    pub net_level: NetLevel,
    pub metrics: FitMetrics,
}

impl NetworkPredictor {
    /// Puts a predictor together, in the oldest layout that holds it.
    pub fn new(header: Header, provenance: Provenance, content: Content) -> NetworkPredictor {
        let Header { created, tool_version, licence, identity, dataset_sha256 } = header;
        let Content { model, domain, calibration, net_level, metrics } = content;
        let units = model.terms.iter().map(|term| (term.of.name().to_owned(), term.of.unit().to_owned()));
        NetworkPredictor {
            schema_version: if model.terms.iter().any(Term::is_detail) {
                DETAILED_SCHEMA
            } else {
                SIMPLE_SCHEMA
            },
            id: identity.to_string(),
            created,
            tool_version,
            licence,
            provenance,
            device: identity.device.to_string(),
            identity,
            dataset_sha256,
            features: units.collect(),
            model,
            domain,
            calibration,
            net_level,
            metrics,
        }
    }

    /// Whether a predictor file is one of networks.
    pub(crate) fn is_one(value: &Value) -> bool {
        value["model"]["space"].is_string()
    }

    /// From a value without checksum.
    ///
    /// # Errors
    /// Missing or unknown fields, numbers that make no sense.
    pub(crate) fn of(value: Value, path: &Path) -> Result<NetworkPredictor, FileError> {
        let file: NetworkPredictor =
            serde_json::from_value(value).map_err(|e| FileError::damaged(path, e))?;
        file.check().map_err(|reason| FileError::damaged(path, reason))?;
        Ok(file)
    }

    /// The text of the file.
    ///
    /// # Errors
    /// A number that JSON cannot hold.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        text::canonical(self)
    }

    fn check(&self) -> Result<(), String> {
        check_header(self.schema_version, &self.id, &self.device, &self.identity)?;
        if self.domain.len() != self.model.terms.len() {
            return Err("the domain does not fit the terms of the model".into());
        }
        for range in &self.domain {
            check_range(range.low, range.high)
                .map_err(|reason| format!("a range of the domain is no range: {reason}"))?;
        }
        let NetLevel { constant_ns, floor_ns } = self.net_level;
        within("constant_ns", constant_ns, &SIGNED_NS)?;
        within("floor_ns", floor_ns, &SOME_NS)?;
        let mut terms = self.model.terms.iter();
        terms
            .try_for_each(|term| within(&format!("the price of {}", term.of.name()), term.ns, &SIGNED_NS))?;
        check_level(self.calibration.level)?;
        self.metrics.check().map_err(|reason| format!("metrics: {reason}"))?;
        let groups = self.model.space.groups();
        for term in &self.model.terms {
            let known = |pattern: &&str| groups.iter().any(|group| sums::belongs(group, pattern));
            if let Some(group) = term.group.as_deref().filter(|group| !known(group)) {
                return Err(format!("{} has no group {group:?}", self.model.space));
            }
            if let Some(place) = term.place.filter(|place| *place >= self.model.space.places()) {
                return Err(format!("{} has no place {place}", self.model.space));
            }
        }
        self.calibration.network.check()
    }

    pub fn space(&self) -> Space {
        self.model.space
    }

    /// Latency per image of a network that runs with the identity's batch; `None` for one of another space.
    pub fn predict(&self, network: &Encoded) -> Option<Estimate> {
        ForMany::new(self).predict(network)
    }

    /// As [`NetworkPredictor::predict`], from the sums of the model's terms.
    pub fn of_values(&self, values: &[f64]) -> Estimate {
        let priced = self.model.terms.iter().zip(values).map(|(term, value)| term.ns * value);
        let (mut total, mut weight, mut inside) = (self.net_level.constant_ns, 0.0, 0.0);
        for ((share, value), range) in priced.zip(values).zip(&self.domain) {
            total += share;
            weight += share.abs();
            let fits = value * MARGIN >= range.low && *value <= range.high * MARGIN;
            inside += if fits { share.abs() } else { 0.0 };
        }
        let latency = Latency::from_ns(total.max(self.net_level.floor_ns) / f64::from(self.identity.batch));
        let coverage = if weight > 0.0 { (inside / weight).clamp(0.0, 1.0) } else { 1.0 };
        let (lower, upper) = self.calibration.network.factors(coverage);
        // The share outside is charged at the upper end.
        let charged = if coverage < 1.0 { latency * (coverage + (1.0 - coverage) * upper) } else { latency };
        Estimate { latency, lower: latency * lower, upper: latency * upper, charged, coverage }
    }
}

/// A predictor that is asked for many networks, whose blocks it remembers.
pub struct ForMany<'a> {
    pub predictor: &'a NetworkPredictor,
    summing: Summing,
}

impl ForMany<'_> {
    pub fn new(predictor: &NetworkPredictor) -> ForMany<'_> {
        let summed: Vec<Sum> = predictor.model.terms.iter().map(Term::sum).collect();
        let machine = sums::machine(&predictor.identity.precision);
        ForMany { predictor, summing: Summing::new(summed, predictor.identity.batch, machine) }
    }

    /// As [`NetworkPredictor::predict`].
    pub fn predict(&mut self, network: &Encoded) -> Option<Estimate> {
        let known = network.space() == self.predictor.model.space;
        known.then(|| self.predictor.of_values(&self.summing.values(network)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_that_a_space_does_not_have_are_refused() {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../predictors/titanxp@help-fbnet-b64@fp32.json");
        let mut value: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        value.as_object_mut().unwrap().remove("sha256");
        let last = value["model"]["terms"].as_array().unwrap().len() - 1;
        assert!(NetworkPredictor::of(value.clone(), &path).is_ok());
        value["model"]["terms"][last]["place"] = 12.into();
        let refused = NetworkPredictor::of(value, &path).unwrap_err().to_string();
        assert!(refused.contains("fbnet has no place 12"), "{refused}");
    }
}
