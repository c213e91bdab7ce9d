//! A predictor of an engine that fuses, turned into one of eager PyTorch on the same device.
//!
//! Convolutions are taken as they are. All else (normalisation, activation, sums, gates, pooling, the
//! classifier) is bound by the memory: each kernel takes the time of starting it and that of its bytes. The
//! In half precision the input of each dense convolution is rearranged as well: tensor cores want channels
//! last, PyTorch keeps channels first (NVIDIA, Deep Learning Performance Guide, convolutional layers). The
//! speed of the memory comes from element-wise kernels that were measured in PyTorch on the device, else
//! from the peak rate of the device's profile.

use super::super::failure::Failure;
use super::super::{Global, fit};
use super::Args;
use edgezen_core::measurement::Subject;
use edgezen_core::plainnet::{Kernel, KernelKind};
use edgezen_core::predictor::calibration::{KernelCalibration, Margin};
use edgezen_core::predictor::domain::Domain;
use edgezen_core::predictor::features;
use edgezen_core::predictor::file::PredictorFile;
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::predictor::model::Model;
use edgezen_core::predictor::model::linear::{Linear, Term};
use edgezen_core::stats;
use edgezen_lab::catalogue;
use edgezen_lab::dataset::Dataset;
use serde::Serialize;
use std::path::Path;

/// Share of the peak rate that element-wise kernels reach, where nobody measured it.
const SHARE_OF_PEAK: f64 = 0.8;
/// Kernels of fewer bytes say more of the start than of the memory.
const LARGE_BYTES: f64 = 16e6;
/// How far off a network of an eager runtime may be (log): nothing was measured end to end.
const UNSEEN_LOG: f64 = 0.35;

#[derive(Serialize)]
struct Report {
    predictor: String,
    file: String,
    from: String,
    gbytes_per_s: f64,
    gbytes_per_s_source: String,
    launch_us: f64,
}

pub fn run(
    args: &Args,
    source: &FittedPredictor,
    dataset: Option<&Path>,
    global: Global,
) -> Result<(), Failure> {
    let from = source.file();
    let roofline = &from.model.roofline;
    let (rate, rate_source) = match dataset {
        Some(dir) => measured_rate(dir)?,
        None => (
            SHARE_OF_PEAK * roofline.gbytes_per_s,
            format!("{SHARE_OF_PEAK} of the peak of {} GB/s, assumed", roofline.gbytes_per_s),
        ),
    };
    let file = derive(from, rate, &rate_source);
    let path = fit::destination(args.output.clone(), &file.id)?;
    catalogue::predictors::write(&path, file.text())?;
    let report = Report {
        predictor: file.id.clone(),
        file: path.display().to_string(),
        from: from.id.clone(),
        gbytes_per_s: rate,
        gbytes_per_s_source: rate_source,
        launch_us: roofline.launch_ns / 1e3,
    };
    global.output().result(&report, || {
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

/// 10^9 bytes per second of large element-wise kernels in a dataset.
fn measured_rate(dir: &Path) -> Result<(f64, String), Failure> {
    let dataset = Dataset::read(dir)?;
    let bytes = features::bytes_per_element(&dataset.identity.precision);
    let elementwise = |kernel: &Kernel| matches!(kernel.kind, KernelKind::Add | KernelKind::Act);
    let rates: Vec<f64> = dataset
        .samples
        .iter()
        .filter_map(|sample| match &sample.subject {
            Subject::Kernel(kernel) if elementwise(kernel) && kernel.bytes(bytes) >= LARGE_BYTES => {
                Some(kernel.bytes(bytes) / sample.median.ns())
            }
            _ => None,
        })
        .collect();
    let rate = stats::median(&rates).ok_or_else(|| {
        let message =
            format!("{}: no sums or activations of {} MB and more", dir.display(), LARGE_BYTES / 1e6);
        Failure::usage(message).remedy("leave the folder out: the device's peak rate is then taken")
    })?;
    Ok((rate, format!("median of {} element-wise kernels of {}", rates.len(), dataset.identity)))
}

fn derive(from: &PredictorFile, gbytes_per_s: f64, rate_source: &str) -> PredictorFile {
    let mut file = from.clone();
    file.identity.runtime = "torch".into();
    file.identity.runtime_version = None;
    file.id = file.identity.to_string();
    let terms = [("launch", file.model.roofline.launch_ns), ("bytes_mb", 1e6 / gbytes_per_s)];
    let terms = terms
        .iter()
        .filter_map(|&(name, ns)| Some(Term { feature: features::named(&[name]).first().copied()?, ns }))
        .collect();
    let memory = Model::Linear(Linear { terms });
    let margin = Margin { lower_log: UNSEEN_LOG, upper_log: UNSEEN_LOG };
    for kind in KernelKind::ALL {
        if matches!(kind, KernelKind::Conv | KernelKind::Dwconv) {
            continue;
        }
        file.model.kinds.insert(kind, memory.clone());
        file.domain.insert(kind, Domain::everything());
        let calibration = KernelCalibration::flat(margin);
        file.calibration.kernels.insert(kind, calibration);
    }
    for name in ["launch", "bytes_mb"] {
        if let Some(feature) = features::by_name(name) {
            file.features.insert(name.to_owned(), feature.unit.to_owned());
        }
    }
    let wide = from.calibration.network.margin;
    file.calibration.network.margin =
        Margin { lower_log: wide.lower_log.max(UNSEEN_LOG), upper_log: wide.upper_log.max(UNSEEN_LOG) };
    // What was held out was another runtime's.
    file.metrics = Default::default();
    file.provenance.notes.push(format!(
        "Not measured: derived from {}. Convolutions are taken as they are there; normalisation, activation, sums, gates, pooling, the classifier and in half precision the rearranging of each convolution's input are kernels of their own, bound by the memory ({gbytes_per_s:.0} GB/s: {rate_source}). The interval is a judgement.",
        from.id
    ));
    file.in_its_schema()
}
