//! Few-shot transfer: a predictor of one device adapted to another from a handful of measurements.
//!
//! The measurements to take are chosen so that they cover all sizes and, within a size, what the model is
//! least sure of. Then one scale and few differences are fitted, each believed in only as far as the
//! measurements go.

use crate::fit::Request;
use crate::fit::conformal;
use crate::fit::families::FitError;
use crate::fit::observation::{Level, Observation};
use crate::fit::solvers::ridge::{Fitted, relative};
use edgezen_core::plainnet::KernelKind;
use edgezen_core::predictor::calibration::{self, KernelCalibration, Margin};
use edgezen_core::predictor::file::{Calibration, FitMetrics, Models, PredictorFile};
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::predictor::layout::SCHEMA;
use edgezen_core::predictor::metrics::{Metrics, Pair};
use edgezen_core::predictor::net_level::NetLevel;
use edgezen_core::predictor::roofline::Roofline;
use edgezen_core::stats;
use ndarray::{Array1, Array2};
use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::collections::BTreeMap;

/// Beliefs that are tried in the other device's prices, in measurements, the strongest first.
pub(super) const BELIEFS: [f64; 10] = [1000.0, 300.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03];
/// A weaker belief must leave this share of the error at most: with ten measurements leaving one out says
/// little, and noise must not look like a difference between devices.
const ADVANTAGE: f64 = 0.75;
/// … and the gain must be so many of its standard errors: not one row alone may speak for it.
const SIGMAS: f64 = 1.5;
/// Belief in the scale of another device's prices.
const SCALE_BELIEF: f64 = 0.3;
/// How much of the pool is looked at for each measurement.
const LOOK_AT: usize = 64;
/// No kind becomes so many times slower or quicker, beside all others.
const MOST: f64 = 4.0;

/// Which rows of a pool to measure. `values` describes them, `predicted` is what the source says of each.
///
/// The pool is cut into as many sizes as there are measurements; from each the row is taken that adds most
/// to what is known. The same generator gives the same choice.
pub fn choose(
    values: &Array2<f64>,
    predicted: &[f64],
    count: usize,
    rng: &mut Xoshiro256PlusPlus,
) -> Vec<usize> {
    let mut order: Vec<usize> = (0..predicted.len()).collect();
    order.sort_by(|&a, &b| predicted[a].total_cmp(&predicted[b]));
    let width = values.ncols();
    let mut rows = values.clone();
    rows.rows_mut().into_iter().zip(predicted).for_each(|(mut row, p)| row /= p.max(f64::MIN_POSITIVE));
    let units: Vec<f64> =
        rows.columns().into_iter().map(|c| (c.dot(&c) / predicted.len().max(1) as f64).sqrt()).collect();
    for (j, unit) in units.iter().enumerate() {
        rows.column_mut(j).mapv_inplace(|value| if *unit > 0.0 { value / unit } else { 0.0 });
    }
    // Inverse of what is known so far, updated row by row (Sherman & Morrison).
    let mut unsure = Array2::<f64>::eye(width);
    let count = count.min(order.len());
    let mut chosen = Vec::with_capacity(count);
    for bin in 0..count {
        let part = &order[bin * order.len() / count..(bin + 1) * order.len() / count];
        let looked_at: Vec<usize> = if part.len() <= LOOK_AT {
            part.to_vec()
        } else {
            (0..LOOK_AT).map(|_| part[rng.random_range(0..part.len())]).collect()
        };
        let gain = |row: usize| rows.row(row).dot(&unsure.dot(&rows.row(row)));
        let most = looked_at.into_iter().max_by(|&a, &b| gain(a).total_cmp(&gain(b)).then(b.cmp(&a)));
        let Some(row) = most else { continue };
        let known = unsure.dot(&rows.row(row));
        let divisor = 1.0 + rows.row(row).dot(&known);
        for i in 0..width {
            for j in 0..width {
                unsure[(i, j)] -= known[i] * known[j] / divisor;
            }
        }
        chosen.push(row);
    }
    chosen.sort_unstable();
    chosen
}

/// The strongest belief that no weaker one is clearly better than.
pub(super) fn cautious(fits: impl Iterator<Item = Fitted>, measured: &[f64]) -> Option<Fitted> {
    let better = |fit: &Fitted, chosen: &Fitted| {
        fit.error(measured) < ADVANTAGE * chosen.error(measured)
            && fit.advantage(chosen, measured).is_none_or(|sigmas| sigmas > SIGMAS)
    };
    fits.reduce(|chosen, fit| if better(&fit, &chosen) { fit } else { chosen })
}

/// What `source` says of an observation, kind by kind, for the whole batch in nanoseconds.
pub fn by_kind(source: &FittedPredictor, observation: &Observation) -> Vec<f64> {
    let mut sums = vec![0.0; KernelKind::ALL.len()];
    for kernel in &observation.kernels {
        let at = KernelKind::ALL.iter().position(|kind| *kind == kernel.kind);
        let ns = source.estimate(kernel).latency.ns();
        at.into_iter().for_each(|at| sums[at] += ns);
    }
    sums
}

/// [`by_kind`] of many, as the rows of a matrix.
pub fn design(source: &FittedPredictor, observations: &[Observation]) -> Array2<f64> {
    let rows: Vec<Vec<f64>> = observations.iter().map(|o| by_kind(source, o)).collect();
    Array2::from_shape_fn((rows.len(), KernelKind::ALL.len()), |(i, j)| rows[i][j])
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
    let kinds = design(source, observations);
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
    let singular = || FitError::Solver("the normal equations are singular".into());
    let Fitted { coefficients, left_out } = cautious(fits, &measured).ok_or_else(singular)?;
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
    let file = file(source.file(), &factors, scale, &logs, observations, request);
    let metrics = FitMetrics {
        folds: u32::try_from(observations.len()).unwrap_or(u32::MAX),
        networks: after.filter(|_| observations.iter().all(|o| o.level == Level::Network)),
        kernels: after.filter(|_| observations.iter().all(|o| o.level == Level::Kernel)),
        blocks: after.filter(|_| observations.iter().all(|o| o.level != Level::Network)),
        ..FitMetrics::default()
    };
    let predictor = FittedPredictor::new(PredictorFile { metrics, ..file });
    Ok(Adapted { predictor, before, scaled, after })
}

fn file(
    source: &PredictorFile,
    factors: &BTreeMap<KernelKind, f64>,
    scale: f64,
    logs: &[f64],
    observations: &[Observation],
    mut request: Request,
) -> PredictorFile {
    let of = |kind: &KernelKind| factors.get(kind).copied().unwrap_or(scale);
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
    let provenance = request.provenance(observations);
    let file = PredictorFile {
        schema_version: SCHEMA,
        id: request.identity.to_string(),
        created: request.created,
        tool_version: env!("CARGO_PKG_VERSION").into(),
        licence: if request.licence == source.licence {
            request.licence
        } else {
            format!("{} AND {}", request.licence, source.licence)
        },
        provenance,
        device: request.identity.device.clone(),
        identity: request.identity,
        dataset_sha256: request.dataset_sha256,
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
        metrics: FitMetrics::default(),
    };
    file.in_its_schema()
}
