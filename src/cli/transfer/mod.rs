//! `edgezen transfer`: a predictor of one device adapted to another from a few measurements, or to the eager
//! runtime of the same device from none.

mod eager;
mod kernels;
mod networks;

use super::failure::{Exit, Failure};
use super::force::Force;
use super::rows::WhichRows;
use super::succession::{self, Answering, Before};
use super::{Global, fit, predictors, target};
use edgezen_core::predictor::any::AnyPredictor;
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::predictor::metrics::Metrics;
use edgezen_core::predictor::network::NetworkPredictor;
use edgezen_lab::catalogue;
use edgezen_lab::dataset;
use edgezen_lab::dataset::table::Select;
use edgezen_lab::device::simulated::Simulation;
use edgezen_lab::files::Destination;
use edgezen_lab::transfer::target::Target;
use edgezen_lab::transfer::{TransferError, Transferred};
use serde::Serialize;
use std::path::{Path, PathBuf};

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
    #[command(flatten)]
    rows: WhichRows,
    /// Without measurements: the same device under eager PyTorch, which runs normalisation, activation and
    /// sums as kernels of their own, at the speed of the memory that this dataset or the device's profile gives
    #[arg(long, value_name = "DIR", num_args = 0..=1)]
    eager: Option<Option<PathBuf>>,
    /// With --eager: dataset of whole networks that were measured in eager PyTorch on the device, which say what depthwise
    /// convolutions take there
    #[arg(long, value_name = "DIR", requires = "eager")]
    eager_networks: Option<PathBuf>,
    /// Predictor file [default: predictors/<device>@<runtime>@<precision>.json]
    #[arg(short, long, alias = "out", value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
    /// Serial number, where several of a kind are attached
    #[arg(long, value_name = "S", env = "ANDROID_SERIAL")]
    serial: Option<String>,
    /// The board, as ssh knows it: pi@board, or a name of your ssh configuration
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Behaviour of the simulated device
    #[arg(long, value_name = "SPEC", env = "EDGEZEN_SIMULATE", hide = true, default_value = "")]
    simulate: Simulation,
}

impl Args {
    fn select(&self) -> Select {
        self.rows.select(self.device.clone())
    }

    /// Refuses what says how a device is reached where nothing is measured.
    fn check(&self) -> Result<(), Failure> {
        let from = match (&self.data, &self.eager) {
            (Some(_), _) => "--data",
            (_, Some(_)) => "--eager",
            (None, None) => return Ok(()),
        };
        let given = [target::serial(self.serial.as_ref()), target::host_named(self.host.as_ref())];
        match given.iter().find(|(given, ..)| *given) {
            Some((_, _, option, _)) => Err(Failure::usage(format!(
                "{option} says how a device is reached, and with {from} nothing is measured"
            ))
            .remedy(format!("leave out {option}, or {from}"))),
            None => Ok(()),
        }
    }

    /// The place of the predictor's file. Where something is measured, the file must not be there.
    fn destination(&self, id: &str) -> Result<Destination, Failure> {
        let data = self.data.iter().chain(self.eager.iter().flatten()).chain(&self.eager_networks);
        let mut inputs: Vec<PathBuf> = self.from.iter().map(PathBuf::from).collect();
        inputs.extend(data.flat_map(|data| dataset::files_of(data).into_iter().chain([data.clone()])));
        let path = fit::file(self.output.as_deref(), id)?;
        if self.data.is_none() && self.eager.is_none() {
            return self.force.free_place(path, &inputs);
        }
        self.force.place(path, &inputs)
    }

    /// What --data, --archs and the rows that are meant say.
    fn target<'a>(&'a self, path: &'a Path, select: &'a Select) -> Target<'a> {
        Target { path, archs: self.rows.archs.as_deref(), select }
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
    /// Which names mean the predictor from now on; absent where it went to standard output.
    answering: Option<Answering>,
}

impl Report {
    /// Of the predictor `id`, which was written to `path`.
    fn new<P>(
        transferred: Transferred<P>,
        id: String,
        path: &Path,
        from: Vec<String>,
        answering: Option<Answering>,
    ) -> Report {
        let Transferred { chosen, before, scaled, after, unseen, .. } = transferred;
        let (samples, file) = (chosen.len(), path.display().to_string());
        Report { predictor: id, file, from, samples, chosen, before, scaled, after, unseen, answering }
    }
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    fit::check_ending(args.output.as_deref())?;
    args.check()?;
    let load = |name: &String| predictors::by_name_or_file(name, global.output());
    let sources: Vec<AnyPredictor> = args.from.iter().map(load).collect::<Result<_, _>>()?;
    if let Some(dataset) = &args.eager {
        return eager::run(&args, &only_kernels(sources)?, dataset.as_deref(), global);
    }
    if sources.iter().all(|source| matches!(source, AnyPredictor::Networks(_))) {
        let of_networks = |source| match source {
            AnyPredictor::Networks(predictor) => Some(*predictor),
            AnyPredictor::Kernels(_) => None,
        };
        let sources: Vec<NetworkPredictor> = sources.into_iter().filter_map(of_networks).collect();
        return networks::run(&args, &sources, global);
    }
    kernels::run(&args, &only_kernels(sources)?, global)
}

fn only_kernels(sources: Vec<AnyPredictor>) -> Result<FittedPredictor, Failure> {
    let mut sources = sources.into_iter();
    match (sources.next(), sources.next()) {
        (Some(AnyPredictor::Kernels(predictor)), None) => Ok(*predictor),
        (Some(AnyPredictor::Networks(predictor)), None) => {
            Err(predictors::foreign(&predictor, "this needs a predictor of kernels"))
        }
        _ => Err(Failure::usage("--from takes several predictors only if all are of networks of one space")),
    }
}

/// Writes the predictor `id` to `to`, and says who answers from now on.
fn write(id: &str, text: serde_json::Result<String>, to: &Destination) -> Result<Option<Answering>, Failure> {
    let before = Before::of(id)?;
    catalogue::predictors::write(to, text)?;
    if to.is_stream() { Ok(None) } else { before.now(to, None).map(Some) }
}

/// Prints what became of it.
fn report(to: &Destination, report: &Report, global: Global) -> Result<(), Failure> {
    let error = report.unseen.or(report.after);
    succession::warn(&report.predictor, error.map(|metrics| metrics.mape_percent), global.output());
    global.output().written(to, report, || {
        let mut rows: Vec<(String, &Metrics)> = Vec::new();
        rows.extend(report.before.iter().map(|m| ("before".to_owned(), m)));
        rows.extend(report.scaled.iter().map(|m| ("before, scaled".to_owned(), m)));
        rows.extend(report.after.iter().map(|m| ("after (left out)".to_owned(), m)));
        rows.extend(report.unseen.iter().map(|m| ("after, unseen rows".to_owned(), m)));
        let mut out = format!("expected error, from {} samples\n{}", report.samples, fit::table(&rows));
        out += &format!("\n{} from {}: {}\n", report.predictor, report.from.join(", "), report.file);
        out += &report.answering.iter().map(|a| a.text(&report.predictor, to.path())).collect::<String>();
        out
    })
}

impl From<TransferError> for Failure {
    fn from(error: TransferError) -> Failure {
        let message = error.to_string();
        match error {
            TransferError::TooFew { .. } | TransferError::Name(_) => Failure::usage(message),
            TransferError::NotNetworks { .. } => Failure::new(Exit::BadFile, message)
                .remedy("edgezen dataset import --help says what tables there are"),
            TransferError::NoSamples { .. } | TransferError::Plan(_) | TransferError::Facts(_) => {
                Failure::runtime(message)
            }
            TransferError::Device(error) => error.into(),
            TransferError::Dataset(error) => error.into(),
            TransferError::Table(error) => error.into(),
            TransferError::Fit(error) => error.into(),
        }
    }
}
