//! Work on files of unknown origin.

use super::ParquetError;
use edgezen_engine::guard::guarded;

/// Runs `work` on a file of unknown origin: a panic inside becomes an error, and is not printed. The decoder asserts
/// some properties of the file instead of reporting them.
pub fn shielded<T>(work: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    guarded(work).unwrap_or(Err(ParquetError::Damaged))
}
