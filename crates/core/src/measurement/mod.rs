//! Measurements as values: what was measured ([`Subject`]), on what ([`Identity`]), with what result ([`Summary`],
//! [`Quality`]). How measuring is done is no concern of this module.

mod identity;
mod quality;
mod subject;
mod summary;

pub use identity::Identity;
pub use quality::Quality;
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
