//! Files on disk: the one writer, bounded reading, and time stamps.

pub mod location;
mod time;
mod writer;

pub use time::rfc3339;
pub use writer::{write_atomically, write_atomically_with};

use edgezen_core::files::FileError;
use std::path::Path;

/// The bytes of a file that is not larger than `most`.
///
/// # Errors
/// Whatever the disk says, and files that are larger.
pub fn read_at_most(path: &Path, most: u64) -> Result<Vec<u8>, FileError> {
    if std::fs::metadata(path).map_err(FileError::io(path))?.len() > most {
        return Err(FileError::damaged(path, format!("it is larger than {most} bytes")));
    }
    std::fs::read(path).map_err(FileError::io(path))
}
