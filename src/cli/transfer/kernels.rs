//! Predictors of kernels, adapted to a device that can be measured, or to what a table or dataset says.

use super::super::failure::Failure;
use super::super::{Global, fit, target, training_data};
use super::{Args, Report, report};
use crate::shipped;
use edgezen_core::measurement::{Identity, Quality, Sample, Subject};
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::predictor::metrics::{Metrics, Pair};
use edgezen_core::predictor::{LatencyPredictor, Terms};
use edgezen_core::space;
use edgezen_core::zoo::Space;
use edgezen_lab::campaign::{Plan, networks};
use edgezen_lab::catalogue;
use edgezen_lab::dataset::import::networks as published;
use edgezen_lab::dataset::table::NetworkTable;
use edgezen_lab::dataset::{Dataset, Environment, KernelTable, Provenance};
use edgezen_lab::device;
use edgezen_lab::device::{Options, Workload};
use edgezen_lab::fit::observation::Observation;
use edgezen_lab::fit::transfer::{adapt, choose, design};
use edgezen_lab::fit::{Request, observations};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::path::Path;

/// Configurations that the measurements are chosen among.
const POOL: usize = 300;

pub fn run(args: &Args, source: &FittedPredictor, global: Global) -> Result<(), Failure> {
    let (dataset, seen, request) = match &args.data {
        Some(data) => from_data(args, data, source, global.seed)?,
        None => from_device(args, source, global)?,
    };
    let all = observations(&dataset)?;
    let taken: Vec<Observation> = seen.iter().map(|&row| all[row].clone()).collect();
    let adapted = adapt(source, &taken, request)?;
    let file = adapted.predictor.file();
    let path = fit::destination(args.output.clone(), &file.id)?;
    catalogue::predictors::write(&path, file.text())?;
    let mut chosen = seen.iter().copied().peekable();
    let unseen: Vec<Pair> = all
        .iter()
        .enumerate()
        .filter(|(i, _)| chosen.next_if_eq(i).is_none())
        .map(|(_, observation)| pair(&adapted.predictor, observation))
        .collect();
    report(
        &Report {
            predictor: file.id.clone(),
            file: path.display().to_string(),
            from: vec![source.file().id.clone()],
            samples: taken.len(),
            chosen: seen.iter().map(|&row| dataset.samples[row].subject.to_string()).collect(),
            before: adapted.before,
            scaled: adapted.scaled,
            after: adapted.after,
            unseen: Metrics::of(&unseen),
        },
        global,
    )
}

fn pair(predictor: &FittedPredictor, observation: &Observation) -> Pair {
    let batch = observation.kernels.first().map_or(1, |kernel| kernel.batch);
    let predictor = predictor.with_batch(batch);
    let terms: Terms = observation.kernels.iter().map(|k| Terms::of(k, predictor.estimate(k))).sum();
    let measured = observation.latency.ns();
    if observation.level != edgezen_lab::fit::observation::Level::Network {
        return Pair { predicted: terms.latency.ns(), interval: None, measured };
    }
    let (estimate, batch) = (predictor.network(&terms), f64::from(batch));
    let interval = Some((estimate.lower.ns() * batch, estimate.upper.ns() * batch));
    Pair { predicted: estimate.latency.ns() * batch, interval, measured }
}

/// The rows of `pool` that tell most, as far as the source knows.
fn informative(source: &FittedPredictor, pool: &[Observation], count: usize, seed: u64) -> Vec<usize> {
    let values = design(source, pool);
    let predicted: Vec<f64> = values.rows().into_iter().map(|row| row.sum()).collect();
    choose(&values, &predicted, count, &mut Xoshiro256PlusPlus::seed_from_u64(seed))
}

/// The data, and which of their rows are looked at.
fn from_data(
    args: &Args,
    data: &Path,
    source: &FittedPredictor,
    seed: u64,
) -> Result<(Dataset, Vec<usize>, Request), Failure> {
    let dataset = if data.is_dir() { Dataset::read(data)? } else { table(args, data, source)? };
    let count = args.samples as usize;
    if dataset.samples.len() < count {
        let message =
            format!("{}: {} rows, {count} samples were asked for", data.display(), dataset.samples.len());
        return Err(Failure::usage(message));
    }
    let pool = observations(&dataset)?;
    let seen = informative(source, &pool, count, seed);
    let mut request = training_data::of(&dataset);
    let described: Vec<String> = seen
        .iter()
        .map(|&row| format!("{} {}", dataset.samples[row].subject, dataset.samples[row].median))
        .collect();
    request.dataset_sha256 = training_data::sha256_of(&described);
    Ok((dataset, seen, request))
}

/// A table of networks by name, or of kernels.
fn table(args: &Args, data: &Path, source: &FittedPredictor) -> Result<Dataset, Failure> {
    let table = KernelTable::read(data)?;
    let from = source.identity();
    if NetworkTable::is_one(table.columns()) {
        let guessed = published::guess(&table, Space::Named);
        let mut select = args.select();
        if guessed.name == "networks" {
            select.runtime = select.runtime.or_else(|| Some(from.runtime.clone()));
            select.precision = select.precision.or_else(|| Some(from.precision.clone()));
        }
        return Ok(published::import(guessed, data, args.archs.as_deref(), &select, &source.file().created)?);
    }
    let identity = Identity {
        device: args.device.clone().unwrap_or_else(|| from.device.clone()),
        runtime: args.runtime.clone().unwrap_or_else(|| from.runtime.clone()),
        runtime_version: None,
        precision: args.precision.clone().unwrap_or_else(|| from.precision.clone()),
        batch: args.batch.unwrap_or(from.batch),
        threads: args.threads.unwrap_or(from.threads),
        cores: None,
        thermal_state: None,
    };
    let kernels = table.kernels(&identity.precision)?.into_iter().zip(table.latencies()?);
    Ok(Dataset {
        samples: kernels.map(|(k, latency)| Sample::imported(Subject::Kernel(k), latency)).collect(),
        provenance: Provenance {
            source: data.display().to_string(),
            licence: "unknown".into(),
            created: source.file().created.clone(),
            tool_version: env!("CARGO_PKG_VERSION").into(),
            notes: Vec::new(),
        },
        environment: Default::default(),
        identity,
    })
}

/// Measures kernels and blocks of the search space that suits the device.
fn from_device(
    args: &Args,
    source: &FittedPredictor,
    global: Global,
) -> Result<(Dataset, Vec<usize>, Request), Failure> {
    let name = args.device.as_deref().unwrap_or_default();
    super::super::verify::check(Some(name))?;
    let profile = shipped::profiles().by_name(name)?;
    let space = space::by_name(&profile.search.space)
        .ok_or_else(|| Failure::usage(format!("unknown search space {:?}", profile.search.space)))?;
    let options = Options {
        rounds: networks::ROUNDS,
        seed: global.seed,
        driver: target::phone(args.serial.clone()).with(args.simulate.clone()),
        batch: args.batch.unwrap_or(1),
        threads: args.threads.unwrap_or(1),
        ..Options::default()
    };
    let mut device = device::open(&shipped::profiles(), name, &options)?;
    let identity = device.identity().clone();
    let plan = Plan::draw(&[space], POOL, identity.batch, identity.lowering(), global.seed)
        .map_err(|e| Failure::runtime(e.to_string()))?;
    // Whole networks take longest and tell least of single prices.
    let subjects: Vec<Subject> =
        plan.subjects.into_iter().filter(|subject| subject.type_name() != "network").collect();
    let provenance = Provenance {
        source: format!("measured by edgezen transfer on {name}"),
        licence: "CC0-1.0".into(),
        created: edgezen_lab::files::rfc3339(now()),
        tool_version: env!("CARGO_PKG_VERSION").into(),
        notes: Vec::new(),
    };
    let environment = Environment::try_from(device.facts()).map_err(|e| Failure::runtime(e.to_string()))?;
    let untimed = |subject: Subject| Sample::imported(subject, edgezen_core::units::Latency::from_ns(1.0));
    let mut dataset =
        Dataset { identity, samples: subjects.into_iter().map(untimed).collect(), provenance, environment };
    let pool = observations(&dataset)?;
    let chosen = informative(source, &pool, args.samples as usize, global.seed);
    dataset.samples = chosen.iter().map(|&row| dataset.samples[row].clone()).collect();
    let workloads: Vec<Workload<'_>> =
        dataset.samples.iter().map(|sample| Workload::Subject(&sample.subject)).collect();
    let output = global.output();
    let total = workloads.len() as u64 * u64::from(networks::ROUNDS);
    let bar = output.progress(total, "measuring {bar:30} {pos}/{len} eta {eta}");
    let summaries = networks::measure(&mut *device, &workloads, &mut |_| bar.inc(1))?;
    bar.finish_and_clear();
    let mut measured = Vec::new();
    for (sample, summary) in dataset.samples.iter().zip(summaries) {
        let (summary, quality) =
            summary.ok_or_else(|| Failure::runtime(format!("{}: no samples came back", sample.subject)))?;
        if quality != Quality::Good {
            output.note(format!("{}: {}", sample.subject, quality.name()));
        }
        let subject = sample.subject.clone();
        measured.push(Sample { subject, median: summary.median, summary: Some(summary), quality });
    }
    dataset.samples = measured;
    let mut request = training_data::of(&dataset);
    request.usual_probe_ns = device.usual_probe_ns();
    let described: Vec<String> =
        dataset.samples.iter().map(|sample| format!("{} {}", sample.subject, sample.median)).collect();
    request.dataset_sha256 = training_data::sha256_of(&described);
    let all = (0..dataset.samples.len()).collect();
    Ok((dataset, all, request))
}

fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}
