//! Algorithm 2 of the paper, without duplicates (docs/plainnet.md, section 6.2).

use super::{Breeding, Optimiser, Rules, sequential};
use crate::search::running::state::SearchState;
use crate::space::{KindWeights, MutationReach};

pub struct Paper;

impl Rules {
    /// The paper's rules: 96,000 iterations, population 256, one block at a time, range 0.5 to 2.
    pub const PAPER: Rules = Rules {
        optimiser: &Paper,
        iterations: 96_000,
        population: 256,
        replaces: 1,
        weights: KindWeights::Uniform,
        reach: MutationReach::Paper,
        start_inside: true,
        reject_duplicates: true,
        round: 64,
        islands: 1,
    };
}

impl Optimiser for Paper {
    fn name(&self) -> &'static str {
        "paper"
    }
    fn rules(&self) -> Rules {
        Rules::PAPER
    }
    fn parallelism(&self, rules: &Rules) -> usize {
        rules.round
    }
    /// The worst members leave after the children have entered.
    fn round(&self, breeding: &mut Breeding<'_>, state: &mut SearchState) {
        sequential::round(breeding, state);
        state.shrink(&breeding.search.rules);
    }
}
