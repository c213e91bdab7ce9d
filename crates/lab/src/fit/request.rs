//! What goes into a predictor file beside the numbers.

use crate::dataset::Dataset;
use crate::fit::observation::{Level, Observation};
use edgezen_core::measurement::Identity;
use edgezen_core::predictor::file::{Header, Provenance};
use edgezen_core::predictor::roofline::Roofline;

/// What is fitted to which device: all that goes into a predictor file beside the numbers.
#[derive(Clone, Debug)]
pub struct Request {
    pub identity: Identity,
    /// The device's own figures, where they are known.
    pub roofline: Option<Roofline>,
    pub created: String,
    pub licence: String,
    pub sources: Vec<String>,
    pub notes: Vec<String>,
    /// See [`Provenance::usual_probe_ns`].
    pub usual_probe_ns: Option<u64>,
    /// See [`Provenance::usual_sentinel_ns`].
    pub usual_sentinel_ns: Option<u64>,
    /// See [`Provenance::cpu`].
    pub cpu: Option<String>,
    pub dataset_sha256: String,
}

impl Request {
    /// What a predictor file says of `dataset`. The hash of the data is the caller's to add.
    pub fn of(dataset: &Dataset) -> Request {
        Request {
            identity: dataset.identity.clone(),
            roofline: dataset.environment.roofline.clone(),
            created: dataset.provenance.created.clone(),
            licence: dataset.provenance.licence.clone(),
            sources: vec![dataset.provenance.source.clone()],
            notes: dataset.provenance.notes.clone(),
            usual_probe_ns: dataset.environment.usual_probe_ns,
            usual_sentinel_ns: dataset.environment.usual_sentinel_ns,
            cpu: dataset.environment.cpu.clone(),
            dataset_sha256: String::new(),
        }
    }

    /// What every predictor file begins with.
    pub(super) fn header(&self) -> Header {
        Header {
            created: self.created.clone(),
            tool_version: env!("CARGO_PKG_VERSION").into(),
            licence: self.licence.clone(),
            identity: self.identity.clone(),
            dataset_sha256: self.dataset_sha256.clone(),
        }
    }

    /// What a file fitted to `observations` says of where its numbers come from.
    pub(super) fn provenance(&self, observations: &[Observation]) -> Provenance {
        let level = |level: Level| observations.iter().filter(|o| o.level == level).count() as u32;
        Provenance {
            sources: self.sources.clone(),
            kernels: level(Level::Kernel),
            blocks: level(Level::Block),
            networks: level(Level::Network),
            notes: self.notes.clone(),
            usual_probe_ns: self.usual_probe_ns,
            usual_sentinel_ns: self.usual_sentinel_ns,
            cpu: self.cpu.clone(),
        }
    }
}
