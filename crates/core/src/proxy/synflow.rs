//! Synflow: how much each weight contributes to the output of a network of positive weights
//! (docs/plainnet.md, section 5.4).
//!
//! As in the released code, BN is left in training mode and normalises most of the magnitude away, on the
//! statistics of the one image of ones; and the score is the negated sum, contrary to the original proxy,
//! for which more is better. Both signs are offered.

use super::exact::forward::ForwardError;
use super::exact::source::{Scaling, Seeded, Source};
use super::gradient::{Differentiable, Parameter};
use super::on_graph::{GraphProxy, Undefined};
use crate::plainnet::{Graph, footprint};

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Minus the sum, as released.
    Negated,
    /// The sum, as in the original proxy.
    Original,
}

/// `NEGATED` tells the two signs apart by name.
pub struct Synflow<const NEGATED: bool>;

impl<const NEGATED: bool> GraphProxy for Synflow<NEGATED> {
    const NAME: &'static str = if NEGATED { "synflow" } else { "synflow-original" };

    fn batch(&self) -> u32 {
        1
    }

    fn bytes(&self, graph: &Graph) -> f64 {
        footprint::tape(graph, 1.0, 8.0)
    }

    fn evaluate(&self, graph: &Graph, seed: u64) -> Result<f64, Undefined> {
        let source = Seeded { seed, repeat: 0, salt: 0, scaling: Scaling::Unit };
        flow(graph, &source, if NEGATED { Sign::Negated } else { Sign::Original })
    }
}

/// Σ over layers of the mean over output channels of Σ|w · ∂(Σ logits)/∂w|, in double precision.
///
/// # Errors
/// BN of a 1×1 map, whose only value has no variance.
pub fn flow(graph: &Graph, source: &dyn Source<f64>, sign: Sign) -> Result<f64, Undefined> {
    let network = Differentiable::new(graph, 1, source, f64::abs)?;
    let ones = vec![1.0; graph.input().elements() as usize];
    let tape = network.forward(ones).map_err(|error| match error {
        ForwardError::SingleValue => Undefined::Reason(
            "its one image has maps of one pixel, on which BN sees no variance; give it a larger resolution, or \
             fewer strides"
                .into(),
        ),
        other => other.into(),
    })?;
    let mut total = 0.0;
    let seed = vec![1.0; tape.output().len()];
    network.backward(&tape, seed, &mut |parameter, gradient| {
        if let Parameter::Weight { index, fan_in } = parameter {
            let flow: f64 = gradient.iter().zip(network.weights(index)).map(|(g, w)| (g * w).abs()).sum();
            total += flow / (gradient.len() / fan_in) as f64;
        }
    });
    Ok(match sign {
        Sign::Negated => -total,
        Sign::Original => total,
    })
}
