//! Least squares with a price on each coefficient's distance from a prior, and its exact leave-one-out
//! residuals.

use ndarray::{Array1, Array2};

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
    let factor = cholesky(gram)?;
    let shift = back(&factor, forward(&factor, a.t().dot(&rest)));
    let fitted = a.dot(&shift);
    let left_out = (0..n)
        .map(|i| {
            let half = forward(&factor, a.row(i).to_owned());
            let leverage = half.dot(&half).min(1.0 - 1e-9);
            (rest[i] - fitted[i]) / (1.0 - leverage)
        })
        .collect();
    Some(Solution { coefficients: (prior + shift).to_vec(), left_out })
}

/// Lower triangle L with L·Lᵀ = `m`; `None` unless `m` is positive definite.
fn cholesky(mut m: Array2<f64>) -> Option<Array2<f64>> {
    let n = m.nrows();
    for j in 0..n {
        let mut pivot = m[(j, j)];
        for k in 0..j {
            pivot -= m[(j, k)] * m[(j, k)];
        }
        if !(pivot.is_finite() && pivot > 1e-14) {
            return None;
        }
        let root = pivot.sqrt();
        m[(j, j)] = root;
        for i in j + 1..n {
            let mut value = m[(i, j)];
            for k in 0..j {
                value -= m[(i, k)] * m[(j, k)];
            }
            m[(i, j)] = value / root;
        }
    }
    Some(m)
}

/// L⁻¹·v.
fn forward(l: &Array2<f64>, mut v: Array1<f64>) -> Array1<f64> {
    for i in 0..v.len() {
        for k in 0..i {
            v[i] -= l[(i, k)] * v[k];
        }
        v[i] /= l[(i, i)];
    }
    v
}

/// L⁻ᵀ·v.
fn back(l: &Array2<f64>, mut v: Array1<f64>) -> Array1<f64> {
    for i in (0..v.len()).rev() {
        for k in i + 1..v.len() {
            v[i] -= l[(k, i)] * v[k];
        }
        v[i] /= l[(i, i)];
    }
    v
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
