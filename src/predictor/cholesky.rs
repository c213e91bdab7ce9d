//! Cholesky's factor L of a positive definite matrix L·Lᵀ, and what is solved with it. Sums run along rows, which lie
//! in one piece.

use ndarray::{Array1, Array2, s};

/// Lower triangle L with L·Lᵀ = `m`, of which only the lower triangle is read; `None` unless `m` is positive definite.
pub fn factor(mut m: Array2<f64>) -> Option<Array2<f64>> {
    for i in 0..m.nrows() {
        for j in 0..=i {
            let known = m.slice(s![i, ..j]).dot(&m.slice(s![j, ..j]));
            let rest = m[(i, j)] - known;
            if j < i {
                m[(i, j)] = rest / m[(j, j)];
            } else if rest.is_finite() && rest > 1e-14 {
                m[(i, i)] = rest.sqrt();
            } else {
                return None;
            }
        }
    }
    Some(m)
}

/// L⁻¹·v.
pub fn forward(l: &Array2<f64>, mut v: Array1<f64>) -> Array1<f64> {
    forward_from(l, 0, &mut v);
    v
}

/// The same for a vector without anything before `first`.
fn forward_from(l: &Array2<f64>, first: usize, v: &mut Array1<f64>) {
    for i in first..v.len() {
        let known = l.slice(s![i, first..i]).dot(&v.slice(s![first..i]));
        v[i] = (v[i] - known) / l[(i, i)];
    }
}

/// L⁻ᵀ·v.
pub fn back(l: &Array2<f64>, mut v: Array1<f64>) -> Array1<f64> {
    for i in (0..v.len()).rev() {
        v[i] /= l[(i, i)];
        let found = v[i];
        v.slice_mut(s![..i]).scaled_add(-found, &l.slice(s![i, ..i]));
    }
    v
}

/// Lower triangle of (L·Lᵀ)⁻¹.
pub fn inverse(l: &Array2<f64>) -> Array2<f64> {
    let n = l.nrows();
    // Row j: column j of L⁻¹.
    let mut columns = Array2::zeros((n, n));
    for (j, mut column) in columns.rows_mut().into_iter().enumerate() {
        let mut unit = Array1::zeros(n);
        unit[j] = 1.0;
        forward_from(l, j, &mut unit);
        column.assign(&unit);
    }
    Array2::from_shape_fn((n, n), |(i, j)| {
        if j > i { 0.0 } else { columns.slice(s![i, i..]).dot(&columns.slice(s![j, i..])) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn factors_solve_and_invert() {
        let m = array![[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]];
        let l = factor(m.clone()).unwrap();
        let x = array![0.3, -1.0, 2.0];
        let solved = back(&l, forward(&l, m.dot(&x)));
        assert!(solved.iter().zip(&x).all(|(a, b)| (a - b).abs() < 1e-12), "{solved}");
        let lower = inverse(&l);
        let whole = Array2::from_shape_fn((3, 3), |(i, j)| lower[(i.max(j), i.min(j))]);
        for ((i, j), value) in whole.dot(&m).indexed_iter() {
            assert!((value - f64::from(u8::from(i == j))).abs() < 1e-12, "{whole}");
        }
        assert!(factor(array![[1.0, 2.0], [2.0, 1.0]]).is_none());
        assert!(factor(array![[f64::NAN]]).is_none());
    }
}
