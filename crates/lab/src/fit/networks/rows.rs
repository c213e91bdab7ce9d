//! Whole networks with their latencies, as predictors of whole networks are fitted to them and judged by them.

use edgezen_core::measurement::{Sample, Subject};
use edgezen_core::predictor::metrics::Pair;
use edgezen_core::predictor::network::NetworkPredictor;
use edgezen_core::stats;
use edgezen_core::units::Latency;
use edgezen_core::zoo::{Encoded, Space};

/// A network with its latency for the whole batch.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredNetwork {
    pub network: Encoded,
    pub latency: Latency,
}

impl MeasuredNetwork {
    /// The network of a sample; `None` for a kernel, a block or a PlainNet.
    pub fn of(sample: &Sample) -> Option<MeasuredNetwork> {
        match &sample.subject {
            Subject::Encoded { code, .. } => {
                Some(MeasuredNetwork { network: code.0.clone(), latency: sample.median })
            }
            Subject::Kernel(_) | Subject::Block { .. } | Subject::Network { .. } => None,
        }
    }

    /// The networks among `samples`.
    pub fn all_of(samples: &[Sample]) -> Vec<MeasuredNetwork> {
        samples.iter().filter_map(MeasuredNetwork::of).collect()
    }
}

/// The space of `rows`, if they have one in common that predictors of whole networks know.
pub fn space(rows: &[MeasuredNetwork]) -> Option<Space> {
    let space = rows.first()?.network.space();
    let same = rows.iter().all(|row| row.network.space() == space);
    (same && space != Space::Named).then_some(space)
}

/// What `predictor` says of `rows`, and what was measured, in nanoseconds for the predictor's batch; rows of another
/// space are passed over.
pub fn pairs<'a>(
    predictor: &NetworkPredictor,
    rows: impl IntoIterator<Item = &'a MeasuredNetwork>,
) -> Vec<Pair> {
    let batch = f64::from(predictor.identity.batch);
    let pair = |row: &MeasuredNetwork| {
        let estimate = predictor.predict(&row.network)?;
        let interval = Some((estimate.lower.ns() * batch, estimate.upper.ns() * batch));
        Some(Pair { predicted: estimate.latency.ns() * batch, interval, measured: row.latency.ns() })
    };
    rows.into_iter().filter_map(pair).collect()
}

/// Mean relative error in percent; 0 without rows.
pub(super) fn percent(predicted: &[f64], measured: &[f64]) -> f64 {
    100.0 * stats::mean(&stats::relative_errors(predicted, measured)).unwrap_or(0.0)
}
