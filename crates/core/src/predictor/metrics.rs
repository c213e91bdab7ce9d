//! How good predictions are: errors, ranks and the share of the truth that intervals hold.

use crate::predictor::ranges::{CORRELATIONS, ERRORS, PERCENT, within};
use crate::stats;
use serde::{Deserialize, Serialize};

/// Errors are |predicted − measured| / measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    pub rows: u32,
    /// Mean relative error.
    pub mape_percent: f64,
    /// Median relative error.
    pub median_percent: f64,
    /// Share of rows with an error of at most 5 %, and 10 %.
    pub within_5_percent: f64,
    pub within_10_percent: f64,
    /// Rank correlations; absent where nothing varies.
    pub spearman: Option<f64>,
    pub kendall: Option<f64>,
    /// Share of rows inside their 90 % interval.
    pub coverage_percent: Option<f64>,
}

/// A prediction, its interval if there is one, and the truth; all in one unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    pub predicted: f64,
    pub interval: Option<(f64, f64)>,
    pub measured: f64,
}

impl Metrics {
    /// Checks the numbers of a file.
    ///
    /// # Errors
    /// Numbers that no errors amount to.
    pub fn check(&self) -> Result<(), String> {
        within("mape_percent", self.mape_percent, &ERRORS)?;
        within("median_percent", self.median_percent, &ERRORS)?;
        within("within_5_percent", self.within_5_percent, &PERCENT)?;
        within("within_10_percent", self.within_10_percent, &PERCENT)?;
        within("spearman", self.spearman.unwrap_or_default(), &CORRELATIONS)?;
        within("kendall", self.kendall.unwrap_or_default(), &CORRELATIONS)?;
        within("coverage_percent", self.coverage_percent.unwrap_or_default(), &PERCENT)
    }

    /// `None` without pairs.
    pub fn of(pairs: &[Pair]) -> Option<Metrics> {
        let predicted: Vec<f64> = pairs.iter().map(|pair| pair.predicted).collect();
        let measured: Vec<f64> = pairs.iter().map(|pair| pair.measured).collect();
        let errors = stats::relative_errors(&predicted, &measured);
        let share = |count: usize, of: usize| 100.0 * count as f64 / of as f64;
        // The limit itself counts as within, rounding errors aside.
        let within = |limit: f64| share(errors.iter().filter(|&&e| e <= limit + 1e-12).count(), errors.len());
        let intervals: Vec<(f64, f64, f64)> =
            pairs.iter().filter_map(|p| p.interval.map(|(low, high)| (low, p.measured, high))).collect();
        let inside = intervals.iter().filter(|(low, m, high)| low <= m && m <= high).count();
        Some(Metrics {
            rows: u32::try_from(pairs.len()).unwrap_or(u32::MAX),
            mape_percent: 100.0 * stats::mean(&errors)?,
            median_percent: 100.0 * stats::median(&errors)?,
            within_5_percent: within(0.05),
            within_10_percent: within(0.10),
            spearman: stats::spearman(&predicted, &measured),
            kendall: stats::kendall(&predicted, &measured),
            coverage_percent: (!intervals.is_empty()).then(|| share(inside, intervals.len())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(predicted: f64, measured: f64) -> Pair {
        Pair { predicted, interval: Some((predicted * 0.9, predicted * 1.1)), measured }
    }

    #[test]
    fn metrics_by_hand() {
        // Relative errors 0.05, 0.10, 0.30, 0.
        let pairs = [pair(105.0, 100.0), pair(180.0, 200.0), pair(390.0, 300.0), pair(400.0, 400.0)];
        let metrics = Metrics::of(&pairs).unwrap();
        assert!((metrics.mape_percent - 11.25).abs() < 1e-9);
        assert!((metrics.median_percent - 7.5).abs() < 1e-9);
        assert_eq!((metrics.within_5_percent, metrics.within_10_percent), (50.0, 75.0));
        assert_eq!(metrics.spearman, Some(1.0));
        // 200 lies outside 162…198 and 300 outside 351…429.
        assert_eq!(metrics.coverage_percent, Some(50.0));
        assert_eq!(Metrics::of(&[]), None);
    }
}
