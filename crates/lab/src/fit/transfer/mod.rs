//! A predictor of kernels of one device, adapted to another from a handful of measurements.
//!
//! The measurements to take are chosen so that they cover all sizes and, within a size, what the model is
//! least sure of (`choose`). Then one scale and few differences are fitted, each believed in only as far as the
//! measurements go ([`adapt`]).

pub(in crate::fit) mod caution;
mod choose;

pub(crate) use self::choose::choose;

use self::caution::{BELIEFS, cautious};
use crate::fit::conformal;
use crate::fit::error::FitError;
use crate::fit::observation::{Level, Observation};
use crate::fit::request::Request;
use crate::fit::solvers::ridge::{Fitted, relative};
use edgezen_core::plainnet::{Kernel, KernelKind};
use edgezen_core::predictor::calibration::{self, KernelCalibration, Margin};
use edgezen_core::predictor::file::{Calibration, Content, FitMetrics, Models, PredictorFile};
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::predictor::metrics::{Metrics, Pair};
use edgezen_core::predictor::net_level::NetLevel;
use edgezen_core::predictor::roofline::Roofline;
use edgezen_core::stats;
use ndarray::{Array1, Array2};
use std::collections::BTreeMap;

/// Belief in the scale of another device's prices, in measurements.
const SCALE_BELIEF: f64 = 0.3;
/// No kind becomes so many times slower or quicker, beside all others.
const MOST: f64 = 4.0;

/// What `source` says of each list of kernels, kind by kind in the order of [`KernelKind::ALL`], for the whole batch in
/// nanoseconds: a row for each list, a column for each kind.
pub(crate) fn design(source: &FittedPredictor, lists: &[&[Kernel]]) -> Array2<f64> {
    let mut design = Array2::zeros((lists.len(), KernelKind::ALL.len()));
    for (mut row, kernels) in design.rows_mut().into_iter().zip(lists) {
        for kernel in *kernels {
            if let Some(at) = KernelKind::ALL.iter().position(|kind| *kind == kernel.kind) {
                row[at] += source.estimate(kernel).latency.ns();
            }
        }
    }
    design
}

/// The adapted predictor, and what the source alone said of the measurements.
pub struct Adapted {
    pub predictor: FittedPredictor,
    /// The source as it is.
    pub before: Option<Metrics>,
    /// The source with the one scale that fits best.
    pub scaled: Option<Metrics>,
    /// Each measurement by a fit to all others.
    pub after: Option<Metrics>,
}

/// Adapts `source` to what was measured elsewhere.
///
/// # Errors
/// Too few measurements, or a failure of the solver.
pub fn adapt(
    source: &FittedPredictor,
    observations: &[Observation],
    request: Request,
) -> Result<Adapted, FitError> {
    const FEWEST: usize = 3;
    if observations.len() < FEWEST {
        return Err(FitError::TooFew { found: observations.len(), needed: FEWEST });
    }
    let measured: Vec<f64> = observations.iter().map(|o| o.latency.ns()).collect();
    let kernels: Vec<&[Kernel]> = observations.iter().map(|o| &o.kernels[..]).collect();
    let kinds = design(source, &kernels);
    let sums: Vec<f64> = kinds.rows().into_iter().map(|row| row.sum()).collect();
    let ratios: Vec<f64> = measured.iter().zip(&sums).map(|(m, s)| m / s).collect();
    let common = stats::median(&ratios).filter(|scale| scale.is_finite() && *scale > 0.0);
    let common = common.ok_or(FitError::NoData)?;
    let width = KernelKind::ALL.len();
    let mut values = Array2::zeros((measured.len(), 1 + width));
    values.column_mut(0).assign(&Array1::from_iter(sums.iter().map(|sum| sum * common)));
    values.slice_mut(ndarray::s![.., 1..]).assign(&(&kinds * common));
    let mut prior = vec![0.0; 1 + width];
    prior[0] = 1.0;
    let fits = BELIEFS.iter().filter_map(|&strength| {
        let mut belief = vec![strength; 1 + width];
        belief[0] = SCALE_BELIEF;
        relative(&values, &measured, &belief, &prior)
    });
    let Fitted { coefficients, left_out } = cautious(fits, &measured).ok_or_else(FitError::singular)?;
    let scale = common * coefficients[0].clamp(1.0 / MOST, MOST);
    let factors: BTreeMap<KernelKind, f64> = KernelKind::ALL
        .into_iter()
        .zip(&coefficients[1..])
        .map(|(kind, own)| (kind, (scale + common * own).clamp(scale / MOST, scale * MOST)))
        .collect();
    let pairs = |predicted: &mut dyn Iterator<Item = f64>| {
        let pair = |(predicted, &measured): (f64, &f64)| Pair { predicted, interval: None, measured };
        Metrics::of(&predicted.zip(&measured).map(pair).collect::<Vec<_>>())
    };
    let after = pairs(&mut left_out.iter().copied());
    let before = pairs(&mut sums.iter().copied());
    let scaled = pairs(&mut sums.iter().map(|sum| sum * common));
    let logs: Vec<f64> = left_out.iter().zip(&measured).map(|(p, m)| (m / p.max(0.05 * m)).ln()).collect();
    let metrics = FitMetrics {
        folds: u32::try_from(observations.len()).unwrap_or(u32::MAX),
        networks: after.filter(|_| observations.iter().all(|o| o.level == Level::Network)),
        kernels: after.filter(|_| observations.iter().all(|o| o.level == Level::Kernel)),
        blocks: after.filter(|_| observations.iter().all(|o| o.level != Level::Network)),
        ..FitMetrics::default()
    };
    let slower = Slower { factors, scale };
    let file = file(source.file(), &slower, &logs, metrics, observations, request);
    let predictor = FittedPredictor::new(file);
    Ok(Adapted { predictor, before, scaled, after })
}

/// How many times slower than the source's device the new one is.
struct Slower {
    /// With each kind.
    factors: BTreeMap<KernelKind, f64>,
    /// With everything else.
    scale: f64,
}

/// The source's file with slower models, and wider margins. `logs` has the logarithms of measured over predicted of the
/// measurements, each left out in turn.
fn file(
    source: &PredictorFile,
    slower: &Slower,
    logs: &[f64],
    metrics: FitMetrics,
    observations: &[Observation],
    mut request: Request,
) -> PredictorFile {
    let scale = slower.scale;
    let of = |kind: &KernelKind| slower.factors.get(kind).copied().unwrap_or(scale);
    let kinds = source.model.kinds.iter().map(|(kind, model)| (*kind, model.scaled(of(kind)))).collect();
    let roofline = &source.model.roofline;
    let roofline = Roofline {
        peak_gmacs_per_s: roofline.peak_gmacs_per_s / scale,
        gbytes_per_s: roofline.gbytes_per_s / scale,
        launch_ns: roofline.launch_ns * scale,
        source: format!("that of {}, {scale:.3} times as slow", source.id),
        ..roofline.clone()
    };
    let network = conformal::networks(logs, &[]);
    // Errors of the source and of the transfer add up.
    let wider = |margin: &Margin| Margin {
        lower_log: margin.lower_log.hypot(network.margin.lower_log),
        upper_log: margin.upper_log.hypot(network.margin.upper_log),
    };
    let kernels = source.calibration.kernels.iter().map(|(kind, calibration)| {
        let margins = calibration.margins.iter().map(&wider).collect();
        let edges_ns = calibration.edges_ns.iter().map(|edge| edge * of(kind)).collect();
        (*kind, KernelCalibration { margins, edges_ns, ..calibration.clone() })
    });
    let list: Vec<String> =
        source.model.kinds.keys().map(|kind| format!("{kind} ×{:.3}", of(kind))).collect();
    request.notes.push(format!(
        "Adapted from {} with {} measurements: {}.",
        source.id,
        observations.len(),
        list.join(", ")
    ));
    request.sources.extend(source.provenance.sources.iter().cloned());
    if request.licence != source.licence {
        request.licence = format!("{} AND {}", request.licence, source.licence);
    }
    let content = Content {
        features: source.features.clone(),
        model: Models { kinds, roofline },
        domain: source.domain.clone(),
        calibration: Calibration {
            level: calibration::LEVEL,
            kernels: kernels.collect(),
            other_kernels: wider(&source.calibration.other_kernels),
            network,
        },
        net_level: NetLevel {
            scale: source.net_level.scale,
            depthwise: source.net_level.depthwise,
            per_output_ns: source.net_level.per_output_ns * scale,
            per_kernel_ns: source.net_level.per_kernel_ns * scale,
            constant_ns: source.net_level.constant_ns * scale,
            networks: source.net_level.networks,
        },
        metrics,
        prior: source.prior.clone(),
    };
    PredictorFile::new(request.header(), request.provenance(observations), content)
}
