//! `edgezen transfer`: a predictor of one device adapted to another from a few measurements, or to the eager
//! runtime of the same device from none.

mod eager;
mod kernels;
mod networks;

use super::failure::Failure;
use super::{Global, fit, predictors};
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::predictor::loaded::Loaded;
use edgezen_core::predictor::metrics::Metrics;
use edgezen_core::predictor::network::NetworkPredictor;
use edgezen_lab::dataset::table::Select;
use edgezen_lab::device::simulated::Simulation;
use serde::Serialize;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Predictor to start from: device, identity or file; several of networks are taken together
    #[arg(long, value_name = "NAME|FILE", required = true, num_args = 1..)]
    from: Vec<String>,
    /// The device to adapt to: one that can be measured (host, …), or as --data calls it
    #[arg(long, value_name = "NAME", required_unless_present = "eager")]
    device: Option<String>,
    /// Measurements to take, or rows of --data to look at; they are chosen to tell most
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(3..=10_000))]
    samples: u32,
    /// Take the measurements from here instead: a table of networks or kernels, or the folder of a dataset
    #[arg(long, value_name = "TABLE|DIR", conflicts_with = "eager")]
    data: Option<PathBuf>,
    /// Runtime of the new identity, where the data do not say it
    #[arg(long, value_name = "NAME")]
    runtime: Option<String>,
    /// Precision of the new identity, where the data do not say it
    #[arg(long, value_name = "NAME")]
    precision: Option<String>,
    /// Images per run, where a table has several
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: Option<u32>,
    /// Threads, where a table has several
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// Architectures of a table of networks that has only arch_id [default: archs.csv.gz beside it]
    #[arg(long, value_name = "TABLE")]
    archs: Option<PathBuf>,
    /// Without measurements: the same device under eager PyTorch, which runs normalisation, activation and
    /// sums as kernels of their own, at the speed of the memory that this dataset or the device's profile gives
    #[arg(long, value_name = "DIR", num_args = 0..=1)]
    eager: Option<Option<PathBuf>>,
    /// Predictor file [default: predictors/<device>@<runtime>@<precision>.json]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Serial number, where several of a kind are attached
    #[arg(long, value_name = "S", env = "ANDROID_SERIAL")]
    serial: Option<String>,
    /// Behaviour of the simulated device
    #[arg(long, value_name = "SPEC", env = "EDGEZEN_SIMULATE", hide = true, default_value = "")]
    simulate: Simulation,
}

impl Args {
    fn select(&self) -> Select {
        Select {
            device: self.device.clone(),
            runtime: self.runtime.clone(),
            precision: self.precision.clone(),
            batch: self.batch,
            threads: self.threads,
        }
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    predictor: String,
    file: String,
    from: Vec<String>,
    samples: usize,
    /// What was measured, or taken from the data.
    chosen: Vec<String>,
    /// The source as it is, on the samples.
    before: Option<Metrics>,
    /// The source with the one scale that fits the samples best.
    scaled: Option<Metrics>,
    /// Expected now: each sample by a fit to all others.
    after: Option<Metrics>,
    /// The new predictor on the rows of the data that it did not see; absent without any.
    unseen: Option<Metrics>,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let load = |name: &String| predictors::by_name_or_file(name, global.output());
    let sources: Vec<Loaded> = args.from.iter().map(load).collect::<Result<_, _>>()?;
    if let Some(dataset) = &args.eager {
        return eager::run(&args, &only_kernels(sources)?, dataset.as_deref(), global);
    }
    if sources.iter().all(|source| matches!(source, Loaded::Networks(_))) {
        let of_networks = |source| match source {
            Loaded::Networks(predictor) => Some(*predictor),
            Loaded::Kernels(_) => None,
        };
        let sources: Vec<NetworkPredictor> = sources.into_iter().filter_map(of_networks).collect();
        return networks::run(&args, &sources, global);
    }
    kernels::run(&args, &only_kernels(sources)?, global)
}

fn only_kernels(sources: Vec<Loaded>) -> Result<FittedPredictor, Failure> {
    let mut sources = sources.into_iter();
    match (sources.next(), sources.next()) {
        (Some(Loaded::Kernels(predictor)), None) => Ok(*predictor),
        (Some(Loaded::Networks(predictor)), None) => {
            Err(predictors::foreign(&predictor, "this needs a predictor of kernels"))
        }
        _ => Err(Failure::usage("--from takes several predictors only if all are of networks of one space")),
    }
}

/// Prints what became of it.
fn report(report: &Report, global: Global) -> Result<(), Failure> {
    global.output().result(report, || {
        let mut rows: Vec<(String, &Metrics)> = Vec::new();
        rows.extend(report.before.iter().map(|m| ("before".to_owned(), m)));
        rows.extend(report.scaled.iter().map(|m| ("before, scaled".to_owned(), m)));
        rows.extend(report.after.iter().map(|m| ("after (left out)".to_owned(), m)));
        rows.extend(report.unseen.iter().map(|m| ("after, unseen rows".to_owned(), m)));
        let mut out = format!("expected error, from {} samples\n{}", report.samples, fit::table(&rows));
        out += &format!("\n{} from {}: {}\n", report.predictor, report.from.join(", "), report.file);
        out
    })
}
