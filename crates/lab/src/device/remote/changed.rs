//! What is changed on a device while it is measured, and whether it still is.

use super::plan::Prepared;
use super::undo::{UNDONE, sign_of_life};
use std::collections::BTreeMap;
use std::time::Duration;

/// What is changed on a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Whether a script on the device undoes it.
    undoable: bool,
    /// Whether the watchdog on the device has run that script.
    undone: bool,
    /// The clocks in kHz that cores are locked at.
    pub locked_khz: BTreeMap<u32, u64>,
}

impl Changed {
    /// What was done, and what could not be done, one line each.
    pub fn by(prepared: Prepared) -> (Changed, Vec<String>) {
        let Prepared { notes, undoable, locked_khz } = prepared;
        (Changed { undoable, undone: false, locked_khz }, notes)
    }

    /// What a shell does before a job that takes `limit` at most, so that the watchdog in the folder `dir` leaves everything as it is.
    pub fn sign_of_life(&self, dir: &str, limit: Duration) -> String {
        if self.undoable { sign_of_life(dir, limit) + "; " } else { String::new() }
    }

    /// Reads what the shell said to that.
    pub fn heard(&mut self, stdout: &str) {
        self.undone |= self.undoable && stdout.lines().any(|line| line == UNDONE);
    }

    /// Whether the device has undone everything itself, so that it has to be prepared again.
    pub fn is_undone(&self) -> bool {
        self.undone
    }

    /// A change whose script is on the device.
    #[cfg(test)]
    pub fn undoable() -> Changed {
        Changed { undoable: true, ..Changed::default() }
    }
}
