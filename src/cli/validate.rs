//! `edgezen validate RUN|NET… --device NAME`: predicted against measured.

use super::answers::{Answers, Item, worst};
use super::force::Force;
use super::net::{self, NetOptions};
use super::output::Output;
use super::succession::{self, Before};
use super::target::{self, Reach};
use super::{Exit, Failure, Global, fit, predictors, unfinished, verify};
use crate::shipped;
use edgezen_core::measurement::{Identity, Quality};
use edgezen_core::predictor::LatencyPredictor;
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::predictor::metrics::Metrics;
use edgezen_core::units::Latency;
use edgezen_lab::campaign::networks::LAUNCHES;
use edgezen_lab::catalogue::Usual;
use edgezen_lab::catalogue::networks::Kind;
use edgezen_lab::dataset::{self, Dataset};
use edgezen_lab::device::Options;
use edgezen_lab::evaluation::same_identity;
use edgezen_lab::evaluation::succession::{Succession, held_out_percent};
use edgezen_lab::files::lock_folder;
use edgezen_lab::fit::observation::observations;
use edgezen_lab::prediction::network;
use edgezen_lab::runs;
use edgezen_lab::runs::Verified;
use edgezen_lab::verify::{OnDevice, Predicted, VerifyError, metrics, networks_of, samples};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is measured.
const WHAT: &str = "Run folders (their best and others of the front), names (edgezen networks lists them), structure strings, \
    files that begin with one, and .onnx and .tflite files";

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "RUN|NET", required = true, help = WHAT)]
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
struct Report<'a> {
    device: String,
    predictor: String,
    metrics: Option<Metrics>,
    /// What was measured; what cannot be has its error in its place.
    rows: Vec<Item<'a, Verified>>,
    /// The predictor file that was fitted anew; absent without --refit.
    refitted: Option<String>,
}

/// A predictor that was fitted anew.
struct Refitted {
    file: String,
    /// Which names mean it from now on, and how it compares with the one before, for people.
    answering: String,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let output = global.output();
    verify::check(Some(&args.device))?;
    args.reach.check(&args.device)?;
    let (predictor, usual) = predictor(&args, output)?;
    let (asked, limit) = what(&args, &predictor);
    let networks: Vec<Predicted> = asked.given().into_iter().flatten().cloned().collect();
    if networks.is_empty() {
        return asked.then(|_| Ok(())).print(output, |_| String::new())?.map_or(Ok(()), Err);
    }
    target::warn_unfit(&target::unfit(&args.device), output);
    let reach = args.reach.of_free_unit(&args.device)?;
    let Usual { probe_ns: usual_probe_ns, sentinel_ns: usual_sentinel_ns } = usual;
    let options = Options { usual_probe_ns, usual_sentinel_ns, ..reach.options(&args.device, LAUNCHES, 0) };
    let profiles = shipped::profiles();
    let device = OnDevice { profiles: &profiles, name: &args.device, options };
    let mut shown = verify::Shown::new(output);
    let compared = device.compare_each(&networks, &*predictor, limit, &mut |event| shown.show(event))?;
    let mut compared = compared.into_iter();
    let (mut networks, mut rows) = (Vec::new(), Vec::new());
    let asked = asked.then(|asked| {
        let measured: Vec<_> = compared.by_ref().take(asked.len()).collect();
        rows.extend(measured.into_iter().collect::<Result<Vec<Verified>, VerifyError>>()?);
        networks.extend(asked.iter().cloned());
        Ok(asked)
    });
    if rows.is_empty() {
        return asked.then(|_| Ok(())).print(output, |_| String::new())?.map_or(Ok(()), Err);
    }
    let refitted = match args.refit {
        true => Some(refit(args.data.as_deref(), predictor.identity(), &networks, &rows, output)?),
        false => None,
    };
    let report = Report {
        device: args.device,
        predictor: predictor.identity().to_string(),
        metrics: metrics(&rows),
        rows: asked.spread(&rows, Vec::len),
        refitted: refitted.as_ref().map(|refitted| refitted.file.clone()),
    };
    output.result(&report, || {
        let said = |done: &Refitted| format!("\nfitted anew: {}\n{}", done.file, done.answering);
        verify::text(&rows) + &refitted.iter().map(said).collect::<String>()
    })?;
    let refused = asked.complain(output);
    let noisy = judge(&rows).err();
    if let Some(noisy) = &noisy {
        output.failure(noisy);
    }
    worst(refused.into_iter().chain(noisy)).map_or(Ok(()), |worst| Err(Failure::said(worst.exit)))
}

/// The predictor, and how fast the device was while its data were measured.
fn predictor(args: &Args, output: Output) -> Result<(Arc<FittedPredictor>, Usual), Failure> {
    match &args.predictor {
        Some(path) => {
            let predictor = predictors::by_file(path, output)?;
            let usual = Usual::of(&predictor.file().provenance);
            Ok((predictor, usual))
        }
        None => {
            let predictor = predictors::by_device(&args.device, output)?;
            Ok((predictor, predictors::usual(&args.device)))
        }
    }
}

/// The networks to measure, and the budget: the one that was given, else that of the first run with one for the device.
fn what(args: &Args, predictor: &FittedPredictor) -> (Answers<Vec<Predicted>>, Option<Latency>) {
    let mut limit = args.latency;
    let answers = Answers::each(&args.what, |what| {
        let folder = Path::new(what);
        if !folder.join("run.toml").exists() {
            return Ok(vec![predicted(what, args, predictor)?]);
        }
        let run = runs::read(folder)?;
        let of_run = run.manifest.device.iter().find(|device| device.name == args.device);
        limit = limit.or(of_run.and_then(|device| device.limit_ms).map(Latency::from_ms));
        let models = networks_of(&run, args.top)?;
        Ok(models.iter().map(|model| Predicted::of_model(model, predictor)).collect::<Result<_, _>>()?)
    });
    (answers, limit)
}

/// The network that an argument means, as the predictor sees it.
fn predicted(what: &str, args: &Args, predictor: &FittedPredictor) -> Result<Predicted, Failure> {
    let network = net::any(what, args.options)?;
    if args.refit && network.kind() != Kind::Structure {
        // A dataset holds structures.
        network.into_model("--refit needs")?;
        return Err(Failure::usage(format!("{what} cannot be added to a dataset")));
    }
    let prediction = network::by_kernels(predictor, &network, None, false)?;
    let (net, estimate) = (prediction.net, prediction.estimate);
    Ok(Predicted { net, network: network.measured()?, estimate })
}

/// Refuses measurements of a device that had another speed than usual, and those of which more than half are too noisy.
fn judge(rows: &[Verified]) -> Result<(), Failure> {
    verify::usual_speed(rows, None)?;
    let noisy = rows.iter().filter(|row| row.quality != Quality::Good).count();
    if 2 * noisy <= rows.len() {
        return Ok(());
    }
    let reason = rows.iter().find_map(|row| row.reason.as_deref()).map(|reason| format!(": {reason}"));
    let reason = reason.unwrap_or_default();
    let message = format!("{noisy} of {} measurements are too noisy to judge by{reason}", rows.len());
    Err(Failure::new(Exit::Quality, message).remedy("close other programs, or wait, then validate again"))
}

/// Adds the measured networks to the dataset of their predictor, and fits the predictor anew. Noisy measurements are
/// left out.
fn refit(
    data: Option<&Path>,
    identity: &Identity,
    networks: &[Predicted],
    rows: &[Verified],
    output: Output,
) -> Result<Refitted, Failure> {
    let usual = Path::new("datasets").join(format!("{}@{}", identity.device, identity.runtime));
    let dir = data.unwrap_or(&usual);
    let read = || {
        Dataset::read(dir).map_err(|error| match unfinished::remedy(dir) {
            Some(_) => Failure::from(error),
            None => Failure::from(error)
                .remedy("--refit adds to the dataset that the predictor came from: --data DIR"),
        })
    };
    // Where there is no dataset, there is nothing to lock.
    if !dir.is_dir() {
        read()?;
    }
    let _lock = lock_folder(dir)?;
    let dataset = read()?;
    same_identity(identity, &dataset.identity)?;
    let samples = samples(networks, rows, dataset.identity.batch);
    let predictor = edgezen_lab::fit::refit::refit(dir, dataset, samples)?;
    // That is what was asked for.
    let force = Force { force: true };
    let file = predictor.file();
    let to = force.place(fit::file(None, &file.id)?, &dataset::files_of(dir))?;
    let before = Before::of(&file.id)?;
    let rows = Dataset::read(dir).map_err(Failure::from).and_then(|data| Ok(observations(&data)?))?;
    let compared = before.of_kernels().and_then(|old| Succession::of(&old, &file.metrics, &rows));
    edgezen_lab::catalogue::predictors::write(&to, file.text())?;
    let levels = [file.metrics.kernels, file.metrics.blocks, file.metrics.networks];
    succession::warn(&file.id, held_out_percent(&levels), output);
    let answering = before.now(&to, compared)?.text(&file.id, to.path());
    Ok(Refitted { file: to.path().display().to_string(), answering })
}
