//! The loop of the released code, line by line (docs/plainnet.md, section 6.2).

use super::{Breeding, Optimiser, Rules, sequential};
use crate::search::running::state::SearchState;
use crate::space::{KindWeights, MutationReach};

pub struct Reference;

impl Rules {
    /// The released rules: 480,000 iterations, population 512, up to two blocks at a time.
    pub const REFERENCE: Rules = Rules {
        optimiser: &Reference,
        iterations: 480_000,
        population: 512,
        replaces: 2,
        weights: KindWeights::Reference,
        reach: MutationReach::Reference,
        start_inside: false,
        reject_duplicates: false,
        round: 1,
        islands: 1,
    };
}

impl Optimiser for Reference {
    fn name(&self) -> &'static str {
        "reference"
    }
    fn rules(&self) -> Rules {
        Rules::REFERENCE
    }
    fn parallelism(&self, rules: &Rules) -> usize {
        rules.round
    }
    /// The worst member leaves before the next child is bred.
    fn round(&self, breeding: &mut Breeding<'_>, state: &mut SearchState) {
        state.shrink(&breeding.search.rules);
        sequential::round(breeding, state);
    }
}
