//! Least squares with a price on each coefficient's distance from a prior, and its exact leave-one-out
//! residuals; and the same for latencies, where errors are relative and some rows are odd.

use crate::fit::solvers::cholesky;
use edgezen_core::stats;
use ndarray::{Array1, Array2};

/// Coefficients of a model of latencies.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    pub coefficients: Vec<f64>,
    /// Prediction of each row by a fit to all others, in the unit of the latencies.
    pub left_out: Vec<f64>,
}

/// No single row counts for more than this error when fits are compared.
const WORST: f64 = 0.5;
/// Rounds of reweighting.
const ROUNDS: usize = 3;

impl Fitted {
    /// Mean relative error of rows that are left out, in which no single row counts for more than a half.
    pub fn error(&self, measured: &[f64]) -> f64 {
        self.errors(measured).sum::<f64>() / measured.len().max(1) as f64
    }

    fn errors<'a>(&'a self, measured: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        self.left_out.iter().zip(measured).map(|(p, m)| (p / m - 1.0).abs().min(WORST))
    }

    /// By how many of its standard errors rows that are left out are predicted better than by `other`, on
    /// average. `None` where all rows gain alike.
    pub fn advantage(&self, other: &Fitted, measured: &[f64]) -> Option<f64> {
        let gains = other.errors(measured).zip(self.errors(measured)).map(|(theirs, ours)| theirs - ours);
        stats::mean_in_standard_errors(&gains.collect::<Vec<_>>())
    }
}

/// The best of `choices` by leaving each row out.
pub fn best(choices: impl Iterator<Item = Fitted>, measured: &[f64]) -> Option<Fitted> {
    choices.min_by(|a, b| a.error(measured).total_cmp(&b.error(measured)))
}

/// Least squares of relative errors, in which rows that stay far off count less and less (Huber's weights).
/// `belief` is what each column's `prior` is worth, in rows. `None` where that is not solvable.
pub fn relative(values: &Array2<f64>, measured: &[f64], belief: &[f64], prior: &[f64]) -> Option<Fitted> {
    let mut a = values.clone();
    a.rows_mut().into_iter().zip(measured).for_each(|(mut row, y)| row /= *y);
    let n = measured.len() as f64;
    let square = |column: ndarray::ArrayView1<f64>| column.dot(&column) / n;
    let penalties: Vec<f64> =
        a.columns().into_iter().map(square).zip(belief).map(|(s, b)| (s * b).max(1e-30)).collect();
    let mut weights = vec![1.0_f64; measured.len()];
    let mut fitted = None;
    for _ in 0..ROUNDS {
        let roots = Array1::from_iter(weights.iter().map(|weight| weight.sqrt()));
        let mut scaled = a.clone();
        scaled.rows_mut().into_iter().zip(&roots).for_each(|(mut row, root)| row *= *root);
        let Solution { coefficients, left_out } = solve(&scaled, &roots, &penalties, prior)?;
        let rest: Vec<f64> = left_out.iter().zip(&roots).map(|(rest, root)| rest / root).collect();
        let sizes: Vec<f64> = rest.iter().map(|rest| rest.abs()).collect();
        let limit = 2.0 * stats::median(&sizes)? + 1e-4;
        weights = sizes.iter().map(|size| (limit / size.max(limit)).min(1.0)).collect();
        let left_out = rest.iter().zip(measured).map(|(rest, y)| y * (1.0 - rest)).collect();
        fitted = Some(Fitted { coefficients, left_out });
    }
    fitted
}

/// A solved problem.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    pub coefficients: Vec<f64>,
    /// Target minus prediction of each row by a fit to all other rows.
    pub left_out: Vec<f64>,
}

/// min ‖A·x − b‖² + Σ penaltyⱼ·(xⱼ − priorⱼ)². `None` where the penalties do not make it solvable.
pub fn solve(a: &Array2<f64>, b: &Array1<f64>, penalty: &[f64], prior: &[f64]) -> Option<Solution> {
    let (n, width) = a.dim();
    let prior = Array1::from(prior.to_vec());
    let rest = b - &a.dot(&prior);
    let mut gram = a.t().dot(a);
    for j in 0..width {
        gram[(j, j)] += penalty[j];
    }
    // Unit diagonal, so that columns of any unit are alike.
    let units: Array1<f64> = gram.diag().mapv(|d| if d > 0.0 { d.sqrt() } else { 1.0 });
    for i in 0..width {
        for j in 0..width {
            gram[(i, j)] /= units[i] * units[j];
        }
    }
    let factor = cholesky::factor(gram)?;
    let shift = cholesky::back(&factor, cholesky::forward(&factor, a.t().dot(&rest) / &units)) / &units;
    let fitted = a.dot(&shift);
    let left_out = (0..n)
        .map(|i| {
            let half = cholesky::forward(&factor, &a.row(i) / &units);
            let leverage = half.dot(&half).min(1.0 - 1e-9);
            (rest[i] - fitted[i]) / (1.0 - leverage)
        })
        .collect();
    Some(Solution { coefficients: (prior + shift).to_vec(), left_out })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn strong_penalties_keep_the_prior_and_weak_ones_leave_it() {
        let a = array![[1.0, 2.0], [0.0, 1.0], [2.0, 0.5], [1.0, 1.0]];
        let b = a.dot(&array![3.0, -1.0]);
        let free = solve(&a, &b, &[1e-9, 1e-9], &[0.0, 0.0]).unwrap();
        assert!((free.coefficients[0] - 3.0).abs() < 1e-6 && (free.coefficients[1] + 1.0).abs() < 1e-6);
        let held = solve(&a, &b, &[1e9, 1e9], &[0.5, 0.25]).unwrap();
        assert!((held.coefficients[0] - 0.5).abs() < 1e-6 && (held.coefficients[1] - 0.25).abs() < 1e-6);
        assert!(solve(&array![[0.0]], &array![1.0], &[0.0], &[0.0]).is_none());
    }

    #[test]
    fn a_gain_counts_by_its_own_noise() {
        let measured = vec![1.0; 100];
        let off_by = |error: fn(usize) -> f64| Fitted {
            coefficients: Vec::new(),
            left_out: (0..100).map(|i| 1.0 + error(i)).collect(),
        };
        let plain = off_by(|_| 0.1);
        // Better by a hundredth on average: every time, or now and then by much.
        let steady = off_by(|i| if i % 2 == 0 { 0.08 } else { 0.1 });
        let noisy = off_by(|i| if i % 2 == 0 { 0.0 } else { 0.18 });
        let sigmas = |fit: &Fitted| fit.advantage(&plain, &measured).unwrap();
        assert!(sigmas(&steady) > 9.0 && (1.0..1.3).contains(&sigmas(&noisy)));
        assert!((plain.advantage(&steady, &measured).unwrap() + sigmas(&steady)).abs() < 1e-9);
        assert_eq!(plain.advantage(&plain, &measured), None);
    }

    #[test]
    fn left_out_residuals_are_those_of_fits_without_the_row() {
        let a = array![[1.0, 2.0], [0.0, 1.0], [2.0, 0.5], [1.0, 1.0], [3.0, 1.0]];
        let b = array![1.0, 2.0, 0.5, 3.0, 1.0];
        let (penalty, prior) = ([0.3, 0.7], [0.2, 0.1]);
        let all = solve(&a, &b, &penalty, &prior).unwrap();
        for i in 0..5 {
            let rows: Vec<usize> = (0..5).filter(|&row| row != i).collect();
            let (others, target) = (a.select(ndarray::Axis(0), &rows), b.select(ndarray::Axis(0), &rows));
            let without = solve(&others, &target, &penalty, &prior).unwrap();
            let predicted = a.row(i).dot(&Array1::from(without.coefficients));
            assert!((all.left_out[i] - (b[i] - predicted)).abs() < 1e-9);
        }
    }
}
