//! What predictors are fitted to: latencies of kernels, blocks and networks, all as lists of kernels.

use super::features::{Machine, Quantities};
use crate::plainnet::{Kernel, KernelKind};
use crate::stats;
use crate::units::Latency;
use rustc_hash::FxHasher;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

/// What was measured at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Kernel,
    Block,
    Network,
}

/// One latency and the kernels that make it up.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    pub level: Level,
    /// With the batch they were measured with.
    pub kernels: Vec<Kernel>,
    /// For the whole batch.
    pub latency: Latency,
    /// Observations of one configuration share it, whatever their batch: cross-validation never
    /// puts them on both sides.
    pub group: u64,
    /// 1, or less where the measurement is doubtful.
    pub weight: f64,
}

impl Observation {
    pub fn kernel(kernel: Kernel, latency: Latency) -> Observation {
        let group = group_of(&kernel.with_batch(1));
        Observation { level: Level::Kernel, kernels: vec![kernel], latency, group, weight: 1.0 }
    }

    /// The kernel, if that is all there is.
    pub fn single(&self) -> Option<&Kernel> {
        match (self.level, self.kernels.as_slice()) {
            (Level::Kernel, [kernel]) => Some(kernel),
            _ => None,
        }
    }
}

/// A key for cross-validation groups; the same on every machine.
pub fn group_of(key: &impl Hash) -> u64 {
    let mut hasher = FxHasher::default();
    key.hash(&mut hasher);
    // FxHash leaves structure in its low bits; folds are taken from the mixed value.
    let mut x = hasher.finish();
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Assigns each observation to one of `folds` folds, whole groups at a time, evenly within each level.
pub fn folds(observations: &[Observation], folds: usize) -> Vec<usize> {
    let mut by_level: BTreeMap<Level, Vec<u64>> = BTreeMap::new();
    for observation in observations {
        by_level.entry(observation.level).or_default().push(observation.group);
    }
    for groups in by_level.values_mut() {
        groups.sort_unstable();
        groups.dedup();
    }
    observations
        .iter()
        .map(|observation| {
            let groups = &by_level[&observation.level];
            groups.partition_point(|&group| group < observation.group) % folds
        })
        .collect()
}

/// The least that the device is known to need: peak rates and the cost of starting anything.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roofline {
    /// 10^9 multiply-accumulates per second.
    pub peak_gmacs_per_s: f64,
    /// 10^9 bytes per second.
    pub gbytes_per_s: f64,
    pub launch_ns: f64,
    /// Multiprocessors of a GPU; absent elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processors: Option<u32>,
    /// Where the figures come from.
    pub source: String,
}

impl Roofline {
    /// The best rates that the data show, where the device's own figures are not known.
    pub fn from_data(observations: &[Observation], bytes_per_element: f64) -> Roofline {
        let rate = |amount: &dyn Fn(&Kernel) -> f64| {
            let best = |o: &Observation| o.kernels.iter().map(amount).sum::<f64>() / o.latency.ns();
            let rates: Vec<f64> = observations.iter().map(best).collect();
            // Not the very best: one lucky row must not set the bound for all.
            stats::quantile(&stats::sorted(&rates), 0.99).unwrap_or(1.0).max(1e-3)
        };
        let shortest = observations
            .iter()
            .filter(|o| o.level == Level::Kernel)
            .map(|o| o.latency.ns())
            .fold(f64::INFINITY, f64::min);
        Roofline {
            peak_gmacs_per_s: rate(&|kernel| kernel.macs()),
            gbytes_per_s: rate(&|kernel| kernel.bytes(bytes_per_element)),
            launch_ns: if shortest.is_finite() { shortest } else { 0.0 },
            processors: None,
            source: "best rates in the data".into(),
        }
    }

    /// What no prediction may fall below: caches beat the memory bus, but not by more than this.
    pub fn floor_ns(&self, kernel: &Kernel, bytes_per_element: f64) -> f64 {
        const CACHES: f64 = 4.0;
        (self.bound(kernel, bytes_per_element).ns() / CACHES).max(1.0)
    }

    /// No run of `kernel` from memory is quicker.
    pub fn bound(&self, kernel: &Kernel, bytes_per_element: f64) -> Latency {
        let compute = kernel.macs() / self.peak_gmacs_per_s;
        let memory = kernel.bytes(bytes_per_element) / self.gbytes_per_s;
        Latency::from_ns(self.launch_ns + compute.max(memory))
    }
}

/// All that a family gets to see.
#[derive(Clone, Copy)]
pub struct Training<'a> {
    pub observations: &'a [&'a Observation],
    pub machine: Machine,
    pub roofline: &'a Roofline,
}

impl Training<'_> {
    /// Kernels of `kind` measured on their own.
    pub fn count(&self, kind: KernelKind) -> usize {
        self.observations.iter().filter_map(|o| o.single()).filter(|k| k.kind == kind).count()
    }

    /// Those kernels, with their latencies in nanoseconds.
    pub fn singles(&self, kind: KernelKind) -> Vec<(Quantities, f64)> {
        let kernels = self.observations.iter().filter_map(|o| Some((o.single()?, o.latency.ns())));
        let of_kind = kernels.filter(|(kernel, _)| kernel.kind == kind);
        of_kind.map(|(kernel, ns)| (Quantities::of(kernel, &self.machine), ns)).collect()
    }
}
