//! `result.json`: what a search printed, and all that a report is made of.

use super::{FoundNetwork, Rescored, Verification, Verified};
use edgezen_core::proxy::Mode;
use edgezen_core::search::explain::Explanation;
use edgezen_core::search::{Optimiser, Phases, Rejected};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchResult {
    pub best: FoundNetwork,
    /// 20 to 60 networks spread over the fronts, cheapest first.
    pub front: Vec<FoundNetwork>,
    pub proxy: String,
    pub mode: Mode,
    pub rules: &'static dyn Optimiser,
    pub iterations: u64,
    pub scored: u64,
    pub rejected: Rejected,
    /// Of the search itself, over all sessions of an interrupted one.
    pub seconds: f64,
    pub seconds_by_phase: Phases,
    pub seed: u64,
    pub run_dir: String,
    /// What `--verify` measured, in order.
    pub verified: Vec<Verified>,
    /// The same in rounds, with what was learnt in each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rescored: Option<Rescored>,
    /// What could not be done, and what to know about the result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Why the best network is as it is.
    pub explanation: Explanation,
}
