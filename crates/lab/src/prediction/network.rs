//! The latency of one network, and where it goes.

use super::PredictionError;
use crate::catalogue::networks::AnyNetwork;
use edgezen_core::predictor::breakdown::{self, Breakdown};
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::predictor::network::NetworkPredictor;
use edgezen_core::predictor::{Estimate, LatencyPredictor};
use edgezen_core::units::Latency;
use edgezen_core::zoo::Encoded;

/// A network's predicted latency, per image.
#[derive(Clone, Debug)]
pub struct Prediction {
    pub net: String,
    /// `device@runtime@precision` of the predictor.
    pub device: String,
    pub estimate: Estimate,
    /// Operators of a file that have no counterpart here. Their time is not part of the estimate.
    pub left_out: Vec<String>,
    /// Absent for predictors of whole networks.
    pub breakdown: Option<Breakdown>,
}

impl Prediction {
    /// What the predictor has no model for: operators that were left out, then kinds of kernel, which have a bound.
    pub fn unknown(&self) -> Vec<String> {
        let operators = self.left_out.iter().map(|operator| format!("operator {operator}"));
        let kinds = self.breakdown.iter().flat_map(|breakdown| &breakdown.without_model);
        operators.chain(kinds.map(|kind| kind.name().to_owned())).collect()
    }
}

/// The latency of `network` by its kernels. With a `limit`, the breakdown says which block exceeds it.
///
/// # Errors
/// A structure that does not fit its resolution.
pub fn by_kernels(
    predictor: &FittedPredictor,
    network: &AnyNetwork,
    limit: Option<Latency>,
) -> Result<Prediction, PredictionError> {
    let sections = network.sections(predictor.lowering())?;
    let mut breakdown = breakdown::of_sections(predictor, &sections);
    let estimate = predictor.network(&breakdown.terms);
    if let Some(limit) = limit {
        breakdown.mark(estimate.latency, limit);
    }
    Ok(Prediction {
        net: network.name(),
        device: predictor.identity().to_string(),
        estimate,
        left_out: network.unknown_operators(),
        breakdown: Some(breakdown),
    })
}

/// The latency of a network by a predictor of whole networks. `net` is the text that named it; `encoded` is absent
/// where the text is no code of a search space.
///
/// # Errors
/// A network that is not of the predictor's space.
pub fn as_a_whole(
    predictor: &NetworkPredictor,
    net: &str,
    encoded: Option<&Encoded>,
) -> Result<Prediction, PredictionError> {
    let estimate = encoded.and_then(|code| predictor.predict(code));
    let estimate = estimate.ok_or_else(|| PredictionError::foreign(predictor, format!("{net:?} is none")))?;
    Ok(Prediction {
        net: net.to_owned(),
        device: predictor.id.clone(),
        estimate,
        left_out: Vec::new(),
        breakdown: None,
    })
}
