//! Why a predictor could not be judged.

use super::identity::OtherIdentity;
use crate::dataset::DatasetError;
use crate::dataset::table::NetworkTableError;
use crate::fit::FitError;
use edgezen_core::measurement::SubjectError;
use edgezen_core::predictor::network::NetworkPredictor;
use edgezen_core::zoo::Space;

/// Why a predictor could not be judged.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    #[error(transparent)]
    Table(#[from] NetworkTableError),
    #[error(transparent)]
    Observation(#[from] FitError),
    #[error("{subject}: {error}")]
    Subject { subject: String, error: SubjectError },
    #[error(transparent)]
    OtherIdentity(#[from] OtherIdentity),
    #[error("{id} predicts networks of {space} only: {why}")]
    Foreign { id: String, space: Space, why: String },
}

impl EvaluationError {
    /// Something that a predictor of whole networks does not predict.
    pub(super) fn foreign(predictor: &NetworkPredictor, why: impl Into<String>) -> EvaluationError {
        EvaluationError::Foreign { id: predictor.id.clone(), space: predictor.space(), why: why.into() }
    }
}
