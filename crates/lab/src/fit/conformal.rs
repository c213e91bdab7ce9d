//! Intervals from held-out errors: split-conformal on the logarithm of measured / predicted.
//!
//! Each side takes 5 %, with the finite-sample rank ⌈(n+1)·0.95⌉ (Lei et al., Distribution-Free
//! Predictive Inference for Regression, 2018). Kernels are calibrated by kind and by predicted size,
//! because short kernels are noisier. Networks are calibrated on networks, as long as there are any;
//! with few, a Student-t prediction interval keeps the interval honestly wide.

use edgezen_core::predictor::calibration::{
    Basis, KernelCalibration, LEVEL, MAX_STRETCH, Margin, NetworkCalibration, OUTSIDE_FACTOR,
};
use edgezen_core::stats;

/// Fewest rows of a bin of kernels.
const MIN_BIN: usize = 60;
const MAX_BINS: usize = 8;
/// Networks differ from sums of kernels measured alone by about this much (log); published sums over
/// operator tables lie 4 to 29 % off the networks that TensorRT runs.
const UNSEEN_NETWORKS_LOG: f64 = 0.25;

/// From held-out (predicted, measured) pairs; `None` without any.
pub fn kernels(pairs: &[(f64, f64)]) -> Option<KernelCalibration> {
    let mut sorted = pairs.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let bins = (sorted.len() / MIN_BIN).clamp(1, MAX_BINS);
    let size = sorted.len().div_ceil(bins).max(1);
    let chunks: Vec<&[(f64, f64)]> = sorted.chunks(size).collect();
    let log = |pairs: &[(f64, f64)]| pairs.iter().map(|(p, m)| (m / p).ln()).collect::<Vec<f64>>();
    let margins: Option<Vec<Margin>> = chunks.iter().map(|chunk| margin(&log(chunk))).collect();
    let edges_ns = chunks.iter().skip(1).map(|chunk| chunk[0].0).collect();
    let margins = margins.filter(|margins| !margins.is_empty())?;
    let rows = pairs.len() as u32;
    Some(KernelCalibration { edges_ns, margins, rows, new_side: 1.0, new_channels: 1.0, new_both: None })
}

/// How many times as wide margins must be to hold (predicted, measured) pairs on `lines` of a grid that were
/// left out, at least 1; `None` without any.
///
/// Kernels of a line err alike, so all lines count the same: the interval is to hold what it is meant to hold
/// of the kernels on a new line, on the mean over lines.
pub fn stretch(calibration: &KernelCalibration, lines: &[&[(f64, f64)]]) -> Option<f64> {
    let needed = |&(predicted, measured): &(f64, f64)| {
        let Margin { lower_log, upper_log } = calibration.margin(predicted);
        let log = (measured / predicted).ln();
        if log < 0.0 { -log / lower_log } else { log / upper_log }
    };
    let share = |line: &[(f64, f64)]| 1.0 / (line.len() * lines.len()) as f64;
    let mut scores: Vec<(f64, f64)> =
        lines.iter().flat_map(|line| line.iter().map(move |pair| (needed(pair), share(line)))).collect();
    scores.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut held = 0.0;
    let enough = scores.iter().find(|(_, share)| {
        held += share;
        held >= LEVEL
    });
    enough.or(scores.last()).map(|(stretch, _)| stretch.clamp(1.0, MAX_STRETCH))
}

/// From held-out log(measured / predicted) of networks, or failing those from kernels'.
pub fn networks(networks: &[f64], kernels: &[(f64, f64)]) -> NetworkCalibration {
    let (basis, margin) = match few(networks) {
        Some(margin) => (Basis::Networks, margin),
        None => (Basis::Propagated, propagated(kernels)),
    };
    let networks = networks.len() as u32;
    NetworkCalibration { basis, networks, margin, families: None, outside_factor: OUTSIDE_FACTOR }
}

/// Conformal margins of log errors; each at least a trace, so that intervals hold their centre.
fn margin(logs: &[f64]) -> Option<Margin> {
    let side = |sign: f64| {
        let sorted = stats::sorted(&logs.iter().map(|log| sign * log).collect::<Vec<_>>());
        let rank = ((sorted.len() + 1) as f64 * (1.0 + LEVEL) / 2.0).ceil() as usize;
        let at = rank.min(sorted.len()).checked_sub(1)?;
        Some(sorted[at].clamp(1e-3, 9.0))
    };
    Some(Margin { lower_log: side(-1.0)?, upper_log: side(1.0)? })
}

/// Conformal margins of log errors with weights, a quantile for each side: rows of one network share its weight.
pub fn weighted(logs: &[(f64, f64)]) -> Option<Margin> {
    let total: f64 = logs.iter().map(|(_, weight)| weight).sum();
    let side = |sign: f64| {
        let mut sorted: Vec<(f64, f64)> = logs.iter().map(|&(log, weight)| (sign * log, weight)).collect();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        let wanted = total * (1.0 + LEVEL) / 2.0;
        let mut held = 0.0;
        let found = sorted.iter().find(|(_, weight)| {
            held += weight;
            held >= wanted
        });
        found.or(sorted.last()).map(|(log, _)| log.clamp(1e-3, 9.0))
    };
    Some(Margin { lower_log: side(-1.0)?, upper_log: side(1.0)? })
}

/// Margins from few values: symmetric, the wider of the conformal and the Student-t interval.
fn few(logs: &[f64]) -> Option<Margin> {
    if logs.len() < 3 {
        return None;
    }
    let n = logs.len() as f64;
    let absolute = stats::sorted(&logs.iter().map(|log| log.abs()).collect::<Vec<_>>());
    let rank = ((n + 1.0) * LEVEL).ceil() as usize;
    let conformal = absolute[rank.min(absolute.len()) - 1];
    let root_mean_square = (logs.iter().map(|log| log * log).sum::<f64>() / n).sqrt();
    let student = student_95(logs.len() - 1) * root_mean_square * (1.0 + 1.0 / n).sqrt();
    let wide = if rank > absolute.len() || n < 30.0 { conformal.max(student) } else { conformal };
    let wide = wide.clamp(1e-3, 9.0);
    Some(Margin { lower_log: wide, upper_log: wide })
}

/// 95 % quantile of Student's t.
fn student_95(degrees: usize) -> f64 {
    const TABLE: [f64; 10] = [6.31, 2.92, 2.35, 2.13, 2.02, 1.94, 1.89, 1.86, 1.83, 1.81];
    // Beyond the table the error of this form is below 0.5 %.
    TABLE.get(degrees.saturating_sub(1)).copied().unwrap_or(1.645 + 1.6 / degrees as f64)
}

/// Kernels' errors average out over a network; what they have in common with it does not.
fn propagated(kernels: &[(f64, f64)]) -> Margin {
    const KERNELS_PER_NETWORK: usize = 20;
    // Strided, so that each pseudo-network holds rows from all over the table.
    let count = kernels.len() / KERNELS_PER_NETWORK;
    let logs: Vec<f64> = (0..count)
        .map(|start| {
            let rows = kernels.iter().skip(start).step_by(count).take(KERNELS_PER_NETWORK);
            // Each kernel counts alike, whatever its size.
            let ratio: f64 = rows.map(|(p, m)| m / p).sum();
            (ratio / KERNELS_PER_NETWORK as f64).ln()
        })
        .collect();
    let wide = few(&logs).map_or(std::f64::consts::LN_2, |margin| margin.upper_log);
    let wide = wide.hypot(UNSEEN_NETWORKS_LOG);
    Margin { lower_log: wide, upper_log: wide }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ninety_percent_are_inside() {
        // Errors from −20 % to +20 %, evenly.
        let pairs: Vec<(f64, f64)> = (0..1000)
            .map(|i| {
                (
                    100.0 + f64::from(i),
                    (100.0 + f64::from(i)) * (0.8 + 0.4 * f64::from(i * 7 % 1000) / 1000.0),
                )
            })
            .collect();
        let calibration = kernels(&pairs).unwrap();
        calibration.check().unwrap();
        let inside = pairs.iter().filter(|(p, m)| {
            let margin = calibration.margin(*p);
            *m >= p * (-margin.lower_log).exp() && *m <= p * margin.upper_log.exp()
        });
        let share = inside.count() as f64 / 1000.0;
        assert!((0.88..0.95).contains(&share), "{share}");
    }

    #[test]
    fn margins_are_stretched_to_what_lines_that_were_left_out_need() {
        let flat = KernelCalibration::flat(Margin { lower_log: 0.1, upper_log: 0.1 });
        // Nineteen lines; on each, errors from nothing to what the line errs at most.
        let line = |most: f64| -> Vec<(f64, f64)> {
            (1..=100).map(|i| (1.0, (most * f64::from(i) / 100.0).exp())).collect()
        };
        let lines: Vec<Vec<(f64, f64)>> = (1..=19).map(|i| line(0.05 * f64::from(i))).collect();
        let lines: Vec<&[(f64, f64)]> = lines.iter().map(|line| &line[..]).collect();
        let stretch = super::stretch(&flat, &lines).unwrap();
        let held = |line: &&&[(f64, f64)]| line.iter().filter(|pair| pair.1.ln() <= 0.1 * stretch).count();
        let share = lines.iter().map(|line| held(&line)).sum::<usize>() as f64 / 1900.0;
        assert!((0.89..0.91).contains(&share), "{share} at {stretch}");
        assert_eq!(super::stretch(&flat, &lines[..1]), Some(1.0));
        assert_eq!(super::stretch(&flat, &[]), None);
    }

    #[test]
    fn few_networks_give_wide_intervals() {
        let logs = [0.05, -0.04, 0.06, -0.05];
        let wide = super::networks(&logs, &[]);
        assert_eq!(wide.basis, Basis::Networks);
        assert!(wide.margin.upper_log > 2.0 * 0.05, "{wide:?}");
        let (low, high) = wide.factors(1.0);
        let (lower, higher) = wide.factors(0.5);
        assert!(lower < low && high < higher);
        assert_eq!(super::networks(&[], &[]).basis, Basis::Propagated);
    }
}
