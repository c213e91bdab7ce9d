//! `result.json`: what a search printed, and all that a report is made of.

use super::{FoundNetwork, Rescored, Verification, Verified};
use edgezen_core::predictor::extrapolation::Extrapolated;
use edgezen_core::proxy::Mode;
use edgezen_core::search::degeneracy::Degeneracy;
use edgezen_core::search::explain::Explanation;
use edgezen_core::search::{Optimiser, Phases, Rejected};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a winner was chosen among networks with nearly the greatest score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chosen {
    /// The scores that decided.
    pub by: String,
    /// Networks that it was chosen among, itself included.
    pub finalists: usize,
    /// The network with the greatest score of the search.
    pub greatest: FoundNetwork,
    /// The greatest score that was met while the winner was chosen, where it is greater than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exceeding: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchResult {
    pub best: FoundNetwork,
    /// 20 to 60 networks spread over the fronts, cheapest first.
    pub front: Vec<FoundNetwork>,
    pub proxy: String,
    pub mode: Mode,
    /// How the best network was chosen, where it was not by the greatest score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winner: Option<Chosen>,
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
    /// What of the best network lies outside the domain of each device's predictor.
    #[serde(default)]
    pub extrapolated: BTreeMap<String, Vec<Extrapolated>>,
    /// What no published network of the space would look like.
    #[serde(default)]
    pub degeneracies: Vec<Degeneracy>,
    /// Why the best network is as it is.
    pub explanation: Explanation,
}
