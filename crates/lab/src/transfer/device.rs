//! Measurements for a transfer, taken on the new device: kernels and blocks of the search space that suits it.

use super::error::TransferError;
use super::kernels::informative;
use crate::campaign::networks::Step;
use crate::campaign::{Plan, networks};
use crate::dataset::{Dataset, Environment, Provenance};
use crate::device::{Device, Workload};
use edgezen_core::measurement::{Identity, Sample, Subject};
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::space::SearchSpace;

/// Configurations that the measurements are chosen among.
const POOL: usize = 300;

/// Draws kernels and blocks of `space` and gives the `count` that tell most, as far as `source` knows.
///
/// # Errors
/// A space that no plan can be drawn of.
pub fn subjects(
    source: &FittedPredictor,
    space: &dyn SearchSpace,
    identity: &Identity,
    count: usize,
    seed: u64,
) -> Result<Vec<Subject>, TransferError> {
    let plan = Plan::draw(&[space], POOL, identity.batch, identity.lowering(), seed)?;
    // Whole networks take longest and tell least of single prices.
    let pool: Vec<Subject> =
        plan.subjects.into_iter().filter(|subject| subject.type_name() != "network").collect();
    let chosen = informative(source, &pool, identity, count, seed)?;
    Ok(chosen.into_iter().map(|i| pool[i].clone()).collect())
}

/// Measures `subjects` in several launches.
///
/// # Errors
/// Whatever the device says; a subject that no samples came back of.
pub fn measure(
    device: &mut dyn Device,
    subjects: Vec<Subject>,
    progress: &mut dyn FnMut(Step<'_>),
) -> Result<Vec<Sample>, TransferError> {
    let workloads: Vec<Workload<'_>> = subjects.iter().map(Workload::Subject).collect();
    let readings = networks::measure(device, &workloads, progress)?;
    let mut samples = Vec::with_capacity(subjects.len());
    for (subject, reading) in subjects.into_iter().zip(readings) {
        let none = || TransferError::NoSamples { subject: subject.to_string() };
        let reading = reading.ok_or_else(none)?;
        let (summary, quality) = (reading.summary, reading.quality());
        samples.push(Sample { subject, median: summary.median, summary: Some(summary), quality });
    }
    Ok(samples)
}

/// A dataset, still without samples, of the device called `name` as it is now; `created` is the time, RFC 3339.
///
/// # Errors
/// Facts of the device that no dataset can hold.
pub fn empty_dataset(device: &dyn Device, name: &str, created: String) -> Result<Dataset, TransferError> {
    let environment =
        Environment::try_from(device.facts()).map_err(|e| TransferError::Facts(e.to_string()))?;
    Ok(Dataset {
        identity: device.identity().clone(),
        samples: Vec::new(),
        provenance: Provenance {
            source: format!("measured by edgezen transfer on {name}"),
            licence: "CC0-1.0".into(),
            created,
            tool_version: env!("CARGO_PKG_VERSION").into(),
            notes: Vec::new(),
        },
        environment,
    })
}
