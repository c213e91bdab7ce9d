//! How well the networks of a device are completed by its sisters: of each of its sets a few networks are looked at, and the
//! others are predicted.

use crate::fit::completion::{Completed, Latencies, complete};
use edgezen_core::predictor::metrics::{Metrics, Pair};
use edgezen_core::random::shuffle;
use edgezen_core::stats;
use edgezen_core::zoo::known;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Serialize;
use std::collections::BTreeMap;

/// How a hold-out is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Draws {
    /// Networks of each set that are looked at: the same ones in all sets of a device.
    pub samples: usize,
    pub count: u64,
    pub seed: u64,
}

/// A device whose sets were completed.
#[derive(Clone, Debug, Serialize)]
pub struct HeldOut {
    pub device: String,
    /// Sets with more networks than are looked at.
    pub sets: usize,
    /// Of the networks that were not looked at, over all sets and draws.
    pub all: Metrics,
    /// Of those among them that are known by name here, convolutional classifiers.
    pub named: Option<Metrics>,
    /// The same, each by one ratio to the sister that agrees best on the networks that were looked at.
    pub ratio: Option<Metrics>,
    pub ratio_named: Option<Metrics>,
}

/// A latency of a network that was not looked at.
struct Row {
    named: bool,
    pair: Pair,
    ratio: Option<Pair>,
}

/// Completes `device` as often as is asked for; `None` where none of its sets has more networks than are looked at.
pub fn hold_out(latencies: &Latencies, device: usize, draws: Draws) -> Option<HeldOut> {
    let known = latencies.known(device);
    let settings: Vec<usize> = (0..known.len()).filter(|&at| known[at] > draws.samples).collect();
    let mut rows = Vec::new();
    for draw in 0..draws.count {
        let mut order: Vec<usize> = (0..latencies.networks.len()).collect();
        shuffle(&mut order, &mut Xoshiro256PlusPlus::seed_from_u64(draws.seed + draw));
        rows.extend(unseen(latencies, device, &settings, &order, draws.samples));
    }
    let of =
        |keep: &dyn Fn(&Row) -> Option<Pair>| Metrics::of(&rows.iter().filter_map(keep).collect::<Vec<_>>());
    Some(HeldOut {
        device: latencies.devices[device].clone(),
        sets: settings.len(),
        all: of(&|row| Some(row.pair))?,
        named: of(&|row| Some(row.pair).filter(|_| row.named)),
        ratio: of(&|row| row.ratio),
        ratio_named: of(&|row| row.ratio.filter(|_| row.named)),
    })
}

/// The networks of `settings` that are not looked at, where of each setting the first `samples` in this `order` are.
fn unseen(
    latencies: &Latencies,
    device: usize,
    settings: &[usize],
    order: &[usize],
    samples: usize,
) -> Vec<Row> {
    let first = |setting: usize| -> Vec<usize> {
        let has = |network: &&usize| latencies.logs[(device, **network, setting)].is_some();
        order.iter().filter(has).take(samples).copied().collect()
    };
    let looked_at: BTreeMap<usize, Vec<usize>> = settings.iter().map(|&at| (at, first(at))).collect();
    let completed = complete(latencies, device, |network, setting| {
        looked_at.get(&setting).is_some_and(|networks| networks.contains(&network))
    });
    let mut rows = Vec::new();
    for (&setting, seen) in &looked_at {
        let ratio = best_ratio(latencies, device, setting, seen);
        for (network, name) in latencies.networks.iter().enumerate().filter(|(at, _)| !seen.contains(at)) {
            let log = latencies.logs[(device, network, setting)];
            let (Some(log), Some(completed)) = (log, completed[(network, setting)]) else { continue };
            let Completed { ms, lower_ms, upper_ms } = completed;
            let measured = log.exp();
            let sister = ratio.and_then(|ratio| ratio.predicted_ms(latencies, network, setting));
            rows.push(Row {
                named: is_named(name),
                pair: Pair { predicted: ms, interval: Some((lower_ms, upper_ms)), measured },
                ratio: sister.map(|predicted| Pair { predicted, interval: None, measured }),
            });
        }
    }
    rows
}

/// Whether a network, as [`Latencies`] names it, has a graph here.
fn is_named(network: &str) -> bool {
    let name = network.split('@').next().unwrap_or_default();
    known::known_as(name).is_some()
}

/// A sister and the ratio to it.
#[derive(Clone, Copy, Debug)]
struct Ratio {
    sister: usize,
    log: f64,
}

impl Ratio {
    fn predicted_ms(self, latencies: &Latencies, network: usize, setting: usize) -> Option<f64> {
        Some((latencies.logs[(self.sister, network, setting)]? + self.log).exp())
    }
}

/// The sister that agrees best with a set of `device` on the networks that were looked at, of those that have most of them.
fn best_ratio(latencies: &Latencies, device: usize, setting: usize, looked_at: &[usize]) -> Option<Ratio> {
    const MOST: f64 = 0.7;
    let of = |sister: usize| {
        let log = |&network: &usize| {
            Some(latencies.logs[(device, network, setting)]? - latencies.logs[(sister, network, setting)]?)
        };
        let logs: Vec<f64> = looked_at.iter().filter_map(log).collect();
        let enough = (logs.len() as f64) >= MOST * looked_at.len() as f64;
        let log = stats::median(&logs).filter(|_| enough)?;
        let off = stats::mean(&logs.iter().map(|own| (own - log).abs()).collect::<Vec<_>>())?;
        Some((off, Ratio { sister, log }))
    };
    let sisters = (0..latencies.devices.len()).filter(|&sister| sister != device).filter_map(of);
    sisters.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, ratio)| ratio)
}
