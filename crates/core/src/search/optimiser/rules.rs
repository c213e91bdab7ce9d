//! The rules of a search (docs/plainnet.md, section 6.2): the optimiser with its settings.

use super::Optimiser;
use crate::space::{KindWeights, MutationReach};
use serde::{Deserialize, Serialize};

/// The rules of a search.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    #[serde(rename = "set")]
    pub optimiser: &'static dyn Optimiser,
    pub iterations: u64,
    /// Number of members; the reference lets one more live until the next iteration.
    pub population: usize,
    /// Blocks redrawn in one mutation, once the population has grown beyond [`Rules::SEEDLING`].
    pub replaces: u32,
    pub weights: KindWeights,
    pub reach: MutationReach,
    /// The initial structure is a member from the start, if it fits the budgets.
    pub start_inside: bool,
    pub reject_duplicates: bool,
    /// Children drawn from one state of the population; with islands, most children of all of them between
    /// two exchanges. Fixed by the rules, never by the number of threads, so that threads cannot change
    /// the result.
    pub round: usize,
    /// Populations that live side by side; the size above is that of all together.
    #[serde(default = "one")]
    pub islands: usize,
}

fn one() -> usize {
    1
}

/// A number of a search's rules that no search can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {value} is out of range; use 1 to {most}")]
pub struct RulesError {
    pub field: &'static str,
    pub value: u64,
    pub most: u64,
}

impl Rules {
    /// Most members of a population, and most children of a round.
    pub const MOST: usize = 1_000_000;
    /// Most populations that live side by side.
    pub const MOST_ISLANDS: usize = 1_024;

    /// Checks numbers that come from a file, before anything is sized by them.
    ///
    /// # Errors
    /// The first that is out of range.
    pub fn check(&self) -> Result<(), RulesError> {
        for (field, value, most) in [
            ("iterations", self.iterations, u64::MAX),
            ("population", self.population as u64, Rules::MOST as u64),
            ("round", self.round as u64, Rules::MOST as u64),
            ("islands", self.islands as u64, Rules::MOST_ISLANDS as u64),
            ("replaces", u64::from(self.replaces), u64::from(u16::MAX)),
        ] {
            if !(1..=most).contains(&value) {
                return Err(RulesError { field, value, most });
            }
        }
        Ok(())
    }

    /// Up to this many members, the initial structure is mutated instead of a member.
    pub const SEEDLING: usize = 10;

    /// Populations that a run of so many iterations has: short ones have fewer.
    pub fn populations(&self) -> usize {
        /// Iterations of an island that are enough for a handful of climbs.
        const EACH: u64 = 8_000;
        let most = self.islands.max(1);
        let many = (self.iterations / EACH).clamp(2, most.max(2) as u64) as usize;
        // A power of two, which any usual number of threads shares evenly.
        many.min(most).next_power_of_two().min(most)
    }
}
