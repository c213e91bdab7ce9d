//! A change of the device, with what undoes it.

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
