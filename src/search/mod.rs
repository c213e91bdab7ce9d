//! The evolutionary search (paper, Algorithms 2 and 3; SPEC 6).
//!
//! Pure decisions: the space, the proxy, the predictors and the seed come in, the outcome goes out. The
//! same seed gives the same outcome for any number of threads: every iteration has a generator of its
//! own, and children of one round are drawn from one state of the population and enter in order.

pub mod archive;
pub mod budget;
pub mod feasible;
pub mod mutation;
pub mod population;
pub mod preset;

pub use archive::Front;
pub use budget::{Budgets, Constraint, Costs, LatencyBudget, Rejected};
pub use population::{Individual, Population, RuleSet, Rules};

use crate::plainnet::{Network, ShapeError, SuperBlock};
use crate::proxy::{Candidate, Proxy, ScoreError};
use crate::space::SearchSpace;
use budget::Accountant;
use mutation::Mutator;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// A search, ready to run.
pub struct Search<'a> {
    pub space: &'a dyn SearchSpace,
    /// Where the search starts; its chain is linked before use.
    pub initial: Vec<SuperBlock>,
    pub proxy: &'a dyn Proxy,
    pub budgets: Budgets,
    pub rules: Rules,
    pub resolution: u32,
    pub classes: u32,
    pub seed: u64,
    /// Changes the time that a search takes and nothing else.
    pub threads: usize,
}

/// Why a search could not run.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error("the initial structure is not usable: {0}")]
    Initial(#[from] ShapeError),
    #[error("no network fits the budgets: {0}")]
    Infeasible(feasible::Infeasible),
    #[error("no network that fits the budgets has a score: {0}")]
    Unscored(ScoreError),
    #[error("cannot start {threads} threads: {reason}")]
    Threads { threads: usize, reason: String },
}

/// A running search, as its observer sees it.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    pub iteration: u64,
    pub best: Option<f64>,
    pub mean: Option<f64>,
    /// Candidates that fitted the budgets and got a score.
    pub scored: u64,
}

/// What a search asks of the world around it.
pub trait Observer: Sync {
    /// Time since some moment; only differences matter.
    fn now(&self) -> Duration;
    /// Called every [`REPORT_EVERY`] iterations and at the end.
    fn progress(&self, progress: Progress);
}

/// Iterations between two reports (SPEC 6.1).
pub const REPORT_EVERY: u64 = 1_000;

/// One iteration in this many is timed by phase; the phases take about a microsecond each.
const TIMED_EVERY: u64 = 64;

/// Where the time went, summed over the threads and extrapolated from the iterations that were timed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Phases {
    pub mutate: f64,
    pub budget: f64,
    pub score: f64,
}

/// Best and mean score of the population after an iteration.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    pub iteration: u64,
    pub best: f64,
    pub mean: f64,
}

/// What a search found.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub best: Individual,
    pub population: Population,
    /// Score against the first latency, or FLOPs where no latency is asked for.
    pub front: Front,
    pub history: Vec<Point>,
    pub iterations: u64,
    pub scored: u64,
    pub rejected: Rejected,
    pub phases: Phases,
}

/// What became of one child.
enum Fate {
    Accepted(Arc<Individual>),
    Rejected(Constraint),
    Duplicate,
    Unscored(ScoreError),
    Invalid,
}

/// What one thread needs.
struct Worker<'a> {
    accountant: Accountant<'a>,
    child: Vec<SuperBlock>,
    phases: Phases,
    timed: u64,
}

impl Search<'_> {
    /// Runs all iterations.
    ///
    /// # Errors
    /// No network fits the budgets, or none that fits has a score.
    pub fn run(&self, observer: &dyn Observer) -> Result<Outcome, SearchError> {
        let mut initial = self.initial.clone();
        crate::plainnet::relink(&mut initial);
        crate::plainnet::shape::validate(&Network::from(&initial[..]).blocks, self.resolution)?;
        let start = feasible::start(self, initial)?;

        let threads = self.threads.max(1);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|e| SearchError::Threads { threads, reason: e.to_string() })?;
        let mut workers: Vec<Worker<'_>> =
            (0..threads.min(self.rules.round)).map(|_| self.worker()).collect();

        let mut state = State {
            population: Population::default(),
            front: Front::default(),
            history: Vec::new(),
            scored: 0,
            rejected: Rejected::default(),
            failed_score: None,
        };
        if self.rules.start_inside {
            let fate = self.judge(&start, u64::MAX, &state.population, &mut workers[0], None);
            state.settle(fate, &self.rules);
        }
        let mut fates: Vec<Option<Fate>> = Vec::new();
        let mut iteration = 0;
        while iteration < self.rules.iterations {
            if self.rules.set == RuleSet::Reference {
                state.population.shrink_to(self.rules.population);
            }
            let round = (self.rules.iterations - iteration).min(self.rules.round as u64);
            fates.clear();
            fates.resize_with(round as usize, || None);
            let population = &state.population;
            if round == 1 {
                fates[0] = Some(self.child(iteration, &start, population, &mut workers[0], observer));
            } else {
                let share = (round as usize).div_ceil(workers.len());
                let breed = |worker: &mut Worker<'_>, fates: &mut [Option<Fate>], first: u64| {
                    for (k, fate) in fates.iter_mut().enumerate() {
                        *fate = Some(self.child(first + k as u64, &start, population, worker, observer));
                    }
                };
                if let [worker] = &mut workers[..] {
                    breed(worker, &mut fates, iteration);
                } else {
                    pool.install(|| {
                        workers.par_iter_mut().zip(fates.par_chunks_mut(share)).enumerate().for_each(
                            |(w, (worker, fates))| breed(worker, fates, iteration + (w * share) as u64),
                        );
                    });
                }
            }
            for fate in fates.drain(..).flatten() {
                state.settle(fate, &self.rules);
            }
            if self.rules.set == RuleSet::Paper {
                state.population.shrink_to(self.rules.population);
            }
            let before = iteration;
            iteration += round;
            if iteration / REPORT_EVERY > before / REPORT_EVERY || iteration == self.rules.iterations {
                state.report(iteration, observer);
            }
        }
        self.outcome(state, &workers)
    }

    fn outcome(&self, state: State, workers: &[Worker<'_>]) -> Result<Outcome, SearchError> {
        let Some(best) = state.population.best().cloned() else {
            let reason = state.failed_score.unwrap_or(ScoreError::Undefined {
                proxy: self.proxy.name(),
                reason: "no candidate fitted the budgets".into(),
            });
            return Err(SearchError::Unscored(reason));
        };
        let timed: u64 = workers.iter().map(|worker| worker.timed).sum();
        let scale = if timed == 0 { 0.0 } else { self.rules.iterations as f64 / timed as f64 };
        let sum = |phase: fn(&Phases) -> f64| scale * workers.iter().map(|w| phase(&w.phases)).sum::<f64>();
        Ok(Outcome {
            best,
            population: state.population,
            front: state.front,
            history: state.history,
            iterations: self.rules.iterations,
            scored: state.scored,
            rejected: state.rejected,
            phases: Phases { mutate: sum(|p| p.mutate), budget: sum(|p| p.budget), score: sum(|p| p.score) },
        })
    }

    fn worker(&self) -> Worker<'_> {
        Worker {
            accountant: Accountant::new(&self.budgets, self.resolution, self.classes),
            child: Vec::new(),
            phases: Phases::default(),
            timed: 0,
        }
    }

    fn mutator(&self) -> Mutator<'_> {
        Mutator { space: self.space, weights: self.rules.weights, reach: self.rules.reach }
    }

    /// The generator of one iteration.
    fn rng(&self, iteration: u64) -> Xoshiro256PlusPlus {
        // Odd multiples of the golden ratio keep neighbouring seeds and iterations apart.
        let mixed =
            self.seed.wrapping_mul(0xd134_2543_de82_ef95) ^ iteration.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Xoshiro256PlusPlus::seed_from_u64(mixed)
    }

    /// Breeds and judges the child of one iteration.
    fn child(
        &self,
        iteration: u64,
        initial: &[SuperBlock],
        population: &Population,
        worker: &mut Worker<'_>,
        observer: &dyn Observer,
    ) -> Fate {
        let timed = iteration.is_multiple_of(TIMED_EVERY);
        let started = timed.then(|| observer.now());
        let mut rng = self.rng(iteration);
        let (parent, replaces) = if population.len() <= Rules::SEEDLING {
            (initial, 1)
        } else {
            (&*population.get(rng.random_range(0..population.len())).blocks, self.rules.replaces)
        };
        let mut child = std::mem::take(&mut worker.child);
        self.mutator().mutate(parent, replaces, &mut rng, &mut child);
        let clock = started.map(|started| {
            worker.timed += 1;
            worker.phases.mutate += (observer.now() - started).as_secs_f64();
            observer
        });
        let fate = self.judge(&child, iteration, population, worker, clock);
        worker.child = child;
        fate
    }

    /// Duplicates, budgets, score: in this order, cheapest first.
    fn judge(
        &self,
        blocks: &[SuperBlock],
        iteration: u64,
        population: &Population,
        worker: &mut Worker<'_>,
        clock: Option<&dyn Observer>,
    ) -> Fate {
        if population.knows(blocks) {
            return Fate::Duplicate;
        }
        let started = clock.map(Observer::now);
        let costs = worker.accountant.within(blocks);
        let weighed = clock.map(Observer::now);
        if let (Some(started), Some(weighed)) = (started, weighed) {
            worker.phases.budget += (weighed - started).as_secs_f64();
        }
        let costs = match costs {
            Ok(Ok(costs)) => costs,
            Ok(Err(constraint)) => return Fate::Rejected(constraint),
            Err(_) => return Fate::Invalid,
        };
        let candidate = Candidate { blocks, resolution: self.resolution, classes: self.classes };
        // A stream of its own, so that a proxy's randomness does not depend on the mutation's.
        let score = self.proxy.score(candidate, &mut self.rng(!iteration));
        if let (Some(clock), Some(weighed)) = (clock, weighed) {
            worker.phases.score += (clock.now() - weighed).as_secs_f64();
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

/// What changes from round to round.
struct State {
    population: Population,
    front: Front,
    history: Vec<Point>,
    scored: u64,
    rejected: Rejected,
    failed_score: Option<ScoreError>,
}

impl State {
    fn settle(&mut self, fate: Fate, rules: &Rules) {
        match fate {
            // A sibling of the same round may have brought the same structure in.
            Fate::Accepted(individual) if self.population.knows(&individual.blocks) => {
                self.rejected.duplicate += 1
            }
            Fate::Accepted(individual) => {
                self.scored += 1;
                let cost =
                    individual.costs.latencies.first().map_or(individual.costs.flops.0, |e| e.latency.ns());
                self.front.insert(&individual, cost);
                self.population.push(individual, rules);
            }
            Fate::Rejected(constraint) => self.rejected.count(constraint),
            Fate::Duplicate => self.rejected.duplicate += 1,
            Fate::Invalid => self.rejected.invalid += 1,
            Fate::Unscored(error) => {
                self.rejected.unscored += 1;
                self.failed_score = Some(error);
            }
        }
    }

    fn report(&mut self, iteration: u64, observer: &dyn Observer) {
        let best = self.population.best().map(|best| best.score);
        let mean = self.population.mean_score();
        if let (Some(best), Some(mean)) = (best, mean) {
            self.history.push(Point { iteration, best, mean });
        }
        observer.progress(Progress { iteration, best, mean, scored: self.scored });
    }
}
