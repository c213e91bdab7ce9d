//! The points of a tile, and the ways to them and back.

use crate::proxy::exact::real::Real;
use pulp::Simd;

/// Points beside 0 and ∞: each of these and its negative.
const PAIRS: [f64; 3] = [1.0, 2.0, 0.5];
/// Largest side of a tile.
pub const LARGEST: usize = 8;

/// Coefficients of Π (x² − a²), of x⁰, x², x⁴, x⁶.
fn squares_product(pairs: &[f64]) -> [f64; 4] {
    let mut product = [1.0, 0.0, 0.0, 0.0];
    for a in pairs {
        for i in (0..4).rev() {
            let below = if i > 0 { product[i - 1] } else { 0.0 };
            product[i] = below - a * a * product[i];
        }
    }
    product
}

/// The values of a window at the points, divided by what the interpolation divides by: `matrix[point][tap]`. The points are 0,
/// then each pair's a and −a, then ∞.
pub fn window_matrix(points: usize, taps: usize) -> Vec<Vec<f64>> {
    let pairs = points / 2 - 1;
    let at = |a: f64, by: f64| (0..taps).map(|tap| a.powi(tap as i32) / by).collect::<Vec<f64>>();
    let mut matrix = vec![at(0.0, squares_product(&PAIRS[..pairs])[0])];
    for (pair, &a) in PAIRS[..pairs].iter().enumerate() {
        let others =
            (0..pairs).filter(|&other| other != pair).map(|other| a * a - PAIRS[other] * PAIRS[other]);
        let by = 2.0 * a * a * others.product::<f64>();
        matrix.push(at(a, by));
        matrix.push(at(-a, by));
    }
    matrix.push((0..taps).map(|tap| if tap + 1 == taps { 1.0 } else { 0.0 }).collect());
    matrix
}

/// A row of a tile's inputs taken to six or eight points: the coefficients of Π (x² − a²) without the factor of each point.
#[inline(always)]
pub fn to_points<S: Simd, T: Real, const N: usize>(simd: S, tile: [T::Vector<S>; N]) -> [T::Vector<S>; N] {
    let mut out = tile;
    if N == 6 {
        // (x² − 1)(x² − 4) = x⁴ − 5x² + 4
        out[0] = add::<S, T>(simd, 4.0, tile[0], add::<S, T>(simd, -5.0, tile[2], tile[4]));
        out[5] = add::<S, T>(simd, 4.0, tile[1], add::<S, T>(simd, -5.0, tile[3], tile[5]));
        let (even, odd) =
            (add::<S, T>(simd, -4.0, tile[2], tile[4]), add::<S, T>(simd, -4.0, tile[1], tile[3]));
        (out[1], out[2]) = (T::plus(simd, even, odd), T::minus(simd, even, odd));
        let (even, odd) = (T::minus(simd, tile[4], tile[2]), T::minus(simd, tile[3], tile[1]));
        (out[3], out[4]) = (add::<S, T>(simd, 2.0, odd, even), add::<S, T>(simd, -2.0, odd, even));
    } else {
        // (x² − 1)(x² − 4)(x² − ¼) = x⁶ − 5¼x⁴ + 5¼x² − 1
        out[0] = add::<S, T>(simd, 5.25, T::minus(simd, tile[2], tile[4]), T::minus(simd, tile[6], tile[0]));
        out[7] = add::<S, T>(simd, 5.25, T::minus(simd, tile[3], tile[5]), T::minus(simd, tile[7], tile[1]));
        let even = add::<S, T>(simd, -4.25, tile[4], T::plus(simd, tile[2], tile[6]));
        let odd = add::<S, T>(simd, -4.25, tile[3], T::plus(simd, tile[1], tile[5]));
        (out[1], out[2]) = (T::plus(simd, even, odd), T::minus(simd, even, odd));
        let even = add::<S, T>(simd, 0.25, tile[2], add::<S, T>(simd, -1.25, tile[4], tile[6]));
        let odd = add::<S, T>(simd, 0.25, tile[1], add::<S, T>(simd, -1.25, tile[3], tile[5]));
        (out[3], out[4]) = (add::<S, T>(simd, 2.0, odd, even), add::<S, T>(simd, -2.0, odd, even));
        let even = add::<S, T>(simd, 4.0, tile[2], add::<S, T>(simd, -5.0, tile[4], tile[6]));
        let odd = add::<S, T>(simd, 4.0, tile[1], add::<S, T>(simd, -5.0, tile[3], tile[5]));
        (out[5], out[6]) = (add::<S, T>(simd, 0.5, odd, even), add::<S, T>(simd, -0.5, odd, even));
    }
    out
}

/// Products at the points taken back: `outputs` values of a tile, to `out`, `step` apart.
#[inline(always)]
pub fn from_points<S: Simd, T: Real, const N: usize>(
    simd: S,
    outputs: usize,
    products: [T::Vector<S>; N],
    out: &mut [T::Vector<S>],
    step: usize,
) {
    let zero = T::splat(simd, T::default());
    // The sum and the difference of each pair, for even and odd powers.
    let mut sums = [[zero; 2]; 3];
    for pair in 0..N / 2 - 1 {
        let (plus, negative) = (products[1 + 2 * pair], products[2 + 2 * pair]);
        sums[pair] = [T::plus(simd, plus, negative), T::minus(simd, plus, negative)];
    }
    let mut powers = [1.0; 3];
    for i in 0..N - 1 {
        if i < outputs {
            let mut value = sums[0][i % 2];
            for pair in 1..N / 2 - 1 {
                value = add::<S, T>(simd, powers[pair], sums[pair][i % 2], value);
            }
            if i == 0 {
                value = T::plus(simd, value, products[0]);
            }
            if i + 1 == outputs {
                value = T::plus(simd, value, products[N - 1]);
            }
            out[i * step] = value;
        }
        for pair in 0..3 {
            powers[pair] *= PAIRS[pair];
        }
    }
}

/// `by · value + rest`
#[inline(always)]
fn add<S: Simd, T: Real>(simd: S, by: f64, value: T::Vector<S>, rest: T::Vector<S>) -> T::Vector<S> {
    T::mul_add(simd, T::splat(simd, T::of(by)), value, rest)
}
