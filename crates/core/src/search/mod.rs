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
//! * [`reference`](mod@reference): networks that several scores are ranked among;
//! * [`preset`]: the published set-ups; [`depth`]: a limit on the layers that follows from the other budgets;
//! * [`winner`]: which of the best networks is handed over;
//! * [`feasible`]: where a search can start; [`head`]: whether the last convolution leaves room for others; [`explain`]: why a network is as it is; [`degeneracy`]: what no published
//!   network would look like.
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
pub mod degeneracy;
pub mod depth;
pub mod explain;
pub mod feasible;
pub mod head;
pub mod optimiser;
mod outcome;
pub mod population;
pub mod preset;
pub mod reference;
mod running;
mod smallest;
pub mod variation;
pub mod winner;

pub use budget::{Budget, Budgets, CostError, Costs, Quantity, Rejected, TrackedDevice};
pub use optimiser::{Optimiser, Rules};
pub use outcome::SearchOutcome;
pub use population::{Front, Fronts, Individual, OnFront, Population};
pub use running::{
    Checkpoint, HistoryPoint, Instruction, Observer, Phases, REPORT_EVERY, SearchProgress, Silent,
};

use crate::plainnet::{Network, ShapeError, SuperBlock, notation};
use crate::predictor::LatencyPredictor;
use crate::predictor::pricing::NoEstimate;
use crate::proxy::Proxy;
use crate::space::{SearchSpace, ShapeRules};
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
    /// Limits on the stages of a network; absent where a search may visit any shape, as the published set-ups do.
    pub shape: Option<ShapeRules>,
    /// Whether networks are built with squeeze-excite. It counts in the costs and the latencies; scores do not see it.
    pub se: bool,
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
    #[error(transparent)]
    Unpriced(#[from] NoEstimate),
    #[error("no network fits the budgets: {0}")]
    Infeasible(feasible::Infeasible),
    #[error("no network that keeps the rules of shape could be reached from the initial structure: {0}")]
    Misshapen(String),
    #[error("no network that fits the budgets has a score: {0}")]
    Unscored(String),
    #[error("the checkpoint cannot be used: {0}")]
    Checkpoint(String),
    #[error("cannot start {threads} threads: {reason}")]
    Threads { threads: usize, reason: String },
}

impl From<CostError> for SearchError {
    fn from(error: CostError) -> SearchError {
        match error {
            CostError::Shape(error) => error.into(),
            CostError::Estimate(error) => error.into(),
        }
    }
}

impl<'a> Search<'a> {
    /// A search over `space` from its default structure, by the default rules, for inputs of 224×224
    /// and 1,000 classes, without budgets, with the rules of shape of the space.
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
            shape: Some(space.shape_rules()),
            se: false,
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
        let device = TrackedDevice { name: device.into(), predictor: Arc::new(predictor).into() };
        let index = self.budgets.track(device);
        self.budgets.bound_latency(index, limit);
        self
    }

    /// Lets the search visit networks of any shape.
    #[must_use]
    pub fn any_shape(mut self) -> Self {
        self.shape = None;
        self
    }

    /// Bounds the number of layers, where no budget does, by what follows from the other budgets ([`depth`]). Without a
    /// bound, a search under most budgets stacks layers without end.
    ///
    /// # Errors
    /// An input that published networks of the space cannot read.
    pub fn with_depth_limit(mut self) -> Result<Self, SearchError> {
        if self.budgets.limit(Quantity::Layers).is_none()
            && let Some(derived) = depth::derived(self.space, &self.budgets, self.resolution, self.classes)?
        {
            self.budgets.bound(Quantity::Layers, f64::from(derived.layers));
        }
        Ok(self)
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

    /// Whether one score or latency takes so long that rounds are kept short: images are passed through networks, or somebody's
    /// function is asked.
    fn is_slow(&self) -> bool {
        let scores = self.proxy.is_some_and(|proxy| proxy.batch().is_some() || proxy.is_foreign());
        scores || self.budgets.devices().iter().any(|device| device.predictor.of_kernels().is_none())
    }

    /// Number of fronts that a run keeps.
    fn fronts(&self) -> usize {
        self.budgets.devices().len().max(1)
    }

    /// What computes the costs of networks of this search.
    pub fn accountant(&self) -> budget::Accountant<'_> {
        budget::Accountant::new(&self.budgets, self.resolution, self.classes).with_se(self.se)
    }

    /// How much of its limit the fullest rule of shape takes; at most 1 where all are kept, or there are none.
    fn shape_load(&self, blocks: &[SuperBlock]) -> f64 {
        self.shape.map_or(0.0, |rules| rules.load(blocks))
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
