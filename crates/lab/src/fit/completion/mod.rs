//! The networks of a device of which some are measured and the others are known of its sisters: the rest of its sets.
//!
//! No graph is needed: what says most of a network on a chip is what the same network takes on the chip's sisters. The
//! logarithm of a latency is the sisters' mean, a constant for each set of the device, and a rest that varies between devices
//! as [`kinship`] has it. Given the measured rests, the others follow as in kriging
//! (docs/decisions/106-networks-that-sisters-know.md).

mod kinship;
mod latencies;

pub use self::latencies::Latencies;

use self::kinship::Kinship;
use crate::fit::solvers::cholesky;
use edgezen_core::stats;
use ndarray::{Array1, Array2};

/// Variance of a set's own constant, of which nothing is known before: sets are orders of magnitude apart.
const SET_VARIANCE: f64 = 100.0;
/// What a single measurement varies by, as a share of the rest's variance.
const NOISE: f64 = 0.2;
/// Rounds in which odd measurements come to count less.
const ROUNDS: usize = 3;
/// Beyond so many standard deviations a measurement counts less and less, down to a share.
const USUAL: f64 = 2.5;
const LEAST: f64 = 0.02;

/// A latency of a network on a device, by its sisters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Completed {
    pub ms: f64,
    /// The 90 % interval.
    pub lower_ms: f64,
    pub upper_ms: f64,
}

/// Measured networks of the device.
struct Known {
    /// Network and setting.
    at: Vec<(usize, usize)>,
    /// Logarithms of milliseconds, less the usual ones.
    rests: Array1<f64>,
}

/// The latencies of `device` by those of the other devices and by its own that `measured` takes, by network and setting.
/// `None` where no sister knows the network in the setting, or nothing of the setting is measured.
pub fn complete(
    latencies: &Latencies,
    device: usize,
    measured: impl Fn(usize, usize) -> bool,
) -> Array2<Option<Completed>> {
    let (_, networks, settings) = latencies.logs.dim();
    let mut completed = Array2::from_elem((networks, settings), None);
    let kinship = Kinship::without(latencies, device);
    let known = Known::of(latencies, device, &kinship, measured);
    let Some(solved) = known.solve(&kinship) else { return completed };
    for ((network, setting), usual) in kinship.usual.indexed_iter() {
        let of_set = known.at.iter().any(|&(_, other)| other == setting);
        if let Some(usual) = usual.filter(|_| of_set) {
            completed[(network, setting)] = Some(solved.at(&known, &kinship, (network, setting), usual));
        }
    }
    completed
}

/// How much the rests of two networks in two settings vary alike, with the constants of the sets.
fn alike(kinship: &Kinship, one: (usize, usize), other: (usize, usize)) -> f64 {
    let set = if one.1 == other.1 { SET_VARIANCE } else { 0.0 };
    set + kinship.networks[(one.0, other.0)] * kinship.settings[(one.1, other.1)]
}

impl Known {
    fn of(
        latencies: &Latencies,
        device: usize,
        kinship: &Kinship,
        measured: impl Fn(usize, usize) -> bool,
    ) -> Known {
        let (mut at, mut rests) = (Vec::new(), Vec::new());
        for ((network, setting), usual) in kinship.usual.indexed_iter() {
            let log = latencies.logs[(device, network, setting)].filter(|_| measured(network, setting));
            if let (Some(log), Some(usual)) = (log, usual) {
                at.push((network, setting));
                rests.push(log - usual);
            }
        }
        Known { at, rests: Array1::from(rests) }
    }

    /// What a measurement of the network and setting varies by on its own.
    fn noise(kinship: &Kinship, (network, setting): (usize, usize)) -> f64 {
        NOISE * kinship.networks[(network, network)] * kinship.settings[(setting, setting)]
    }

    /// `None` without measurements.
    fn solve(&self, kinship: &Kinship) -> Option<Solved> {
        let count = self.at.len();
        if count == 0 {
            return None;
        }
        let shared =
            Array2::from_shape_fn((count, count), |(i, j)| alike(kinship, self.at[i], self.at[j]));
        let mut weights = vec![1.0; count];
        let mut solved = None;
        for _ in 0..ROUNDS {
            let mut covariance = shared.clone();
            for (i, weight) in weights.iter().enumerate() {
                covariance[(i, i)] += Known::noise(kinship, self.at[i]) / weight;
            }
            let factor = cholesky::factor(covariance)?;
            let pulls = cholesky::back(&factor, cholesky::forward(&factor, self.rests.clone()));
            let inverse = cholesky::inverse(&factor);
            // Each rest by all others, in standard deviations.
            let odd: Vec<f64> = (0..count).map(|i| (pulls[i] / inverse[(i, i)].sqrt()).abs()).collect();
            weights = odd.iter().map(|sigmas| (USUAL / sigmas.max(USUAL)).max(LEAST)).collect();
            let squares: Vec<f64> = odd.iter().map(|sigmas| sigmas.min(USUAL).powi(2)).collect();
            let spread = stats::mean(&squares).unwrap_or(1.0).sqrt().max(LEAST_SPREAD);
            solved = Some(Solved { factor, pulls, spread });
        }
        solved
    }
}

/// Intervals are not narrower than this share of what the sisters vary by, however well the measured networks agree.
const LEAST_SPREAD: f64 = 0.5;

/// The measured rests, ready to say something of the others.
struct Solved {
    factor: Array2<f64>,
    pulls: Array1<f64>,
    /// How much more the device varies than its sisters do.
    spread: f64,
}

impl Solved {
    fn at(&self, known: &Known, kinship: &Kinship, of: (usize, usize), usual: f64) -> Completed {
        let shared: Array1<f64> = known.at.iter().map(|&other| alike(kinship, of, other)).collect();
        let log = usual + shared.dot(&self.pulls);
        let told = cholesky::forward(&self.factor, shared);
        let variance = alike(kinship, of, of) + Known::noise(kinship, of) - told.dot(&told);
        let margin = stats::normal_quantile(0.95) * self.spread * variance.max(0.0).sqrt();
        Completed { ms: log.exp(), lower_ms: (log - margin).exp(), upper_ms: (log + margin).exp() }
    }
}
