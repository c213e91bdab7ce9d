//! `edgezen validate RUN|NET… --device NAME`: predicted against measured.

use super::net::{self, NetOptions};
use super::target::Reach;
use super::verify;
use super::{Exit, Failure, Global, predictors};
use crate::dataset::Quality;
use crate::plainnet::{Model, notation};
use crate::predictor::LatencyPredictor;
use crate::predictor::evaluate::Metrics;
use crate::runs::{self, Verified};
use crate::units::Latency;
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Run folders, structure strings, files, or published names
    #[arg(required = true)]
    what: Vec<String>,
    /// Device to measure on
    #[arg(long, value_name = "NAME")]
    device: String,
    /// Predictor file [default: the device's]
    #[arg(long, value_name = "FILE")]
    predictor: Option<PathBuf>,
    /// Budget per image to check against [default: the run's]
    #[arg(long, value_name = "TIME")]
    latency: Option<Latency>,
    /// Most networks taken from each run: the best one, and others spread over its front
    #[arg(long, value_name = "K", default_value_t = 5)]
    top: usize,
    #[command(flatten)]
    options: NetOptions,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Serialize)]
struct Report {
    device: String,
    predictor: String,
    metrics: Option<Metrics>,
    rows: Vec<Verified>,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let output = global.output();
    verify::check(Some(&args.device))?;
    let predictor = match &args.predictor {
        Some(path) => predictors::by_file(path)?,
        None => predictors::by_device(&args.device)?,
    };
    let mut limit = args.latency;
    let mut networks = Vec::new();
    for what in &args.what {
        let folder = Path::new(what);
        if folder.join("run.toml").exists() {
            let run = runs::read(folder)?;
            let of_run = run.manifest.device.iter().find(|device| device.name == args.device);
            limit = limit.or(of_run.and_then(|device| device.limit_ms).map(Latency::from_ms));
            networks.extend(of_front(&run, args.top)?);
        } else {
            networks.push(net::model(what, args.options)?);
        }
    }
    let usual = predictor.file().provenance.usual_probe_ns;
    let rows = verify::measure(&args.device, &args.reach, &networks, &*predictor, usual, limit, output)?;
    let report = Report {
        device: args.device,
        predictor: predictor.identity().to_string(),
        metrics: verify::metrics(&rows),
        rows,
    };
    output.result(&report, || verify::text(&report.rows))?;
    let noisy = report.rows.iter().filter(|row| row.quality != Quality::Good).count();
    if 2 * noisy <= report.rows.len() {
        return Ok(());
    }
    let message = format!("{noisy} of {} measurements are too noisy to judge by", report.rows.len());
    Err(Failure::new(Exit::Quality, message).remedy("close other programs, or wait, then validate again"))
}

/// The best network of a run, and others spread over its front.
fn of_front(run: &runs::Run, top: usize) -> Result<Vec<Model>, Failure> {
    let n = run.front.len();
    let count = top.clamp(1, n.max(1));
    let step = |i: usize| if count == 1 { 0 } else { i * (n - 1) / (count - 1) };
    let mut nets: Vec<&str> = vec![&run.best];
    nets.extend((0..count).map(|i| run.front[n - 1 - step(i)].net.as_str()).filter(|_| n > 0));
    nets.dedup();
    nets.truncate(count);
    let model = |net: &&str| {
        Ok(Model {
            name: None,
            network: notation::parse(net)?,
            resolution: run.manifest.resolution,
            classes: run.manifest.classes,
            se: false,
        })
    };
    nets.iter().map(model).collect()
}
