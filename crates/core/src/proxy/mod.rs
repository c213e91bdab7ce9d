//! Zero-shot proxies: scores of untrained networks; greater is better (docs/plainnet.md, section 5).
//!
//! A failed score is a typed error, never a number.

pub mod cost;
pub mod ensemble;
pub mod entropy;
pub mod exact;
pub mod grad_norm;
pub mod gradient;
pub mod limited;
pub mod naswot;
pub mod on_graph;
pub mod patterns;
pub mod phi;
pub mod swap;
pub mod synflow;
pub mod te_nas;
pub mod theorem1;
pub mod zen;

use crate::plainnet::{Model, ShapeError, SuperBlock};
use crate::units::Bytes;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::fmt;
use std::str::FromStr;

/// Which definition of the Zen-Score is used (docs/plainnet.md, section 5.2). Scores of the two modes cannot be
/// compared with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Algorithm 1 of the paper: L2 norm, mini-batch variance.
    Paper,
    /// The released code: L1 norm, running variance.
    Reference,
}

impl Mode {
    pub fn name(self) -> &'static str {
        match self {
            Mode::Paper => "paper",
            Mode::Reference => "reference",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mode {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "paper" => Ok(Mode::Paper),
            "reference" => Ok(Mode::Reference),
            _ => Err(format!("unknown mode {text:?}; use paper or reference")),
        }
    }
}

/// A network as the search sees it.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    pub blocks: &'a [SuperBlock],
    pub resolution: u32,
    pub classes: u32,
}

/// What a proxy keeps from one candidate to the next. It is empty at first.
#[derive(Default)]
pub struct Memory(Option<Box<dyn Any + Send>>);

impl Memory {
    /// The value that was kept; a new one where none of type `T` was.
    pub fn of<T: Any + Send + Default>(&mut self) -> &mut T {
        if !self.0.as_ref().is_some_and(|kept| kept.is::<T>()) {
            self.0 = None;
        }
        let kept = self.0.get_or_insert_with(|| Box::new(T::default()));
        match kept.downcast_mut() {
            Some(kept) => kept,
            None => unreachable!("it was just seen to be one"),
        }
    }
}

/// Why a network has no score.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScoreError {
    #[error(transparent)]
    Shape(#[from] ShapeError),
    #[error("{proxy} is not defined for this network: {reason}")]
    Undefined { proxy: &'static str, reason: String },
    #[error("{proxy} of this network is not a finite number")]
    NotFinite { proxy: &'static str },
    /// Nothing was allocated.
    #[error("{proxy} of this network takes about {needed}, and {free} of memory are free")]
    Memory { proxy: &'static str, needed: Bytes, free: Bytes },
}

/// A zero-shot score.
pub trait Proxy: Send + Sync {
    /// The name, as given to `--proxy`.
    fn name(&self) -> &'static str;

    /// Number of images of one pass; `None` if the proxy runs no network.
    fn batch(&self) -> Option<u32> {
        None
    }

    /// Whether it is a function of whoever calls this program: it takes as long as it takes, and is asked for networks alone, not for their
    /// parts, once each.
    fn is_foreign(&self) -> bool {
        false
    }

    /// The memory that the score of `model` takes, about; `None` if the proxy runs no network.
    ///
    /// # Errors
    /// A structure that is not a usable network.
    fn memory(&self, _model: &Model) -> Result<Option<Bytes>, ScoreError> {
        Ok(None)
    }

    /// The score of `candidate`. Randomness, where a proxy needs it, comes from `rng`.
    fn score(&self, candidate: Candidate<'_>, rng: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError>;

    /// The same score as [`Proxy::score`] gives, for callers that score many similar candidates one after another. The
    /// proxy may keep what it computed for the last one in `memory`, which no other proxy uses.
    fn score_next(
        &self,
        candidate: Candidate<'_>,
        _memory: &mut Memory,
        rng: &mut Xoshiro256PlusPlus,
    ) -> Result<f64, ScoreError> {
        self.score(candidate, rng)
    }

    /// The scores of a few candidates that share most of their blocks, in their order; `rng` gives the generator of
    /// each, by its index. The default calls [`Proxy::score_next`] for one after the other.
    fn score_alike(
        &self,
        candidates: &[Candidate<'_>],
        memory: &mut Memory,
        rng: &mut dyn FnMut(usize) -> Xoshiro256PlusPlus,
    ) -> Vec<Result<f64, ScoreError>> {
        let each = candidates.iter().enumerate();
        each.map(|(i, &candidate)| self.score_next(candidate, memory, &mut rng(i))).collect()
    }

    /// The score of any network. Proxies that look at more than super blocks override this.
    fn score_model(&self, model: &Model, rng: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
        model.validate()?;
        let blocks = model.network.super_blocks("this proxy scores")?;
        let candidate = Candidate { blocks: &blocks, resolution: model.resolution, classes: model.classes };
        self.score(candidate, rng)
    }
}

/// The settings that a proxy is made with.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub mode: Mode,
    pub resolution: u32,
}

/// Makes a proxy for passes of a number of images.
pub type MakeWithBatch = fn(Setup, u32) -> Box<dyn Proxy>;

/// One line of the registry.
pub struct Entry {
    pub name: &'static str,
    /// The name in the released scripts.
    pub reference_name: &'static str,
    pub make: fn(Setup) -> Box<dyn Proxy>,
    /// Makes the proxy for passes of a given number of images; `None` if it runs no network.
    pub with_batch: Option<MakeWithBatch>,
}

impl Entry {
    const fn new(
        name: &'static str,
        reference_name: &'static str,
        make: fn(Setup) -> Box<dyn Proxy>,
    ) -> Entry {
        Entry { name, reference_name, make, with_batch: None }
    }

    const fn on_images(
        name: &'static str,
        reference_name: &'static str,
        make: fn(Setup) -> Box<dyn Proxy>,
        with_batch: MakeWithBatch,
    ) -> Entry {
        Entry { name, reference_name, make, with_batch: Some(with_batch) }
    }
}

/// All proxies.
pub fn registry() -> &'static [Entry] {
    REGISTRY
}

static REGISTRY: &[Entry] = &[
    Entry::new("zen", "Zen", |s| Box::new(zen::ZenScore::new(s.mode, s.resolution))),
    Entry::new("flops", "Flops", |_| Box::new(cost::Flops)),
    Entry::new("params", "Params", |_| Box::new(cost::Params)),
    Entry::new("macs", "Macs", |_| Box::new(cost::MACS)),
    Entry::new("activations", "Activations", |_| Box::new(cost::ACTIVATIONS)),
    Entry::new("layers", "Layers", |_| Box::new(cost::CONVOLUTIONS)),
    Entry::new("stage-params", "StageParams", |_| Box::new(cost::STAGE_PARAMS)),
    Entry::new("random", "Random", |_| Box::new(cost::Random)),
    Entry::new("madnas", "MadNAS", |_| Box::new(entropy::MadNas)),
    Entry::new("deepmad", "DeepMAD", |_| Box::new(entropy::DeepMad)),
    Entry::on_images("grad-norm", "GradNorm", |_| grad_norm(64), |_, batch| grad_norm(batch)),
    Entry::on_images("synflow", "Syncflow", |_| synflow::<true>(), |_, _| synflow::<true>()),
    Entry::on_images("synflow-original", "Synflow", |_| synflow::<false>(), |_, _| synflow::<false>()),
    Entry::on_images("naswot", "NASWOT", |_| naswot(8), |_, batch| naswot(batch)),
    Entry::on_images("swap", "SWAP", |_| swap(32), |_, batch| swap(batch)),
    Entry::on_images("te-nas", "TE-NAS", |_| te_nas::<false>(64), |_, batch| te_nas::<false>(batch)),
    Entry::on_images("te-nas-regions", "TE-NAS-RN", |_| te_nas::<true>(64), |_, batch| te_nas::<true>(batch)),
];

fn grad_norm(batch: u32) -> Box<dyn Proxy> {
    Box::new(on_graph::OnGraph(grad_norm::GradNorm { batch }))
}

fn synflow<const NEGATED: bool>() -> Box<dyn Proxy> {
    Box::new(on_graph::OnGraph(synflow::Synflow::<NEGATED>))
}

fn naswot(batch: u32) -> Box<dyn Proxy> {
    Box::new(on_graph::OnGraph(naswot::Naswot { batch }))
}

fn swap(batch: u32) -> Box<dyn Proxy> {
    Box::new(on_graph::OnGraph(swap::Swap { batch }))
}

fn te_nas<const REGIONS: bool>(batch: u32) -> Box<dyn Proxy> {
    Box::new(on_graph::OnGraph(te_nas::TeNas::<REGIONS> { batch }))
}

/// The proxy called `name`, by its own or its reference name.
pub fn by_name(name: &str) -> Option<&'static Entry> {
    registry().iter().find(|entry| entry.name == name || entry.reference_name == name)
}
