//! Intervals from held-out errors: split-conformal on the logarithm of measured / predicted.
//!
//! Each side takes 5 %, with the finite-sample rank ⌈(n+1)·0.95⌉ (Lei et al., Distribution-Free
//! Predictive Inference for Regression, 2018). Kernels are calibrated by kind and by predicted size,
//! because short kernels are noisier. Networks are calibrated on networks, as long as there are any;
//! with few, a Student-t prediction interval keeps the interval honestly wide.

use super::domain::Place;
use crate::stats;
use serde::{Deserialize, Serialize};

/// Share of the truth that an interval is meant to hold.
pub const LEVEL: f64 = 0.9;
/// Fewest rows of a bin of kernels.
const MIN_BIN: usize = 60;
const MAX_BINS: usize = 8;
/// Networks differ from sums of kernels measured alone by about this much (log); published sums over
/// operator tables lie 4 to 29 % off the networks that TensorRT runs.
const UNSEEN_NETWORKS_LOG: f64 = 0.25;
/// How far off kernels outside the domain may be.
const OUTSIDE_FACTOR: f64 = 2.0;
/// Margins of kernels between the lines of a grid are not stretched further.
const MAX_STRETCH: f64 = 10.0;

/// measured / predicted lies within e^−lower … e^upper.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Margin {
    pub lower_log: f64,
    pub upper_log: f64,
}

impl Margin {
    fn check(&self) -> Result<(), String> {
        let fine = |value: f64| (0.0..10.0).contains(&value);
        (fine(self.lower_log) && fine(self.upper_log))
            .then_some(())
            .ok_or_else(|| "an interval's margin is out of range".into())
    }
}

/// Margins of kernels of one kind, by predicted latency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelCalibration {
    /// Ascending; margin i holds for predictions below edge i, the last one beyond all.
    pub edges_ns: Vec<f64>,
    pub margins: Vec<Margin>,
    /// Held-out rows behind it.
    pub rows: u32,
    /// How many times as wide (in the logarithm) margins are between the lines of a grid: where the side
    /// of the map was never seen, and where a number of channels was not.
    pub new_side: f64,
    pub new_channels: f64,
    /// Where both are; absent where nothing tells, then the product of both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_both: Option<f64>,
}

impl KernelCalibration {
    /// From held-out (predicted, measured) pairs; `None` without any.
    pub fn of(pairs: &[(f64, f64)]) -> Option<KernelCalibration> {
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
    pub fn stretch(&self, lines: &[&[(f64, f64)]]) -> Option<f64> {
        let needed = |&(predicted, measured): &(f64, f64)| {
            let Margin { lower_log, upper_log } = self.margin(predicted);
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

    /// The margin of a kernel at its place in the domain.
    pub fn margin_at(&self, predicted_ns: f64, place: Place) -> Margin {
        let Margin { lower_log, upper_log } = self.margin(predicted_ns);
        let Place::Inside { new_side, new_channels } = place else {
            return Margin { lower_log, upper_log };
        };
        let stretch = match (new_side, new_channels) {
            (false, false) => 1.0,
            (true, false) => self.new_side,
            (false, true) => self.new_channels,
            (true, true) => self.new_both.unwrap_or(self.new_side * self.new_channels),
        };
        Margin { lower_log: lower_log * stretch, upper_log: upper_log * stretch }
    }

    /// One margin for all sizes, that no rows stand behind.
    pub fn flat(margin: Margin) -> KernelCalibration {
        KernelCalibration {
            edges_ns: Vec::new(),
            margins: vec![margin],
            rows: 0,
            new_side: 1.0,
            new_channels: 1.0,
            new_both: None,
        }
    }

    pub fn margin(&self, predicted_ns: f64) -> Margin {
        let bin = self.edges_ns.partition_point(|&edge| edge <= predicted_ns);
        self.margins[bin.min(self.margins.len() - 1)]
    }

    pub fn check(&self) -> Result<(), String> {
        let ascending = self.edges_ns.windows(2).all(|pair| pair[0] <= pair[1]);
        let finite = self.edges_ns.iter().all(|edge| edge.is_finite());
        if self.margins.len() != self.edges_ns.len() + 1 || !ascending || !finite {
            return Err("calibration bins do not fit together".into());
        }
        let stretch = 1.0..=MAX_STRETCH;
        if ![self.new_side, self.new_channels, self.new_both.unwrap_or(1.0)]
            .iter()
            .all(|s| stretch.contains(s))
        {
            return Err("the stretch of margins between the lines of a grid is out of range".into());
        }
        self.margins.iter().try_for_each(Margin::check)
    }
}

/// What the interval of networks rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Held-out networks.
    Networks,
    /// Held-out kernels, put together to networks that nobody measured.
    Propagated,
}

/// Margins of networks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkCalibration {
    pub basis: Basis,
    /// Networks behind it.
    pub networks: u32,
    pub margin: Margin,
    /// The share of a network outside the domain may be off by this factor.
    pub outside_factor: f64,
}

impl NetworkCalibration {
    /// From held-out log(measured / predicted) of networks, or failing those from kernels'.
    pub fn of(networks: &[f64], kernels: &[(f64, f64)]) -> NetworkCalibration {
        let (basis, margin) = match few(networks) {
            Some(margin) => (Basis::Networks, margin),
            None => (Basis::Propagated, propagated(kernels)),
        };
        NetworkCalibration { basis, networks: networks.len() as u32, margin, outside_factor: OUTSIDE_FACTOR }
    }

    /// Factors on the prediction, below and above, where `coverage` of it is inside the domain.
    pub fn factors(&self, coverage: f64) -> (f64, f64) {
        let outside = 1.0 + (1.0 - coverage.clamp(0.0, 1.0)) * (self.outside_factor - 1.0);
        ((-self.margin.lower_log).exp() / outside, self.margin.upper_log.exp() * outside)
    }

    pub fn check(&self) -> Result<(), String> {
        if !(1.0..100.0).contains(&self.outside_factor) {
            return Err("the factor for kernels outside the domain is out of range".into());
        }
        self.margin.check()
    }
}

/// The widest of `margins` on each side.
pub fn widest(margins: &[Margin]) -> Margin {
    let widest = |a: Margin, b: &Margin| Margin {
        lower_log: a.lower_log.max(b.lower_log),
        upper_log: a.upper_log.max(b.upper_log),
    };
    margins.iter().fold(Margin { lower_log: 0.0, upper_log: 0.0 }, widest)
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
        let calibration = KernelCalibration::of(&pairs).unwrap();
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
        let stretch = flat.stretch(&lines).unwrap();
        let held = |line: &&&[(f64, f64)]| line.iter().filter(|pair| pair.1.ln() <= 0.1 * stretch).count();
        let share = lines.iter().map(|line| held(&line)).sum::<usize>() as f64 / 1900.0;
        assert!((0.89..0.91).contains(&share), "{share} at {stretch}");
        assert_eq!(flat.stretch(&lines[..1]), Some(1.0));
        assert_eq!(flat.stretch(&[]), None);
    }

    #[test]
    fn few_networks_give_wide_intervals() {
        let logs = [0.05, -0.04, 0.06, -0.05];
        let wide = NetworkCalibration::of(&logs, &[]);
        assert_eq!(wide.basis, Basis::Networks);
        assert!(wide.margin.upper_log > 2.0 * 0.05, "{wide:?}");
        let (low, high) = wide.factors(1.0);
        let (lower, higher) = wide.factors(0.5);
        assert!(lower < low && high < higher);
        assert_eq!(NetworkCalibration::of(&[], &[]).basis, Basis::Propagated);
    }
}
