//! What becomes of one child: duplicates, budgets, score; in this order, cheapest first.

use super::budget::{Accountant, Constraint, Rejected};
use super::{Individual, Observer, Phases, Search};
use crate::plainnet::SuperBlock;
use crate::proxy::{Candidate, Proxy, ScoreError};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::sync::Arc;
use std::time::Duration;

/// One iteration in this many is timed by phase; the phases take about a microsecond each.
const TIMED_EVERY: u64 = 64;

/// What became of one child.
pub(super) enum Fate {
    Accepted(Arc<Individual>),
    Rejected(Constraint),
    Duplicate,
    Unscored(ScoreError),
    Invalid,
}

/// Counts of fates.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub scored: u64,
    pub rejected: Rejected,
    /// Why the last unscored network has no score.
    pub failed: Option<String>,
}

impl Tally {
    /// Counts a fate; gives the network if it got a score.
    pub fn count(&mut self, fate: Fate) -> Option<Arc<Individual>> {
        match fate {
            Fate::Accepted(individual) => {
                self.scored += 1;
                return Some(individual);
            }
            Fate::Rejected(constraint) => self.rejected.count(constraint),
            Fate::Duplicate => self.rejected.duplicate += 1,
            Fate::Invalid => self.rejected.invalid += 1,
            Fate::Unscored(error) => {
                self.rejected.unscored += 1;
                self.failed = Some(error.to_string());
            }
        }
        None
    }

    pub fn add(&mut self, other: Tally) {
        self.scored += other.scored;
        self.rejected += other.rejected;
        self.failed = other.failed.or(self.failed.take());
    }
}

/// What one thread needs to judge.
pub(super) struct Worker<'a> {
    search: &'a Search<'a>,
    proxy: &'a dyn Proxy,
    observer: &'a dyn Observer,
    accountant: Accountant<'a>,
    /// Room for the child, kept between iterations.
    pub child: Vec<SuperBlock>,
    pub phases: Phases,
    pub timed: u64,
}

/// The clock of an iteration that is timed.
pub(super) struct Clock(Option<Duration>);

impl<'a> Worker<'a> {
    pub fn new(search: &'a Search<'a>, proxy: &'a dyn Proxy, observer: &'a dyn Observer) -> Worker<'a> {
        Worker {
            search,
            proxy,
            observer,
            accountant: Accountant::new(&search.budgets, search.resolution, search.classes),
            child: Vec::new(),
            phases: Phases::default(),
            timed: 0,
        }
    }

    /// An iteration begins.
    pub fn begin(&self, iteration: u64) -> Clock {
        Clock(iteration.is_multiple_of(TIMED_EVERY).then(|| self.observer.now()))
    }

    /// Its child is bred.
    pub fn bred(&mut self, clock: &mut Clock) {
        if let Clock(Some(started)) = clock {
            let now = self.observer.now();
            self.timed += 1;
            self.phases.mutate += (now - *started).as_secs_f64();
            *started = now;
        }
    }

    /// Weighs and scores `blocks`, which is not a duplicate; `rng` is a stream of its own, so that a
    /// proxy's randomness does not depend on the mutation's.
    pub fn judge(&mut self, blocks: &[SuperBlock], clock: Clock, mut rng: Xoshiro256PlusPlus) -> Fate {
        let costs = self.accountant.within(blocks);
        let weighed = clock.0.map(|started| {
            let now = self.observer.now();
            self.phases.budget += (now - started).as_secs_f64();
            now
        });
        let costs = match costs {
            Ok(Ok(costs)) => costs,
            Ok(Err(constraint)) => return Fate::Rejected(constraint),
            Err(_) => return Fate::Invalid,
        };
        let candidate =
            Candidate { blocks, resolution: self.search.resolution, classes: self.search.classes };
        let score = self.proxy.score(candidate, &mut rng);
        if let Some(weighed) = weighed {
            self.phases.score += (self.observer.now() - weighed).as_secs_f64();
        }
        match score {
            Ok(score) if score.is_finite() => {
                Fate::Accepted(Arc::new(Individual { blocks: blocks.into(), score, costs }))
            }
            Ok(_) => Fate::Unscored(ScoreError::NotFinite { proxy: self.proxy.name() }),
            Err(error) => Fate::Unscored(error),
        }
    }
}
