//! From a trained network to a file for a runtime whose accuracy in that runtime is known.
//!
//! * [`writing`]: the file, in floats or in integers, as the runtime opens it;
//! * [`accuracy`]: what the network in a runtime answers for images;
//! * [`layers`]: which layers lose most by their integers;
//! * [`card`]: all that is known of the file, as JSON and as a page.

pub mod accuracy;
pub mod card;
pub mod layers;
pub mod writing;

pub use card::Card;
pub use writing::Writing;

use crate::images::ImagesError;
use edgezen_engine::EngineError;
use edgezen_engine::quantisation::QuantisationError;
use edgezen_engine::weights::TrainedError;

/// Why there is no file, or nothing known of it.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    #[error(transparent)]
    Images(#[from] ImagesError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Weights(#[from] TrainedError),
    #[error("no ranges of the network's values could be found: {0}")]
    Ranges(#[from] QuantisationError),
    #[error("{0} gave no output")]
    NoOutput(&'static str),
    #[error("the network gives {found} numbers for an image, and there are {classes} classes")]
    Classes { found: usize, classes: usize },
}
