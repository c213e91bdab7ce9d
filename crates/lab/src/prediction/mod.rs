//! Predicting: the latency of networks of any kind, and of the rows of a table, by a predictor of either kind.

pub mod blocks;
pub mod many;
pub mod network;
pub mod table;

pub use many::Many;
pub use network::{Missing, Prediction};
pub use table::PredictedTable;

use crate::catalogue::networks::NetworkError;
use crate::dataset::DatasetError;
use crate::dataset::table::NetworkTableError;
use edgezen_core::plainnet::ShapeError;
use edgezen_core::predictor::network::NetworkPredictor;
use edgezen_core::predictor::pricing::NoEstimate;
use edgezen_core::search::CostError;
use edgezen_core::zoo::Space;
use std::path::PathBuf;

/// Coverage from which on a network counts as inside the predictor's domain.
pub const INSIDE: f64 = 0.9;

/// Why nothing was predicted.
#[derive(Debug, thiserror::Error)]
pub enum PredictionError {
    /// The predictor takes the networks of one space only.
    #[error("{predictor} predicts networks of {space} only: {reason}")]
    Foreign { predictor: String, space: Space, reason: String },
    #[error("{predictor} knows batches of {batch} images only")]
    OtherBatch { predictor: String, batch: u32 },
    #[error("{predictor} knows whole networks only: no breakdown")]
    NoBreakdown { predictor: String },
    #[error("{net}: not a convolutional network over images: {reason}")]
    NoCnn { net: String, reason: String },
    /// More of a file's multiply-accumulates are without a counterpart here than a latency may lack.
    #[error("{net}: {share} of its multiply-accumulates cannot be priced: {what}")]
    Incomplete { net: String, share: String, what: String },
    /// All rows of a table of networks say another precision or other threads.
    #[error("{path}: its rows are of another identity ({what}) than the predictor, {predictor}")]
    OtherRows { path: PathBuf, what: String, predictor: String },
    #[error(transparent)]
    Shape(#[from] ShapeError),
    #[error(transparent)]
    NoEstimate(#[from] NoEstimate),
    #[error(transparent)]
    Table(#[from] DatasetError),
    #[error(transparent)]
    NetworkTable(#[from] NetworkTableError),
}

/// Why the network that a text stands for has no latency.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// It stands for none.
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Prediction(#[from] PredictionError),
}

impl From<CostError> for PredictionError {
    fn from(error: CostError) -> PredictionError {
        match error {
            CostError::Shape(error) => error.into(),
            CostError::Estimate(error) => error.into(),
        }
    }
}

impl PredictionError {
    /// A network, or a use, that `predictor` cannot serve.
    pub fn foreign(predictor: &NetworkPredictor, reason: impl Into<String>) -> PredictionError {
        PredictionError::Foreign {
            predictor: predictor.id.clone(),
            space: predictor.space(),
            reason: reason.into(),
        }
    }
}
