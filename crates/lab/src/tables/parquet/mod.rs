//! Tables as the bytes of a Parquet file, and back.
//!
//! Only flat columns of integers, numbers, truth values and texts are read. Pages may be compressed with Snappy, gzip,
//! Zstandard or LZ4. A file is taken for hostile: what it claims is checked against its size before memory is taken
//! for it, and a panic of the decoder becomes an error.

mod guard;
mod limits;
mod read;
mod write;

pub use read::read;
pub use write::write;

/// How the pages of a file are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    /// Zstandard at its usual level.
    Zstd,
}

/// Why a file could not be read as a table, or a table not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParquetError {
    /// What the decoder, or the encoder, says.
    #[error("{0}")]
    Format(String),
    #[error("the file is damaged")]
    Damaged,
    #[error("column {column:?}: {reason}")]
    Column { column: String, reason: String },
    #[error("a file of {bytes} bytes claims {claim}, which is not plausible")]
    Implausible { bytes: usize, claim: String },
}

impl ParquetError {
    fn format(error: impl std::fmt::Display) -> ParquetError {
        ParquetError::Format(error.to_string())
    }

    fn column(column: &str, reason: impl Into<String>) -> ParquetError {
        ParquetError::Column { column: column.to_owned(), reason: reason.into() }
    }
}

#[cfg(test)]
mod tests;
