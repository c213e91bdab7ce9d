//! `raw/runs.parquet`: every timed run of a dataset that was measured here.

use super::{DatasetError, parquet};
use polars::prelude::{Column, DataFrame, PolarsResult};
use std::path::Path;

/// The file, in the dataset's folder.
pub const RAW: &str = "raw/runs.parquet";

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
    let path = dir.join(RAW);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(DatasetError::io(parent))?;
    }
    let mut frame = frame(runs).map_err(DatasetError::parquet(&path))?;
    parquet::write(&path, &mut frame)
}

fn frame(runs: &[RawRun]) -> PolarsResult<DataFrame> {
    DataFrame::new(
        runs.len(),
        vec![
            Column::new("sample".into(), runs.iter().map(|r| r.sample).collect::<Vec<u32>>()),
            Column::new("round".into(), runs.iter().map(|r| r.round).collect::<Vec<u32>>()),
            Column::new("run".into(), runs.iter().map(|r| r.run).collect::<Vec<i32>>()),
            Column::new("ns".into(), runs.iter().map(|r| r.ns).collect::<Vec<u64>>()),
            Column::new("k".into(), runs.iter().map(|r| r.k).collect::<Vec<u32>>()),
            Column::new(
                "undisturbed".into(),
                runs.iter().map(|r| r.undisturbed).collect::<Vec<Option<bool>>>(),
            ),
        ],
    )
}
