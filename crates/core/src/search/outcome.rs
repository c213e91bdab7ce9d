//! What a search found.

use super::budget::Rejected;
use super::population::{Fronts, Individual};
use super::running::{HistoryPoint, Phases};
use std::sync::Arc;

/// What a search found.
#[derive(Clone, Debug)]
pub struct SearchOutcome {
    pub best: Individual,
    /// The final population, island after island.
    pub population: Vec<Arc<Individual>>,
    /// Over the whole run.
    pub fronts: Fronts,
    pub history: Vec<HistoryPoint>,
    /// Fewer than asked for if the observer stopped the search.
    pub iterations: u64,
    pub scored: u64,
    pub rejected: Rejected,
    pub phases: Phases,
}

impl SearchOutcome {
    /// Different networks of the final population and the fronts, the highest score first.
    pub fn ranked(&self) -> Vec<&Individual> {
        let fronts = self.fronts.iter().flat_map(|front| front.iter());
        let mut all: Vec<&Individual> =
            std::iter::once(&self.best).chain(self.population.iter().map(|m| &**m)).chain(fronts).collect();
        all.sort_by(|a, b| b.score.total_cmp(&a.score));
        let mut known = rustc_hash::FxHashSet::default();
        all.retain(|network| known.insert(&network.blocks));
        all
    }
}
