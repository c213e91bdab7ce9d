//! Judging a predictor of kernels on kernels, blocks and networks.

use super::part::{PartMetrics, plain};
use crate::fit::baselines::{FlopsOnly, roofline_scale};
use crate::fit::observation::{Level, Observation};
use edgezen_core::plainnet::{Kernel, KernelKind};
use edgezen_core::predictor::LatencyPredictor;
use edgezen_core::predictor::domain::Membership;
use edgezen_core::predictor::fitted::{Bounded, FittedPredictor};
use edgezen_core::predictor::metrics::{Metrics, Pair};
use edgezen_core::stats;

/// How good a predictor of kernels is.
pub struct KernelEvaluation {
    pub rows: u32,
    pub kernels: Option<Metrics>,
    pub blocks: Option<Metrics>,
    pub networks: Option<Metrics>,
    /// Of the kernels.
    pub parts: Vec<PartMetrics>,
    /// A line in the MACs, fitted to the kernels themselves, which flatters it.
    pub baseline_flops: Option<Metrics>,
    /// The roofline with the scale that fits the kernels best.
    pub baseline_roofline: Option<Metrics>,
    /// Kernels, then networks.
    pub pairs: Vec<Pair>,
}

/// A kernel that was measured on its own, with its prediction and what to group by.
#[derive(Clone, Copy, Debug)]
struct KernelPair {
    kernel: Kernel,
    /// In the predictor's domain.
    membership: Membership,
    pair: Pair,
}

/// Judges `predictor` by measurements with its own identity.
pub fn evaluate(predictor: &FittedPredictor, observations: &[Observation]) -> KernelEvaluation {
    let kernels = kernel_pairs(predictor, observations);
    let of_kernels: Vec<Pair> = kernels.iter().map(|k| k.pair).collect();
    let of_level = |level: Level| -> Vec<Pair> {
        observations.iter().filter(|o| o.level == level).map(|o| composed(predictor, o)).collect()
    };
    let networks = of_level(Level::Network);
    let measured: Vec<(Kernel, f64)> = kernels.iter().map(|k| (k.kernel, k.pair.measured)).collect();
    KernelEvaluation {
        rows: u32::try_from(observations.len()).unwrap_or(u32::MAX),
        kernels: Metrics::of(&of_kernels),
        blocks: Metrics::of(&of_level(Level::Block)),
        networks: Metrics::of(&networks),
        parts: parts(&kernels),
        baseline_flops: flops(&measured),
        baseline_roofline: roofline(predictor, &measured),
        pairs: [of_kernels, networks].concat(),
    }
}

fn kernel_pairs(predictor: &FittedPredictor, observations: &[Observation]) -> Vec<KernelPair> {
    let singles: Vec<(Kernel, f64)> =
        observations.iter().filter_map(|o| Some((*o.single()?, o.latency.ns()))).collect();
    let kernels: Vec<Kernel> = singles.iter().map(|(kernel, _)| *kernel).collect();
    let pair = |(&(kernel, measured), bounded): (&(Kernel, f64), Bounded)| {
        let interval = Some((bounded.lower.ns(), bounded.upper.ns()));
        let pair = Pair { predicted: bounded.estimate.latency.ns(), interval, measured };
        KernelPair { kernel, membership: predictor.membership(&kernel), pair }
    };
    singles.iter().zip(predictor.bounded_many(&kernels)).map(pair).collect()
}

/// A block or a network as its kernels are predicted.
fn composed(predictor: &FittedPredictor, observation: &Observation) -> Pair {
    let measured = observation.latency.ns();
    if observation.level == Level::Network {
        let estimate = predictor.predict(&observation.kernels);
        // Estimates are per image, observations for the batch.
        let batch = f64::from(predictor.identity().batch);
        let interval = Some((estimate.lower.ns() * batch, estimate.upper.ns() * batch));
        return Pair { predicted: estimate.latency.ns() * batch, interval, measured };
    }
    let predicted = observation.kernels.iter().map(|k| predictor.estimate(k).latency.ns()).sum();
    Pair { predicted, interval: None, measured }
}

/// A line in the MACs.
fn flops(rows: &[(Kernel, f64)]) -> Option<Metrics> {
    let macs: Vec<(f64, f64)> = rows.iter().map(|(kernel, ns)| (kernel.macs(), *ns)).collect();
    let line = FlopsOnly::fit(&macs)?;
    plain(macs.iter().map(|&(macs, ns)| (line.predict_ns(macs), ns)))
}

/// The roofline with one scale.
fn roofline(predictor: &FittedPredictor, rows: &[(Kernel, f64)]) -> Option<Metrics> {
    let roofline = &predictor.file().model.roofline;
    let bytes = predictor.bytes_per_element();
    let scale = roofline_scale(roofline, rows, bytes)?;
    plain(rows.iter().map(|(kernel, ns)| (scale * roofline.bound(kernel, bytes).ns(), *ns)))
}

/// By kind, batch, membership in the domain and decile of the measured latency.
fn parts(pairs: &[KernelPair]) -> Vec<PartMetrics> {
    let mut parts = Vec::new();
    let mut push = |part: String, pairs: Vec<Pair>| parts.extend(PartMetrics::of(part, &pairs));
    let distinct = |of: &dyn Fn(&Kernel) -> u64| {
        let mut values: Vec<u64> = pairs.iter().map(|p| of(&p.kernel)).collect();
        values.sort_unstable();
        values.dedup();
        values
    };
    let select =
        |keep: &dyn Fn(&KernelPair) -> bool| pairs.iter().filter(|p| keep(p)).map(|p| p.pair).collect();
    for kind in KernelKind::ALL {
        push(kind.name().to_owned(), select(&|p| p.kernel.kind == kind));
    }
    for batch in distinct(&|kernel| u64::from(kernel.batch)) {
        push(format!("batch {batch}"), select(&|p| u64::from(p.kernel.batch) == batch));
    }
    type Belongs = fn(Membership) -> bool;
    let memberships: [(&str, Belongs); 5] = [
        ("seen sides and channels", |m| m == Membership::Inside { new_side: false, new_channels: false }),
        ("new sides", |m| m == Membership::Inside { new_side: true, new_channels: false }),
        ("new channels", |m| m == Membership::Inside { new_side: false, new_channels: true }),
        ("new sides and channels", |m| m == Membership::Inside { new_side: true, new_channels: true }),
        ("outside the domain", |m| m == Membership::Outside),
    ];
    for (name, belongs) in memberships {
        push(name.to_owned(), select(&|p| belongs(p.membership)));
    }
    let sorted = stats::sorted(&pairs.iter().map(|p| p.pair.measured).collect::<Vec<_>>());
    let edge = |decile: usize| stats::quantile(&sorted, decile as f64 / 10.0).unwrap_or(0.0);
    for decile in 1..=10 {
        let (low, high) = (edge(decile - 1), edge(decile));
        let last = decile == 10;
        let inside = |p: &KernelPair| p.pair.measured >= low && (p.pair.measured < high || last);
        push(format!("decile {decile} (to {:.3} ms)", high / 1e6), select(&inside));
    }
    parts
}
