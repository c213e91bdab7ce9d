//! What a search asks of the world around it, and what it tells it.

use super::Checkpoint;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A running search, as its observer sees it.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    pub iteration: u64,
    /// Of how many.
    pub iterations: u64,
    /// Best score so far; nothing before the first network fits.
    pub best: Option<f64>,
    /// Mean score of the population.
    pub mean: Option<f64>,
    /// Candidates that fitted the budgets and got a score.
    pub scored: u64,
}

/// What the observer wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    GoOn,
    /// A checkpoint, then go on.
    Save,
    /// A checkpoint, then stop with what was found.
    Stop,
}

/// What a search asks of the world around it.
pub trait Observer: Sync {
    /// Time since some moment; only differences matter.
    fn now(&self) -> Duration;

    /// Called every [`REPORT_EVERY`] iterations and at the end.
    fn progress(&self, progress: Progress);

    /// Asked between rounds, often: must be quick.
    fn wish(&self) -> Wish {
        Wish::GoOn
    }

    /// Receives the checkpoint that was wished for.
    fn save(&self, _checkpoint: &Checkpoint) {}
}

/// Sees nothing and wants nothing; the phases of the search are not timed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn now(&self) -> Duration {
        Duration::ZERO
    }
    fn progress(&self, _: Progress) {}
}

/// Iterations between two reports, as many as in `evolution_search.py` of the released code.
pub const REPORT_EVERY: u64 = 1_000;

/// Where the time went, in seconds summed over the threads; extrapolated from the iterations that were
/// timed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Phases {
    pub mutate: f64,
    pub budget: f64,
    pub score: f64,
}

impl std::ops::AddAssign for Phases {
    fn add_assign(&mut self, other: Phases) {
        self.mutate += other.mutate;
        self.budget += other.budget;
        self.score += other.score;
    }
}

/// Best and mean score after an iteration.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    pub iteration: u64,
    pub best: f64,
    pub mean: f64,
}
