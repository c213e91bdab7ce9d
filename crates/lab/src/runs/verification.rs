//! What measuring the best networks of a run found.

use edgezen_core::measurement::{MachineState, Quality};
use edgezen_runner::Outputs;
use serde::{Deserialize, Serialize};

/// One network, predicted and measured, per image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verified {
    pub device: String,
    pub net: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    pub predicted_ms: f64,
    pub lower_ms: f64,
    pub upper_ms: f64,
    pub measured_ms: f64,
    /// Inside the predictor's 90 % interval.
    pub inside_interval: bool,
    /// Absent where no budget was given.
    pub inside_budget: Option<bool>,
    /// `good`, `noisy`, …
    pub quality: Quality,
    /// The 95 % interval for the median of a later measurement. Absent in results of earlier versions, as what follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_ci95_ms: Option<[f64; 2]>,
    /// Launches that were made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launches: Option<usize>,
    /// Why the measurement is not good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is known of the outputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Outputs>,
    /// The state of the machine meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<MachineState>,
}

/// Networks measured together, and what was learnt from them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerifyRound {
    /// Factor on the predictor's latencies by which these networks were ranked; 1 at first.
    pub correction: f64,
    /// The search was run again with the corrected predictor before this round.
    pub searched_again: bool,
    /// As predicted with the correction.
    pub networks: Vec<Verified>,
    /// The factor after this round.
    pub refitted: f64,
}

/// The whole of `--verify`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verification {
    pub device: String,
    /// Networks that were to be measured inside the budget.
    pub asked: usize,
    pub inside_budget: usize,
    pub rounds: Vec<VerifyRound>,
}

impl Verification {
    /// All measured networks, in the order in which they were measured.
    pub fn networks(&self) -> impl Iterator<Item = &Verified> {
        self.rounds.iter().flat_map(|round| &round.networks)
    }
}
