//! What one thread needs to judge children: it computes their costs, holds them against the budgets, and scores those
//! that fit.

use super::fate::{Appraisal, Fate};
use super::observer::Observer;
use super::progress::Phases;
use crate::plainnet::SuperBlock;
use crate::proxy::{Candidate, Memory, Proxy, ScoreError};
use crate::search::Search;
use crate::search::budget::{Accountant, Costs, Quantity};
use crate::search::population::{Individual, Judged};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// One iteration in this many is timed by phase; the phases take about a microsecond each.
const TIMED_EVERY: u64 = 64;

/// What one thread needs to judge.
pub struct Worker<'a> {
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

/// Times the phases of an iteration, or of several that are done together; each of them counts for an equal share of
/// the time.
pub struct PhaseClock {
    since: Option<Duration>,
    among: f64,
}

impl<'a> Worker<'a> {
    /// Networks that exceed a budget more than so many times are not scored: no change of another block could bring
    /// them back inside.
    const FAR: f64 = 1.25;

    pub fn new(search: &'a Search<'a>, proxy: &'a dyn Proxy, observer: &'a dyn Observer) -> Worker<'a> {
        Worker {
            search,
            proxy,
            observer,
            accountant: search.accountant(),
            memory: Memory::default(),
            child: Vec::new(),
            children: Vec::new(),
            phases: Phases::default(),
            timed: 0,
        }
    }

    /// An iteration begins, or several that are done together.
    pub fn begin(&self, iterations: Range<u64>) -> PhaseClock {
        let timed = iterations.end.div_ceil(TIMED_EVERY) > iterations.start.div_ceil(TIMED_EVERY);
        PhaseClock {
            since: timed.then(|| self.observer.now()),
            among: (iterations.end - iterations.start) as f64,
        }
    }

    /// The seconds that one iteration spent since the last call.
    fn lap(&self, clock: &mut PhaseClock) -> f64 {
        let Some(since) = &mut clock.since else { return 0.0 };
        let now = self.observer.now();
        (now - std::mem::replace(since, now)).as_secs_f64() / clock.among
    }

    /// Ends the phase of mutation: the child is ready.
    pub fn bred(&mut self, clock: &mut PhaseClock) {
        self.timed += u64::from(clock.since.is_some());
        self.phases.mutate += self.lap(clock);
    }

    /// Computes the costs and scores of the first `count` of [`Worker::children`], which share most blocks. What exceeds
    /// a budget more than [`Worker::FAR`] times is not scored. `rng` gives each child a stream of its own.
    pub fn appraise(
        &mut self,
        count: usize,
        mut clock: PhaseClock,
        mut rng: impl FnMut(usize) -> Xoshiro256PlusPlus,
    ) -> Vec<Appraisal> {
        let budgets = &self.search.budgets;
        let children = &self.children[..count.min(self.children.len())];
        let mut appraisals: Vec<Option<Appraisal>> = Vec::with_capacity(children.len());
        let mut weighed: Vec<(usize, Costs, Option<Quantity>)> = Vec::with_capacity(children.len());
        for (i, blocks) in children.iter().enumerate() {
            if self.search.shape_load(blocks) > 1.0 {
                appraisals.push(Some(Err(Fate::Misshapen)));
                continue;
            }
            let costs = match self.accountant.costs(blocks) {
                Ok(costs) => costs,
                Err(_) => {
                    appraisals.push(Some(Err(Fate::Invalid)));
                    continue;
                }
            };
            let exceeded = budgets.exceeded(&costs).map(|budget| budget.quantity);
            let far = exceeded.filter(|_| budgets.violation(&costs) > Self::FAR);
            appraisals.push(far.map(|quantity| Err(Fate::Rejected(quantity))));
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
                Ok(score) => Ok((Judged { score, costs }, exceeded)),
                Err(error) => Err(Fate::Unscored(error)),
            });
        }
        self.phases.score += self.lap(&mut clock);
        appraisals.into_iter().flatten().collect()
    }

    /// Computes the costs of `blocks`, which is not a duplicate, and its score if it keeps the rules of shape and the
    /// budgets; `rng` is a stream of its own, so that a proxy's randomness does not depend on the mutation's.
    pub fn judge(
        &mut self,
        blocks: &[SuperBlock],
        mut clock: PhaseClock,
        mut rng: Xoshiro256PlusPlus,
    ) -> Fate {
        if self.search.shape_load(blocks) > 1.0 {
            self.phases.budget += self.lap(&mut clock);
            return Fate::Misshapen;
        }
        let costs = self.accountant.within(blocks);
        self.phases.budget += self.lap(&mut clock);
        let costs = match costs {
            Ok(Ok(costs)) => costs,
            Ok(Err(budget)) => return Fate::Rejected(budget.quantity),
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
