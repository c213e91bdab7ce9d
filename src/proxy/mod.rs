//! Zero-shot proxies: scores of untrained networks; greater is better (SPEC 5).
//!
//! A failed score is a typed error, never a number.

pub mod cost;
pub mod zen;

use crate::plainnet::{Model, ShapeError, SuperBlock};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Which of the two Zen-Scores (SPEC 5.2). They are never mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Algorithm 1 of the paper: L2 norm, mini-batch variance.
    Paper,
    /// As released: L1 norm, running variance.
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

/// Why a network has no score.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScoreError {
    #[error(transparent)]
    Shape(#[from] ShapeError),
    #[error("{proxy} is not defined for this network: {reason}")]
    Undefined { proxy: &'static str, reason: String },
    #[error("{proxy} of this network is not a finite number")]
    NotFinite { proxy: &'static str },
}

/// A zero-shot score.
pub trait Proxy: Send + Sync {
    /// As given to `--proxy`.
    fn name(&self) -> &'static str;

    /// The score of `candidate`. Randomness, where a proxy needs it, comes from `rng`.
    fn score(&self, candidate: Candidate<'_>, rng: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError>;

    /// The score of any network. Proxies that look at more than super blocks override this.
    fn score_model(&self, model: &Model, rng: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
        model.validate()?;
        let blocks = model.network.super_blocks("this proxy scores")?;
        let candidate = Candidate { blocks: &blocks, resolution: model.resolution, classes: model.classes };
        self.score(candidate, rng)
    }
}

/// What a proxy is made for.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub mode: Mode,
    pub resolution: u32,
}

/// One line of the registry.
pub struct Entry {
    pub name: &'static str,
    /// The name in the released scripts.
    pub reference_name: &'static str,
    pub make: fn(Setup) -> Box<dyn Proxy>,
}

/// All proxies.
pub fn registry() -> &'static [Entry] {
    &[
        Entry {
            name: "zen",
            reference_name: "Zen",
            make: |s| Box::new(zen::ZenScore::new(s.mode, s.resolution)),
        },
        Entry { name: "flops", reference_name: "Flops", make: |_| Box::new(cost::Flops) },
        Entry { name: "params", reference_name: "Params", make: |_| Box::new(cost::Params) },
        Entry { name: "random", reference_name: "Random", make: |_| Box::new(cost::Random) },
    ]
}

/// The proxy called `name`, by its own or its reference name.
pub fn by_name(name: &str) -> Option<&'static Entry> {
    registry().iter().find(|entry| entry.name == name || entry.reference_name == name)
}
