//! What a line in the MACs alone says of whole networks.

use super::design::Design;
use crate::fit::baselines::FlopsOnly;

/// A line through the MACs: each row as predicted by a line that was fitted without its fold.
pub(super) fn left_out(design: &Design, measured: &[f64]) -> Option<Vec<f64>> {
    const FOLDS: usize = 10;
    let rows: Vec<(f64, f64)> = design.mmacs.iter().map(|m| m * 1e6).zip(measured.iter().copied()).collect();
    let mut predicted = vec![0.0; rows.len()];
    for fold in 0..FOLDS.min(rows.len()) {
        let kept: Vec<(f64, f64)> =
            rows.iter().enumerate().filter(|(i, _)| i % FOLDS != fold).map(|(_, row)| *row).collect();
        let line = FlopsOnly::fit(&kept)?;
        let left_out = rows.iter().enumerate().filter(|(i, _)| i % FOLDS == fold);
        left_out.for_each(|(i, (macs, _))| predicted[i] = line.predict_ns(*macs));
    }
    Some(predicted)
}
