//! What is recorded of a running search.

use serde::{Deserialize, Serialize};

/// Iterations between two reports, as many as in `evolution_search.py` of the released code.
pub const REPORT_EVERY: u64 = 1_000;

/// A running search, as its observer sees it.
#[derive(Clone, Copy, Debug)]
pub struct SearchProgress {
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

/// Best and mean score after an iteration.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct HistoryPoint {
    pub iteration: u64,
    pub best: f64,
    pub mean: f64,
}

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
