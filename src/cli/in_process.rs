//! Commands in the process of another program, which hears what they say and gets their failures as values. Nothing here prints,
//! ends the process or takes its signals.

use super::answers::named;
use super::caller::Caller;
use super::output::{self, Heard, Output};
use super::predictors::Which;
use super::{Cli, Command, Failure, net, predict, score};
use edgezen_core::predictor::Estimate;
use edgezen_core::predictor::any::AnyPredictor;
use edgezen_core::proxy::Mode;
use edgezen_lab::catalogue::networks::Overrides;
use edgezen_lab::prediction::Many;
use edgezen_lab::scoring::{Engine, Scoring};
use rayon::prelude::*;
use std::path::PathBuf;

pub use super::arguments::in_arguments;

/// What became of a command.
pub struct Answer {
    /// What it said. A failure may come with a result, as a list in which only one item failed does.
    pub heard: Heard,
    pub done: Result<(), Failure>,
}

/// Runs a command by its words, without the name of the program; the result is JSON. Commands that measure are refused: they need
/// processes of their own, which are quiet.
pub fn run(words: &[String], caller: &dyn Caller) -> Answer {
    let (done, heard) = output::heard(|| {
        let mut cli = Cli::of_words(words)?;
        if let Some(command) = cli.command.needs_a_process() {
            return Err(Failure::measures(command));
        }
        cli.global.json = true;
        super::command(cli, Some(caller))
    });
    Answer { heard, done }
}

impl Command {
    /// The name of a command that measures, or that listens for Ctrl-C itself.
    fn needs_a_process(&self) -> Option<&'static str> {
        match self {
            Command::Profile(_) => Some("profile"),
            Command::Measure(_) => Some("measure"),
            Command::Validate(_) => Some("validate"),
            Command::Experiment(_) => Some("experiment"),
            #[cfg(feature = "torch")]
            Command::Train(_) => Some("train"),
            #[cfg(feature = "torch")]
            Command::Finalists(_) => Some("finalists"),
            Command::Deploy(_) => Some("deploy"),
            Command::Launch => Some("launch"),
            Command::Completions(_) => Some("completions"),
            Command::Devices(_)
            | Command::Dataset(_)
            | Command::Fit(_)
            | Command::Transfer(_)
            | Command::Predictors(_)
            | Command::Networks(_)
            | Command::Predict(_)
            | Command::Evaluate(_)
            | Command::Info(_)
            | Command::Calibrate(_)
            | Command::Score(_)
            | Command::Search(_)
            | Command::Jobs(_)
            | Command::Report(_)
            | Command::Manual(_)
            | Command::Export(_)
            | Command::ImportWeights(_) => None,
        }
    }
}

/// The predictor of a device or in a file, for `batch` images a run if that is said, with what a person should know of it.
///
/// # Errors
/// There is none, its file cannot be used, or it knows other batches only.
pub fn load(
    device: Option<String>,
    predictor: Option<PathBuf>,
    batch: Option<u32>,
) -> Result<(Many, Vec<String>), Failure> {
    if let Some(batch) = batch.filter(|batch| !predict::BATCHES.contains(batch)) {
        let (least, most) = (predict::BATCHES.start(), predict::BATCHES.end());
        return Err(Failure::usage(format!("a run has {least} to {most} images, not {batch}")));
    }
    let (loaded, heard) = output::heard(|| Which { device, predictor }.load(Output::default()));
    let mut loaded = loaded?;
    match (&mut loaded, batch) {
        (AnyPredictor::Kernels(predictor), Some(batch)) => **predictor = predictor.with_batch(batch),
        (AnyPredictor::Networks(predictor), Some(asked)) => predict::check_batch(predictor, asked)?,
        (_, None) => {}
    }
    Ok((Many::new(loaded), heard.remarks))
}

/// The latency of each network of `nets`, per image and in their order.
///
/// # Errors
/// The failure of the first network that has none.
pub fn latencies(
    many: &Many,
    nets: &[String],
    options: Overrides,
    partial: bool,
) -> Result<Vec<Estimate>, Failure> {
    let estimates = many.estimates(nets, options, partial);
    let answers = nets.iter().zip(estimates);
    answers.map(|(net, answer)| answer.map_err(|error| named(error.into(), net, nets.len()))).collect()
}

/// The score in closed form of each network of `nets`, in their order.
///
/// # Errors
/// A proxy that is not known or has no closed form, and the failure of the first network that has no score.
pub fn scores(
    nets: &[String],
    proxy: &str,
    mode: Mode,
    seed: u64,
    options: Overrides,
) -> Result<Vec<f64>, Failure> {
    let proxy = score::find(proxy)?;
    let engine = Engine::choose(proxy, Some(Engine::Closed))?;
    let scoring = Scoring {
        proxy,
        engine,
        mode,
        batch: None,
        repeats: 1,
        error: None,
        independent: false,
        built: false,
        seed,
    };
    let one = |net: &String| {
        let score = net::scored(net, options).and_then(|(_, model)| Ok(scoring.value(&model)?));
        score.map_err(|failure| named(failure, net, nets.len()))
    };
    nets.par_iter().map(one).collect()
}
