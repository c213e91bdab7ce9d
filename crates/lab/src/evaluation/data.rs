//! What a predictor is judged by.

use super::error::EvaluationError;
use super::identity::same_identity;
use crate::dataset::import::networks as published;
use crate::dataset::table::{NetworkTable, Select};
use crate::dataset::{Dataset, KernelTable};
use crate::fit::observation::{Observation, observations};
use edgezen_core::measurement::{Identity, Sample};
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
        let measured = table.measured(identity)?;
        let observation = |(kernel, latency)| Observation::kernel(kernel, latency);
        Ok(Data::Kernels(measured.into_iter().map(observation).collect()))
    }
}

fn networks(table: KernelTable, archs: Option<&Path>, identity: &Identity) -> Result<Data, EvaluationError> {
    let mut select = select(identity);
    let table = NetworkTable::of(published::translated(table, &mut select)?, archs)?;
    let rows = table.rows(&select)?.into_iter();
    let samples = rows.map(|row| Sample::imported(row.network.subject(row.batch), row.latency));
    Ok(Data::Networks { samples: samples.collect(), unknown: table.unknown })
}

/// The networks of a table that belong to `identity`; batches may differ.
pub fn select(identity: &Identity) -> Select {
    // A wide table has a column for each batch, which HELP's runtimes name; throughputs differ by batch.
    let of_help = identity.runtime.rsplit_once("-b").filter(|_| identity.runtime.starts_with("help-"));
    Select {
        device: Some(identity.device.to_string()),
        runtime: Some(of_help.map_or(&*identity.runtime, |(runtime, _)| runtime).to_owned()),
        precision: Some(identity.precision.to_string()),
        batch: (of_help.is_some() || identity.is_throughput()).then_some(identity.batch),
        threads: Some(identity.threads),
    }
}
