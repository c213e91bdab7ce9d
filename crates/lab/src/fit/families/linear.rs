//! Non-negative linear models: a time is a sum of non-negative costs.
//!
//! Prices are found for kernels, blocks and networks *together*, for all kinds at once: a block's
//! latency is the sum of its kernels', so it is one more linear equation in the same prices. Each row
//! is divided by its latency, so that relative errors are minimised; non-negativity keeps predictions
//! positive and growing with the work, inside the training data and beyond.
//!
//! With lenders, networks elsewhere, their rows are further equations of little weight, each lender's at the scale that its
//! networks have by the prices found so far.

use super::columns::Columns;
use super::family::{Family, Fit, Scope};
use crate::fit::error::FitError;
use crate::fit::lender::WEIGHT;
use crate::fit::observation::{Level, Observation};
use crate::fit::solvers::nnls::{NONE, shrunken};
use crate::fit::training::Training;
use edgezen_core::plainnet::KernelKind;
use edgezen_core::predictor::features;
use edgezen_core::stats;
use ndarray::{Array1, Array2};

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
        // Families for single kinds begin with these prices.
        let known = training.shared.and_then(|shared| shared.prices.get());
        if let Some((models, network_ns)) = known {
            return Ok(Fit { models: models.clone(), network_ns: *network_ns });
        }
        let found = fit(training, features::costs, NONE)?;
        if let Some(shared) = training.shared {
            shared.prices.get_or_init(|| (found.models.clone(), found.network_ns));
        }
        Ok(found)
    }
}

/// Rows beyond this many are thinned out evenly: a few dozen prices need no more.
const MAX_ROWS: usize = 12_000;
/// Rows from which on outliers can be told.
const ROBUST_ROWS: usize = 50;
/// How much a network counts beside a kernel: its latency is what is asked for in the end.
const LEVEL_WEIGHTS: [(Level, f64); 3] = [(Level::Kernel, 1.0), (Level::Block, 2.0), (Level::Network, 4.0)];
/// Rounds in which prices and the scales of lenders are found one after another.
const ROUNDS: usize = 12;

/// A latency as the sum of what its kernels take.
#[derive(Clone)]
struct Equation<'a> {
    row: &'a Observation,
    ns: f64,
    weight: f64,
}

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
    let columns = Columns::of(training, &rows, costs);
    let own: Vec<Equation> = rows.iter().map(|row| own(row, &rows)).collect();
    let mut prices = prices(&columns, &own, belief)?;
    if !training.lenders.is_empty() {
        let weight = WEIGHT * own.iter().map(|equation| equation.weight).sum::<f64>();
        let lent = training.lenders.iter().map(|lender| lender.rows.len()).sum::<usize>();
        for _ in 0..ROUNDS {
            let mut all = own.clone();
            for lender in training.lenders {
                let Some(scale) = lender.scale(|row| columns.predicted_ns(row, &prices)) else { continue };
                all.extend(lender.rows.iter().map(|row| Equation {
                    row,
                    ns: scale * row.latency.ns(),
                    weight: weight / lent as f64,
                }));
            }
            prices = self::prices(&columns, &all, belief)?;
        }
    }
    Ok(columns.fit(&prices))
}

/// A row of the device's own data.
fn own<'a>(row: &'a Observation, rows: &[&Observation]) -> Equation<'a> {
    let weight = LEVEL_WEIGHTS.iter().find(|(level, _)| *level == row.level).map_or(1.0, |(_, w)| *w);
    // One network at several resolutions counts once.
    let alike = match row.level {
        Level::Network => rows.iter().filter(|other| other.group == row.group).count(),
        _ => 1,
    };
    Equation { row, ns: row.latency.ns(), weight: weight * row.weight / alike as f64 }
}

/// The prices that fit `equations` best.
fn prices(columns: &Columns, equations: &[Equation], belief: f64) -> Result<Vec<f64>, FitError> {
    let width = columns.width();
    let mut matrix = Array2::zeros((equations.len(), width));
    let mut target = Array1::zeros(equations.len());
    for (i, Equation { row, ns, .. }) in equations.iter().enumerate() {
        target[i] = ((ns - columns.assumed_ns(row)) / ns).max(0.05);
        columns.add(row, *ns, matrix.row_mut(i));
    }
    let weights: Vec<f64> = equations.iter().map(|equation| equation.weight).collect();
    let mut beliefs = vec![belief; width];
    if columns.has_networks {
        // The constant is next to free.
        beliefs[width - 1] = 0.01 * belief;
    }
    robust_non_negative(&matrix, &target, &weights, &beliefs)
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
