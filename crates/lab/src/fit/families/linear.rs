//! Non-negative linear models: a time is a sum of non-negative costs.
//!
//! Prices are found for kernels, blocks and networks *together*, for all kinds at once: a block's
//! latency is the sum of its kernels', so it is one more linear equation in the same prices. Each row
//! is divided by its latency, so that relative errors are minimised; non-negativity keeps predictions
//! positive and growing with the work, inside the training data and beyond.

use super::family::{Family, Fit, Scope};
use crate::fit::error::FitError;
use crate::fit::observation::{Level, Observation, Training};
use crate::fit::solvers::nnls::{NONE, shrunken};
use edgezen_core::plainnet::{Kernel, KernelKind};
use edgezen_core::predictor::features::{self, Named, Quantities};
use edgezen_core::predictor::model::linear::{Linear, Term};
use edgezen_core::predictor::model::{AnyModel, KernelModel};
use edgezen_core::stats;
use ndarray::{Array1, Array2};
use std::collections::BTreeMap;

/// Few prices, for few data.
pub struct Coarse;
/// More prices than few data can tell apart, each pulled towards nothing.
pub struct Shrunken;
/// A price for every known cost.
pub struct Physical;

/// Rows' worth of pull towards zero that [`Shrunken`] puts on each price.
const SHRUNKEN: f64 = 0.05;

impl Family for Coarse {
    fn name(&self) -> &'static str {
        "coarse"
    }
    fn scope(&self) -> Scope {
        Scope::AllKinds
    }
    fn fit(&self, training: &Training) -> Result<Fit, FitError> {
        fit(training, features::coarse_costs, NONE)
    }
}

impl Family for Shrunken {
    fn name(&self) -> &'static str {
        "shrunken"
    }
    fn scope(&self) -> Scope {
        Scope::AllKinds
    }
    fn fit(&self, training: &Training) -> Result<Fit, FitError> {
        fit(training, features::mobile_costs, SHRUNKEN)
    }
}

impl Family for Physical {
    fn name(&self) -> &'static str {
        "physical"
    }
    fn scope(&self) -> Scope {
        Scope::AllKinds
    }
    fn fit(&self, training: &Training) -> Result<Fit, FitError> {
        fit(training, features::costs, NONE)
    }
}

/// Rows beyond this many are thinned out evenly: a few dozen prices need no more.
const MAX_ROWS: usize = 12_000;
/// Kernels of a kind on their own, or else networks with it, that it takes to price a kind.
const MIN_ROWS: usize = 4;
/// Rows from which on outliers can be told.
const ROBUST_ROWS: usize = 50;
/// How much a network counts beside a kernel: its latency is what is asked for in the end.
const LEVEL_WEIGHTS: [(Level, f64); 3] = [(Level::Kernel, 1.0), (Level::Block, 2.0), (Level::Network, 4.0)];

/// Fits prices of the costs that `costs` names for each kind, and a constant per network.
pub(super) fn fit(
    training: &Training,
    costs: fn(KernelKind) -> &'static [&'static str],
    belief: f64,
) -> Result<Fit, FitError> {
    let step = training.observations.len().div_ceil(MAX_ROWS).max(1);
    let rows: Vec<&Observation> = training.observations.iter().copied().step_by(step).collect();
    if rows.is_empty() {
        return Err(FitError::NoData);
    }
    let mut columns: Vec<(KernelKind, Named)> = Vec::new();
    let mut assumed: BTreeMap<KernelKind, Linear> = BTreeMap::new();
    for kind in KernelKind::ALL {
        let seen = rows.iter().filter(|row| row.kernels.iter().any(|k| k.kind == kind)).count();
        let heavy = matches!(kind, KernelKind::Conv | KernelKind::Dwconv);
        let alone = training.count(kind);
        if alone >= MIN_ROWS || (heavy && seen >= MIN_ROWS) {
            columns.extend(features::named(costs(kind)).into_iter().map(|feature| (kind, feature)));
        } else if alone > 0 {
            let few = features::named(features::coarse_costs(kind));
            columns.extend(few.into_iter().map(|feature| (kind, feature)));
        } else if seen > 0 {
            // Too few to price: a light kind inside networks is taken at the memory's speed.
            let feature = features::named(&["bytes_mb"])[0];
            let ns = 1e6 / training.roofline.gbytes_per_s;
            assumed.insert(kind, Linear { terms: vec![Term { feature, ns }] });
        }
    }
    let has_networks = rows.iter().any(|row| row.level == Level::Network);
    let width = columns.len() + usize::from(has_networks);
    let mut matrix = Array2::zeros((rows.len(), width));
    let mut target = Array1::zeros(rows.len());
    let mut weights = vec![1.0; rows.len()];
    let quantities = |kernel: &Kernel| Quantities::of(kernel, &training.machine);
    for (i, row) in rows.iter().enumerate() {
        let y = row.latency.ns();
        let known: f64 = row
            .kernels
            .iter()
            .filter_map(|kernel| Some(assumed.get(&kernel.kind)?.predict_ns(&quantities(kernel))))
            .sum();
        target[i] = ((y - known) / y).max(0.05);
        for kernel in &row.kernels {
            let q = quantities(kernel);
            for (j, (kind, feature)) in columns.iter().enumerate() {
                if *kind == kernel.kind {
                    matrix[(i, j)] += feature.0.of(&q) / y;
                }
            }
        }
        if row.level == Level::Network {
            matrix[(i, width - 1)] = 1.0 / y;
        }
        let weight = LEVEL_WEIGHTS.iter().find(|(level, _)| *level == row.level).map_or(1.0, |(_, w)| *w);
        // One network at several resolutions counts once.
        let alike = match row.level {
            Level::Network => rows.iter().filter(|other| other.group == row.group).count(),
            _ => 1,
        };
        weights[i] = weight * row.weight / alike as f64;
    }
    let mut beliefs = vec![belief; width];
    if has_networks {
        // The constant is next to free.
        beliefs[width - 1] = 0.01 * belief;
    }
    let prices = robust_non_negative(&matrix, &target, &weights, &beliefs)?;
    let mut models = assumed;
    for ((kind, feature), &ns) in columns.iter().zip(&prices) {
        if ns > 0.0 {
            models.entry(*kind).or_default().terms.push(Term { feature: *feature, ns });
        }
    }
    let models = models.into_iter().map(|(kind, model)| (kind, AnyModel::Linear(model))).collect();
    let network_ns = if has_networks { prices[width - 1] } else { 0.0 };
    Ok(Fit { models, network_ns })
}

/// Least squares with non-negative coefficients, where rows that stay far off count less and less
/// (Huber's weights): one disturbed measurement must not bend the prices of all.
fn robust_non_negative(
    matrix: &Array2<f64>,
    target: &Array1<f64>,
    weights: &[f64],
    beliefs: &[f64],
) -> Result<Vec<f64>, FitError> {
    let mut factors = vec![1.0; weights.len()];
    let mut solution = Vec::new();
    // With few rows, the odd one out may be the one that matters.
    let rounds = if weights.len() < ROBUST_ROWS { 1 } else { 3 };
    for _ in 0..rounds {
        let mut scaled = matrix.clone();
        let mut scaled_target = target.clone();
        for (i, mut row) in scaled.rows_mut().into_iter().enumerate() {
            let w = (weights[i] * factors[i]).sqrt();
            row *= w;
            scaled_target[i] *= w;
        }
        solution = shrunken(&scaled, &scaled_target, beliefs)?;
        let fitted = matrix.dot(&Array1::from(solution.clone()));
        let residuals: Vec<f64> = fitted.iter().zip(target).map(|(f, t)| (f - t).abs()).collect();
        let limit = 2.0 * stats::median(&residuals).unwrap_or(0.0) + 0.01;
        for (factor, residual) in factors.iter_mut().zip(&residuals) {
            *factor = (limit / residual.max(limit)).min(1.0);
        }
    }
    Ok(solution)
}
