//! What a search carries from round to round, and all that a checkpoint holds.

use super::climb::Climb;
use super::judge::{Tally, Worker};
use super::observer::{Observer, Phases, Point, Progress};
use super::{Fronts, Individual, Population};
use std::sync::Arc;

/// One population; the loops of the paper and of the released code have one, too.
#[derive(Clone, Debug, Default)]
pub(super) struct Island {
    pub population: Population,
    /// What the island is at, where the rules know of climbs.
    pub climb: Option<Climb>,
}

pub(super) struct State {
    pub iteration: u64,
    pub islands: Vec<Island>,
    pub fronts: Fronts,
    pub tally: Tally,
    pub history: Vec<Point>,
    /// Of the iterations that were timed.
    pub phases: Phases,
    pub timed: u64,
}

impl State {
    pub fn new(islands: usize, devices: usize) -> State {
        State {
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

    pub fn report(&mut self, iterations: u64, observer: &dyn Observer) {
        let best = self.best().map(|best| best.score);
        let (mut sum, mut count) = (0.0, 0_usize);
        for island in &self.islands {
            sum += island.population.total_score();
            count += island.population.len();
        }
        let mean = (count > 0).then(|| sum / count as f64);
        if let (Some(best), Some(mean)) = (best, mean) {
            self.history.push(Point { iteration: self.iteration, best, mean });
        }
        observer.progress(Progress {
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
