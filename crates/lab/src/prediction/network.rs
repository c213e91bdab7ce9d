//! The latency of one network, and where it goes.

use super::{PredictionError, TextError};
use crate::catalogue::networks::{self, AnyNetwork, Overrides};
use edgezen_core::plainnet::Kernel;
use edgezen_core::predictor::breakdown::{self, Breakdown};
use edgezen_core::predictor::extrapolation::{self, Extrapolated, Why};
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::predictor::network::{ForMany, NetworkPredictor};
use edgezen_core::predictor::{Estimate, LatencyPredictor};
use edgezen_core::units::{Latency, Macs};
use edgezen_engine::onnx::{Imported, Unknown};
use serde::Serialize;
use std::fmt;

/// A network's predicted latency, per image.
#[derive(Clone, Debug)]
pub struct Prediction {
    pub net: String,
    /// `device@runtime@precision` of the predictor.
    pub device: String,
    pub estimate: Estimate,
    /// Operators of a file that have no counterpart here. Their time is not part of the estimate.
    pub left_out: Vec<Unknown>,
    /// Share of the multiply-accumulates that are in the estimate, 0 to 1; absent for predictors of whole networks.
    pub coverage_macs: Option<f64>,
    /// Kernels outside the predictor's domain; none for predictors of whole networks.
    pub extrapolated: Vec<Extrapolated>,
    /// Identities of the datasets of other runtimes or devices by which some of these kernels are priced.
    pub lenders: Vec<String>,
    /// Absent for predictors of whole networks.
    pub breakdown: Option<Breakdown>,
}

/// What the predictor has no model for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Missing {
    /// An operator of a file, or a kind of kernel.
    pub name: String,
    pub count: usize,
    /// Multiply-accumulates for one image; absent if they are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub macs: Option<f64>,
    /// Not in the latency at all: an operator of a file. Kinds of kernel without a model have a bound from below.
    pub left_out: bool,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.count > 1 {
            write!(f, " ×{}", self.count)?;
        }
        match self.macs {
            Some(macs) if macs > 0.0 => write!(f, " ({} MACs)", Macs(macs)),
            Some(_) => Ok(()),
            None => f.write_str(" (MACs not known)"),
        }
    }
}

impl From<&Unknown> for Missing {
    fn from(unknown: &Unknown) -> Missing {
        let Unknown { operator, count, macs } = unknown.clone();
        Missing { name: operator, count, macs, left_out: true }
    }
}

impl Prediction {
    /// What the predictor has no model for: operators that were left out, then kinds of kernel, which have a bound.
    pub fn unknown(&self) -> Vec<Missing> {
        let mut all: Vec<Missing> = self.left_out.iter().map(Missing::from).collect();
        let Some(breakdown) = &self.breakdown else { return all };
        for &kind in &breakdown.without_model {
            let of_kind = breakdown.kernels.iter().filter(|share| share.kernel.kind == kind);
            let macs = of_kind.clone().map(|share| share.kernel.macs()).sum();
            let (name, count) = (kind.name().to_owned(), of_kind.count());
            all.push(Missing { name, count, macs: Some(macs), left_out: false });
        }
        all
    }
}

/// Largest share of a file's multiply-accumulates that may be missing from a latency.
const MISSING: f64 = 0.05;

/// Refuses a file that is no convolutional network, or of which too much would be missing.
fn refuse(net: &str, imported: &Imported) -> Result<(), PredictionError> {
    if let Some(reason) = imported.no_cnn.clone() {
        return Err(PredictionError::NoCnn { net: net.to_owned(), reason });
    }
    let missing: Option<f64> = imported.unknown.iter().map(|unknown| unknown.macs).sum();
    if missing.is_some_and(|missing| missing <= MISSING * imported.macs) {
        return Ok(());
    }
    let share = match missing {
        Some(missing) => format!("{:.0} %", 100.0 * missing / imported.macs),
        None => "an unknown share".to_owned(),
    };
    let multiplies = imported.unknown.iter().filter(|unknown| unknown.macs != Some(0.0));
    let what: Vec<String> = multiplies.map(|unknown| Missing::from(unknown).to_string()).collect();
    Err(PredictionError::Incomplete { net: net.to_owned(), share, what: what.join(", ") })
}

/// The latency of `network` by its kernels. With a `limit`, the breakdown says which block exceeds it. `partial`: also
/// of files that are no convolutional networks, or that can be priced only in part.
///
/// # Errors
/// A structure that does not fit its resolution, and files that only `partial` takes.
pub fn by_kernels(
    predictor: &FittedPredictor,
    network: &AnyNetwork,
    limit: Option<Latency>,
    partial: bool,
) -> Result<Prediction, PredictionError> {
    let imported = network.imported();
    if let Some(imported) = imported.filter(|_| !partial) {
        refuse(&network.name(), imported)?;
    }
    let sections = network.sections(predictor.lowering())?;
    let mut breakdown = breakdown::of_sections(predictor, &sections);
    let estimate = predictor.network(&breakdown.terms);
    if let Some(limit) = limit {
        breakdown.mark(estimate.latency, limit);
    }
    let kernels: Vec<Kernel> = breakdown.kernels.iter().map(|share| share.kernel).collect();
    let priced: f64 = breakdown.kernels.iter().map(|share| share.kernel.macs()).sum();
    let all = imported.map_or(priced, |imported| imported.macs);
    let extrapolated = extrapolation::of(predictor, &kernels);
    let lent = extrapolated.iter().any(|row| row.why == Why::Lent);
    let prior = predictor.file().prior.as_ref().filter(|_| lent);
    Ok(Prediction {
        net: network.name(),
        device: predictor.identity().to_string(),
        estimate,
        left_out: imported.map(|imported| imported.unknown.clone()).unwrap_or_default(),
        // Where nothing is multiplied, nothing is covered.
        coverage_macs: Some(if all > 0.0 { (priced / all).min(1.0) } else { 0.0 }),
        extrapolated,
        lenders: prior.map(|prior| prior.from.clone()).unwrap_or_default(),
        breakdown: Some(breakdown),
    })
}

/// The latency of the network that `net` stands for, by a predictor of whole networks.
///
/// # Errors
/// A text that stands for nothing, and a network that is not of the predictor's space.
pub fn whole(predictor: &NetworkPredictor, net: &str, overrides: Overrides) -> Result<Prediction, TextError> {
    Ok(Prediction {
        net: net.to_owned(),
        device: predictor.id.clone(),
        estimate: as_a_whole(&mut ForMany::new(predictor), net, overrides)?,
        left_out: Vec::new(),
        coverage_macs: None,
        extrapolated: Vec::new(),
        lenders: Vec::new(),
        breakdown: None,
    })
}

/// As [`whole`], the latency alone.
///
/// # Errors
/// As [`whole`].
pub(super) fn as_a_whole(
    predictor: &mut ForMany<'_>,
    net: &str,
    overrides: Overrides,
) -> Result<Estimate, TextError> {
    let encoded = networks::encoded(net, overrides)?;
    if encoded.is_none() {
        // A text that stands for nothing is an error of its own.
        networks::any(net, overrides)?;
    }
    let estimate = encoded.and_then(|code| predictor.predict(&code));
    let foreign = || PredictionError::foreign(predictor.predictor, format!("{net:?} is none"));
    Ok(estimate.ok_or_else(foreign)?)
}
