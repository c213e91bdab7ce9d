//! Parquet files of a dataset, read and written.

use super::DatasetError;
use crate::files::write_atomically;
use crate::tables::Table;
use crate::tables::parquet::{self, Compression};
use std::path::Path;

/// The table in a Parquet file.
///
/// # Errors
/// A file that is missing or damaged.
pub fn read(path: &Path) -> Result<Table, DatasetError> {
    let bytes = std::fs::read(path).map_err(DatasetError::io(path))?;
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
