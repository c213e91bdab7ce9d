//! `edgezen transfer --eager`: a predictor of a runtime that fuses, turned into one of eager PyTorch.

use super::{Args, write};
use crate::cli::failure::Failure;
use crate::cli::succession::Answering;
use crate::cli::{Global, predictors};
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_lab::dataset::Dataset;
use edgezen_lab::fit::eager::{Depthwise, LARGE_BYTES, MemoryRate, derive};
use serde::Serialize;
use std::path::Path;

#[derive(Serialize)]
struct Report {
    predictor: String,
    file: String,
    from: String,
    gbytes_per_s: f64,
    gbytes_per_s_source: String,
    launch_us: f64,
    /// Of depthwise convolutions; absent where they are as in the source.
    depthwise_ms_per_gmac: Option<f64>,
    depthwise_passes: Option<f64>,
    depthwise_source: Option<String>,
    /// Mean relative error of the model on the networks behind it, in percent.
    depthwise_error: Option<f64>,
    /// Which names mean the predictor from now on; absent where it went to standard output.
    answering: Option<Answering>,
}

/// The speed of the memory comes from `dataset`, or from the device's profile.
pub fn run(
    args: &Args,
    source: &FittedPredictor,
    dataset: Option<&Path>,
    global: Global,
) -> Result<(), Failure> {
    let from = source.file();
    let roofline = &from.model.roofline;
    let (rate, measured) = match dataset {
        Some(dir) => {
            let data = Dataset::read(dir)?;
            (MemoryRate::measured(&data).ok_or_else(|| none_in(dir))?, Some(data.identity))
        }
        None => (MemoryRate::assumed(roofline), None),
    };
    let depthwise = match (&args.eager_networks, measured) {
        (None, _) => None,
        (Some(networks), Some(identity)) => {
            // The predictor that was fitted to the dataset tells what the dense convolutions of the networks take.
            let convolutions = predictors::by_device(&identity.to_string(), global.output())?;
            let data = Dataset::read(networks)?;
            let found = Depthwise::of(&data, &convolutions, &rate, roofline.launch_ns)?;
            Some(found.ok_or_else(|| no_networks(networks))?)
        }
        (Some(_), None) => {
            return Err(Failure::usage("--eager-networks needs a dataset of kernels behind --eager")
                .remedy("--eager DIR names kernels that were measured in PyTorch on the device"));
        }
    };
    let file = derive(from, &rate, depthwise.as_ref());
    let to = args.destination(&file.id)?;
    let answering = write(&file.id, file.text(), &to)?;
    let report = Report {
        predictor: file.id.clone(),
        file: to.path().display().to_string(),
        from: from.id.clone(),
        gbytes_per_s: rate.gbytes_per_s,
        gbytes_per_s_source: rate.source,
        launch_us: roofline.launch_ns / 1e3,
        depthwise_ms_per_gmac: depthwise.as_ref().map(|own| own.ns_per_mmac / 1e3),
        depthwise_passes: depthwise.as_ref().map(|own| own.passes),
        depthwise_error: depthwise.as_ref().map(|own| 100.0 * own.error),
        depthwise_source: depthwise.map(|own| own.source),
        answering,
    };
    global.output().written(&to, &report, || {
        let own = report.depthwise_ms_per_gmac.zip(report.depthwise_passes).zip(report.depthwise_source.as_ref());
        let own = own.map(|((ms, passes), source)| {
            format!("\ndepthwise convolutions: {ms:.2} ms for 10^9 MACs and {passes:.2} times their bytes ({source})")
        });
        format!(
            "{} from {}: {}\nelement-wise kernels at {:.0} GB/s ({}) after {:.1} µs each{}\n{}",
            report.predictor,
            report.from,
            report.file,
            report.gbytes_per_s,
            report.gbytes_per_s_source,
            report.launch_us,
            own.unwrap_or_default(),
            report.answering.iter().map(|a| a.text(&report.predictor, to.path())).collect::<String>()
        )
    })
}

fn no_networks(dir: &Path) -> Failure {
    Failure::usage(format!("{}: too few networks with depthwise convolutions", dir.display()))
        .remedy("edgezen dataset import --format help-ofa makes a dataset of such networks")
}

fn none_in(dir: &Path) -> Failure {
    let message = format!("{}: no sums or activations of {} MB and more", dir.display(), LARGE_BYTES / 1e6);
    Failure::usage(message).remedy("leave the folder out: the device's peak rate is then taken")
}
