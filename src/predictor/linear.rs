//! Non-negative linear models: a time is a sum of non-negative costs.
//!
//! Prices are found for kernels, blocks and networks *together*, for all kinds at once: a block's
//! latency is the sum of its kernels', so it is one more linear equation in the same prices. Each row
//! is divided by its latency, so that relative errors are minimised; non-negativity keeps predictions
//! positive and growing with the work, inside the training data and beyond.

use super::families::{Family, Fit, FitError, Model};
use super::features::{self, Named, Quantities};
use super::training::{Level, Observation, Training};
use crate::plainnet::{Kernel, KernelKind};
use crate::stats;
use linfa::traits::Fit as _;
use linfa_linear::LinearRegression;
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Sum of features times prices.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    pub terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    pub feature: Named,
    /// Nanoseconds for one unit of the feature; not negative.
    pub ns: f64,
}

impl Linear {
    pub fn scale(&mut self, factor: f64) {
        self.terms.iter_mut().for_each(|term| term.ns *= factor);
    }

    pub fn predict_ns(&self, quantities: &Quantities) -> f64 {
        self.terms.iter().map(|term| term.ns * term.feature.0.of(quantities)).sum()
    }

    /// What is wrong with a model that was read from a file.
    pub fn check(&self) -> Result<(), String> {
        if self.terms.is_empty() {
            return Err("a linear model without terms".into());
        }
        match self.terms.iter().find(|term| !(term.ns.is_finite() && term.ns >= 0.0)) {
            Some(term) => Err(format!("the price of {} is {}", term.feature.0.name, term.ns)),
            None => Ok(()),
        }
    }
}

/// Few prices, for few data.
pub struct Coarse;
/// More prices than few data can tell apart, each pulled towards nothing.
pub struct Shrunken;
/// A price for every known cost.
pub struct Physical;

/// How strongly: rows' worth of belief that a cost is free. A trace of it only keeps collinear costs
/// from cancelling.
pub(super) const TRACE: f64 = 0.0;
const SHRUNKEN: f64 = 0.05;

impl Family for Coarse {
    fn name(&self) -> &'static str {
        "coarse"
    }
    fn fit(&self, training: &Training) -> Result<Fit, FitError> {
        fit(training, features::coarse_costs, TRACE)
    }
}

impl Family for Shrunken {
    fn name(&self) -> &'static str {
        "shrunken"
    }
    fn fit(&self, training: &Training) -> Result<Fit, FitError> {
        fit(training, features::mobile_costs, SHRUNKEN)
    }
}

impl Family for Physical {
    fn name(&self) -> &'static str {
        "physical"
    }
    fn fit(&self, training: &Training) -> Result<Fit, FitError> {
        fit(training, features::costs, TRACE)
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
    let models = models.into_iter().map(|(kind, model)| (kind, Model::Linear(model))).collect();
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

/// min ‖A·x − b‖ with x ≥ 0: the active-set method of Lawson & Hanson (Solving Least Squares Problems,
/// 1974, chapter 23); linfa solves the unconstrained problems inside.
pub(super) fn non_negative(matrix: &Array2<f64>, target: &Array1<f64>) -> Result<Vec<f64>, FitError> {
    shrunken(matrix, target, &vec![TRACE; matrix.ncols()])
}

/// [`non_negative`] with each coefficient pulled towards nothing, by so many rows' worth.
fn shrunken(matrix: &Array2<f64>, target: &Array1<f64>, beliefs: &[f64]) -> Result<Vec<f64>, FitError> {
    let (n, width) = matrix.dim();
    let norms: Vec<f64> = matrix.columns().into_iter().map(|column| column.dot(&column).sqrt()).collect();
    // Unit columns, and a trace of ridge, so that collinear costs share instead of cancelling.
    let mut a = Array2::zeros((n + width, width));
    for j in (0..width).filter(|&j| norms[j] > 0.0) {
        for i in 0..n {
            a[(i, j)] = matrix[(i, j)] / norms[j];
        }
        a[(n + j, j)] = (beliefs[j] / n.max(1) as f64).sqrt().max(1e-4);
    }
    let mut b = Array1::zeros(n + width);
    b.slice_mut(ndarray::s![..n]).assign(target);

    let mut x = Array1::<f64>::zeros(width);
    let mut passive: Vec<usize> = Vec::new();
    let tolerance = 1e-9 * b.dot(&b).sqrt().max(1.0);
    for _ in 0..4 * width {
        let gradient = a.t().dot(&(&b - &a.dot(&x)));
        let candidate = (0..width)
            .filter(|j| norms[*j] > 0.0 && !passive.contains(j) && gradient[*j] > tolerance)
            .max_by(|&i, &j| gradient[i].total_cmp(&gradient[j]));
        let Some(entering) = candidate else { break };
        passive.push(entering);
        while !passive.is_empty() {
            let solved = least_squares(&a, &b, &passive)?;
            if solved.iter().all(|&value| value > 0.0) {
                x.fill(0.0);
                passive.iter().zip(&solved).for_each(|(&j, &value)| x[j] = value);
                break;
            }
            // Go as far towards the solution as the signs allow, and drop what reaches zero.
            let step = passive
                .iter()
                .zip(&solved)
                .filter(|&(_, &value)| value <= 0.0)
                .map(|(&j, &value)| x[j] / (x[j] - value).max(f64::MIN_POSITIVE))
                .fold(1.0, f64::min);
            for (&j, &value) in passive.iter().zip(&solved) {
                x[j] += step * (value - x[j]);
            }
            let blocked = |j: usize, value: f64| value <= 0.0 && x[j] <= 1e-12;
            let keep: Vec<usize> = passive
                .iter()
                .zip(&solved)
                .filter(|&(&j, &value)| !blocked(j, value))
                .map(|(&j, _)| j)
                .collect();
            (0..width).filter(|j| !keep.contains(j)).for_each(|j| x[j] = 0.0);
            passive = keep;
        }
        if !passive.contains(&entering) && gradient[entering] < 1e-6 {
            break;
        }
    }
    Ok((0..width).map(|j| if norms[j] > 0.0 { x[j] / norms[j] } else { 0.0 }).collect())
}

fn least_squares(a: &Array2<f64>, b: &Array1<f64>, columns: &[usize]) -> Result<Vec<f64>, FitError> {
    let records = a.select(ndarray::Axis(1), columns);
    let model = LinearRegression::new()
        .with_intercept(false)
        .fit(&linfa::Dataset::new(records, b.clone()))
        .map_err(|e| FitError::Solver(e.to_string()))?;
    Ok(model.params().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn known_coefficients_are_recovered() {
        let a = array![[1.0, 2.0, 0.0], [0.0, 1.0, 3.0], [2.0, 0.0, 1.0], [1.0, 1.0, 1.0]];
        let b = a.dot(&array![0.5, 0.0, 4.0]);
        let x = non_negative(&a, &b).unwrap();
        for (found, expected) in x.iter().zip([0.5, 0.0, 4.0]) {
            assert!((found - expected).abs() < 1e-5, "{x:?}");
        }
    }

    #[test]
    fn negative_solutions_are_cut_off() {
        // Unconstrained: (2, −1); with x₁ ≥ 0 the best is x₀ = 1.5.
        let a = array![[1.0, 0.0], [1.0, 1.0]];
        let x = non_negative(&a, &array![2.0, 1.0]).unwrap();
        assert!((x[0] - 1.5).abs() < 1e-6 && x[1] == 0.0, "{x:?}");
    }
}
