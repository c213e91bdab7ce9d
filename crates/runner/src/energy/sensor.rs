//! A meter as it is read.

use super::result::{Meter, NoEnergy};
use std::path::{Path, PathBuf};

/// What the numbers of a meter mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The power at that moment, or lately, in W.
    Gauge,
    /// The energy since the first reading, in J.
    Counter,
}

/// A meter of this device.
pub trait Sensor: Send {
    fn meter(&self) -> Meter;

    fn kind(&self) -> Kind;

    /// Reads it; `None` where it does not answer.
    fn read(&mut self) -> Option<f64>;

    /// Whether it tells the power of the device at this moment.
    ///
    /// # Errors
    /// Why not.
    fn ready(&self) -> Result<(), NoEnergy> {
        Ok(())
    }

    /// Whether what it told at rest and while a network ran can be true.
    ///
    /// # Errors
    /// Why not.
    fn judge(&self, _idle: &[f64], _busy: &[f64]) -> Result<(), NoEnergy> {
        Ok(())
    }
}

/// The folders in `folder`, by name; none where it cannot be listed.
pub fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    found.sort();
    found
}

/// The text of a file without white space around it.
pub fn text(path: &Path) -> Option<String> {
    Some(std::fs::read_to_string(path).ok()?.trim().to_owned())
}

/// The number in a file.
pub fn number(path: &Path) -> Option<f64> {
    text(path)?.parse().ok().filter(|number: &f64| number.is_finite())
}
