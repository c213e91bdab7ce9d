//! What becomes of one child: duplicates, budgets, score; in this order, cheapest first.

use super::budget::{Accountant, Constraint, Costs, Rejected};
use super::{Individual, Observer, Phases, Search};
use crate::plainnet::SuperBlock;
use crate::proxy::{Candidate, Memory, Proxy, ScoreError};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::ops::Range;
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
    /// Room for children that are scored together.
    pub children: Vec<Vec<SuperBlock>>,
    pub phases: Phases,
    pub timed: u64,
}

/// The clock of iterations that are timed, which share it alike.
pub(super) struct Clock {
    since: Option<Duration>,
    among: f64,
}

/// What became of a child that was scored whatever the budgets say: the first that it exceeds, if any.
pub(super) type Appraisal = Result<(Arc<Individual>, Option<Constraint>), Fate>;

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
            children: Vec::new(),
            phases: Phases::default(),
            timed: 0,
        }
    }

    /// An iteration begins, or several that are done together.
    pub fn begin(&self, iterations: Range<u64>) -> Clock {
        let timed = iterations.end.div_ceil(TIMED_EVERY) > iterations.start.div_ceil(TIMED_EVERY);
        Clock { since: timed.then(|| self.observer.now()), among: (iterations.end - iterations.start) as f64 }
    }

    /// What has passed of the time of one iteration.
    fn lap(&self, clock: &mut Clock) -> f64 {
        let Some(since) = &mut clock.since else { return 0.0 };
        let now = self.observer.now();
        (now - std::mem::replace(since, now)).as_secs_f64() / clock.among
    }

    /// Its child is bred.
    pub fn bred(&mut self, clock: &mut Clock) {
        self.timed += u64::from(clock.since.is_some());
        self.phases.mutate += self.lap(clock);
    }

    /// Weighs and scores the first `count` of [`Worker::children`], which share most blocks. What exceeds a budget more
    /// than [`Worker::FAR`] times is not scored. `rng` gives each a stream of its own.
    pub fn appraise(
        &mut self,
        count: usize,
        mut clock: Clock,
        mut rng: impl FnMut(usize) -> Xoshiro256PlusPlus,
    ) -> Vec<Appraisal> {
        let budgets = &self.search.budgets;
        let children = &self.children[..count.min(self.children.len())];
        let mut appraisals: Vec<Option<Appraisal>> = Vec::with_capacity(children.len());
        let mut weighed: Vec<(usize, Costs, Option<Constraint>)> = Vec::with_capacity(children.len());
        for (i, blocks) in children.iter().enumerate() {
            let costs = match self.accountant.costs(blocks) {
                Ok(costs) => costs,
                Err(_) => {
                    appraisals.push(Some(Err(Fate::Invalid)));
                    continue;
                }
            };
            let exceeded = budgets.exceeded(&costs);
            let far = exceeded.filter(|_| budgets.violation(&costs) > Self::FAR);
            appraisals.push(far.map(|constraint| Err(Fate::Rejected(constraint))));
            if far.is_none() {
                weighed.push((i, costs, exceeded));
            }
        }
        self.phases.budget += self.lap(&mut clock);
        let children = &self.children;
        let Search { resolution, classes, .. } = *self.search;
        let candidate = |i: usize| Candidate { blocks: &children[i], resolution, classes };
        let candidates: Vec<Candidate<'_>> = weighed.iter().map(|&(i, ..)| candidate(i)).collect();
        let scores = self.proxy.score_alike(&candidates, &mut self.memory, &mut |k| rng(weighed[k].0));
        for ((i, costs, exceeded), score) in weighed.into_iter().zip(scores) {
            appraisals[i] = Some(match self.finite(score) {
                Ok(score) => {
                    Ok((Arc::new(Individual { blocks: self.children[i][..].into(), score, costs }), exceeded))
                }
                Err(error) => Err(Fate::Unscored(error)),
            });
        }
        self.phases.score += self.lap(&mut clock);
        appraisals.into_iter().flatten().collect()
    }

    /// Weighs and scores `blocks`, which is not a duplicate; `rng` is a stream of its own, so that a
    /// proxy's randomness does not depend on the mutation's.
    pub fn judge(&mut self, blocks: &[SuperBlock], mut clock: Clock, mut rng: Xoshiro256PlusPlus) -> Fate {
        let costs = self.accountant.within(blocks);
        self.phases.budget += self.lap(&mut clock);
        let costs = match costs {
            Ok(Ok(costs)) => costs,
            Ok(Err(constraint)) => return Fate::Rejected(constraint),
            Err(_) => return Fate::Invalid,
        };
        let Search { resolution, classes, .. } = *self.search;
        let candidate = Candidate { blocks, resolution, classes };
        let score = self.proxy.score_next(candidate, &mut self.memory, &mut rng);
        self.phases.score += self.lap(&mut clock);
        match self.finite(score) {
            Ok(score) => Fate::Accepted(Arc::new(Individual { blocks: blocks.into(), score, costs })),
            Err(error) => Fate::Unscored(error),
        }
    }

    fn finite(&self, score: Result<f64, ScoreError>) -> Result<f64, ScoreError> {
        let score = score?;
        if score.is_finite() { Ok(score) } else { Err(ScoreError::NotFinite { proxy: self.proxy.name() }) }
    }
}
