//! Slow work in parts that run anywhere and in any order: a folder with a plan, a file for each job, and a result for each job that
//! was run. Results carry nothing of the time or the place at which they were made, and are named by the checksum of their job, so that
//! parts of one plan, made on many computers, add up to what one computer makes of it.

mod folder;
mod job;

pub use folder::{DamagedResult, JobFolder, LostJob, Made, Status};
pub use job::{Job, Step, Work};

use edgezen_core::files::FileError;
use std::path::PathBuf;

/// Why jobs could not be planned, run or merged.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error(transparent)]
    File(#[from] FileError),
    /// A list of jobs that was damaged or changed.
    #[error(transparent)]
    Plan(FileError),
    /// All results that were damaged on their way.
    #[error("{}", together(damaged))]
    Results { damaged: Vec<FileError> },
    #[error("there is nothing to do: no networks and no seeds")]
    Nothing,
    #[error("{}: no job of a plan: there is no {} beside it", path.display(), folder::PLAN_FILE)]
    NoPlan { path: PathBuf },
    #[error("{}: the job is not the one that was planned: its checksum is {found}, not {planned}", path.display())]
    Changed { path: PathBuf, found: String, planned: String },
    #[error("{}: it was planned by version {planned}, and this is version {own}", path.display())]
    Version { path: PathBuf, planned: String, own: &'static str },
    /// Jobs of a plan without a result.
    #[error("{} of {of} jobs have no result yet: {}", missing.len(), listed(missing))]
    Missing { missing: Vec<PathBuf>, of: usize },
}

/// What is wrong with each of several files.
fn together(errors: &[FileError]) -> String {
    let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
    match &said[..] {
        [one] => one.clone(),
        all => format!("{} results are damaged: {}", all.len(), all.join("; ")),
    }
}

/// The first of `paths`, for a message.
fn listed(paths: &[PathBuf]) -> String {
    const SHOWN: usize = 4;
    let shown: Vec<String> = paths.iter().take(SHOWN).map(|path| path.display().to_string()).collect();
    let more = if paths.len() > SHOWN { ", …" } else { "" };
    shown.join(", ") + more
}
