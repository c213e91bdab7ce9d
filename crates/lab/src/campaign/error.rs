//! Why a campaign ends early.

use super::journal::JournalError;
use crate::dataset::DatasetError;
use crate::device::DeviceError;
use edgezen_core::files::FileError;
use std::path::PathBuf;

/// Why a campaign ended early.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    #[error("{dir} holds an unfinished profile ({finished} of {total} measurements)")]
    Unfinished { dir: PathBuf, finished: usize, total: usize },
    #[error("{dir} holds a dataset")]
    Finished { dir: PathBuf },
    #[error("{dir} holds {name}, and no journal that it belongs to")]
    Foreign { dir: PathBuf, name: &'static str },
    #[error("{dir} holds the journal of another plan; it cannot be resumed with these options")]
    OtherPlan { dir: PathBuf },
    #[error("{dir} holds a journal of {theirs}, this device is {ours}: {difference}")]
    OtherIdentity { dir: PathBuf, theirs: String, ours: String, difference: String },
    #[error("{dir} was begun on another device, or with another runner: {difference}")]
    OtherDevice { dir: PathBuf, difference: String },
    #[error(transparent)]
    File(#[from] FileError),
    #[error("interrupted after {finished} of {total} measurements; all of them are in the journal")]
    Interrupted { finished: usize, total: usize },
    #[error("nothing could be measured; the first failure was {0}")]
    NothingMeasured(String),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Dataset(#[from] DatasetError),
}
