//! `raw/runs.parquet`: every timed run of a dataset that was measured here.

use super::{DatasetError, parquet};
use crate::files::create_inside;
use crate::files::holding::names::dataset::RAW_FOLDER;
use crate::tables::{Column, Table, Values};
use std::path::Path;

/// The file, in the dataset's folder.
pub const RAW: &str = "raw/runs.parquet";
/// The same in two parts.
const FOLDER: &str = RAW_FOLDER;
const FILE: &str = "runs.parquet";

/// One timed sample of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawRun {
    /// Row of the subject in the samples table.
    pub sample: u32,
    /// Pass over the plan, from 0.
    pub round: u32,
    /// Order within the pass; −1 is its very first run, before any warm-up.
    pub run: i32,
    /// Time of `k` runs together, as read from the clock.
    pub ns: u64,
    pub k: u32,
    /// Whether the core was at its usual speed before and after; unknown where nobody looked.
    pub undisturbed: Option<bool>,
}

/// Writes every timed run into the dataset's folder.
///
/// # Errors
/// Whatever the disk says.
pub fn write_raw(dir: &Path, runs: &[RawRun]) -> Result<(), DatasetError> {
    let folder = create_inside(dir, FOLDER)?;
    parquet::write(&folder.join(FILE), &table(runs))
}

fn table(runs: &[RawRun]) -> Table {
    Table {
        columns: vec![
            Column::new("sample", Values::U32(runs.iter().map(|r| Some(r.sample)).collect())),
            Column::new("round", Values::U32(runs.iter().map(|r| Some(r.round)).collect())),
            Column::new("run", Values::I32(runs.iter().map(|r| Some(r.run)).collect())),
            Column::new("ns", Values::U64(runs.iter().map(|r| Some(r.ns)).collect())),
            Column::new("k", Values::U32(runs.iter().map(|r| Some(r.k)).collect())),
            Column::new("undisturbed", Values::flags(runs.iter().map(|r| r.undisturbed))),
        ],
    }
}
