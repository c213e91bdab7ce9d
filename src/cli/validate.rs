//! `edgezen validate RUN|NET… --device NAME`: predicted against measured.

use super::net::{self, NetOptions};
use super::target::Reach;
use super::verify;
use super::{Exit, Failure, Global, fit, predictors, training_data};
use edgezen_core::measurement::{Identity, Quality, Sample, Subject};
use edgezen_core::plainnet::{Model, notation};
use edgezen_core::predictor::LatencyPredictor;
use edgezen_core::predictor::metrics::Metrics;
use edgezen_core::units::Latency;
use edgezen_lab::dataset;
use edgezen_lab::dataset::Dataset;
use edgezen_lab::runs;
use edgezen_lab::runs::Verified;
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
    /// Adds the measurements to the device's dataset and fits its predictor anew
    #[arg(long, conflicts_with = "predictor")]
    refit: bool,
    /// The dataset that --refit adds to [default: datasets/<device>@<runtime>]
    #[arg(long, value_name = "DIR", requires = "refit")]
    data: Option<PathBuf>,
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
    /// The predictor file that was fitted anew; absent without --refit.
    refitted: Option<String>,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let output = global.output();
    verify::check(Some(&args.device))?;
    let (predictor, usual) = match &args.predictor {
        Some(path) => {
            let predictor = predictors::by_file(path)?;
            let usual = predictor.file().provenance.usual_probe_ns;
            (predictor, usual)
        }
        None => {
            let predictor = predictors::by_device(&args.device, output)?;
            (predictor, predictors::usual_probe_ns(&args.device))
        }
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
    let rows = verify::measure(&args.device, &args.reach, &networks, &*predictor, usual, limit, output)?;
    let refitted = match args.refit {
        true => Some(refit(args.data.as_deref(), predictor.identity(), &networks, &rows)?),
        false => None,
    };
    let report = Report {
        device: args.device,
        predictor: predictor.identity().to_string(),
        metrics: verify::metrics(&rows),
        rows,
        refitted,
    };
    output.result(&report, || {
        let refitted = report.refitted.iter().map(|file| format!("\nfitted anew: {file}\n"));
        verify::text(&report.rows) + &refitted.collect::<String>()
    })?;
    let noisy = report.rows.iter().filter(|row| row.quality != Quality::Good).count();
    if 2 * noisy <= report.rows.len() {
        return Ok(());
    }
    let message = format!("{noisy} of {} measurements are too noisy to judge by", report.rows.len());
    Err(Failure::new(Exit::Quality, message).remedy("close other programs, or wait, then validate again"))
}

/// Feeds measured networks back: into the dataset, and from there into the predictor. Noisy measurements
/// are left out.
fn refit(
    data: Option<&Path>,
    identity: &Identity,
    networks: &[Model],
    rows: &[Verified],
) -> Result<String, Failure> {
    let usual = Path::new("datasets").join(format!("{}@{}", identity.device, identity.runtime));
    let dir = data.unwrap_or(&usual);
    let mut dataset = Dataset::read(dir).map_err(|error| {
        Failure::from(error).remedy("--refit adds to the dataset that the predictor came from: --data DIR")
    })?;
    predictors::same_identity(identity, &dataset.identity)?;
    for (model, row) in networks.iter().zip(rows).filter(|(_, row)| row.quality == Quality::Good) {
        let batch = dataset.identity.batch;
        let subject = Subject::network(model, batch);
        let median = Latency::from_ms(row.measured_ms) * f64::from(batch);
        let sample = Sample { subject, median, summary: None, quality: row.quality };
        match dataset.samples.iter().position(|known| known.subject == sample.subject) {
            Some(at) => dataset.samples[at] = sample,
            None => dataset.samples.push(sample),
        }
    }
    dataset::write(dir, &dataset)?;
    let data = training_data::read(&[dir.to_owned()], &[])?;
    let observations = edgezen_lab::fit::observations(&dataset)?;
    let predictor = edgezen_lab::fit::fit(&observations, data.request)?;
    let path = fit::destination(None, &predictor.file().id)?;
    edgezen_lab::catalogue::predictors::write(&path, predictor.file().text())?;
    Ok(path.display().to_string())
}

/// The best network of a run, and others spread over its front.
fn of_front(run: &runs::FinishedRun, top: usize) -> Result<Vec<Model>, Failure> {
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
