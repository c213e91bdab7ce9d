//! Data of the device that a predictor is transferred to: a dataset, or a table that its columns tell the source of.

use super::error::TransferError;
use crate::dataset::import::networks as published;
use crate::dataset::table::{NetworkTable, Select};
use crate::dataset::{Dataset, Environment, KernelTable, Provenance};
use edgezen_core::foreign::{Name, NameError};
use edgezen_core::measurement::{Identity, Sample, Subject};
use edgezen_core::predictor::LatencyPredictor;
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::predictor::network::NetworkPredictor;
use edgezen_core::zoo::Space;
use std::path::Path;

/// Where the data are, and which of their rows are meant.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The folder of a dataset, or a table.
    pub path: &'a Path,
    /// The architectures of a table of networks that has only `arch_id`.
    pub archs: Option<&'a Path>,
    pub select: &'a Select,
}

impl Target<'_> {
    /// A dataset, or a table of networks of the source's space.
    ///
    /// # Errors
    /// Data that cannot be read, or a table of something else.
    pub fn for_networks(&self, source: &NetworkPredictor) -> Result<Dataset, TransferError> {
        if self.path.is_dir() {
            return Ok(Dataset::read(self.path)?);
        }
        let table = KernelTable::read(self.path)?;
        if !NetworkTable::is_one(table.columns()) {
            return Err(TransferError::NotNetworks { path: self.path.to_owned() });
        }
        self.networks(&table, source.space(), &source.identity, &source.created)
    }

    /// A dataset, a table of networks by name, or a table of kernels.
    ///
    /// # Errors
    /// Data that cannot be read.
    pub fn for_kernels(&self, source: &FittedPredictor) -> Result<Dataset, TransferError> {
        if self.path.is_dir() {
            return Ok(Dataset::read(self.path)?);
        }
        let table = KernelTable::read(self.path)?;
        let (from, created) = (source.identity(), &source.file().created);
        if NetworkTable::is_one(table.columns()) {
            return self.networks(&table, Space::Named, from, created);
        }
        let identity = self.identity(from)?;
        let kernels = table.kernels_of(&identity)?.into_iter().zip(table.latencies()?);
        Ok(Dataset {
            samples: kernels.map(|(k, latency)| Sample::imported(Subject::Kernel(k), latency)).collect(),
            provenance: Provenance {
                source: self.path.display().to_string(),
                licence: "unknown".into(),
                created: created.clone(),
                tool_version: env!("CARGO_PKG_VERSION").into(),
                notes: Vec::new(),
            },
            environment: Environment::default(),
            identity,
        })
    }

    /// A table of networks of `space`. What a user's own table does not say is taken to be as in `from`, the identity of
    /// the source.
    fn networks(
        &self,
        table: &KernelTable,
        space: Space,
        from: &Identity,
        created: &str,
    ) -> Result<Dataset, TransferError> {
        let source = published::guess(table, space);
        let mut select = self.select.clone();
        if source.name == "networks" {
            select.runtime = select.runtime.or_else(|| Some(from.runtime.to_string()));
            select.precision = select.precision.or_else(|| Some(from.precision.to_string()));
        }
        Ok(published::import(source, self.path, self.archs, &select, created)?)
    }

    /// The identity of a table of kernels: what is selected, and what it does not say as in `from`.
    ///
    /// # Errors
    /// A device, runtime or precision that is no name.
    fn identity(&self, from: &Identity) -> Result<Identity, NameError> {
        let Select { device, runtime, precision, batch, threads } = self.select.clone();
        let name = |given: Option<String>, usual: &Name| {
            given.as_deref().map_or_else(|| Ok(usual.clone()), Name::parse)
        };
        Ok(Identity {
            device: name(device, &from.device)?,
            runtime: name(runtime, &from.runtime)?,
            runtime_version: None,
            precision: name(precision, &from.precision)?,
            batch: batch.unwrap_or(from.batch),
            threads: threads.unwrap_or(from.threads),
            cores: None,
            thermal_state: None,
        })
    }
}
