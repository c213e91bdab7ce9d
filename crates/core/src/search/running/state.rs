//! What a search carries from round to round, and all that a checkpoint holds.

use super::fate::{Fate, Tally};
use super::observer::Observer;
use super::progress::{HistoryPoint, Phases, REPORT_EVERY, SearchProgress};
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
            record(&mut self.history, HistoryPoint { iteration: self.iteration, best, mean });
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

/// Points of a history at most: a search of any length remembers its course in as much memory.
const MOST_POINTS: u64 = 1 << 16;

/// Iterations between two points of a history that ends at `iteration`: a power of two times [`REPORT_EVERY`].
fn spacing(iteration: u64) -> u64 {
    let reports = iteration / REPORT_EVERY;
    REPORT_EVERY * (reports / MOST_POINTS + 1).next_power_of_two()
}

/// Adds a point to a history. What is kept depends on the iterations alone, so that a search that was interrupted has
/// the same history as one that was not.
fn record(history: &mut Vec<HistoryPoint>, point: HistoryPoint) {
    let spacing_now = spacing(point.iteration);
    if spacing_now > REPORT_EVERY {
        // Of the points that fall into one interval, the last one stays.
        let interval = |point: &HistoryPoint| point.iteration / spacing_now;
        if history.last().is_some_and(|last| spacing(last.iteration) < spacing_now) {
            let mut kept: Vec<HistoryPoint> = Vec::with_capacity(history.len() / 2 + 1);
            for earlier in history.drain(..) {
                if kept.last().is_some_and(|last| interval(last) == interval(&earlier)) {
                    kept.pop();
                }
                kept.push(earlier);
            }
            *history = kept;
        }
        if history.last().is_some_and(|last| interval(last) == interval(&point)) {
            history.pop();
        }
    }
    history.push(point);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(iterations: u64) -> Vec<HistoryPoint> {
        let mut history = Vec::new();
        for report in 1..=iterations / REPORT_EVERY {
            let iteration = report * REPORT_EVERY;
            record(&mut history, HistoryPoint { iteration, best: iteration as f64, mean: 0.0 });
        }
        history
    }

    #[test]
    fn the_history_of_a_long_search_takes_no_more_memory() {
        let short = history(100 * REPORT_EVERY);
        assert_eq!(short.len(), 100);
        let full = MOST_POINTS * REPORT_EVERY;
        let long = history(5 * full);
        assert!(
            long.len() as u64 <= MOST_POINTS + 1 && long.len() as u64 > MOST_POINTS / 2,
            "{}",
            long.len()
        );
        assert!(long.is_sorted_by(|a, b| a.iteration < b.iteration));
        assert_eq!(long.last().map(|point| point.iteration), Some(5 * full));
        // Evenly spread, the beginning included.
        let gaps = long.windows(2).map(|pair| pair[1].iteration - pair[0].iteration);
        assert!(gaps.max() <= Some(16 * REPORT_EVERY));
        assert!(long[0].iteration <= 8 * REPORT_EVERY);
    }
}
