//! Statistics of timed runs.

use crate::stats;
use crate::units::Latency;
use serde::{Deserialize, Serialize};

/// Statistics of the timed runs, each for the whole batch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub median: Latency,
    pub mean: Latency,
    pub min: Latency,
    pub p10: Latency,
    pub p90: Latency,
    /// 95 % interval of the median: from order statistics of the runs, or, where launches were compared, the interval for
    /// the median of a later launch.
    pub ci95: (Latency, Latency),
    /// Timed samples.
    pub runs: u32,
    /// Runs per sample: more than one where a single run is too short for the clock.
    pub k: u32,
}

impl Summary {
    /// Statistics of `samples`, each the time of one run; `None` if there are none.
    pub fn of(samples: &[f64], k: u32) -> Option<Summary> {
        let sorted = stats::sorted(samples);
        let quantile = |q| stats::quantile(&sorted, q).map(Latency::from_ns);
        let (low, high) = stats::median_ci95(&sorted)?;
        Some(Summary {
            median: quantile(0.5)?,
            mean: Latency::from_ns(stats::mean(samples)?),
            min: quantile(0.0)?,
            p10: quantile(0.1)?,
            p90: quantile(0.9)?,
            ci95: (Latency::from_ns(low), Latency::from_ns(high)),
            runs: u32::try_from(samples.len()).unwrap_or(u32::MAX),
            k,
        })
    }

    /// Half the width of the interval of the median, relative to the median.
    pub fn relative_half_width(&self) -> f64 {
        (self.ci95.1 - self.ci95.0).ns() / 2.0 / self.median.ns()
    }
}
