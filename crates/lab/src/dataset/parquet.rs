//! Parquet files, read and written.

use super::DatasetError;
use crate::files::write_atomically;
use edgezen_core::files::FileError;
use polars::prelude::{DataFrame, ParquetReader, ParquetWriter, SerReader};
use std::path::Path;

/// The table in a Parquet file.
///
/// # Errors
/// A file that is missing or damaged.
pub fn read(path: &Path) -> Result<DataFrame, DatasetError> {
    let file = std::fs::File::open(path).map_err(DatasetError::io(path))?;
    // The reader asserts some properties of the file; a damaged one must not end the program.
    let read = std::panic::catch_unwind(|| ParquetReader::new(file).set_low_memory(false).finish());
    let damaged = |_| FileError::not_ours(path, "readable Parquet table", "the file is damaged");
    read.map_err(damaged)?.map_err(DatasetError::parquet(path))
}

/// Writes a table in one step.
///
/// # Errors
/// Whatever the disk says.
pub fn write(path: &Path, frame: &mut DataFrame) -> Result<(), DatasetError> {
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(frame).map_err(DatasetError::parquet(path))?;
    Ok(write_atomically(path, &bytes)?)
}
