//! Where the predicted latency of a network goes: by section (see [`plainnet::sections`](crate::plainnet::sections)) and
//! by kernel, each part divided by the roofline into arithmetic, memory traffic and the starting of kernels.

use crate::plainnet::sections::Section;
use crate::plainnet::{Kernel, KernelKind};
use crate::predictor::fitted::FittedPredictor;
use crate::predictor::roofline::Roofline;
use crate::predictor::{LatencyPredictor, Support, Terms};
use crate::units::Latency;
use serde::Serialize;

/// The parts of a predicted latency, before the network-level correction.
#[derive(Clone, Debug)]
pub struct Breakdown {
    /// The sums over all kernels, from which the predictor estimates the network.
    pub terms: Terms,
    pub kernels: Vec<KernelShare>,
    pub blocks: Vec<BlockShare>,
    /// Kinds of kernel without a model, in the order in which they occur: their latency is a bound.
    pub without_model: Vec<KernelKind>,
}

/// A kernel with its latency per image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KernelShare {
    pub kernel: Kernel,
    pub latency: Latency,
    pub support: Support,
}

/// A section's share of the latency, per image. `compute_ms`, `memory_ms` and `overhead_ms` add up to `ms`.
#[derive(Clone, Debug, Serialize)]
pub struct BlockShare {
    pub block: String,
    pub kernels: usize,
    pub ms: f64,
    /// Of kernels whose arithmetic takes longer than their memory traffic, by the roofline.
    pub compute_ms: f64,
    /// Of kernels whose memory traffic takes longer than their arithmetic.
    pub memory_ms: f64,
    /// Of starting the kernels.
    pub overhead_ms: f64,
    /// Whether the sum over the sections up to this one is the first to exceed the budget; absent without a budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaks_budget: Option<bool>,
}

/// Predicts every kernel of `sections`, with the batch of the predictor's identity.
pub fn of_sections(predictor: &FittedPredictor, sections: &[Section]) -> Breakdown {
    let images = predictor.identity().batch;
    let batch = f64::from(images);
    let mut breakdown = Breakdown {
        terms: Terms::default(),
        kernels: Vec::new(),
        blocks: Vec::new(),
        without_model: Vec::new(),
    };
    for section in sections {
        let mut parts = [Latency::ZERO; 3];
        for kernel in &section.kernels {
            let estimate = predictor.kernel(kernel);
            let whole = kernel.with_batch(images);
            breakdown.terms = breakdown.terms + Terms::of(&whole, estimate);
            if estimate.support == Support::Bound && !breakdown.without_model.contains(&kernel.kind) {
                breakdown.without_model.push(kernel.kind);
            }
            let roofline = &predictor.file().model.roofline;
            let shares = split(&whole, estimate.latency, roofline, predictor.bytes_per_element());
            parts.iter_mut().zip(shares).for_each(|(part, share)| *part += share / batch);
            let latency = estimate.latency / batch;
            breakdown.kernels.push(KernelShare { kernel: *kernel, latency, support: estimate.support });
        }
        let [compute_ms, memory_ms, overhead_ms] = parts.map(Latency::ms);
        breakdown.blocks.push(BlockShare {
            block: section.label.clone(),
            kernels: section.kernels.len(),
            ms: compute_ms + memory_ms + overhead_ms,
            compute_ms,
            memory_ms,
            overhead_ms,
            breaks_budget: None,
        });
    }
    breakdown
}

impl Breakdown {
    /// Marks the section with which the sum first exceeds `limit`, where `latency` is the network's, corrected: the
    /// sections are scaled so that they add up to it.
    pub fn mark(&mut self, latency: Latency, limit: Latency) {
        let total: f64 = self.blocks.iter().map(|row| row.ms).sum();
        let scale = latency.ms() / total.max(f64::MIN_POSITIVE);
        let (mut sum, mut broken) = (0.0, false);
        for row in &mut self.blocks {
            sum += row.ms * scale;
            let breaks = !broken && sum > limit.ms();
            broken |= breaks;
            row.breaks_budget = Some(breaks);
        }
    }
}

/// Divides `latency` of one kernel (whole batch) into arithmetic, memory traffic and start-up. What exceeds the
/// start-up time of the roofline goes to arithmetic or memory as a whole, whichever takes longer by the roofline.
fn split(kernel: &Kernel, latency: Latency, roofline: &Roofline, bytes_per_element: f64) -> [Latency; 3] {
    let overhead = Latency::from_ns(roofline.launch_ns.min(latency.ns()));
    let rest = latency - overhead;
    let compute = kernel.macs() / roofline.peak_gmacs_per_s;
    let memory = kernel.bytes(bytes_per_element) / roofline.gbytes_per_s;
    if compute > memory { [rest, Latency::ZERO, overhead] } else { [Latency::ZERO, rest, overhead] }
}
