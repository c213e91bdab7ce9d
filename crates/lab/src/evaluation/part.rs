//! Metrics of a part of the measurements.

use edgezen_core::predictor::metrics::{Metrics, Pair};
use serde::Serialize;

/// Metrics of one part of a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartMetrics {
    pub part: String,
    pub metrics: Metrics,
}

impl PartMetrics {
    /// `None` without pairs.
    pub(super) fn of(part: String, pairs: &[Pair]) -> Option<PartMetrics> {
        Metrics::of(pairs).map(|metrics| PartMetrics { part, metrics })
    }
}

/// Metrics of predictions without intervals, beside what was measured.
pub(super) fn plain(predictions: impl Iterator<Item = (f64, f64)>) -> Option<Metrics> {
    let pair = |(predicted, measured)| Pair { predicted, interval: None, measured };
    Metrics::of(&predictions.map(pair).collect::<Vec<_>>())
}
