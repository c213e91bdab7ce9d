//! Judging predictors on measurements: errors of all of them and of their parts, beside plain baselines.
//!
//! [`data`] reads what is judged by. Kernels and blocks are judged by [`kernels`], tables of whole networks by [`networks`];
//! [`scatter`] draws predicted over measured. [`siblings`] judges how a device is completed by its sisters, [`succession`]
//! whether a new predictor is better than the one whose place it takes.

pub mod data;
mod error;
mod identity;
pub mod kernels;
pub mod networks;
mod part;
pub mod scatter;
pub mod siblings;
pub mod succession;

pub use self::error::EvaluationError;
pub use self::identity::{OtherIdentity, same_identity};
pub use self::part::PartMetrics;

use self::data::Data;
use self::kernels::KernelEvaluation;
use self::networks::NetworkEvaluation;
use edgezen_core::predictor::any::AnyPredictor;
use edgezen_core::predictor::metrics::Pair;
use std::path::Path;

/// How good a predictor is.
pub enum Evaluation {
    Kernels(KernelEvaluation),
    Networks(NetworkEvaluation),
}

impl Evaluation {
    /// Each prediction beside its measurement, in nanoseconds.
    pub fn pairs(&self) -> &[Pair] {
        match self {
            Evaluation::Kernels(evaluation) => &evaluation.pairs,
            Evaluation::Networks(evaluation) => &evaluation.pairs,
        }
    }
}

/// Judges `predictor` by the data in `path`: the folder of a dataset, or a table of kernels or networks. `archs` is the
/// table of architectures of a table of networks that has only `arch_id`.
///
/// # Errors
/// Data that cannot be read, of another identity, or of something that the predictor does not predict.
pub fn evaluate(
    predictor: &AnyPredictor,
    path: &Path,
    archs: Option<&Path>,
) -> Result<Evaluation, EvaluationError> {
    match Data::read(path, archs, predictor.identity())? {
        Data::Networks { samples, unknown } => {
            Ok(Evaluation::Networks(networks::evaluate(predictor, &samples, unknown)?))
        }
        Data::Kernels(observations) => match predictor {
            AnyPredictor::Kernels(predictor) => {
                Ok(Evaluation::Kernels(kernels::evaluate(predictor, &observations)))
            }
            AnyPredictor::Networks(predictor) => {
                Err(EvaluationError::foreign(predictor, "the data hold kernels or blocks"))
            }
        },
    }
}
