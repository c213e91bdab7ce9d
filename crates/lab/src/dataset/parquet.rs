//! Parquet files of a dataset, read and written.

use super::DatasetError;
use crate::files;
use crate::files::write_atomically;
use crate::tables::Table;
use crate::tables::parquet::{self, Compression};
use std::path::Path;

/// Larger files are no tables of measurements.
const MOST_BYTES: u64 = 1 << 30;

/// The table in a Parquet file.
///
/// # Errors
/// A file that is missing or damaged.
pub fn read(path: &Path) -> Result<Table, DatasetError> {
    let bytes = files::read_at_most(path, MOST_BYTES)?;
    parquet::read(&bytes).map_err(DatasetError::parquet(path))
}

/// Writes a table in one step.
///
/// # Errors
/// Whatever the disk says.
pub fn write(path: &Path, table: &Table) -> Result<(), DatasetError> {
    let bytes = parquet::write(table, Compression::Zstd).map_err(DatasetError::parquet(path))?;
    Ok(write_atomically(path, &bytes)?)
}
