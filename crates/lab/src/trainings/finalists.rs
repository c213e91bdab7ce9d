//! The folder of finalists: a table of the networks, and the training of each.

use super::{MOST_BYTES, TABLE, Training, WINNER};
use crate::files::{self, write_atomically};
use edgezen_core::files::FileError;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A line of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Its structure.
    pub net: String,
    /// Of the validation images, after the epochs that all networks were trained for, in percent.
    pub accuracy: f64,
    /// Epochs that it was trained for.
    pub epochs: u32,
    /// Of the validation images, the best, in percent.
    pub best_accuracy: f64,
    pub score: f64,
}

/// A network that was trained, and its training.
pub struct Finalist {
    pub line: Line,
    pub training: Training,
}

/// What is in the folder.
pub struct Finalists {
    /// What it is called: its folder.
    pub name: String,
    pub networks: Vec<Finalist>,
    /// The place of the best network among them; absent before the end.
    pub winner: Option<usize>,
}

/// The folder of the training of the network at this place, from 0.
pub fn folder(dir: &Path, place: usize) -> PathBuf {
    dir.join(format!("network-{}", place + 1))
}

/// Writes the table.
///
/// # Errors
/// The disk's.
pub fn write_table(dir: &Path, lines: &[Line]) -> Result<(), FileError> {
    let path = dir.join(TABLE);
    let mut writer = csv::Writer::from_writer(Vec::new());
    for line in lines {
        writer.serialize(line).map_err(|error| FileError::damaged(&path, error))?;
    }
    let bytes = writer.into_inner().map_err(|error| FileError::damaged(&path, error.error()))?;
    write_atomically(&path, &bytes)
}

impl Finalists {
    /// The finalists in a folder; `None` where there are none.
    ///
    /// # Errors
    /// A file that cannot be read, or is not what was written.
    pub fn read(dir: &Path) -> Result<Option<Finalists>, FileError> {
        let path = dir.join(TABLE);
        let text = match files::read_text(&path, MOST_BYTES) {
            Ok(text) => text,
            Err(error) if error.is_missing() => return Ok(None),
            Err(error) => return Err(error),
        };
        let lines: Result<Vec<Line>, csv::Error> =
            csv::Reader::from_reader(text.as_bytes()).deserialize().collect();
        let lines = lines.map_err(|error| FileError::damaged(&path, error))?;
        let mut networks = Vec::with_capacity(lines.len());
        for (place, line) in lines.into_iter().enumerate() {
            // A training whose first epoch ended in a loss that is no number leaves nothing.
            let dir = folder(dir, place);
            let training = Training::read(&dir)?.unwrap_or_else(|| Training::without_epochs(&dir));
            networks.push(Finalist { line, training });
        }
        let winner = match files::read_text(&dir.join(WINNER), MOST_BYTES) {
            Ok(net) => networks.iter().position(|of| of.line.net == net.trim()),
            Err(error) if error.is_missing() => None,
            Err(error) => return Err(error),
        };
        Ok(Some(Finalists { name: dir.display().to_string(), networks, winner }))
    }
}
