//! Non-negative least squares.

use crate::fit::error::FitError;
use linfa::traits::Fit as _;
use linfa_linear::LinearRegression;
use ndarray::{Array1, Array2};

/// Rows' worth of pull towards zero; none leaves only the numerical ridge [`MIN_RIDGE`].
pub const NONE: f64 = 0.0;
/// The least weight of the ridge, beside columns of length 1: collinear columns share instead of cancelling.
const MIN_RIDGE: f64 = 1e-4;

/// min ‖A·x − b‖ with x ≥ 0: the active-set method of Lawson & Hanson (Solving Least Squares Problems,
/// 1974, chapter 23); linfa solves the unconstrained problems inside.
///
/// # Errors
/// A failure of the solver inside.
pub fn non_negative(matrix: &Array2<f64>, target: &Array1<f64>) -> Result<Vec<f64>, FitError> {
    shrunken(matrix, target, &vec![NONE; matrix.ncols()])
}

/// [`non_negative`] with each coefficient pulled towards zero by so many rows' worth.
///
/// # Errors
/// A failure of the solver inside.
pub fn shrunken(matrix: &Array2<f64>, target: &Array1<f64>, beliefs: &[f64]) -> Result<Vec<f64>, FitError> {
    let (n, width) = matrix.dim();
    let norms: Vec<f64> = matrix.columns().into_iter().map(|column| column.dot(&column).sqrt()).collect();
    // Columns of length 1, and below them a diagonal: the ridge.
    let mut a = Array2::zeros((n + width, width));
    for j in (0..width).filter(|&j| norms[j] > 0.0) {
        for i in 0..n {
            a[(i, j)] = matrix[(i, j)] / norms[j];
        }
        a[(n + j, j)] = (beliefs[j] / n.max(1) as f64).sqrt().max(MIN_RIDGE);
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
