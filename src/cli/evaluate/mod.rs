//! `edgezen evaluate`: how good a predictor is on a table or dataset that it has not seen.

pub(super) mod scatter;

use super::failure::Failure;
use super::{Global, evaluate_networks, fit, predictors};
use edgezen_core::plainnet::Kernel;
use edgezen_core::predictor::LatencyPredictor;
use edgezen_core::predictor::fitted::{Bounded, FittedPredictor};
use edgezen_core::predictor::loaded::Loaded;
use edgezen_core::predictor::metrics::{Metrics, Pair};
use edgezen_lab::dataset::table::NetworkTable;
use edgezen_lab::dataset::{Dataset, KernelTable};
use edgezen_lab::evaluation::{KernelPair, Part, parts};
use edgezen_lab::fit::baselines::{FlopsOnly, roofline_scale};
use edgezen_lab::fit::observation::{Level, Observation};
use edgezen_lab::fit::observations;
use serde::Serialize;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Predictor file, device or identity
    #[arg(long, value_name = "P")]
    predictor: Option<String>,
    /// Table of kernels or networks with latencies (.csv, .csv.gz, .parquet), or the folder of a dataset
    #[arg(long, value_name = "TABLE")]
    data: PathBuf,
    /// Architectures of a table of networks that has only arch_id [default: archs.csv.gz beside it]
    #[arg(long, value_name = "TABLE")]
    archs: Option<PathBuf>,
    /// Draws predicted over measured into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// A trained network, with --weights: how many images of the data set in --data it names right
    #[cfg(feature = "torch")]
    #[arg(value_name = "NET", requires = "weights", conflicts_with = "predictor")]
    net: Option<String>,
    /// Its weights, as `train` writes them
    #[cfg(feature = "torch")]
    #[arg(long, value_name = "FILE", requires = "net")]
    weights: Option<PathBuf>,
    #[cfg(feature = "torch")]
    #[command(flatten)]
    options: super::net::NetOptions,
    #[cfg(feature = "torch")]
    #[command(flatten)]
    place: super::train::Place,
}

#[derive(Serialize)]
struct Report {
    predictor: String,
    data: String,
    rows: u32,
    /// Of the kernels; of the networks where there are no kernels.
    metrics: Option<Metrics>,
    blocks: Option<Metrics>,
    networks: Option<Metrics>,
    parts: Vec<Part>,
    /// Fitted to the table itself, which flatters it.
    baseline_flops: Option<Metrics>,
    /// With the scale that fits the table best.
    baseline_roofline: Option<Metrics>,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    #[cfg(feature = "torch")]
    if let (Some(net), Some(weights)) = (&args.net, &args.weights) {
        return super::train::evaluate(net, weights, &args.data, args.options, &args.place, global);
    }
    let Some(predictor) = &args.predictor else { return Err(Failure::usage("--predictor is needed")) };
    let loaded = predictors::by_name_or_file(predictor, global.output())?;
    let name = args.data.display().to_string();
    let svg = args.svg.as_deref();
    let dataset = if args.data.is_dir() { Some(Dataset::read(&args.data)?) } else { None };
    if let Some(dataset) = &dataset {
        predictors::same_identity(loaded.identity(), &dataset.identity)?;
        if dataset.samples.iter().all(|sample| sample.subject.type_name() == "network") {
            return evaluate_networks::samples_of(&loaded, &dataset.samples, Vec::new(), name, svg, global);
        }
    }
    let table = if dataset.is_none() { Some(KernelTable::read(&args.data)?) } else { None };
    if table.as_ref().is_some_and(|table| NetworkTable::is_one(table.columns())) {
        let Some(table) = table else { return Ok(()) };
        return evaluate_networks::table(&loaded, table, args.archs.as_deref(), name, svg, global);
    }
    let predictor = match loaded {
        Loaded::Kernels(predictor) => predictor,
        Loaded::Networks(predictor) => {
            return Err(predictors::foreign(&predictor, "the data hold kernels or blocks"));
        }
    };
    let observations = if let Some(dataset) = dataset {
        observations(&dataset)?
    } else {
        let Some(table) = table else { return Ok(()) };
        let measured = table.measured(&predictor.identity().precision)?;
        measured.into_iter().map(|(kernel, latency)| Observation::kernel(kernel, latency)).collect()
    };
    let pairs = kernel_pairs(&predictor, &observations);
    if let Some(path) = svg {
        let networks = observations.iter().filter(|o| o.level == Level::Network);
        let networks = networks.map(|o| whole(&predictor, o));
        let points: Vec<Pair> = pairs.iter().map(|k| k.pair).chain(networks).collect();
        scatter::write(path, predictor.identity(), &name, &points)?;
    }
    let report = report(&predictor, &observations, &pairs, name);
    global.output().result(&report, || text(&report))
}

fn kernel_pairs(predictor: &FittedPredictor, observations: &[Observation]) -> Vec<KernelPair> {
    let singles: Vec<(Kernel, f64)> =
        observations.iter().filter_map(|o| Some((*o.single()?, o.latency.ns()))).collect();
    let kernels: Vec<Kernel> = singles.iter().map(|(kernel, _)| *kernel).collect();
    let pair = |(&(kernel, measured), bounded): (&(Kernel, f64), Bounded)| {
        let interval = Some((bounded.lower.ns(), bounded.upper.ns()));
        let pair = Pair { predicted: bounded.estimate.latency.ns(), interval, measured };
        KernelPair { kernel, place: predictor.place(&kernel), pair }
    };
    singles.iter().zip(predictor.bounded_many(&kernels)).map(pair).collect()
}

fn report(
    predictor: &FittedPredictor,
    observations: &[Observation],
    kernels: &[KernelPair],
    data: String,
) -> Report {
    let whole = |level: Level| -> Vec<Pair> {
        let of_level = observations.iter().filter(|o| o.level == level);
        of_level.map(|o| whole(predictor, o)).collect()
    };
    let networks = Metrics::of(&whole(Level::Network));
    let of_kernels = Metrics::of(&kernels.iter().map(|k| k.pair).collect::<Vec<_>>());
    let rows: Vec<(Kernel, f64)> = kernels.iter().map(|k| (k.kernel, k.pair.measured)).collect();
    let (macs, scale) = baselines(predictor, &rows);
    Report {
        predictor: predictor.identity().to_string(),
        data,
        rows: u32::try_from(observations.len()).unwrap_or(u32::MAX),
        metrics: of_kernels.or(networks),
        blocks: Metrics::of(&whole(Level::Block)),
        networks,
        parts: parts(kernels),
        baseline_flops: macs,
        baseline_roofline: scale,
    }
}

fn whole(predictor: &FittedPredictor, observation: &Observation) -> Pair {
    let measured = observation.latency.ns();
    if observation.level == Level::Network {
        let estimate = predictor.predict(&observation.kernels);
        // Estimates are per image, observations for the batch.
        let batch = f64::from(predictor.identity().batch);
        let interval = Some((estimate.lower.ns() * batch, estimate.upper.ns() * batch));
        return Pair { predicted: estimate.latency.ns() * batch, interval, measured };
    }
    let predicted = observation.kernels.iter().map(|k| predictor.estimate(k).latency.ns()).sum();
    Pair { predicted, interval: None, measured }
}

fn baselines(predictor: &FittedPredictor, rows: &[(Kernel, f64)]) -> (Option<Metrics>, Option<Metrics>) {
    let metrics = |predict: &dyn Fn(&Kernel) -> f64| {
        let pair = |(kernel, measured): &(Kernel, f64)| Pair {
            predicted: predict(kernel),
            interval: None,
            measured: *measured,
        };
        Metrics::of(&rows.iter().map(pair).collect::<Vec<_>>())
    };
    let macs: Vec<(f64, f64)> = rows.iter().map(|(kernel, ns)| (kernel.macs(), *ns)).collect();
    let line = FlopsOnly::fit(&macs);
    let roofline = &predictor.file().model.roofline;
    let bytes = predictor.bytes_per_element();
    let scale = roofline_scale(roofline, rows, bytes);
    (
        line.and_then(|line| metrics(&|kernel| line.predict_ns(kernel.macs()))),
        scale.and_then(|scale| metrics(&|kernel| scale * roofline.bound(kernel, bytes).ns())),
    )
}

fn text(report: &Report) -> String {
    let mut rows: Vec<(String, &Metrics)> = Vec::new();
    rows.extend(report.metrics.iter().map(|m| ("all".to_owned(), m)));
    rows.extend(report.blocks.iter().map(|m| ("blocks".to_owned(), m)));
    rows.extend(report.networks.iter().map(|m| ("networks".to_owned(), m)));
    rows.extend(report.parts.iter().map(|part| (part.part.clone(), &part.metrics)));
    rows.extend(report.baseline_flops.iter().map(|m| ("FLOPs only".to_owned(), m)));
    rows.extend(report.baseline_roofline.iter().map(|m| ("roofline".to_owned(), m)));
    format!("{} on {}\n{}", report.predictor, report.data, fit::table(&rows))
}
