//! A predictor with its network level refitted to a few networks of one run.
//!
//! The networks that a search finds best are those that the predictor may flatter most. Measuring a
//! handful of them says by how much, for just this kind of network; a factor on the whole prediction is
//! all that a handful can say.

use crate::measurement::Identity;
use crate::plainnet::{Kernel, KernelKind};
use crate::predictor::{Estimate, KernelEstimate, LatencyPredictor, Terms};
use crate::units::Latency;
use std::sync::Arc;

/// Networks' worth of belief in the predictor as it is.
const PRIOR_NETWORKS: f64 = 0.5;

/// A predictor times a factor.
pub struct Corrected {
    pub inner: Arc<dyn LatencyPredictor>,
    pub factor: f64,
}

/// The factor that networks speak for, from their latencies as predicted without one and as measured: the
/// geometric mean of the ratios, pulled towards 1. It is 1 without networks.
pub fn refit(networks: &[(Latency, Latency)]) -> f64 {
    let logs: f64 = networks.iter().map(|(predicted, measured)| (measured.ns() / predicted.ns()).ln()).sum();
    (logs / (networks.len() as f64 + PRIOR_NETWORKS)).exp()
}

impl LatencyPredictor for Corrected {
    fn identity(&self) -> &Identity {
        self.inner.identity()
    }

    fn knows(&self, kind: KernelKind, size: u32) -> bool {
        self.inner.knows(kind, size)
    }

    fn kernel(&self, kernel: &Kernel) -> KernelEstimate {
        self.inner.kernel(kernel)
    }

    fn kernels(&self, kernels: &[Kernel]) -> Vec<KernelEstimate> {
        self.inner.kernels(kernels)
    }

    fn network(&self, terms: &Terms) -> Estimate {
        let Estimate { latency, lower, upper, charged, coverage } = self.inner.network(terms);
        let Corrected { factor, .. } = *self;
        let [latency, lower, upper, charged] = [latency, lower, upper, charged].map(|end| end * factor);
        Estimate { latency, lower, upper, charged, coverage }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_networks_move_the_factor_most_of_the_way() {
        assert_eq!(refit(&[]), 1.0);
        let one = (Latency::from_ms(10.0), Latency::from_ms(13.0));
        let (first, fifth) = (refit(&[one]), refit(&[one; 5]));
        assert!(1.15 < first && first < fifth && fifth < 1.3, "{first} {fifth}");
    }
}
