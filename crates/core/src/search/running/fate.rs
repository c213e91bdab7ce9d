//! What can become of a child, and how often it did.

use crate::proxy::ScoreError;
use crate::search::budget::{Quantity, Rejected};
use crate::search::population::{Individual, Judged};
use std::sync::Arc;

/// What became of one child.
pub enum Fate {
    /// It fits and has a score.
    Accepted(Arc<Individual>),
    /// It exceeds the budget of this quantity.
    Rejected(Quantity),
    /// It breaks a rule of shape.
    Misshapen,
    Duplicate,
    Unscored(ScoreError),
    Invalid,
}

/// Counts of fates.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub scored: u64,
    pub rejected: Rejected,
    /// Why the last unscored network has no score.
    pub failed: Option<String>,
}

impl Tally {
    pub fn is_empty(&self) -> bool {
        self.scored == 0 && self.rejected == Rejected::default()
    }

    /// Counts a fate; gives the network if it got a score.
    pub fn count(&mut self, fate: Fate) -> Option<Arc<Individual>> {
        match fate {
            Fate::Accepted(individual) => {
                self.scored += 1;
                return Some(individual);
            }
            Fate::Rejected(quantity) => self.reject(quantity),
            Fate::Misshapen => self.rejected.misshapen += 1,
            Fate::Duplicate => self.rejected.duplicate += 1,
            Fate::Invalid => self.rejected.invalid += 1,
            Fate::Unscored(error) => {
                self.rejected.unscored += 1;
                self.failed = Some(error.to_string());
            }
        }
        None
    }

    /// Counts a network that exceeds the budget of this quantity.
    pub fn reject(&mut self, quantity: Quantity) {
        self.rejected.over[quantity] += 1;
    }

    pub fn add(&mut self, other: Tally) {
        self.scored += other.scored;
        self.rejected += other.rejected;
        self.failed = other.failed.or(self.failed.take());
    }
}

/// Score and costs of a child that was scored although it may exceed budgets, with the quantity of the first budget that it
/// exceeds; or what became of a child that was not scored.
pub type Appraisal = Result<(Judged, Option<Quantity>), Fate>;
