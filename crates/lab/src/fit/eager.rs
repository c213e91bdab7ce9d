//! A predictor of a runtime that fuses, turned into one of eager PyTorch on the same device.
//!
//! Convolutions are taken as they are. All else (normalisation, activation, sums, gates, pooling, the
//! classifier) is bound by the memory: each kernel takes the time of starting it and that of its bytes. In half precision
//! the input of each dense convolution is rearranged as well: tensor cores want channels
//! last, PyTorch keeps channels first (NVIDIA, Deep Learning Performance Guide, convolutional layers). The
//! speed of the memory comes from element-wise kernels that were measured in PyTorch on the device, else
//! from the peak rate of the device's profile. See docs/decisions/036-eager-runtimes.md.

use crate::dataset::Dataset;
use edgezen_core::measurement::Subject;
use edgezen_core::plainnet::{Kernel, KernelKind};
use edgezen_core::predictor::calibration::{KernelCalibration, Margin};
use edgezen_core::predictor::domain::Domain;
use edgezen_core::predictor::features;
use edgezen_core::predictor::file::{FitMetrics, PredictorFile};
use edgezen_core::predictor::model::AnyModel;
use edgezen_core::predictor::model::linear::{Linear, Term};
use edgezen_core::predictor::roofline::Roofline;
use edgezen_core::stats;

/// Share of the peak rate that element-wise kernels reach, where nobody measured it.
const SHARE_OF_PEAK: f64 = 0.8;
/// Kernels of fewer bytes say more of the start than of the memory.
pub const LARGE_BYTES: f64 = 16e6;
/// How far off a network of an eager runtime may be (log): nothing was measured end to end.
const UNSEEN_LOG: f64 = 0.35;

/// How fast element-wise kernels read and write memory.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryRate {
    /// 10^9 bytes per second.
    pub gbytes_per_s: f64,
    /// Where the figure comes from.
    pub source: String,
}

impl MemoryRate {
    /// The usual share of the peak rate.
    pub fn assumed(roofline: &Roofline) -> MemoryRate {
        MemoryRate {
            gbytes_per_s: SHARE_OF_PEAK * roofline.gbytes_per_s,
            source: format!("{SHARE_OF_PEAK} of the peak of {} GB/s, assumed", roofline.gbytes_per_s),
        }
    }

    /// That of large element-wise kernels in a dataset; `None` where it has no sums or activations of [`LARGE_BYTES`] and
    /// more.
    pub fn measured(dataset: &Dataset) -> Option<MemoryRate> {
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
        let source = format!("median of {} element-wise kernels of {}", rates.len(), dataset.identity);
        Some(MemoryRate { gbytes_per_s: stats::median(&rates)?, source })
    }
}

/// The predictor `from` for eager PyTorch, with memory as fast as `rate` says.
pub fn derive(from: &PredictorFile, rate: &MemoryRate) -> PredictorFile {
    let MemoryRate { gbytes_per_s, source } = rate;
    let mut file = from.clone();
    file.identity.runtime = "torch".into();
    file.identity.runtime_version = None;
    file.id = file.identity.to_string();
    let terms = [("launch", file.model.roofline.launch_ns), ("bytes_mb", 1e6 / gbytes_per_s)];
    let terms = terms
        .iter()
        .filter_map(|&(name, ns)| Some(Term { feature: features::named(&[name]).first().copied()?, ns }))
        .collect();
    let memory = AnyModel::Linear(Linear { terms });
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
    file.metrics = FitMetrics::default();
    file.provenance.notes.push(format!(
        "Not measured: derived from {}. Convolutions are taken as they are there; normalisation, activation, sums, gates, pooling, the classifier and in half precision the rearranging of each convolution's input are kernels of their own, bound by the memory ({gbytes_per_s:.0} GB/s: {source}). The interval is a judgement.",
        from.id
    ));
    file.in_its_schema()
}
