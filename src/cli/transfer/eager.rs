//! `edgezen transfer --eager`: a predictor of a runtime that fuses, turned into one of eager PyTorch.

use super::Args;
use crate::cli::Global;
use crate::cli::failure::Failure;
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_lab::catalogue;
use edgezen_lab::dataset::Dataset;
use edgezen_lab::fit::eager::{LARGE_BYTES, MemoryRate, derive};
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
    let rate = match dataset {
        Some(dir) => MemoryRate::measured(&Dataset::read(dir)?).ok_or_else(|| none_in(dir))?,
        None => MemoryRate::assumed(roofline),
    };
    let file = derive(from, &rate);
    let to = args.destination(&file.id)?;
    catalogue::predictors::write(&to, file.text())?;
    let report = Report {
        predictor: file.id.clone(),
        file: to.path().display().to_string(),
        from: from.id.clone(),
        gbytes_per_s: rate.gbytes_per_s,
        gbytes_per_s_source: rate.source,
        launch_us: roofline.launch_ns / 1e3,
    };
    global.output().written(&to, &report, || {
        format!(
            "{} from {}: {}\nelement-wise kernels at {:.0} GB/s ({}) after {:.1} µs each",
            report.predictor,
            report.from,
            report.file,
            report.gbytes_per_s,
            report.gbytes_per_s_source,
            report.launch_us
        )
    })
}

fn none_in(dir: &Path) -> Failure {
    let message = format!("{}: no sums or activations of {} MB and more", dir.display(), LARGE_BYTES / 1e6);
    Failure::usage(message).remedy("leave the folder out: the device's peak rate is then taken")
}
