//! Regression kriging: a linear model with a Gaussian process on what it leaves over. Length scales and noise are found by
//! the likelihood of the residuals, then the weights follow.

use super::family::{Family, Fit, Scope};
use super::linear::Physical;
use super::refine::refined;
use crate::fit::error::FitError;
use crate::fit::observation::Observation;
use crate::fit::solvers::cholesky;
use crate::fit::training::Training;
use edgezen_core::plainnet::KernelKind;
use edgezen_core::predictor::features;
use edgezen_core::predictor::model::kriging::{Axis, Kriging, MAX_POINTS, nearness, place};
use edgezen_core::predictor::model::{AnyModel, KernelModel, Linear};
use edgezen_core::stats;
use ndarray::{Array1, Array2};

/// Linear models with a Gaussian process on top.
pub struct Krige;

/// Fewest kernels of a kind that tell how smooth an error is.
const MIN_ROWS: usize = 12;

impl Family for Krige {
    fn name(&self) -> &'static str {
        "kriging"
    }
    fn scope(&self) -> Scope {
        Scope::EachKind { rows: MIN_ROWS..=MAX_POINTS }
    }
    fn fit(&self, training: &Training) -> Result<Fit, FitError> {
        let scope = self.scope();
        if !KernelKind::ALL.into_iter().any(|kind| scope.suits(training.count(kind))) {
            return Physical.fit(training);
        }
        // The process refines prices of kernels alone: networks bend prices, and what is bent is not smooth.
        let singles: Vec<&Observation> =
            training.observations.iter().copied().filter(|o| o.single().is_some()).collect();
        let alone =
            Physical.fit(&Training { observations: &singles, lenders: &[], shared: None, ..*training })?;
        refined(training, &scope, |kind, _| {
            let Some(AnyModel::Linear(base)) = alone.models.get(&kind) else { return Ok(None) };
            Ok(krige(training, kind, base.clone()).map(AnyModel::Kriging))
        })
    }
}

/// `None` where there is nothing to tell kernels apart by.
fn krige(training: &Training, kind: KernelKind, base: Linear) -> Option<Kriging> {
    let rows = training.singles(kind);
    let rest = rows.iter().map(|(q, ns)| (ns / base.predict_ns(q).max(1e-3)).ln()).collect();
    let mut axes: Vec<Axis> = Vec::new();
    let mut columns: Vec<Vec<f64>> = Vec::new();
    for feature in features::named(features::positions(kind)) {
        let values: Vec<f64> = rows.iter().map(|(q, _)| feature.0.of(q)).collect();
        let places: Vec<f64> = values.iter().map(|&value| place(value, 1.0)).collect();
        // Neither what all have in common nor what another coordinate says already.
        let spread = stats::std_dev(&places).filter(|&spread| spread > 1e-6);
        if let Some(spread) = spread.filter(|_| axes.iter().all(|axis| axis.values != values)) {
            axes.push(Axis { feature, length: LENGTH * spread, values });
            columns.push(places);
        }
    }
    if axes.is_empty() {
        return None;
    }
    let residuals = Residuals { columns, rest };
    let usual: Vec<f64> = axes.iter().map(|axis| axis.length).collect();
    let Scales { lengths, signal, noise } = residuals.thinned().scales(&usual)?;
    let shared = residuals.shared(&lengths);
    let l = cholesky::factor(covariance(&shared, signal, noise))?;
    let weights = cholesky::back(&l, cholesky::forward(&l, Array1::from(residuals.rest)));
    axes.iter_mut().zip(lengths).for_each(|(axis, length)| axis.length = length);
    Some(Kriging::new(base, axes, (weights * signal).to_vec()))
}

/// Rows that length scales are found by.
const SCALE_ROWS: usize = 200;
/// Length scales to begin with, in standard deviations of the coordinate.
const LENGTH: f64 = 2.0;
/// Share of the variance that is taken for noise to begin with.
const NOISE: f64 = 0.1;
/// How strongly lengths are believed to be of that size: this over the square of a step in their logarithm.
const LENGTH_BELIEF: f64 = 1.0;
const NOISE_BELIEF: f64 = 0.1;
/// Variances of residuals are not taken for less or for more.
const VARIANCES: (f64, f64) = (2e-5, 50.0);
/// No length becomes so many times shorter or longer than where it begins.
const MOST: f64 = 50.0;
/// Steps of the search for scales, and the first one and the bounds of its size in the logarithm.
const ROUNDS: usize = 30;
const STEPS: (f64, f64, f64) = (0.4, 1e-3, 1.0);

/// What is to be explained, and where: coordinates in units of one.
struct Residuals {
    columns: Vec<Vec<f64>>,
    rest: Vec<f64>,
}

struct Scales {
    lengths: Vec<f64>,
    /// Variance of what is smooth, and of what is not.
    signal: f64,
    noise: f64,
}

impl Residuals {
    /// No more rows than length scales need, from all over.
    fn thinned(&self) -> Residuals {
        let n = self.rest.len();
        let kept = n.min(SCALE_ROWS);
        let thin = |values: &Vec<f64>| (0..kept).map(|i| values[i * n / kept]).collect();
        Residuals { columns: self.columns.iter().map(thin).collect(), rest: thin(&self.rest) }
    }

    /// What each pair of rows has in common; the lower triangle.
    fn shared(&self, lengths: &[f64]) -> Array2<f64> {
        let n = self.rest.len();
        let mut squared = Array2::<f64>::zeros((n, n));
        for (column, length) in self.columns.iter().zip(lengths) {
            let scaled: Vec<f64> = column.iter().map(|value| value / length).collect();
            for (i, mut row) in squared.rows_mut().into_iter().enumerate() {
                let at = scaled[i];
                row.iter_mut().zip(&scaled[..i]).for_each(|(sum, other)| *sum += (at - other) * (at - other));
            }
        }
        squared.mapv_into(nearness)
    }

    /// The scales under which the residuals are most likely, by iRprop⁻ (Igel & Hüsken, Improving the Rprop learning
    /// algorithm, 2000), which needs no more than the signs of the slopes.
    fn scales(&self, usual: &[f64]) -> Option<Scales> {
        let squares: Vec<f64> = self.rest.iter().map(|rest| rest * rest).collect();
        let variance = stats::mean(&squares)?.clamp(VARIANCES.0 / NOISE, VARIANCES.1);
        let lengths = usual.iter().map(|length| length.ln());
        let start: Vec<f64> = lengths.chain([variance.ln(), (NOISE * variance).ln()]).collect();
        let count = usual.len();
        let (signal, noise) = (count, count + 1);
        let bounds = |i: usize| {
            if i < count {
                (start[i] - MOST.ln(), start[i] + MOST.ln())
            } else {
                (VARIANCES.0.ln(), VARIANCES.1.ln())
            }
        };
        let mut at = start.clone();
        let mut step = vec![STEPS.0; at.len()];
        let mut before = vec![0.0; at.len()];
        let mut best: Option<(f64, Vec<f64>)> = None;
        for _ in 0..ROUNDS {
            let Some((mut cost, mut slope)) = self.unlikeliness(&at) else { break };
            for i in 0..at.len() {
                let belief = [LENGTH_BELIEF, 0.0, NOISE_BELIEF][i.saturating_sub(count - 1).min(2)];
                cost += 0.5 * belief * (at[i] - start[i]).powi(2);
                slope[i] += belief * (at[i] - start[i]);
            }
            if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                best = Some((cost, at.clone()));
            }
            for i in 0..at.len() {
                let turned = slope[i] * before[i];
                if turned > 0.0 {
                    step[i] = (1.3 * step[i]).min(STEPS.2);
                } else if turned < 0.0 {
                    step[i] = (0.5 * step[i]).max(STEPS.1);
                    slope[i] = 0.0;
                }
                let (low, high) = bounds(i);
                if slope[i] != 0.0 {
                    at[i] = (at[i] - slope[i].signum() * step[i]).clamp(low, high);
                }
            }
            before = slope;
        }
        let (_, best) = best?;
        let value = |i: usize| best[i].exp();
        Some(Scales { lengths: (0..count).map(value).collect(), signal: value(signal), noise: value(noise) })
    }

    /// Minus the logarithm of the likelihood, up to a constant, and its slopes, at the logarithms of lengths, signal and
    /// noise (Rasmussen & Williams, equations 5.8 and 5.9).
    fn unlikeliness(&self, at: &[f64]) -> Option<(f64, Vec<f64>)> {
        let n = self.rest.len();
        let count = self.columns.len();
        let lengths: Vec<f64> = at[..count].iter().map(|log| log.exp()).collect();
        let (signal, noise) = (at[count].exp(), at[count + 1].exp());
        let shared = self.shared(&lengths);
        let l = cholesky::factor(covariance(&shared, signal, noise))?;
        let rest = Array1::from(self.rest.clone());
        let weights = cholesky::back(&l, cholesky::forward(&l, rest.clone()));
        let cost = 0.5 * rest.dot(&weights) + l.diag().mapv(f64::ln).sum();
        let inverse = cholesky::inverse(&l);
        let mut slope = vec![0.0; at.len()];
        for i in 0..n {
            let pull = |j: usize| inverse[(i, j)] - weights[i] * weights[j];
            slope[count] += 0.5 * signal * pull(i);
            slope[count + 1] += 0.5 * noise * pull(i);
            for j in 0..i {
                let near = shared[(i, j)];
                let pull = signal * near * pull(j);
                slope[count] += pull;
                for ((slope, column), length) in slope.iter_mut().zip(&self.columns).zip(&lengths) {
                    *slope += pull * near * ((column[i] - column[j]) / length).powi(2);
                }
            }
        }
        Some((cost, slope))
    }
}

/// The lower triangle of the residuals' covariance.
fn covariance(shared: &Array2<f64>, signal: f64, noise: f64) -> Array2<f64> {
    let mut covariance = shared * signal;
    covariance.diag_mut().fill(signal + noise);
    covariance
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave() -> Residuals {
        let along: Vec<f64> = (0..40).map(|i| 0.1 * f64::from(i)).collect();
        let across: Vec<f64> = (0..40).map(|i| f64::from(i * 7 % 11)).collect();
        let rest = along.iter().map(|x| 0.3 * (2.0 * x).sin()).collect();
        Residuals { columns: vec![along, across], rest }
    }

    #[test]
    fn slopes_are_those_of_the_likelihood() {
        let residuals = wave();
        let at = [0.2, 0.7, -2.0, -4.0];
        let (_, slope) = residuals.unlikeliness(&at).unwrap();
        for i in 0..at.len() {
            let cost = |step: f64| {
                let mut moved = at;
                moved[i] += step;
                residuals.unlikeliness(&moved).unwrap().0
            };
            let expected = (cost(1e-4) - cost(-1e-4)) / 2e-4;
            assert!(
                (slope[i] - expected).abs() < 1e-4 * (1.0 + expected.abs()),
                "{i}: {} {expected}",
                slope[i]
            );
        }
    }

    #[test]
    fn a_coordinate_that_says_nothing_becomes_long() {
        let Scales { lengths, signal, noise } = wave().scales(&[2.0, 6.0]).unwrap();
        assert!(lengths[0] < 2.0 && lengths[1] > 2.0 * 6.0, "{lengths:?}");
        assert!(noise < 0.01 * signal, "{noise} {signal}");
    }
}
