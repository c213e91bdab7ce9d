//! Networks in 8-bit integers: what the integers of each map and weight stand for. Both file formats use the same numbers.
//!
//! * Weights: symmetric, a scale for each output channel, zero is zero.
//! * Maps: one scale and one zero point each, from the range of their values ([`Ranges`]).
//! * Biases: 32-bit integers; their scale is the product of those of the map and of the weight.

mod affine;
mod histogram;
mod maps;
mod ranges;
mod weights;

pub use affine::Affine;
pub use histogram::Method;
pub use maps::Maps;
pub use ranges::{Images, Ranges};
pub use weights::{IntegerWeights, WeightRange, integers};

/// Why ranges could not be found.
#[derive(Debug, thiserror::Error)]
pub enum QuantisationError {
    #[error("{0}")]
    Engine(#[from] crate::EngineError),
    #[error("node {node} computes {low} to {high} on the images, which no 8-bit integers stand for")]
    Range { node: usize, low: f32, high: f32 },
    #[error("ranges need at least one image")]
    NoImage,
}
