//! What a predictor is judged by.

use super::error::EvaluationError;
use super::identity::same_identity;
use crate::dataset::table::{NetworkTable, Select};
use crate::dataset::{Dataset, KernelTable};
use crate::fit::observation::{Observation, observations};
use edgezen_core::measurement::{Identity, Sample, Subject};
use std::path::Path;

/// Measurements to judge by.
pub enum Data {
    /// Whole networks. `unknown` names those of a table whose structure is not known here; they are left out.
    Networks { samples: Vec<Sample>, unknown: Vec<String> },
    /// Kernels or blocks, and maybe networks as well.
    Kernels(Vec<Observation>),
}

impl Data {
    /// Reads a dataset of just this identity, or the rows of a table that belong to it.
    ///
    /// # Errors
    /// Data that cannot be read, or that are of another identity.
    pub fn read(path: &Path, archs: Option<&Path>, identity: &Identity) -> Result<Data, EvaluationError> {
        if path.is_dir() {
            let dataset = Dataset::read(path)?;
            same_identity(identity, &dataset.identity)?;
            if dataset.samples.iter().all(|sample| sample.subject.type_name() == "network") {
                return Ok(Data::Networks { samples: dataset.samples, unknown: Vec::new() });
            }
            return Ok(Data::Kernels(observations(&dataset)?));
        }
        let table = KernelTable::read(path)?;
        if NetworkTable::is_one(table.columns()) {
            return networks(table, archs, identity);
        }
        let measured = table.measured(&identity.precision)?;
        let observation = |(kernel, latency)| Observation::kernel(kernel, latency);
        Ok(Data::Kernels(measured.into_iter().map(observation).collect()))
    }
}

fn networks(table: KernelTable, archs: Option<&Path>, identity: &Identity) -> Result<Data, EvaluationError> {
    let table = NetworkTable::of(table, archs)?;
    let rows = table.rows(&select(identity))?.into_iter();
    let samples = rows.map(|row| Sample::imported(Subject::encoded(row.network, row.batch), row.latency));
    Ok(Data::Networks { samples: samples.collect(), unknown: table.unknown })
}

/// The networks of a table that belong to `identity`; batches may differ.
fn select(identity: &Identity) -> Select {
    let batched = identity.runtime.contains("-b");
    Select {
        device: Some(identity.device.to_string()),
        runtime: Some(identity.runtime.split("-b").next().unwrap_or_default().to_owned()),
        precision: Some(identity.precision.to_string()),
        batch: batched.then_some(identity.batch),
        threads: Some(identity.threads),
    }
}
