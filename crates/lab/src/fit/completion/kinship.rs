//! What the networks and the settings of sister devices have in common.
//!
//! A latency's logarithm is taken apart into what its set has on average, what its network has on average in its setting, and
//! a rest. Of a device of the same kin, the rests are drawn from one normal distribution: two of them vary alike as far as
//! their networks do, times as far as their settings do.

use super::latencies::Latencies;
use crate::fit::solvers::cholesky;
use ndarray::{Array1, Array2};

/// Rests beyond this count as much: a network may be odd on one device.
const CLIP: f64 = 0.25;
/// Rounds in which the means of sets and of networks are found one after another.
const ROUNDS: usize = 30;
/// Rests' worth of belief that a network varies as all do; a setting has four times as many rests.
const NETWORK_BELIEF: f64 = 8.0;
const SETTING_BELIEF: f64 = 32.0;
/// Share of a network's or a setting's rest that is its own.
const OWN_NETWORK: f64 = 0.3;
const OWN_SETTING: f64 = 0.3;
/// What a single measurement varies by, as a share of the variance of its rest.
pub(super) const NOISE: f64 = 0.1;
/// Variances of the constants of a sister's sets, and of what they have in common: sets are a factor of some ten apart.
const SETS: f64 = 4.0;
const COMMON: f64 = 1.0;

/// What is known of the kin of a device.
#[derive(Clone, Debug)]
pub(super) struct Kinship {
    /// The mean over the kin, by network and setting; `None` where no sister has the network.
    pub usual: Array2<Option<f64>>,
    /// Covariance of the rests by network, about 1 on the diagonal.
    pub networks: Array2<f64>,
    /// Covariance of the rests by setting.
    pub settings: Array2<f64>,
}

impl Kinship {
    /// Of all devices but one.
    pub fn without(latencies: &Latencies, device: usize) -> Kinship {
        let (devices, networks, settings) = latencies.logs.dim();
        let sisters: Vec<usize> = (0..devices).filter(|&other| other != device).collect();
        let mut usual = Array2::from_elem((networks, settings), None);
        // By sister and setting, and by sister and network.
        let mut by_network = Array2::from_elem((sisters.len() * settings, networks), None);
        let mut by_setting = Array2::from_elem((sisters.len() * networks, settings), None);
        for setting in 0..settings {
            let known = |at: usize, network: usize| latencies.logs[(sisters[at], network, setting)];
            let Means { sets, networks: means } = Means::of(sisters.len(), networks, known);
            for network in 0..networks {
                usual[(network, setting)] = means[network];
                for (at, set) in sets.iter().enumerate() {
                    let rest = known(at, network).zip(means[network]).map(|(log, mean)| log - mean - set);
                    by_network[(at * settings + setting, network)] = rest;
                    by_setting[(at * networks + network, setting)] = rest;
                }
            }
        }
        let mut networks = covariance(&by_network, OWN_NETWORK, NETWORK_BELIEF);
        let settings = covariance(&by_setting, OWN_SETTING, SETTING_BELIEF);
        // The size of the rests is that of the settings.
        let usual_variance = mean_square(&by_network).max(f64::MIN_POSITIVE);
        networks.mapv_inplace(|value| value / usual_variance);
        Kinship { usual, networks, settings }
    }

    /// How much the rests of two networks in two settings vary alike.
    pub fn alike(&self, one: (usize, usize), other: (usize, usize)) -> f64 {
        self.networks[(one.0, other.0)] * self.settings[(one.1, other.1)]
    }

    /// What a sister takes for each network in each setting that any of the kin has: as measured, or else by its other
    /// networks. `None` of a sister without networks.
    pub fn filled(&self, latencies: &Latencies, sister: usize) -> Option<Array2<Option<f64>>> {
        let known: Vec<((usize, usize), f64)> = self
            .usual
            .indexed_iter()
            .filter_map(|(at, usual)| Some((at, latencies.logs[(sister, at.0, at.1)]? - (*usual)?)))
            .collect();
        let alike = |one: (usize, usize), other: (usize, usize)| {
            self.alike(one, other) + COMMON + if one.1 == other.1 { SETS } else { 0.0 }
        };
        let mut matrix =
            Array2::from_shape_fn((known.len(), known.len()), |(i, j)| alike(known[i].0, known[j].0));
        for (i, (at, _)) in known.iter().enumerate() {
            matrix[(i, i)] += NOISE * self.alike(*at, *at);
        }
        let factor = cholesky::factor(matrix).filter(|_| !known.is_empty())?;
        let rests: Array1<f64> = known.iter().map(|(_, rest)| *rest).collect();
        let pulls = cholesky::back(&factor, cholesky::forward(&factor, rests));
        let fill = |(at, usual): ((usize, usize), &Option<f64>)| {
            let by_others = |usual: &f64| {
                usual
                    + known.iter().zip(&pulls).map(|((other, _), pull)| alike(at, *other) * pull).sum::<f64>()
            };
            latencies.logs[(sister, at.0, at.1)].or(usual.as_ref().map(by_others))
        };
        let filled: Vec<Option<f64>> = self.usual.indexed_iter().map(fill).collect();
        Array2::from_shape_vec(self.usual.dim(), filled).ok()
    }
}

/// Means of one setting.
struct Means {
    /// Of each sister, beside the networks' means.
    sets: Vec<f64>,
    networks: Vec<Option<f64>>,
}

impl Means {
    fn of(sisters: usize, networks: usize, known: impl Fn(usize, usize) -> Option<f64>) -> Means {
        let mut sets = vec![0.0; sisters];
        let mut means = vec![None; networks];
        for _ in 0..ROUNDS {
            for (network, own) in means.iter_mut().enumerate() {
                *own = mean((0..sisters).filter_map(|at| Some(known(at, network)? - sets[at])));
            }
            for (at, set) in sets.iter_mut().enumerate() {
                let own = means.iter().enumerate();
                let rests = own.filter_map(|(network, mean)| Some(known(at, network)? - (*mean)?));
                *set = mean(rests).unwrap_or_default();
            }
        }
        Means { sets, networks: means }
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0.0);
    for value in values {
        sum += value;
        count += 1.0;
    }
    (count > 0.0).then(|| sum / count)
}

fn mean_square(rests: &Array2<Option<f64>>) -> f64 {
    mean(rests.iter().flatten().map(|rest| rest.clamp(-CLIP, CLIP).powi(2))).unwrap_or_default()
}

/// Covariance of the columns of `rests`: a share `own` of each is its own, and each varies as all do as far as `belief`
/// outweighs its number. What is not known counts as nothing, which keeps the matrix positive definite.
fn covariance(rests: &Array2<Option<f64>>, own: f64, belief: f64) -> Array2<f64> {
    let width = rests.ncols();
    let filled = rests.mapv(|rest| rest.unwrap_or_default().clamp(-CLIP, CLIP));
    let products = filled.t().dot(&filled);
    let usual = mean_square(rests);
    let count = |j: usize| rests.column(j).iter().flatten().count() as f64;
    let sd: Vec<f64> =
        (0..width).map(|j| ((products[(j, j)] + belief * usual) / (count(j) + belief)).sqrt()).collect();
    Array2::from_shape_fn((width, width), |(i, j)| {
        if i == j {
            return sd[i] * sd[j];
        }
        let norm = (products[(i, i)] * products[(j, j)]).sqrt();
        let alike = if norm > 0.0 { products[(i, j)] / norm } else { 0.0 };
        (1.0 - own) * alike * sd[i] * sd[j]
    })
}
