//! Why a predictor could not be transferred.

use crate::campaign::PlanError;
use crate::dataset::DatasetError;
use crate::dataset::table::NetworkTableError;
use crate::device::DeviceError;
use crate::fit::FitError;
use edgezen_core::foreign::NameError;
use std::path::PathBuf;

/// Why a predictor could not be transferred.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    #[error("{path}: {found} {what}, {wanted} samples were asked for")]
    TooFew { path: PathBuf, found: usize, what: String, wanted: usize },
    #[error("{path}: not a table of networks")]
    NotNetworks { path: PathBuf },
    #[error("{subject}: no samples came back")]
    NoSamples { subject: String },
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    #[error(transparent)]
    Table(#[from] NetworkTableError),
    #[error("facts of the device: {0}")]
    Facts(String),
    #[error(transparent)]
    Fit(#[from] FitError),
    /// A device, runtime or precision that cannot be part of an identity.
    #[error(transparent)]
    Name(#[from] NameError),
}
