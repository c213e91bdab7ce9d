//! Why nothing could be fitted.

use crate::dataset::DatasetError;
use std::path::PathBuf;

/// Why nothing could be fitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    #[error("there is nothing to fit: no usable rows")]
    NoData,
    #[error("too few rows to fit and to judge the fit: {found}, at least {needed} are needed")]
    TooFew { found: usize, needed: usize },
    #[error("the least-squares solver failed: {0}")]
    Solver(String),
    #[error("{subject}: {reason}")]
    Subject { subject: String, reason: String },
    #[error("the fitted model cannot be written down: {0}")]
    Unwritable(String),
}

impl FitError {
    /// No step of a penalised least-squares problem was solvable.
    pub(super) fn singular() -> FitError {
        FitError::Solver("the normal equations are singular".into())
    }
}

/// Why datasets could not be taken together.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("no folder of a dataset is named")]
    NoFolders,
    #[error("{path}: there is no such dataset")]
    Missing { path: PathBuf },
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    #[error("{path}: {error}")]
    Io { path: PathBuf, error: std::io::Error },
    #[error(
        "{} is of another identity than {}: {contrast}; measurements of different identity never mix",
        second.display(),
        first.display()
    )]
    MixedIdentities { first: PathBuf, second: PathBuf, contrast: String },
    /// What is left out of a fit would be in it all the same.
    #[error("{} holds the same measurements as {}: each counts once", second.display(), first.display())]
    Twice { first: PathBuf, second: PathBuf },
}
