//! What a campaign comes to.

use crate::dataset::{Dataset, LookupRow};
use edgezen_core::measurement::Subject;

/// A finished campaign.
#[derive(Debug)]
pub struct CampaignOutcome {
    pub dataset: Dataset,
    /// Configurations that the device could not run.
    pub failed: Vec<(Subject, String)>,
    pub lookup: Vec<LookupRow>,
    /// How much slower than usual the slowest sentinel was.
    pub worst_drift: f64,
    /// Measurements that were made again.
    pub repeated: usize,
}
