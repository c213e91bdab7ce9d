//! Table 1 of the paper, small: networks that were searched by different scores under one budget of parameters, with the
//! same number of iterations, and random ones, all trained by one recipe. Also a curve for each set of rules of a search:
//! the accuracy of networks that it met at rising scores. Where accuracy falls while the score still rises, the score has
//! become a target and is a measure no more (Goodhart's law).
//!
//! The work is cut into units, a search or a training each, and a finished unit is kept on disk ([`units`]).

pub mod comparing;
pub mod page;
pub mod picture;
pub mod plan;
pub mod random;
mod report;
pub mod searching;
pub mod settings_file;
pub mod units;
mod work;

pub use report::{Curve, Line, Origin, Report, Rung, Subject, Trial, Verdict};
pub use work::{Event, Part, Work};

use crate::runs::RunError;
use edgezen_core::files::FileError;
use edgezen_core::plainnet::Model;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a training gave.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trained {
    /// From 1; 0 is the network before it has learnt anything.
    pub epoch: u32,
    /// Shares of the validation and test images that are right, 0 to 1.
    pub validation: f64,
    pub test: f64,
    /// The epoch in which the loss was no finite number any more.
    pub diverged: Option<u32>,
    pub seconds: f64,
}

/// Trains networks by one recipe on one data set.
pub trait Trainer: Sync {
    /// Trains `model` from the random weights of `seed`; `stop` is asked often.
    ///
    /// # Errors
    /// [`Table1Error::Interrupted`] where it was told to stop, [`Table1Error::Training`] otherwise.
    fn train(&self, model: &Model, seed: u64, stop: &dyn Fn() -> bool) -> Result<Trained, Table1Error>;
}

/// Why the experiment ended early.
#[derive(Debug, thiserror::Error)]
pub enum Table1Error {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("search by {contestant}: {reason}")]
    Search { contestant: String, reason: String },
    #[error("{path} is of a run with other settings: {}", differences.join("; "))]
    OtherSettings { path: PathBuf, differences: Vec<String> },
    #[error("no random network has at most {0} parameters")]
    NoRandom(u64),
    #[error(transparent)]
    Training(Box<dyn std::error::Error + Send + Sync>),
    #[error("interrupted")]
    Interrupted,
}
