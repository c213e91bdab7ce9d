//! The Φ-score: the logarithm of the norm of a network's gradient, without BN and residual links (Zen-NAS
//! paper, section 3.3; docs/plainnet.md, section 5.3).
//!
//! Estimated from a small disturbance, E‖f(x) − f(x + αε)‖ ≈ α·‖J‖. In single precision the activations
//! of a network of 32 layers or so overflow; in log space each layer's scale is taken out and its logarithm
//! kept, which is exact, because ReLU networks without biases commute with positive factors.

use super::exact::forward::{Blind, Engine, Options, Statistics};
use super::exact::real::Real;
use super::exact::source::Source;
use super::exact::{ExactError, distances, network_graph};
use crate::plainnet::{Network, Variant};

/// The vanilla network without BN.
pub const VARIANT: Variant = Variant { reslink: false, se: false, bn: false };

/// Whether scales are taken out on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// As the paper computes it: overflows.
    Plain,
    /// In log space: does not.
    Log,
}

/// ln of the mean over images of ‖f(x) − f(x + αε)‖₂; Φ is this minus ln α. Infinite where activations overflow.
///
/// # Errors
/// A structure that is no network or cannot be run.
pub fn log_difference<T: Real>(
    network: &Network,
    resolution: u32,
    batch: u32,
    alpha: f64,
    scale: Scale,
    source: &dyn Source<T>,
) -> Result<f64, ExactError> {
    let graph = network_graph(network, resolution, VARIANT)?;
    let mut engine = Engine::<T>::default();
    let input = engine.input(&graph, batch as usize, 2, alpha, source);
    let options = Options { statistics: Statistics::Batch, rescale: scale == Scale::Log };
    let passed = engine.run(&graph, input, source, options, &mut Blind)?;
    let (_, l2) = distances(&passed.output);
    let log = (l2.iter().sum::<f64>() / f64::from(batch)).ln();
    // Infinities less infinities are no numbers, and ReLU makes zeros of those.
    Ok(if log.is_finite() { log + passed.log_scale } else { f64::INFINITY })
}
