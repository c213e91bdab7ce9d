//! Proxies that look at a random network with its classifier, rather than at its structure.

use super::exact::forward::ForwardError;
use super::{Candidate, Proxy, ScoreError};
use crate::plainnet::{Graph, Model, Network, Shape, ShapeError, Variant, graph};
use crate::units::Bytes;
use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;

/// Why such a proxy has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undefined {
    #[error(transparent)]
    Forward(#[from] ForwardError),
    #[error("{0}")]
    Reason(String),
    #[error("not a finite number")]
    NotFinite,
}

/// A proxy that runs the network as a graph. The graph has the classifier, and neither residual links nor
/// squeeze-excite (docs/plainnet.md, section 5.4).
pub trait GraphProxy: Send + Sync {
    const NAME: &'static str;

    fn batch(&self) -> u32;

    /// Bytes that the score takes, about.
    fn bytes(&self, graph: &Graph) -> f64;

    /// The score on the random numbers of `seed`.
    fn evaluate(&self, graph: &Graph, seed: u64) -> Result<f64, Undefined>;
}

/// A [`GraphProxy`] as a [`Proxy`].
pub struct OnGraph<P>(pub P);

/// The network that these proxies look at.
///
/// # Errors
/// The structure is not a usable network.
pub fn scored_graph(network: &Network, resolution: u32, classes: u32) -> Result<Graph, ShapeError> {
    crate::plainnet::shape::validate_scored(&network.blocks, resolution)?;
    crate::plainnet::shape::check_classes(classes)?;
    let body = graph::body(&network.blocks, Shape::square(3, resolution), Variant::SCORED)?;
    Ok(graph::with_classifier(body, classes))
}

impl<P: GraphProxy> OnGraph<P> {
    fn run(&self, network: &Network, side: u32, classes: u32, seed: u64) -> Result<f64, ScoreError> {
        let graph = scored_graph(network, side, classes)?;
        match self.0.evaluate(&graph, seed) {
            Ok(score) if score.is_finite() => Ok(score),
            Ok(_) | Err(Undefined::NotFinite) => Err(ScoreError::NotFinite { proxy: P::NAME }),
            Err(error) => Err(ScoreError::Undefined { proxy: P::NAME, reason: error.to_string() }),
        }
    }
}

impl<P: GraphProxy> Proxy for OnGraph<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }
    fn batch(&self) -> Option<u32> {
        Some(self.0.batch())
    }
    fn memory(&self, model: &Model) -> Result<Option<Bytes>, ScoreError> {
        let graph = scored_graph(&model.network, model.resolution, model.classes)?;
        Ok(Some(Bytes(self.0.bytes(&graph))))
    }
    fn score(&self, candidate: Candidate<'_>, rng: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
        self.run(&candidate.blocks.into(), candidate.resolution, candidate.classes, rng.random())
    }
    fn score_model(&self, model: &Model, rng: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
        self.run(&model.network, model.resolution, model.classes, rng.random())
    }
}
