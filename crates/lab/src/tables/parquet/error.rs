//! Why a Parquet file could not be read or written.

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
    pub(super) fn format(error: impl std::fmt::Display) -> ParquetError {
        ParquetError::Format(error.to_string())
    }

    pub(super) fn column(column: &str, reason: impl Into<String>) -> ParquetError {
        ParquetError::Column { column: column.to_owned(), reason: reason.into() }
    }
}
