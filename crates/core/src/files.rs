//! Versioned files: what every kind of file that this program writes has in common when it is read.
//!
//! Nothing here touches the disk: whoever has the bytes asks whether they may be read.

use std::path::{Path, PathBuf};

/// A kind of file, and the newest version of its layout that this program reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// What a file of this kind is called in messages: `predictor file`.
    pub name: &'static str,
    /// Grows when a reader of the old number would misread a file.
    pub newest: u32,
}

impl Format {
    /// Whether a file whose version field holds `found` can be read.
    ///
    /// # Errors
    /// No version, or one that is newer than this program.
    pub fn check(&self, path: &Path, found: Option<u64>) -> Result<(), FileError> {
        match found {
            None => Err(self.not_ours(path, "it does not say its version")),
            Some(found) if found > u64::from(self.newest) => {
                let Format { name, newest } = *self;
                Err(FileError::Newer { path: path.to_owned(), name, found, newest })
            }
            Some(_) => Ok(()),
        }
    }

    /// The error of a file that is of another kind, or of none.
    pub fn not_ours(&self, path: &Path, reason: impl ToString) -> FileError {
        FileError::NotOurs { path: path.to_owned(), name: self.name, reason: reason.to_string() }
    }
}

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{path}: {error}")]
    Io { path: PathBuf, error: std::io::Error },
    #[error("{path}: not a {name}: {reason}")]
    NotOurs { path: PathBuf, name: &'static str, reason: String },
    #[error(
        "{path}: written by a newer version of this program ({name} of version {found}, this one reads {newest})"
    )]
    Newer { path: PathBuf, name: &'static str, found: u64, newest: u32 },
    /// The content does not fit the checksum beside it.
    #[error("{path}: the checksum does not match: the file was changed or damaged")]
    Checksum { path: PathBuf },
    /// Of the right kind, with content that makes no sense.
    #[error("{path}: {reason}")]
    Damaged { path: PathBuf, reason: String },
}

impl FileError {
    /// Wraps what the operating system says of `path`.
    pub fn io(path: &Path) -> impl FnOnce(std::io::Error) -> FileError + '_ {
        move |error| FileError::Io { path: path.to_owned(), error }
    }

    /// The error of a file whose content makes no sense.
    pub fn damaged(path: &Path, reason: impl ToString) -> FileError {
        FileError::Damaged { path: path.to_owned(), reason: reason.to_string() }
    }

    /// Whether the file is missing, rather than damaged.
    pub fn is_missing(&self) -> bool {
        matches!(self, FileError::Io { error, .. } if error.kind() == std::io::ErrorKind::NotFound)
    }
}
