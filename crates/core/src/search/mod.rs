//! The evolutionary search (Zen-NAS paper, Algorithms 2 and 3; docs/plainnet.md, section 6).
//!
//! Pure decisions: the space, the proxy, the predictors and the seed come in, the outcome goes out. The
//! same seed gives the same outcome for any number of threads, and whether or not the search was
//! interrupted: every iteration has a generator of its own, and children of one round are drawn from
//! one state and enter in order.
//!
//! ```
//! use edgezen::search::{Budget, Search};
//! use edgezen::units::Params;
//!
//! let space = edgezen::space::by_name("mobilenet").unwrap();
//! let found = Search::new(space)
//!     .budget(Budget::Params(Params(4e6)))
//!     .budget(Budget::Layers(14))
//!     .iterations(2_000)
//!     .run()
//!     .unwrap();
//! assert!(found.best.costs.params.0 <= 4e6);
//! ```

pub mod archive;
pub mod budget;
pub mod checkpoint;
mod climb;
pub mod edits;
pub mod explain;
pub mod feasible;
pub mod islands;
mod judge;
pub mod mutation;
pub mod observer;
pub mod population;
pub mod preset;
mod sequential;
mod state;

pub use archive::{Front, Fronts, OnFront};
pub use budget::{Budget, Budgets, Constraint, Costs, LatencyBudget, Rejected};
pub use checkpoint::Checkpoint;
pub use observer::{Observer, Phases, Point, Progress, REPORT_EVERY, Silent, Wish};
pub use population::{Individual, Population, RuleSet, Rules};

use crate::plainnet::{Network, ShapeError, SuperBlock, notation};
use crate::proxy::zen::ZenScore;
use crate::proxy::{Mode, Proxy};
use crate::space::SearchSpace;
use judge::Worker;
use mutation::Mutator;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use state::State;

/// A search, ready to run.
#[derive(Clone)]
pub struct Search<'a> {
    pub space: &'a dyn SearchSpace,
    /// Where the search starts; its chain is linked before use.
    pub initial: Vec<SuperBlock>,
    /// What is maximised; absent: the Zen-Score of the paper in closed form.
    pub proxy: Option<&'a dyn Proxy>,
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
    Unscored(String),
    #[error("the checkpoint cannot be used: {0}")]
    Checkpoint(String),
    #[error("cannot start {threads} threads: {reason}")]
    Threads { threads: usize, reason: String },
}

/// What a search found.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub best: Individual,
    /// The final population, island after island.
    pub population: Vec<std::sync::Arc<Individual>>,
    /// Over the whole run.
    pub fronts: Fronts,
    pub history: Vec<Point>,
    /// Fewer than asked for if the observer stopped the search.
    pub iterations: u64,
    pub scored: u64,
    pub rejected: Rejected,
    pub phases: Phases,
}

impl Outcome {
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

impl<'a> Search<'a> {
    /// A search over `space` from its default structure, by the default rules, for inputs of 224×224
    /// and 1,000 classes, without budgets.
    pub fn new(space: &'a dyn SearchSpace) -> Search<'a> {
        let initial = notation::parse(space.default_structure())
            .ok()
            .and_then(|network| network.super_blocks("a search varies").ok())
            .unwrap_or_default();
        Search {
            space,
            initial,
            proxy: None,
            budgets: Budgets::default(),
            rules: Rules::ISLANDS,
            resolution: 224,
            classes: 1000,
            seed: 0,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    /// What is maximised, in the place of the Zen-Score.
    #[must_use]
    pub fn proxy(mut self, proxy: &'a dyn Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// One more budget; budgets of different kinds and devices hold together.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budgets.set(budget);
        self
    }

    #[must_use]
    pub fn rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    #[must_use]
    pub fn iterations(mut self, iterations: u64) -> Self {
        self.rules.iterations = iterations;
        self
    }

    /// Side of the square input, and classes.
    #[must_use]
    pub fn input(mut self, resolution: u32, classes: u32) -> Self {
        (self.resolution, self.classes) = (resolution, classes);
        self
    }

    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Runs all iterations.
    ///
    /// # Errors
    /// No network fits the budgets, or none that fits has a score.
    pub fn run(&self) -> Result<Outcome, SearchError> {
        self.observed(&Silent, None)
    }

    /// Runs while `observer` watches; from `checkpoint` on, if there is one. The outcome is the same.
    ///
    /// # Errors
    /// As [`Search::run`]; also a checkpoint of another search.
    pub fn observed(
        &self,
        observer: &dyn Observer,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<Outcome, SearchError> {
        let start = self.start()?;
        let zen;
        let proxy: &dyn Proxy = match self.proxy {
            Some(proxy) => proxy,
            None => {
                zen = ZenScore::new(Mode::Paper, self.resolution);
                &zen
            }
        };
        let threads = self.threads.max(1);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|e| SearchError::Threads { threads, reason: e.to_string() })?;
        let islands = self.rules.set == RuleSet::Islands;
        let busy = if islands { self.rules.populations() } else { self.rules.round };
        let mut workers: Vec<Worker<'_>> =
            (0..threads.min(busy).max(1)).map(|_| Worker::new(self, proxy, observer)).collect();
        let mut state = match checkpoint {
            Some(saved) => saved.restore(self).map_err(SearchError::Checkpoint)?,
            None => State::new(self.rules.populations(), self.budgets.latencies.len()),
        };
        if state.is_new() {
            if self.is_slow() {
                // Interrupted in its first score, a search goes on from here.
                observer.save(&Checkpoint::of(&state));
            }
            self.begin(&start, &mut workers[0], &mut state);
        }
        while state.iteration < self.rules.iterations {
            let before = state.iteration;
            if islands {
                islands::round(self, &start, &mut state, &mut workers, &pool);
            } else {
                sequential::round(self, &start, &mut state, &mut workers, &pool);
            }
            let done = state.iteration == self.rules.iterations;
            if state.iteration / REPORT_EVERY > before / REPORT_EVERY || done {
                state.report(self.rules.iterations, observer);
            }
            let wish = if done || self.is_slow() || state.iteration / ASK_EVERY > before / ASK_EVERY {
                observer.wish()
            } else {
                Wish::GoOn
            };
            if wish != Wish::GoOn || done {
                state.collect(&mut workers);
                observer.save(&Checkpoint::of(&state));
            }
            if wish == Wish::Stop {
                break;
            }
        }
        state.collect(&mut workers);
        self.outcome(state, proxy)
    }

    /// A structure inside the budgets, from which the search starts.
    ///
    /// # Errors
    /// No network fits the budgets.
    pub fn start(&self) -> Result<Vec<SuperBlock>, SearchError> {
        let mut initial = self.initial.clone();
        crate::plainnet::relink(&mut initial);
        crate::plainnet::shape::validate(&Network::from(&initial[..]).blocks, self.resolution)?;
        feasible::start(self, initial)
    }

    /// Whether one score takes so long that rounds are kept short: images are passed through networks.
    fn is_slow(&self) -> bool {
        self.proxy.is_some_and(|proxy| proxy.batch().is_some())
    }

    /// What comes before the first iteration.
    fn begin(&self, start: &[SuperBlock], worker: &mut Worker<'_>, state: &mut State) {
        if self.rules.start_inside {
            let clock = worker.begin(0..0);
            let fate = worker.judge(start, clock, self.rng(!u64::MAX));
            sequential::settle(fate, &self.rules, state);
            let first = state.islands[0].population.members().first().cloned();
            for island in &mut state.islands[1..] {
                if let Some(first) = &first {
                    island.population.push(std::sync::Arc::clone(first), &self.rules);
                }
            }
        }
    }

    fn outcome(&self, state: State, proxy: &dyn Proxy) -> Result<Outcome, SearchError> {
        let Some(best) = state.best().map(|best| Individual::clone(best)) else {
            let name = proxy.name();
            let reason = state.tally.failed;
            return Err(SearchError::Unscored(
                reason
                    .unwrap_or_else(|| format!("no candidate fitted the budgets, none was given to {name}")),
            ));
        };
        let scale = if state.timed == 0 { 0.0 } else { state.iteration as f64 / state.timed as f64 };
        let Phases { mutate, budget, score } = state.phases;
        Ok(Outcome {
            best,
            population: state.islands.iter().flat_map(|i| i.population.members()).cloned().collect(),
            fronts: state.fronts,
            history: state.history,
            iterations: state.iteration,
            scored: state.tally.scored,
            rejected: state.tally.rejected,
            phases: Phases { mutate: scale * mutate, budget: scale * budget, score: scale * score },
        })
    }

    /// Fronts that a run keeps.
    fn fronts(&self) -> usize {
        self.budgets.latencies.len().max(1)
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
}

/// Iterations between two questions to the observer, where a round is shorter: a question costs tens of
/// nanoseconds, as much as a tenth of an iteration.
const ASK_EVERY: u64 = 8;
