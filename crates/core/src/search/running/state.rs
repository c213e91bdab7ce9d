//! What a search carries from round to round, and all that a checkpoint holds.

use super::fate::{Fate, Tally};
use super::observer::Observer;
use super::progress::{HistoryPoint, Phases, SearchProgress};
use super::worker::Worker;
use crate::search::optimiser::Rules;
use crate::search::optimiser::climb::Climb;
use crate::search::population::{Fronts, Individual, Population};
use std::sync::Arc;

/// One population. The optimisers that do without islands have a single one.
#[derive(Clone, Debug, Default)]
pub struct Island {
    pub population: Population,
    /// The climb that is under way on the island, where the optimiser climbs.
    pub climb: Option<Climb>,
}

pub struct SearchState {
    pub iteration: u64,
    pub islands: Vec<Island>,
    pub fronts: Fronts,
    pub tally: Tally,
    pub history: Vec<HistoryPoint>,
    /// Of the iterations that were timed.
    pub phases: Phases,
    pub timed: u64,
}

impl SearchState {
    pub fn new(islands: usize, devices: usize) -> SearchState {
        SearchState {
            iteration: 0,
            islands: vec![Island::default(); islands.max(1)],
            fronts: Fronts::new(devices),
            tally: Tally::default(),
            history: Vec::new(),
            phases: Phases::default(),
            timed: 0,
        }
    }

    /// Whether nothing was tried yet.
    pub fn is_new(&self) -> bool {
        self.iteration == 0 && self.tally.is_empty()
    }

    /// The first member with the highest score; failing that, the best network that ever was.
    pub fn best(&self) -> Option<&Arc<Individual>> {
        let members = self.islands.iter().flat_map(|island| island.population.members());
        let best = members.reduce(|best, other| if other.score > best.score { other } else { best });
        match (best, self.fronts.best()) {
            (Some(member), Some(ever)) if ever.score > member.score => Some(ever),
            (member, ever) => member.or(ever),
        }
    }

    /// Enters a child of the first island, if it got a score.
    pub fn settle(&mut self, fate: Fate, rules: &Rules) {
        let Some(island) = self.islands.first_mut() else { return };
        let fate = match fate {
            // Another child of the same round may have brought the same structure in.
            Fate::Accepted(individual) if island.population.knows(&individual.blocks) => Fate::Duplicate,
            other => other,
        };
        if let Some(individual) = self.tally.count(fate) {
            self.fronts.insert(&individual);
            island.population.push(individual, rules);
        }
    }

    /// Removes the first of the lowest scores of the first island until it has its size.
    pub fn shrink(&mut self, rules: &Rules) {
        if let Some(island) = self.islands.first_mut() {
            island.population.shrink_to(rules.population);
        }
    }

    /// Tells the observer how far the search is, and records best and mean score.
    pub fn report(&mut self, iterations: u64, observer: &dyn Observer) {
        let best = self.best().map(|best| best.score);
        let (mut sum, mut count) = (0.0, 0_usize);
        for island in &self.islands {
            sum += island.population.total_score();
            count += island.population.len();
        }
        let mean = (count > 0).then(|| sum / count as f64);
        if let (Some(best), Some(mean)) = (best, mean) {
            self.history.push(HistoryPoint { iteration: self.iteration, best, mean });
        }
        observer.progress(SearchProgress {
            iteration: self.iteration,
            iterations,
            best,
            mean,
            scored: self.tally.scored,
        });
    }

    /// Takes over what the workers have timed.
    pub fn collect(&mut self, workers: &mut [Worker<'_>]) {
        for worker in workers {
            self.phases += std::mem::take(&mut worker.phases);
            self.timed += std::mem::take(&mut worker.timed);
        }
    }
}
