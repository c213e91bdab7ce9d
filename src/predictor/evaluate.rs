//! How good predictions are: errors, ranks and interval coverage, beside two plain baselines.

use super::domain::Place;
use super::linear::non_negative;
use super::training::Roofline;
use crate::plainnet::Kernel;
use crate::stats;
use ndarray::{Array1, Array2};
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

/// Latency as price · MACs + constant, fitted to relative errors: what people use without a predictor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FlopsOnly {
    pub ns_per_mac: f64,
    pub constant_ns: f64,
}

impl FlopsOnly {
    /// Fits (MACs, nanoseconds); `None` without rows or where the solver fails.
    pub fn fit(rows: &[(f64, f64)]) -> Option<FlopsOnly> {
        let step = rows.len().div_ceil(20_000).max(1);
        let rows: Vec<_> = rows.iter().step_by(step).collect();
        if rows.is_empty() {
            return None;
        }
        let matrix = Array2::from_shape_fn((rows.len(), 2), |(i, j)| {
            let (macs, ns) = rows[i];
            [macs / ns, 1.0 / ns][j]
        });
        let prices = non_negative(&matrix, &Array1::ones(rows.len())).ok()?;
        Some(FlopsOnly { ns_per_mac: prices[0], constant_ns: prices[1] })
    }

    pub fn predict_ns(&self, macs: f64) -> f64 {
        self.ns_per_mac * macs + self.constant_ns
    }
}

/// The roofline's bound times the one scale that fits best (relative least squares).
pub fn roofline_scale(roofline: &Roofline, rows: &[(Kernel, f64)], bytes_per_element: f64) -> Option<f64> {
    let (mut ratio, mut square) = (0.0, 0.0);
    for (kernel, ns) in rows {
        let r = roofline.bound(kernel, bytes_per_element).ns() / ns;
        ratio += r;
        square += r * r;
    }
    (square > 0.0).then(|| ratio / square)
}

/// Predicted and measured, with what to group by.
#[derive(Clone, Copy, Debug)]
pub struct KernelPair {
    pub kernel: Kernel,
    /// In the predictor's domain.
    pub place: Place,
    pub pair: Pair,
}

/// Metrics of one part of a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    pub part: String,
    pub metrics: Metrics,
}

/// By kind, batch, place in the domain and decile of the measured latency.
pub fn parts(pairs: &[KernelPair]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut push = |part: String, pairs: Vec<Pair>| {
        if let Some(metrics) = Metrics::of(&pairs) {
            parts.push(Part { part, metrics });
        }
    };
    let distinct = |of: &dyn Fn(&Kernel) -> u64| {
        let mut values: Vec<u64> = pairs.iter().map(|p| of(&p.kernel)).collect();
        values.sort_unstable();
        values.dedup();
        values
    };
    let select =
        |keep: &dyn Fn(&KernelPair) -> bool| pairs.iter().filter(|p| keep(p)).map(|p| p.pair).collect();
    for kind in crate::plainnet::KernelKind::ALL {
        push(kind.name().to_owned(), select(&|p| p.kernel.kind == kind));
    }
    for batch in distinct(&|kernel| u64::from(kernel.batch)) {
        push(format!("batch {batch}"), select(&|p| u64::from(p.kernel.batch) == batch));
    }
    type OfPlace = fn(Place) -> bool;
    let places: [(&str, OfPlace); 5] = [
        ("seen sides and channels", |p| p == Place::Inside { new_side: false, new_channels: false }),
        ("new sides", |p| p == Place::Inside { new_side: true, new_channels: false }),
        ("new channels", |p| p == Place::Inside { new_side: false, new_channels: true }),
        ("new sides and channels", |p| p == Place::Inside { new_side: true, new_channels: true }),
        ("outside the domain", |p| p == Place::Outside),
    ];
    for (name, of_place) in places {
        push(name.to_owned(), select(&|p| of_place(p.place)));
    }
    let sorted = stats::sorted(&pairs.iter().map(|p| p.pair.measured).collect::<Vec<_>>());
    let edge = |decile: usize| stats::quantile(&sorted, decile as f64 / 10.0).unwrap_or(0.0);
    for decile in 1..=10 {
        let (low, high) = (edge(decile - 1), edge(decile));
        let last = decile == 10;
        let inside = |p: &KernelPair| p.pair.measured >= low && (p.pair.measured < high || last);
        push(format!("decile {decile} (to {:.3} ms)", high / 1e6), select(&inside));
    }
    parts
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

    #[test]
    fn flops_only_recovers_a_line() {
        let rows: Vec<(f64, f64)> =
            (1..50).map(|i| f64::from(i) * 1e6).map(|m| (m, 0.02 * m + 3e3)).collect();
        let line = FlopsOnly::fit(&rows).unwrap();
        assert!((line.ns_per_mac - 0.02).abs() < 1e-4 && (line.constant_ns - 3e3).abs() < 30.0, "{line:?}");
    }
}
