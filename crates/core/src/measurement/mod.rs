//! Measurements as values: what was measured ([`Subject`]), on what ([`Identity`]) and in which state of it
//! ([`MachineState`]), with what result ([`Summary`], [`Agreement`], [`Quality`]). How measuring is done is no concern of this module.

mod identity;
pub mod launches;
mod quality;
mod state;
mod subject;
mod summary;

pub use identity::{Identity, SUSTAINED};
pub use launches::{Agreement, Doubt, LaunchMedian};
pub use quality::Quality;
pub use state::{MachineState, Use};
pub use subject::{Code, Subject, SubjectError};
pub use summary::Summary;

use crate::units::Latency;

/// A subject with its latency.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub subject: Subject,
    /// The training label, for the whole batch: the median of the timed runs, or what the source
    /// of an imported table gives.
    pub median: Latency,
    /// Statistics of the runs; absent for imported tables that have one number per row.
    pub summary: Option<Summary>,
    pub quality: Quality,
}

impl Sample {
    /// A row of an imported table.
    pub fn imported(subject: Subject, latency: Latency) -> Sample {
        Sample { subject, median: latency, summary: None, quality: Quality::Unknown }
    }
}
