//! A change of the device, with what undoes it.

use std::collections::BTreeMap;

/// Commands that change something, and those that undo it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order in which they run.
    pub changes: Vec<String>,
    /// In the order of the changes that they undo; they run the other way round.
    pub undo: Vec<String>,
}

impl Plan {
    /// Adds what comes after it.
    pub fn then(&mut self, more: Plan) {
        self.changes.extend(more.changes);
        self.undo.extend(more.undo);
    }
}

/// What was done to a device before it is measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    /// What could not be done, one line each.
    pub notes: Vec<String>,
    /// Whether anything was changed, so that a script to undo it is on the device.
    pub undoable: bool,
    /// The clocks in kHz that cores were locked at.
    pub locked_khz: BTreeMap<u32, u64>,
}
