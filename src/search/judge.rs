//! What becomes of one child: duplicates, budgets, score; in this order, cheapest first.

use super::budget::{Accountant, Constraint, Rejected};
use super::{Individual, Observer, Phases, Search};
use crate::plainnet::SuperBlock;
use crate::proxy::{Candidate, Memory, Proxy, ScoreError};
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
    memory: Memory,
    /// Room for the child, kept between iterations.
    pub child: Vec<SuperBlock>,
    pub phases: Phases,
    pub timed: u64,
}

/// The clock of an iteration that is timed.
pub(super) struct Clock(Option<Duration>);

impl<'a> Worker<'a> {
    /// Times over a budget from which on no exchange with another block brings a network back.
    const FAR: f64 = 1.25;

    pub fn new(search: &'a Search<'a>, proxy: &'a dyn Proxy, observer: &'a dyn Observer) -> Worker<'a> {
        Worker {
            search,
            proxy,
            observer,
            accountant: Accountant::new(&search.budgets, search.resolution, search.classes),
            memory: Memory::default(),
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

    /// Weighs and scores `blocks`, and says which budget it exceeds, if any; what exceeds one more than
    /// [`Worker::FAR`] times is not scored.
    pub fn appraise(
        &mut self,
        blocks: &[SuperBlock],
        clock: Clock,
        mut rng: Xoshiro256PlusPlus,
    ) -> Result<(Arc<Individual>, Option<Constraint>), Fate> {
        let budgets = &self.search.budgets;
        let costs = self.accountant.costs(blocks).map_err(|_| Fate::Invalid);
        let weighed = self.weighed(clock);
        let costs = costs?;
        let exceeded = budgets.exceeded(&costs);
        if let Some(constraint) = exceeded.filter(|_| budgets.violation(&costs) > Self::FAR) {
            return Err(Fate::Rejected(constraint));
        }
        let score = self.score(blocks, weighed, &mut rng).map_err(Fate::Unscored)?;
        Ok((Arc::new(Individual { blocks: blocks.into(), score, costs }), exceeded))
    }

    /// Weighs and scores `blocks`, which is not a duplicate; `rng` is a stream of its own, so that a
    /// proxy's randomness does not depend on the mutation's.
    pub fn judge(&mut self, blocks: &[SuperBlock], clock: Clock, mut rng: Xoshiro256PlusPlus) -> Fate {
        let costs = self.accountant.within(blocks);
        let weighed = self.weighed(clock);
        let costs = match costs {
            Ok(Ok(costs)) => costs,
            Ok(Err(constraint)) => return Fate::Rejected(constraint),
            Err(_) => return Fate::Invalid,
        };
        match self.score(blocks, weighed, &mut rng) {
            Ok(score) => Fate::Accepted(Arc::new(Individual { blocks: blocks.into(), score, costs })),
            Err(error) => Fate::Unscored(error),
        }
    }

    /// The costs are known.
    fn weighed(&mut self, clock: Clock) -> Clock {
        Clock(clock.0.map(|started| {
            let now = self.observer.now();
            self.phases.budget += (now - started).as_secs_f64();
            now
        }))
    }

    fn score(
        &mut self,
        blocks: &[SuperBlock],
        weighed: Clock,
        rng: &mut Xoshiro256PlusPlus,
    ) -> Result<f64, ScoreError> {
        let Search { resolution, classes, .. } = *self.search;
        let candidate = Candidate { blocks, resolution, classes };
        let score = self.proxy.score_next(candidate, &mut self.memory, rng);
        if let Clock(Some(weighed)) = weighed {
            self.phases.score += (self.observer.now() - weighed).as_secs_f64();
        }
        score.and_then(|score| {
            if score.is_finite() {
                Ok(score)
            } else {
                Err(ScoreError::NotFinite { proxy: self.proxy.name() })
            }
        })
    }
}
