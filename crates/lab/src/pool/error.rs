//! Why a pool did not measure.

use crate::campaign::CampaignError;
use edgezen_core::files::FileError;
use std::path::PathBuf;

/// Why units did not measure together.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{path}: {reason}")]
    BadPool { path: PathBuf, reason: String },
    /// No unit is of the device that is asked for, or has the tag.
    #[error("{path} has no unit of {device}{}; it has {}", tag.as_ref().map(|tag| format!(" with the tag {tag}")).unwrap_or_default(), known.join(", "))]
    NoUnit { path: PathBuf, device: String, tag: Option<String>, known: Vec<String> },
    #[error("{dir} holds an unfinished profile of a pool ({finished} of {total} configurations)")]
    Unfinished { dir: PathBuf, finished: usize, total: usize },
    #[error("{dir} holds the profile of a pool with another plan; it cannot be resumed with these options")]
    OtherPlan { dir: PathBuf },
    #[error("{unit} is measured as {ours}, and another unit as {theirs}: {difference}")]
    OtherIdentity { unit: String, ours: String, theirs: String, difference: String },
    /// What is left cannot be measured now, because the units that would do it are not there. The error of one of them tells why.
    #[error("{finished} of {total} configurations are measured; {}", because(units))]
    Incomplete {
        finished: usize,
        total: usize,
        units: Vec<(String, String)>,
        first: Option<Box<CampaignError>>,
    },
    #[error(transparent)]
    Campaign(#[from] CampaignError),
}

fn because(units: &[(String, String)]) -> String {
    units.iter().map(|(unit, reason)| format!("{unit}: {reason}")).collect::<Vec<_>>().join("; ")
}
