//! A predictor of a runtime that fuses, turned into one of eager PyTorch on the same device, as PyTorch was up to 1.6.
//!
//! Dense convolutions are taken as they are. All else (normalisation, activation, sums, gates, pooling, matrix products) is
//! bound by the memory: each kernel takes the time of starting it and that of its bytes. Activations that PyTorch had no
//! operator for are several kernels ([`lowering::composed`]). In half precision the input of each dense convolution is
//! rearranged as well: tensor cores want channels last, PyTorch keeps channels first (NVIDIA, Deep Learning Performance
//! Guide, convolutional layers). The speed of the memory comes from element-wise kernels that were measured in PyTorch on
//! the device, else from the peak rate of the device's profile.
//!
//! PyTorch's own kernel of depthwise convolutions is bound by its instructions, so that it takes about as long in half
//! precision as in single precision. What it takes comes from whole networks that were measured on the device
//! ([`Depthwise`]); without any, from the runtime that fuses. See docs/decisions/036-eager-runtimes.md and
//! docs/decisions/094-eager-networks-by-family.md.

use crate::dataset::Dataset;
use crate::fit::error::FitError;
use crate::fit::solvers::nnls;
use edgezen_core::measurement::{Sample, Subject};
use edgezen_core::plainnet::{Kernel, KernelKind, lowering};
use edgezen_core::predictor::calibration::{Families, KernelCalibration, Margin};
use edgezen_core::predictor::domain::Domain;
use edgezen_core::predictor::features;
use edgezen_core::predictor::file::{FitMetrics, PredictorFile};
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::predictor::model::AnyModel;
use edgezen_core::predictor::model::linear::{Linear, Term};
use edgezen_core::predictor::roofline::Roofline;
use edgezen_core::stats;
use ndarray::{Array1, Array2};

/// Share of the peak rate that element-wise kernels reach, where nobody measured it.
const SHARE_OF_PEAK: f64 = 0.8;
/// Kernels of fewer bytes say more of the start than of the memory.
pub const LARGE_BYTES: f64 = 16e6;
/// How far off a kernel of an eager runtime may be (log): nothing was measured.
const UNSEEN_LOG: f64 = 0.35;
/// How far off a network may be (log), by family: twice what nine of ten networks of the family are off by where the same
/// physics, with one scale of the convolutions, is held against an RTX 3090. A test computes them from
/// datasets/tables/timm.
const RESIDUAL_LOG: f64 = 0.25;
const DEPTHWISE_LOG: f64 = 0.26;
const GATED_LOG: f64 = 0.4;
/// Fewer networks say nothing of depthwise convolutions.
const LEAST_NETWORKS: usize = 20;

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

/// What PyTorch's own depthwise convolutions take beside being started.
#[derive(Clone, Debug, PartialEq)]
pub struct Depthwise {
    /// Nanoseconds for 10^6 multiply-accumulates, in any precision.
    pub ns_per_mmac: f64,
    /// How many times as long as the memory takes for their bytes, besides.
    pub passes: f64,
    /// Networks behind it, and by how much (mean, relative) the model that it is part of is off on them.
    pub networks: usize,
    pub error: f64,
    /// Where the figures come from.
    pub source: String,
}

impl Depthwise {
    /// From whole networks in eager PyTorch on the device: what is left of their latencies when everything else is
    /// subtracted. `convolutions` predicts the dense convolutions in that precision, under PyTorch; `launch_ns` is the time
    /// of starting a kernel. `None`: too few networks with depthwise convolutions.
    ///
    /// # Errors
    /// A failure of the solver inside.
    pub fn of(
        networks: &Dataset,
        convolutions: &FittedPredictor,
        rate: &MemoryRate,
        launch_ns: f64,
    ) -> Result<Option<Depthwise>, FitError> {
        let bytes = features::bytes_per_element(&networks.identity.precision);
        let model = Rest { convolutions, rate: rate.gbytes_per_s, bytes, launch_ns };
        let rows: Vec<[f64; 4]> = networks
            .samples
            .iter()
            .filter_map(|sample| model.of(sample, networks.identity.batch))
            .filter(|[_, _, dw_bytes, _]| *dw_bytes > 0.0)
            .collect();
        if rows.len() < LEAST_NETWORKS {
            return Ok(None);
        }
        let design = Array2::from_shape_fn((rows.len(), 2), |(i, j)| rows[i][2 + j] / rows[i][0]);
        let target =
            Array1::from_iter(rows.iter().map(|[measured, known, ..]| (measured - known) / measured));
        let prices = nnls::non_negative(&design, &target)?;
        let left: Vec<f64> = (0..rows.len())
            .map(|i| (design.row(i).dot(&Array1::from(prices.clone())) - target[i]).abs())
            .collect();
        let [passes, ns_per_mmac] = [prices[0], prices[1]];
        let source = format!("{} networks of {}", rows.len(), networks.identity);
        let error = stats::mean(&left).unwrap_or_default();
        Ok(Some(Depthwise { ns_per_mmac, passes, networks: rows.len(), error, source }))
    }
}

/// What is known of a network's latency besides its depthwise convolutions.
struct Rest<'a> {
    convolutions: &'a FittedPredictor,
    rate: f64,
    bytes: f64,
    launch_ns: f64,
}

impl Rest<'_> {
    /// For the whole batch: the measured latency; what all but the depthwise convolutions take, with the starts of these;
    /// the time of their bytes, all in nanoseconds; and their multiply-accumulates in millions. `None`: no network.
    fn of(&self, sample: &Sample, batch: u32) -> Option<[f64; 4]> {
        let Subject::Encoded { code, .. } = &sample.subject else { return None };
        let batch = sample.subject.batch().unwrap_or(batch);
        let [mut known, mut moved, mut mmacs] = [0.0; 3];
        for part in code.0.parts() {
            for (_, kernel) in lowering::composed(&part.graph) {
                let kernel = kernel.with_batch(batch);
                let memory = kernel.bytes(self.bytes) / self.rate;
                match kernel.kind {
                    // Over a map of one pixel it is a small matrix product.
                    KernelKind::Conv if kernel.in_h * kernel.in_w > 1 => {
                        known += self.convolution(&kernel).max(self.launch_ns + memory)
                    }
                    KernelKind::Dwconv => {
                        known += self.launch_ns;
                        moved += memory;
                        mmacs += kernel.macs() / 1e6;
                    }
                    _ => known += self.launch_ns + memory,
                }
            }
        }
        Some([sample.median.ns(), known, moved, mmacs])
    }

    /// The latency of a dense convolution, without what a measurement of it alone adds to its start.
    fn convolution(&self, kernel: &Kernel) -> f64 {
        let start = self.convolutions.file().model.roofline.launch_ns;
        self.convolutions.estimate(kernel).latency.ns() - (start - self.launch_ns).max(0.0)
    }
}

/// The predictor `from` for eager PyTorch, with memory as fast as `rate` says, and depthwise convolutions as fast as
/// `depthwise` says.
pub fn derive(from: &PredictorFile, rate: &MemoryRate, depthwise: Option<&Depthwise>) -> PredictorFile {
    let MemoryRate { gbytes_per_s, source } = rate;
    let mut file = from.clone();
    file.identity.runtime = "torch".into();
    file.identity.runtime_version = None;
    file.id = file.identity.to_string();
    let launch = ("launch", file.model.roofline.launch_ns);
    let memory = linear(&[launch, ("bytes_mb", 1e6 / gbytes_per_s)]);
    let own = depthwise.map(|own| {
        linear(&[launch, ("bytes_mb", own.passes * 1e6 / gbytes_per_s), ("mmacs", own.ns_per_mmac)])
    });
    let margin = Margin { lower_log: UNSEEN_LOG, upper_log: UNSEEN_LOG };
    for kind in KernelKind::ALL {
        let model = match (kind, &own) {
            (KernelKind::Conv, _) | (KernelKind::Dwconv, None) => continue,
            (KernelKind::Dwconv, Some(own)) => own.clone(),
            _ => memory.clone(),
        };
        file.model.kinds.insert(kind, model);
        file.domain.insert(kind, Domain::everything());
        file.calibration.kernels.insert(kind, KernelCalibration::flat(margin));
    }
    for name in ["launch", "bytes_mb", "mmacs"] {
        if let Some(feature) = features::by_name(name) {
            file.features.insert(name.to_owned(), feature.unit.to_owned());
        }
    }
    let wide = from.calibration.network.margin;
    let at_least =
        |log: f64| Margin { lower_log: wide.lower_log.max(log), upper_log: wide.upper_log.max(log) };
    file.calibration.network.margin = at_least(RESIDUAL_LOG);
    file.calibration.network.families =
        Some(Families { depthwise: at_least(DEPTHWISE_LOG), gated: at_least(GATED_LOG) });
    // What was held out was another runtime's.
    file.metrics = FitMetrics::default();
    file.provenance.notes.push(format!(
        "Not measured: derived from {} for PyTorch up to 1.6. Dense convolutions are taken as they are there; normalisation, activation, sums, gates, pooling, the classifier and in half precision the rearranging of each convolution's input are kernels of their own, bound by the memory ({gbytes_per_s:.0} GB/s: {source}); Swish and its like are several. The intervals are twice what the same physics is off by on another GPU, by family.",
        from.id
    ));
    if let Some(Depthwise { ns_per_mmac, passes, error, source, .. }) = depthwise {
        file.provenance.notes.push(format!(
            "Depthwise convolutions take {:.2} ms for 10^9 multiply-accumulates and {passes:.2} times the time of their bytes: {source}, which the model then meets to {:.1} %.",
            ns_per_mmac / 1e3,
            100.0 * error
        ));
    }
    file.in_its_schema()
}

/// A sum of features, each times a price in nanoseconds.
fn linear(prices: &[(&str, f64)]) -> AnyModel {
    let term =
        |&(name, ns): &(&str, f64)| Some(Term { feature: features::named(&[name]).first().copied()?, ns });
    AnyModel::Linear(Linear { terms: prices.iter().filter_map(term).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;
    use crate::dataset::table::KernelTable;
    use edgezen_core::plainnet::lowering::Lowering;
    use edgezen_core::predictor::LatencyPredictor;
    use edgezen_core::predictor::any::AnyPredictor;
    use edgezen_core::zoo::Encoded;
    use std::path::PathBuf;

    fn repository() -> PathBuf {
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
    }

    /// A network of the RTX 3090's table: its family, nanoseconds measured for an image, those of its dense convolutions
    /// by the roofline, and those of all else by the memory.
    struct Row {
        family: usize,
        measured: f64,
        dense: f64,
        rest: f64,
    }

    /// The physics of eager PyTorch with one kernel for each operation, as it has been since 1.7, on an RTX 3090.
    fn rows() -> Vec<Row> {
        // 936 GB/s, and 71 TFLOPS of its tensor cores when they add in single precision (NVIDIA, GA102 white paper).
        let (peak, rate) = (35.6e3, 936.0);
        let table = KernelTable::read(&repository().join("datasets/tables/timm/networks.csv.gz")).unwrap();
        let of = |row: &[String]| {
            let code: Encoded = row[0].parse().unwrap();
            let (batch, ms): (f64, f64) = (row[3].parse().unwrap(), row[4].parse().unwrap());
            let parts = code.parts();
            let kernels = parts.iter().flat_map(|part| Lowering::Eager.kernels(&part.graph));
            let (mut dense, mut rest, mut family) = (0.0, 0.0, 0);
            for kernel in kernels {
                let memory = (kernel.input_elements() + kernel.output_elements()) * 2.0 / rate;
                match kernel.kind {
                    KernelKind::Conv if kernel.in_h > 1 => {
                        dense += memory.max(kernel.macs() / peak);
                        rest += 2.0 * kernel.input_elements() * 2.0 / (SHARE_OF_PEAK * rate);
                    }
                    KernelKind::Conv => {}
                    _ => rest += memory / SHARE_OF_PEAK,
                }
                match kernel.kind {
                    KernelKind::Dwconv => family = family.max(1),
                    KernelKind::Scale => family = 2,
                    _ => {}
                }
            }
            Row { family, measured: ms * 1e6 / batch, dense, rest }
        };
        (0..table.len()).map(|row| of(table.row(row))).collect()
    }

    #[test]
    fn margins_are_twice_what_the_physics_is_off_by_on_another_gpu() {
        let rows = rows();
        assert_eq!(rows.len(), 117);
        // The one constant: how much longer than the roofline convolutions take, by networks without depthwise ones.
        let plain = || rows.iter().filter(|row| row.family == 0);
        let square = |of: fn(&Row) -> f64| plain().map(|row| of(row) / row.measured.powi(2)).sum::<f64>();
        let scale = square(|row| (row.measured - row.rest) * row.dense) / square(|row| row.dense * row.dense);
        assert!((0.9..1.1).contains(&scale), "{scale}");
        for (family, margin) in [RESIDUAL_LOG, DEPTHWISE_LOG, GATED_LOG].into_iter().enumerate() {
            let logs = rows.iter().filter(|row| row.family == family);
            let logs: Vec<f64> =
                logs.map(|row| (row.measured / (row.rest + scale * row.dense)).ln().abs()).collect();
            let rank = (0.9 * (logs.len() + 1) as f64).ceil() as usize;
            let held = stats::sorted(&logs)[rank.min(logs.len()) - 1];
            // Whether Swish is one kernel or two changes networks with gates by a quarter more.
            let age = if family == 2 { 0.18 } else { 0.0 };
            let needed = 2.0 * held + age;
            assert!((0.0..0.04).contains(&(margin - needed)), "family {family}: {margin}, needed {needed}");
        }
    }

    #[test]
    fn depthwise_convolutions_take_what_networks_on_the_device_say() {
        let catalogue = catalogue::of_repository();
        let load = |name: &str| match catalogue.predictor(name).unwrap().loaded {
            AnyPredictor::Kernels(predictor) => *predictor,
            AnyPredictor::Networks(_) => panic!("{name} is one of networks"),
        };
        let (convolutions, from) = (load("v100@torch2.1@fp32"), load("v100@tensorrt@fp16"));
        let rate = MemoryRate { gbytes_per_s: 640.0, source: "by hand".into() };
        let launch = from.file().model.roofline.launch_ns;
        // Networks whose latencies are those of the model with known prices.
        let mut dataset = Dataset::read(&repository().join("datasets/pixel2@tflite@fp32")).unwrap();
        let known = Rest { convolutions: &convolutions, rate: 640.0, bytes: 4.0, launch_ns: launch };
        let mut sample = dataset.samples[0].clone();
        dataset.samples.clear();
        for side in (96..=224_u32).step_by(16) {
            for width in ["0.5", "1.0", "1.4"] {
                let code: Encoded = format!("zoo:mobilenet_v2_{width}@{side}").parse().unwrap();
                sample.subject = Subject::encoded(code, 64);
                let [_, rest, moved, mmacs] = known.of(&sample, 64).unwrap();
                sample.median = edgezen_core::units::Latency::from_ns(rest + 0.5 * moved + 900.0 * mmacs);
                dataset.samples.push(sample.clone());
            }
        }
        let found = Depthwise::of(&dataset, &convolutions, &rate, launch).unwrap().unwrap();
        assert!((found.ns_per_mmac / 900.0 - 1.0).abs() < 0.02 && found.error < 1e-3, "{found:?}");
        dataset.samples.truncate(LEAST_NETWORKS - 1);
        assert_eq!(Depthwise::of(&dataset, &convolutions, &rate, launch).unwrap(), None);
        // Half as many bytes, as many instructions.
        let file = derive(from.file(), &rate, Some(&found));
        assert_eq!(file.id, "v100@torch@fp16");
        let predictor = FittedPredictor::new(file.as_written().unwrap());
        let code: Encoded = "zoo:mobilenet_v2_1.0@224".parse().unwrap();
        let kernels = predictor.lowering().kernels(&code.parts()[0].graph);
        let depthwise = kernels.iter().find(|kernel| kernel.kind == KernelKind::Dwconv).unwrap();
        let ns = predictor.kernel(depthwise).latency.ns();
        let kernel = depthwise.with_batch(64);
        let expected = launch + 900.0 * kernel.macs() / 1e6 + 0.5 * kernel.bytes(2.0) / 640.0;
        assert!((ns / expected - 1.0).abs() < 0.02, "{ns} {expected}");
    }
}
