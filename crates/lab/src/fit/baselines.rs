//! What people use without a predictor, to compare with: a line in the MACs, and the roofline.

use crate::fit::solvers::nnls::non_negative;
use edgezen_core::plainnet::Kernel;
use edgezen_core::predictor::roofline::Roofline;
use ndarray::{Array1, Array2};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flops_only_recovers_a_line() {
        let rows: Vec<(f64, f64)> =
            (1..50).map(|i| f64::from(i) * 1e6).map(|m| (m, 0.02 * m + 3e3)).collect();
        let line = FlopsOnly::fit(&rows).unwrap();
        assert!((line.ns_per_mac - 0.02).abs() < 1e-4 && (line.constant_ns - 3e3).abs() < 30.0, "{line:?}");
    }
}
