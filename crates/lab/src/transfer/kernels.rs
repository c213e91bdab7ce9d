//! Predictors of kernels, adapted to what a few kernels, blocks or networks take elsewhere.

use super::error::TransferError;
use super::outcome::{Transferred, others};
use crate::dataset::Dataset;
use crate::fit::observation::{Level, Observation, kernels, observations};
use crate::fit::transfer::{adapt, choose, design};
use crate::fit::{FitError, Request};
use edgezen_core::digest::sha256;
use edgezen_core::measurement::{Identity, Sample, Subject};
use edgezen_core::plainnet::Kernel;
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::predictor::metrics::{Metrics, Pair};
use edgezen_core::predictor::{LatencyPredictor, Terms};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::path::Path;

/// The subjects of `pool` that tell most when they are measured under `identity`, as far as `source` knows: their
/// positions, ascending.
///
/// # Errors
/// A block or network that cannot be built.
pub fn informative<'a>(
    source: &FittedPredictor,
    pool: impl IntoIterator<Item = &'a Subject>,
    identity: &Identity,
    count: usize,
    seed: u64,
) -> Result<Vec<usize>, FitError> {
    let lists: Vec<Vec<Kernel>> =
        pool.into_iter().map(|subject| kernels(subject, identity)).collect::<Result<_, _>>()?;
    let values = design(source, &lists.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let predicted: Vec<f64> = values.rows().into_iter().map(|row| row.sum()).collect();
    Ok(choose(&values, &predicted, count, &mut Xoshiro256PlusPlus::seed_from_u64(seed)))
}

/// Adapts `source` to `count` samples of `dataset`, which came from `place`; the others judge the result.
///
/// # Errors
/// Too few samples, a subject that cannot be built, or a failure of the solver.
pub fn from_data(
    source: &FittedPredictor,
    dataset: &Dataset,
    place: &Path,
    count: usize,
    seed: u64,
) -> Result<Transferred<FittedPredictor>, TransferError> {
    let found = dataset.samples.len();
    if found < count {
        return Err(TransferError::TooFew {
            path: place.to_owned(),
            found,
            what: "rows".into(),
            wanted: count,
        });
    }
    let pool = dataset.samples.iter().map(|sample| &sample.subject);
    let chosen = informative(source, pool, &dataset.identity, count, seed)?;
    let request = Request { dataset_sha256: hash(dataset, &chosen), ..Request::of(dataset) };
    adapted(source, dataset, &chosen, request)
}

/// Adapts `source` to all samples of `dataset`, which were measured for this; `usual_probe_ns` is the pace of the device's
/// core.
///
/// # Errors
/// Too few samples, a subject that cannot be built, or a failure of the solver.
pub fn from_measured(
    source: &FittedPredictor,
    dataset: &Dataset,
    usual_probe_ns: Option<u64>,
) -> Result<Transferred<FittedPredictor>, TransferError> {
    let all: Vec<usize> = (0..dataset.samples.len()).collect();
    let request = Request { usual_probe_ns, dataset_sha256: hash(dataset, &all), ..Request::of(dataset) };
    adapted(source, dataset, &all, request)
}

fn adapted(
    source: &FittedPredictor,
    dataset: &Dataset,
    chosen: &[usize],
    request: Request,
) -> Result<Transferred<FittedPredictor>, TransferError> {
    let all = observations(dataset)?;
    let taken: Vec<Observation> = chosen.iter().map(|&row| all[row].clone()).collect();
    let adapted = adapt(source, &taken, request)?;
    let unseen: Vec<Pair> =
        others(chosen, all.len()).map(|row| pair(&adapted.predictor, &all[row])).collect();
    Ok(Transferred {
        chosen: chosen.iter().map(|&row| dataset.samples[row].subject.to_string()).collect(),
        before: adapted.before,
        scaled: adapted.scaled,
        after: adapted.after,
        unseen: Metrics::of(&unseen),
        predictor: adapted.predictor,
    })
}

/// SHA-256 of the chosen samples, a line for each.
fn hash(dataset: &Dataset, chosen: &[usize]) -> String {
    let line = |sample: &Sample| format!("{} {}", sample.subject, sample.median);
    let lines: Vec<String> = chosen.iter().map(|&row| line(&dataset.samples[row])).collect();
    sha256(lines.join("\n"))
}

/// What `predictor` says of an observation, whatever its batch, in nanoseconds for the whole batch.
fn pair(predictor: &FittedPredictor, observation: &Observation) -> Pair {
    let batch = observation.kernels.first().map_or(1, |kernel| kernel.batch);
    let predictor = predictor.with_batch(batch);
    let terms: Terms = observation.kernels.iter().map(|k| Terms::of(k, predictor.estimate(k))).sum();
    let measured = observation.latency.ns();
    if observation.level != Level::Network {
        return Pair { predicted: terms.latency.ns(), interval: None, measured };
    }
    let (estimate, batch) = (predictor.network(&terms), f64::from(batch));
    let interval = Some((estimate.lower.ns() * batch, estimate.upper.ns() * batch));
    Pair { predicted: estimate.latency.ns() * batch, interval, measured }
}
