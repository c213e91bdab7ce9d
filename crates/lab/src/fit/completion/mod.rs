//! The networks of a device of which some are measured and the others are known of its sisters: the rest of its sets.
//!
//! No graph is needed: what says most of a network on a chip is what the same network takes on the chip's sisters. The
//! logarithm of a latency is that of one sister, a constant for each set of the device, and a rest that varies as rests
//! between sisters do (`kinship`); given the rests of the networks that are measured, the others follow as in kriging. Each
//! sister, and the mean over all, is taken in turn, and what they say is weighed by how likely each makes what was measured
//! (docs/decisions/106-what-others-tell-of-a-device.md).

mod kinship;
mod latencies;

pub use self::latencies::Latencies;

use self::kinship::{Kinship, NOISE};
use crate::fit::solvers::cholesky;
use edgezen_core::stats;
use ndarray::{Array1, Array2};

/// How many times more networks and settings there seem to be than vary on their own: likelihoods are trusted that much less.
const ALIKE: f64 = 5.0;
/// Share of what is measured that a sister must have measured itself to be compared with.
const SHARED: f64 = 0.3;
/// Variance of a set's own constant, of which nothing is known before, as a multiple of that of the rests.
const SET_VARIANCE: f64 = 1e4;
/// No two devices are as alike as that: the least variance of a rest beside that between sisters.
const LEAST_VARIANCE: f64 = 1e-8;

/// A latency of a network on a device, by its sisters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Completed {
    pub ms: f64,
    /// The 90 % interval.
    pub lower_ms: f64,
    pub upper_ms: f64,
}

/// The latencies of `device` by those of the other devices and by its own that `measured` takes, by network and setting.
/// `None` where no sister has the network in the setting, or nothing of the setting is measured.
pub fn complete(
    latencies: &Latencies,
    device: usize,
    measured: impl Fn(usize, usize) -> bool,
) -> Array2<Option<Completed>> {
    let kinship = Kinship::without(latencies, device);
    let nothing = Array2::from_elem(kinship.usual.dim(), None);
    let known = Known::of(latencies, device, &kinship, measured);
    let Some(covariance) = Covariance::of(&known, &kinship) else { return nothing };
    let sisters = (0..latencies.devices.len()).filter(|&sister| sister != device);
    let own = sisters.filter(|&sister| known.shared(latencies, sister) >= SHARED);
    let mut centres = vec![kinship.usual.clone()];
    centres.extend(own.filter_map(|sister| kinship.filled(latencies, sister)));
    let opinions: Vec<Opinion> =
        centres.into_iter().filter_map(|centre| Opinion::of(centre, &known, &covariance)).collect();
    let weights = weights(&opinions, known.at.len().saturating_sub(known.settings()));
    let mut completed = nothing;
    for (at, completed) in completed.indexed_iter_mut() {
        if known.has_setting(at.1) {
            let said = covariance.towards(&known, &kinship, at);
            let said = opinions
                .iter()
                .zip(&weights)
                .map(|(opinion, weight)| Some((opinion.said(at, &said)?, *weight)));
            *completed = said.collect::<Option<Vec<_>>>().and_then(|said| together(&said));
        }
    }
    completed
}

/// Measured networks of the device.
struct Known {
    /// Network and setting.
    at: Vec<(usize, usize)>,
    /// Logarithms of milliseconds.
    logs: Vec<f64>,
}

impl Known {
    fn of(
        latencies: &Latencies,
        device: usize,
        kinship: &Kinship,
        measured: impl Fn(usize, usize) -> bool,
    ) -> Known {
        let (mut at, mut logs) = (Vec::new(), Vec::new());
        for ((network, setting), usual) in kinship.usual.indexed_iter() {
            let log = latencies.logs[(device, network, setting)].filter(|_| measured(network, setting));
            if let Some(log) = log.filter(|_| usual.is_some()) {
                at.push((network, setting));
                logs.push(log);
            }
        }
        Known { at, logs }
    }

    fn has_setting(&self, setting: usize) -> bool {
        self.at.iter().any(|&(_, other)| other == setting)
    }

    fn settings(&self) -> usize {
        let mut settings: Vec<usize> = self.at.iter().map(|&(_, setting)| setting).collect();
        settings.sort_unstable();
        settings.dedup();
        settings.len()
    }

    /// The share of what is measured that `sister` has measured as well.
    fn shared(&self, latencies: &Latencies, sister: usize) -> f64 {
        let has =
            |&&(network, setting): &&(usize, usize)| latencies.logs[(sister, network, setting)].is_some();
        self.at.iter().filter(has).count() as f64 / self.at.len().max(1) as f64
    }
}

/// How rests of what is measured vary together, with the constants of the sets; its factor.
struct Covariance {
    factor: Array2<f64>,
    set: f64,
}

/// What the measured rests say of another one.
struct Towards {
    shares: Array1<f64>,
    /// What remains of its variance.
    variance: f64,
}

impl Covariance {
    /// `None` where nothing is measured.
    fn of(known: &Known, kinship: &Kinship) -> Option<Covariance> {
        let count = known.at.len();
        let usual = known.at.iter().map(|&at| kinship.alike(at, at)).collect::<Vec<f64>>();
        let set = SET_VARIANCE * stats::mean(&usual)?;
        let mut matrix = Array2::from_shape_fn((count, count), |(i, j)| {
            kinship.alike(known.at[i], known.at[j]) + same_set(known.at[i], known.at[j], set)
        });
        for (i, usual) in usual.iter().enumerate() {
            matrix[(i, i)] += NOISE * usual;
        }
        Some(Covariance { factor: cholesky::factor(matrix)?, set })
    }

    fn towards(&self, known: &Known, kinship: &Kinship, at: (usize, usize)) -> Towards {
        let shares: Array1<f64> =
            known.at.iter().map(|&other| kinship.alike(at, other) + same_set(at, other, self.set)).collect();
        let told = cholesky::forward(&self.factor, shares.clone());
        let variance = (1.0 + NOISE) * kinship.alike(at, at) + self.set - told.dot(&told);
        Towards { shares, variance: variance.max(0.0) }
    }
}

fn same_set(one: (usize, usize), other: (usize, usize), variance: f64) -> f64 {
    if one.1 == other.1 { variance } else { 0.0 }
}

/// What one sister says, or all on average.
struct Opinion {
    centre: Array2<Option<f64>>,
    pulls: Array1<f64>,
    /// Variance of the rests from it, as a multiple of that between sisters.
    variance: f64,
}

impl Opinion {
    /// `None` of a sister that knows less than what is measured.
    fn of(centre: Array2<Option<f64>>, known: &Known, covariance: &Covariance) -> Option<Opinion> {
        let rests = known.at.iter().zip(&known.logs).map(|(at, log)| Some(log - centre[*at]?));
        let rests = Array1::from(rests.collect::<Option<Vec<f64>>>()?);
        let pulls = cholesky::back(&covariance.factor, cholesky::forward(&covariance.factor, rests.clone()));
        let free = known.at.len().saturating_sub(known.settings()).max(1);
        let variance = (rests.dot(&pulls) / free as f64).max(LEAST_VARIANCE);
        Some(Opinion { centre, pulls, variance })
    }

    /// The logarithm of a latency, and its variance.
    fn said(&self, at: (usize, usize), towards: &Towards) -> Option<(f64, f64)> {
        Some((self.centre[at]? + towards.shares.dot(&self.pulls), self.variance * towards.variance))
    }
}

/// What each opinion weighs, of which the measured rests make `free` more than there are constants of sets.
fn weights(opinions: &[Opinion], free: usize) -> Vec<f64> {
    let least = opinions.iter().map(|opinion| opinion.variance).fold(f64::INFINITY, f64::min);
    let power = 0.5 * free as f64 / ALIKE;
    opinions.iter().map(|opinion| (least / opinion.variance).powf(power)).collect()
}

/// Opinions, as logarithms with their variances and weights, taken together; `None` without any.
fn together(said: &[((f64, f64), f64)]) -> Option<Completed> {
    let total: f64 = said.iter().map(|(_, weight)| weight).sum();
    let mean = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
        said.iter().map(|&((log, variance), weight)| weight * of(log, variance)).sum::<f64>() / total
    };
    let log = mean(&|log, _| log);
    let variance = mean(&|own, variance| variance + (own - log).powi(2));
    let margin = stats::normal_quantile(0.95) * variance.sqrt();
    let completed =
        Completed { ms: log.exp(), lower_ms: (log - margin).exp(), upper_ms: (log + margin).exp() };
    (total > 0.0).then_some(completed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    /// Five devices of three kinds of work each, whose networks do the work in different shares; the last is the twin of the
    /// first, at another scale.
    fn devices() -> Latencies {
        let speeds = [[1.0, 1.0, 1.0], [1.0, 2.0, 0.5], [0.5, 1.0, 2.0], [3.0, 1.0, 1.0], [2.5, 2.5, 2.5]];
        let work = |network: usize| {
            [1 + network * 7 % 11, 1 + network * 5 % 13, 1 + network * 3 % 7].map(|share| share as f64)
        };
        let scales = [1.0, 0.3];
        let logs = Array3::from_shape_fn((5, 20, 2), |(device, network, setting)| {
            let ms: f64 = work(network).iter().zip(speeds[device]).map(|(work, speed)| work * speed).sum();
            // The second setting is quicker, and lacks some networks on the sisters.
            let known = setting == 0 || device == 4 || (network + device) % 5 != 0;
            known.then(|| (scales[setting] * ms).ln())
        });
        let names = |prefix: &str, count: usize| (0..count).map(|i| format!("{prefix}{i:02}")).collect();
        Latencies { devices: names("d", 5), networks: names("n", 20), settings: names("s", 2), logs }
    }

    #[test]
    fn a_twin_tells_the_networks_that_were_not_measured() {
        let latencies = devices();
        let completed = complete(&latencies, 4, |network, _| network % 3 == 0);
        for ((network, setting), completed) in completed.indexed_iter() {
            let (completed, ms) = (completed.unwrap(), latencies.logs[(4, network, setting)].unwrap().exp());
            assert!((completed.ms / ms - 1.0).abs() < 0.06, "{network} {setting}: {completed:?} {ms}");
            assert!(completed.lower_ms < completed.ms && completed.ms < completed.upper_ms);
        }
    }

    #[test]
    fn a_device_between_its_sisters_is_kriged_and_unknown_settings_stay_open() {
        let latencies = devices();
        // Without a twin: nine networks in the first setting, none in the second.
        let completed = complete(&latencies, 3, |network, setting| setting == 0 && network < 9);
        assert!(
            completed.indexed_iter().all(|((_, setting), completed)| completed.is_some() == (setting == 0))
        );
        let off = |log: f64, at: (usize, usize)| (completed[at].unwrap().ms.ln() - log).abs();
        let unseen: Vec<f64> =
            (9..20).map(|network| off(latencies.logs[(3, network, 0)].unwrap(), (network, 0))).collect();
        // One ratio to the best sister leaves twice as much.
        let ratio = |sister: usize| {
            let logs = |networks: std::ops::Range<usize>| -> Vec<f64> {
                let log =
                    |n: usize| latencies.logs[(3, n, 0)].unwrap() - latencies.logs[(sister, n, 0)].unwrap();
                networks.map(log).collect()
            };
            let scale = stats::median(&logs(0..9)).unwrap();
            stats::mean(&logs(9..20).iter().map(|log| (log - scale).abs()).collect::<Vec<_>>()).unwrap()
        };
        let best = (0..3).map(ratio).fold(f64::INFINITY, f64::min);
        assert!(stats::mean(&unseen).unwrap() < 0.8 * best, "{unseen:?} {best}");
        assert!(complete(&latencies, 3, |_, _| false).iter().all(Option::is_none));
    }
}
