//! The points of a tile, and the ways to them and back.

use crate::proxy::exact::real::Real;
use pulp::Simd;

/// Points beside 0 and ∞: each of these and its negative.
const PAIRS: [f64; 3] = [1.0, 2.0, 0.5];
/// Largest side of a tile.
pub const LARGEST: usize = 8;

/// The constants of N points.
pub struct Points<T> {
    /// Coefficients of Π (x² − a²) over all pairs, of x⁰, x², …
    all: [T; 4],
    /// The same without the pair's own factor.
    even: [[T; 3]; 3],
    /// `even` times the pair's a.
    odd: [[T; 3]; 3],
    /// Powers of the pairs' a: `powers[i][pair]` is aⁱ.
    powers: [[T; 3]; LARGEST],
}

impl<T: Real> Points<T> {
    pub fn new(points: usize) -> Points<T> {
        let pairs = points / 2 - 1;
        let of = |value: f64| T::of(value);
        let all = squares_product(&PAIRS[..pairs]);
        let (mut even, mut odd) = ([[0.0; 3]; 3], [[0.0; 3]; 3]);
        for pair in 0..pairs {
            let others: Vec<f64> =
                (0..pairs).filter(|&other| other != pair).map(|other| PAIRS[other]).collect();
            even[pair].copy_from_slice(&squares_product(&others)[..3]);
            odd[pair] = even[pair].map(|value| value * PAIRS[pair]);
        }
        let powers = std::array::from_fn(|i| PAIRS.map(|a| of(a.powi(i as i32))));
        Points {
            all: all.map(of),
            even: even.map(|row| row.map(of)),
            odd: odd.map(|row| row.map(of)),
            powers,
        }
    }
}

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

/// A tile's inputs taken to the points.
#[inline(always)]
pub fn to_points<S: Simd, T: Real, const N: usize>(
    simd: S,
    points: &Points<T>,
    tile: [T::Vector<S>; N],
) -> [T::Vector<S>; N] {
    let zero = T::splat(simd, T::default());
    let mut out = [zero; N];
    let (mut first, mut last) = (zero, zero);
    for k in 0..N / 2 {
        let by = T::splat(simd, points.all[k]);
        first = T::mul_add(simd, tile[2 * k], by, first);
        last = T::mul_add(simd, tile[2 * k + 1], by, last);
    }
    (out[0], out[N - 1]) = (first, last);
    for pair in 0..N / 2 - 1 {
        let (mut even, mut odd, mut negative) = (zero, zero, zero);
        for k in 0..N / 2 - 1 {
            even = T::mul_add(simd, tile[2 * k + 2], T::splat(simd, points.even[pair][k]), even);
            odd = T::mul_add(simd, tile[2 * k + 1], T::splat(simd, points.odd[pair][k]), odd);
            negative = T::mul_add(simd, tile[2 * k + 1], T::splat(simd, -points.odd[pair][k]), negative);
        }
        out[1 + 2 * pair] = T::plus(simd, even, odd);
        out[2 + 2 * pair] = T::plus(simd, even, negative);
    }
    out
}

/// Products at the points taken back: the first `outputs` values are the outputs of a tile.
#[inline(always)]
pub fn from_points<S: Simd, T: Real, const N: usize>(
    simd: S,
    points: &Points<T>,
    outputs: usize,
    products: [T::Vector<S>; N],
) -> [T::Vector<S>; N] {
    let zero = T::splat(simd, T::default());
    let minus = T::splat(simd, -T::ONE);
    // The sum and the difference of each pair, for even and odd powers.
    let mut sums = [[zero; 2]; 3];
    for (pair, sums) in sums.iter_mut().enumerate().take(N / 2 - 1) {
        let (plus, negative) = (products[1 + 2 * pair], products[2 + 2 * pair]);
        *sums = [T::plus(simd, plus, negative), T::mul_add(simd, negative, minus, plus)];
    }
    let mut out = [zero; N];
    for i in 0..outputs {
        let mut value = if i == 0 { products[0] } else { zero };
        if i + 1 == outputs {
            value = T::plus(simd, value, products[N - 1]);
        }
        for (sums, &power) in sums.iter().zip(&points.powers[i]).take(N / 2 - 1) {
            value = T::mul_add(simd, sums[i % 2], T::splat(simd, power), value);
        }
        out[i] = value;
    }
    out
}
