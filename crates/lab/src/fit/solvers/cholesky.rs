//! Cholesky's factor L of a positive definite matrix L·Lᵀ, and what is solved with it.

use ndarray::{Array1, Array2, s};

/// Lower triangle L with L·Lᵀ = `m`, of which only the lower triangle is read; `None` unless `m` is positive definite.
///
/// Each column, once it is known, is taken off all that is right of it: rows lie in one piece.
pub fn factor(mut m: Array2<f64>) -> Option<Array2<f64>> {
    let n = m.nrows();
    for k in 0..n {
        let pivot = m[(k, k)];
        if !(pivot.is_finite() && pivot > 1e-14) {
            return None;
        }
        let root = pivot.sqrt();
        m.slice_mut(s![k.., k]).mapv_inplace(|value| value / root);
        m[(k, k)] = root;
        let column = m.slice(s![k + 1.., k]).to_owned();
        for i in k + 1..n {
            let factor = m[(i, k)];
            m.slice_mut(s![i, k + 1..=i]).scaled_add(-factor, &column.slice(s![..i - k]));
        }
    }
    Some(m)
}

/// L⁻¹·v.
pub fn forward(l: &Array2<f64>, mut v: Array1<f64>) -> Array1<f64> {
    for i in 0..v.len() {
        for k in 0..i {
            v[i] -= l[(i, k)] * v[k];
        }
        v[i] /= l[(i, i)];
    }
    v
}

/// L⁻ᵀ·v.
pub fn back(l: &Array2<f64>, mut v: Array1<f64>) -> Array1<f64> {
    for i in (0..v.len()).rev() {
        for k in i + 1..v.len() {
            v[i] -= l[(k, i)] * v[k];
        }
        v[i] /= l[(i, i)];
    }
    v
}

/// Lower triangle of (L·Lᵀ)⁻¹.
pub fn inverse(l: &Array2<f64>) -> Array2<f64> {
    let n = l.nrows();
    // Row j: column j of L⁻¹.
    let mut columns = Array2::zeros((n, n));
    for (j, mut column) in columns.rows_mut().into_iter().enumerate() {
        column[j] = 1.0 / l[(j, j)];
        for i in j + 1..n {
            column[i] = -l.slice(s![i, j..i]).dot(&column.slice(s![j..i])) / l[(i, i)];
        }
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
