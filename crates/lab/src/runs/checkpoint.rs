//! `checkpoint`: from where a search goes on after it was killed.
//!
//! The first line is the SHA-256 of the rest, which is JSON. The file is replaced in one step, so that
//! it is either the old one or the new one at any moment.

use super::RunError;
use crate::files;
use crate::files::holding::names::run::CHECKPOINT;
use crate::files::write_atomically;
use edgezen_core::digest::sha256;
use edgezen_core::files::{FileError, Format};
use edgezen_core::search::Checkpoint;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What can be read, and is written. Checkpoints of layout 1 do not say what is held against a latency budget.
const FORMAT: Format =
    Format { name: "checkpoint of a search", field: "layout", oldest: 2, newest: 2, most_bytes: 4 << 30 };

/// A checkpoint with the time that went before it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedSearch {
    layout: u32,
    pub seconds: f64,
    pub search: Checkpoint,
}

impl SavedSearch {
    pub fn new(seconds: f64, search: Checkpoint) -> SavedSearch {
        SavedSearch { layout: FORMAT.newest, seconds, search }
    }

    /// Writes the checkpoint of the run in `dir`.
    ///
    /// # Errors
    /// Whatever the disk says; the checkpoint before is then unharmed.
    pub fn write(&self, dir: &Path) -> Result<(), RunError> {
        let path = dir.join(CHECKPOINT);
        let body = serde_json::to_string(self).map_err(|e| FileError::damaged(&path, e))?;
        Ok(write_atomically(&path, format!("{}\n{body}\n", sha256(&body)).as_bytes())?)
    }

    /// The checkpoint of the run in `dir`, if there is one.
    ///
    /// # Errors
    /// A damaged file, or one of another version.
    pub fn read(dir: &Path) -> Result<Option<SavedSearch>, RunError> {
        let path = dir.join(CHECKPOINT);
        let bytes = match files::read(&FORMAT, &path) {
            Err(error) if error.is_missing() => return Ok(None),
            read => read?,
        };
        let text = String::from_utf8_lossy(&bytes);
        let damaged = |reason: &str| FileError::damaged(&path, reason);
        let (first, body) = text.trim_end().split_once('\n').ok_or_else(|| damaged("it is too short"))?;
        if first != sha256(body) {
            return Err(damaged("its checksum does not fit").into());
        }
        let saved: SavedSearch = FORMAT.parse(&path, body.as_bytes())?;
        if !(saved.seconds.is_finite() && saved.seconds >= 0.0) {
            return Err(damaged("its time is none").into());
        }
        Ok(Some(saved))
    }
}
