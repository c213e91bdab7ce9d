//! The evolutionary search (Zen-NAS paper, Algorithms 2 and 3; docs/plainnet.md, section 6).
//!
//! Pure decisions: the space, the proxy, the predictors and the seed come in, the outcome goes out. The
//! same seed gives the same outcome for any number of threads, and whether or not the search was
//! interrupted: every iteration has a generator of its own, and children of one round are drawn from
//! one state and enter in order.
//!
//! * `budget`: the quantities that can be bounded, budgets, and the costs that are held against them;
//! * `variation`: mutations and edits of a structure;
//! * `population`: networks with their scores, populations, and the fronts of score against cost;
//! * `optimiser`: the rules of the evolution, with a registry;
//! * `running`: what a running search consists of, up to its checkpoints;
//! * [`preset`]: the published set-ups; [`feasible`]: where a search can start; [`explain`]: why a network is as it is.
//!
//! ```
//! use edgezen_core::search::{Quantity, Search};
//!
//! let space = edgezen_core::space::by_name("mobilenet").unwrap();
//! let found = Search::new(space)
//!     .budget(Quantity::Params, 4e6)
//!     .budget(Quantity::Layers, 14.0)
//!     .iterations(2_000)
//!     .run()
//!     .unwrap();
//! assert!(found.best.costs[Quantity::Params].unwrap() <= 4e6);
//! ```

pub mod budget;
pub mod explain;
pub mod feasible;
pub mod optimiser;
mod outcome;
pub mod population;
pub mod preset;
mod running;
pub mod variation;

pub use budget::{Budget, Budgets, Costs, Quantity, Rejected, TrackedDevice};
pub use optimiser::{Optimiser, Rules};
pub use outcome::SearchOutcome;
pub use population::{Front, Fronts, Individual, OnFront, Population};
pub use running::{
    Checkpoint, HistoryPoint, Instruction, Observer, Phases, REPORT_EVERY, SearchProgress, Silent,
};

use crate::plainnet::{Network, ShapeError, SuperBlock, notation};
use crate::predictor::LatencyPredictor;
use crate::proxy::Proxy;
use crate::space::SearchSpace;
use crate::units::Latency;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::sync::Arc;
use variation::Mutator;

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

    /// One more budget on a quantity of the network itself: at most `limit`, a number or bytes. Budgets of different
    /// quantities and devices hold together.
    #[must_use]
    pub fn budget(mut self, quantity: Quantity, limit: f64) -> Self {
        self.budgets.bound(quantity, limit);
        self
    }

    /// One more budget on the latency: at most `limit` per image on `device`, as `predictor` says.
    #[must_use]
    pub fn latency(
        mut self,
        device: impl Into<String>,
        predictor: impl LatencyPredictor + 'static,
        limit: Latency,
    ) -> Self {
        let device = TrackedDevice { name: device.into(), predictor: Arc::new(predictor) };
        let index = self.budgets.track(device);
        self.budgets.bound_latency(index, limit);
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

    /// A structure inside the budgets, from which the search starts.
    ///
    /// # Errors
    /// No network fits the budgets.
    pub fn start(&self) -> Result<Vec<SuperBlock>, SearchError> {
        let mut initial = self.initial.clone();
        crate::plainnet::relink(&mut initial);
        crate::plainnet::shape::check_classes(self.classes)?;
        crate::plainnet::shape::validate(&Network::from(&initial[..]).blocks, self.resolution)?;
        feasible::start(self, initial)
    }

    /// Whether one score takes so long that rounds are kept short: images are passed through networks.
    fn is_slow(&self) -> bool {
        self.proxy.is_some_and(|proxy| proxy.batch().is_some())
    }

    /// Number of fronts that a run keeps.
    fn fronts(&self) -> usize {
        self.budgets.devices().len().max(1)
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
