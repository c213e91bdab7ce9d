//! What predictors are fitted to: latencies of kernels, blocks and networks, all as lists of kernels.

use crate::dataset::Dataset;
use crate::fit::error::FitError;
use edgezen_core::measurement::{Identity, Sample, Subject, SubjectError};
use edgezen_core::plainnet::Kernel;
use edgezen_core::predictor::roofline::Roofline;
use edgezen_core::stats;
use edgezen_core::units::Latency;
use edgezen_core::zoo::Encoded;
use rustc_hash::FxHasher;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

/// Weight of measurements that the stopwatch itself did not trust.
const DOUBTFUL: f64 = 0.3;

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

/// The samples of a dataset as observations.
///
/// # Errors
/// A block or network that cannot be built.
pub fn observations(dataset: &Dataset) -> Result<Vec<Observation>, FitError> {
    let observation = |sample: &Sample| {
        let (level, group) = match &sample.subject {
            Subject::Kernel(kernel) => (Level::Kernel, group_of(&kernel.with_batch(1))),
            Subject::Block { structure, .. } => (Level::Block, group_of(structure)),
            Subject::Network { structure, .. } => (Level::Network, group_of(structure)),
            Subject::Encoded { code, .. } => (Level::Network, group_of(&whatever_resolution(&code.0))),
        };
        let kernels = kernels(&sample.subject, &dataset.identity)?;
        let weight = if sample.quality.is_doubtful() { DOUBTFUL } else { 1.0 };
        Ok(Observation { level, kernels, latency: sample.median, group, weight })
    };
    dataset.samples.iter().map(observation).collect()
}

/// The kernels of a subject as they are measured under `identity`, with their batch.
///
/// # Errors
/// A block or network that cannot be built.
pub fn kernels(subject: &Subject, identity: &Identity) -> Result<Vec<Kernel>, FitError> {
    if let Subject::Kernel(kernel) = subject {
        return Ok(vec![*kernel]);
    }
    let failed = |e: SubjectError| FitError::Subject { subject: subject.to_string(), reason: e.to_string() };
    let batch = subject.batch().unwrap_or(identity.batch);
    let kernels = subject.kernels(identity.lowering()).map_err(failed)?;
    Ok(kernels.into_iter().map(|kernel| kernel.with_batch(batch)).collect())
}

/// What stands for a network outside PlainNet in cross-validation: its name, whatever the resolution.
fn whatever_resolution(network: &Encoded) -> String {
    match network {
        Encoded::Named(named) => named.name().to_owned(),
        other => other.to_string(),
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

/// The best rates that the data show, where the device's own figures are not known.
pub fn roofline(observations: &[Observation], bytes_per_element: f64) -> Roofline {
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
