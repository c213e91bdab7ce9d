//! `checkpoint`: from where a search goes on after it was killed.
//!
//! The first line is the SHA-256 of the rest, which is JSON. The file is replaced in one step, so that
//! it is either the old one or the new one at any moment.

use super::RunError;
use crate::files::write_atomically;
use edgezen_core::digest::sha256;
use edgezen_core::search::Checkpoint;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Layout of the checkpoint; another one cannot be continued.
const LAYOUT: u32 = 1;

const NAME: &str = "checkpoint";

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
        SavedSearch { layout: LAYOUT, seconds, search }
    }

    /// Writes the checkpoint of the run in `dir`.
    ///
    /// # Errors
    /// Whatever the disk says; the checkpoint before is then unharmed.
    pub fn write(&self, dir: &Path) -> Result<(), RunError> {
        let path = dir.join(NAME);
        let body = serde_json::to_string(self)
            .map_err(|e| RunError::Damaged { path: path.clone(), reason: e.to_string() })?;
        Ok(write_atomically(&path, format!("{}\n{body}\n", sha256(&body)).as_bytes())?)
    }

    /// The checkpoint of the run in `dir`, if there is one.
    ///
    /// # Errors
    /// A damaged file, or one of another version.
    pub fn read(dir: &Path) -> Result<Option<SavedSearch>, RunError> {
        let path = dir.join(NAME);
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(RunError::Io { path, error }),
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        };
        let damaged = |reason: &str| RunError::Damaged { path: path.clone(), reason: reason.to_owned() };
        let (first, body) = text.trim_end().split_once('\n').ok_or_else(|| damaged("it is too short"))?;
        if first != sha256(body) {
            return Err(damaged("its checksum does not fit; delete it to start this run anew"));
        }
        let layout = serde_json::from_str::<serde_json::Value>(body)
            .ok()
            .and_then(|value| value.get("layout")?.as_u64())
            .ok_or_else(|| damaged("it has no layout"))?;
        if layout > u64::from(LAYOUT) {
            let found = u32::try_from(layout).unwrap_or(u32::MAX);
            return Err(RunError::TooNew { path, found });
        }
        serde_json::from_str(body).map(Some).map_err(|e| damaged(&e.to_string()))
    }

    /// Removes the checkpoint of an earlier run.
    pub(super) fn remove(dir: &Path) -> Result<(), RunError> {
        super::remove(&dir.join(NAME))
    }
}
