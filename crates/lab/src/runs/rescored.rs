//! What `search --rescore exact` found: the best networks, scored again on random weights.

use edgezen_core::proxy::Mode;
use edgezen_core::proxy::exact::rescore::Agreement;
use serde::{Deserialize, Serialize};

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rescored {
    pub engine: String,
    pub mode: Mode,
    pub batch: u32,
    /// Rank correlation of the search's scores and the exact ones.
    #[serde(flatten)]
    pub agreement: Agreement,
    /// Best first by exact score.
    pub ranking: Vec<RescoredNetwork>,
    pub failed: Vec<NotRescored>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RescoredNetwork {
    pub net: String,
    /// Place in the search's order, from 1.
    pub place: usize,
    pub score: f64,
    pub exact: f64,
    /// Standard error of `exact`, and the draws that it comes from; results of older versions have one draw and no error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draws: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NotRescored {
    pub net: String,
    pub reason: String,
}
