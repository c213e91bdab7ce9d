//! Why a dataset, or a table, could not be read or written.

use crate::tables::ColumnError;
use crate::tables::parquet::ParquetError;
use edgezen_core::files::FileError;
use std::path::{Path, PathBuf};

/// Why a dataset, or a table, could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    #[error(transparent)]
    File(#[from] FileError),
    /// A column, or a cell of it, is not what it should be.
    #[error("{path}: {error}")]
    Column { path: PathBuf, error: ColumnError },
    #[error("{path}: the name of a table ends in .csv, .csv.gz or .parquet")]
    TableKind { path: PathBuf },
    #[error("{path}: the table holds no rows")]
    Empty { path: PathBuf },
}

impl DatasetError {
    /// Whether a file is missing, rather than damaged.
    pub fn is_missing(&self) -> bool {
        matches!(self, DatasetError::File(error) if error.is_missing())
    }

    /// What the operating system says of `path`.
    pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> DatasetError + '_ {
        move |error| FileError::io(path)(error).into()
    }

    /// A file that is no Parquet table, or cannot become one.
    pub(super) fn parquet(path: &Path) -> impl FnOnce(ParquetError) -> DatasetError + '_ {
        move |error| FileError::not_ours(path, "readable Parquet table", error).into()
    }

    /// A file that is no CSV table.
    pub(super) fn csv(path: &Path) -> impl FnOnce(csv::Error) -> DatasetError + '_ {
        move |error| FileError::not_ours(path, "readable CSV table", error).into()
    }

    /// What is wrong with a column of the table in `path`.
    pub(super) fn column(path: &Path) -> impl FnOnce(ColumnError) -> DatasetError + '_ {
        move |error| DatasetError::Column { path: path.to_owned(), error }
    }

    /// A column that a table must have.
    pub(super) fn missing_column(path: &Path, column: &str) -> DatasetError {
        DatasetError::column(path)(ColumnError::Missing { column: column.to_owned() })
    }

    /// The cell of a row, counted from 0, that makes no sense.
    pub(crate) fn cell(path: &Path, row: usize, column: &str, reason: impl Into<String>) -> DatasetError {
        DatasetError::column(path)(ColumnError::cell(column, row, reason))
    }
}
