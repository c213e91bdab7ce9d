//! What a campaign comes to.

use crate::dataset::{Dataset, LookupRow};
use edgezen_core::measurement::Subject;
use edgezen_runner::{Outputs, TimedBy};

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
    /// Whose clock was read.
    pub timed_by: TimedBy,
    /// What is known of the outputs. `None` where the device does not tell.
    pub outputs: Option<Outputs>,
}
