//! Why a predictor could not be judged.

use crate::dataset::DatasetError;
use crate::dataset::table::NetworkTableError;
use crate::fit::FitError;
use edgezen_core::measurement::{Identity, SubjectError};
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
    #[error("the predictor is for {predictor}, but the measurements are of {measured}")]
    OtherIdentity { predictor: String, measured: String },
    #[error("{id} predicts networks of {space} only: {why}")]
    Foreign { id: String, space: Space, why: String },
}

impl EvaluationError {
    /// Something that a predictor of whole networks does not predict.
    pub(super) fn foreign(predictor: &NetworkPredictor, why: impl Into<String>) -> EvaluationError {
        EvaluationError::Foreign { id: predictor.id.clone(), space: predictor.space(), why: why.into() }
    }

    /// Refuses to judge a predictor by measurements of something else.
    pub(super) fn unless_same(predictor: &Identity, measured: &Identity) -> Result<(), EvaluationError> {
        let same = predictor.to_string() == measured.to_string()
            && predictor.batch == measured.batch
            && predictor.threads == measured.threads;
        if same {
            return Ok(());
        }
        let describe = |id: &Identity| format!("{id}, batch {}, {} threads", id.batch, id.threads);
        Err(EvaluationError::OtherIdentity { predictor: describe(predictor), measured: describe(measured) })
    }
}
