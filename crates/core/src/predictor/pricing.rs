//! What says how long networks take on a device: a predictor of kernels, whose sums a search remembers, or a function that knows
//! networks only as a whole.

use super::{Estimate, LatencyPredictor};
use crate::measurement::Identity;
use crate::plainnet::Model;
use std::sync::Arc;

/// Why a network has no latency.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{predictor} gives no latency of {net}: {reason}")]
pub struct NoEstimate {
    /// Identity of the predictor.
    pub predictor: String,
    pub net: String,
    pub reason: String,
}

/// Predicts the latency of any network, and of nothing smaller. It is asked once for every network, by several threads.
pub trait WholePredictor: Send + Sync {
    fn identity(&self) -> &Identity;

    /// The latency of `model` per image.
    ///
    /// # Errors
    /// The network has none.
    fn estimate(&self, model: &Model) -> Result<Estimate, NoEstimate>;
}

/// What says how long networks take on a device.
#[derive(Clone)]
pub enum Pricing {
    Kernels(Arc<dyn LatencyPredictor>),
    Whole(Arc<dyn WholePredictor>),
}

impl Pricing {
    pub fn identity(&self) -> &Identity {
        match self {
            Pricing::Kernels(predictor) => predictor.identity(),
            Pricing::Whole(predictor) => predictor.identity(),
        }
    }

    /// The predictor of kernels, where it is one.
    pub fn of_kernels(&self) -> Option<&Arc<dyn LatencyPredictor>> {
        match self {
            Pricing::Kernels(predictor) => Some(predictor),
            Pricing::Whole(_) => None,
        }
    }
}

impl<P: LatencyPredictor + 'static> From<Arc<P>> for Pricing {
    fn from(predictor: Arc<P>) -> Pricing {
        Pricing::Kernels(predictor)
    }
}

impl From<Arc<dyn LatencyPredictor>> for Pricing {
    fn from(predictor: Arc<dyn LatencyPredictor>) -> Pricing {
        Pricing::Kernels(predictor)
    }
}
