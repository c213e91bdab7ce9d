//! The weights of a layer, taken to the points.

use super::points::LARGEST;
use super::scheme::Scheme;
use crate::proxy::exact::layer::Conv;
use crate::proxy::exact::real::{MAX_LANES, Real};
use pulp::{Simd, WithSimd};

/// The windows of [`MAX_LANES`] output channels, taken to the points: `drawn` lies by weight and channel, `out` by register of
/// channels, point and input.
pub struct Windows<'a, T> {
    pub scheme: &'a Scheme,
    pub matrix: &'a [[T; LARGEST]; LARGEST],
    pub drawn: &'a [T],
    pub out: &'a mut [T],
}

impl<T: Real> WithSimd for Windows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.scheme.points {
            6 => self.points::<S, 6>(simd),
            _ => self.points::<S, LARGEST>(simd),
        }
    }
}

impl<T: Real> Windows<'_, T> {
    #[inline(always)]
    fn points<S: Simd, const N: usize>(self, simd: S) {
        match self.scheme.taps {
            2 => self.taps::<S, N, 2>(simd),
            3 => self.taps::<S, N, 3>(simd),
            4 => self.taps::<S, N, 4>(simd),
            5 => self.taps::<S, N, 5>(simd),
            _ => self.taps::<S, N, 7>(simd),
        }
    }

    #[inline(always)]
    fn taps<S: Simd, const N: usize, const TAPS: usize>(self, simd: S) {
        let Windows { scheme, matrix, drawn, out } = self;
        let Conv { kernel, stride, .. } = scheme.conv;
        let channels = scheme.conv.input.c as usize;
        let depth = scheme.depth();
        let registers = MAX_LANES / T::lanes::<S>();
        let (drawn, out) = (T::vectors::<S>(drawn).0, T::vectors_mut::<S>(out).0);
        let zero = T::splat(simd, T::default());
        // Zeroed here, once: in the loop that would take as long as the transform.
        let mut rows = [[zero; TAPS]; N];
        let mut row = [zero; TAPS];
        for register in 0..registers {
            let out = &mut out[register * N * N * depth..][..N * N * depth];
            for c in 0..depth {
                let (phase, channel) = (c / channels, c % channels);
                let (phase_y, phase_x) = (phase / stride, phase % stride);
                // Rows of the window at the points of x; then columns.
                for y in 0..TAPS {
                    for (x, value) in row.iter_mut().enumerate() {
                        let (at_y, at_x) = (y * stride + phase_y, x * stride + phase_x);
                        *value = if at_y < kernel && at_x < kernel {
                            drawn[((channel * kernel + at_y) * kernel + at_x) * registers + register]
                        } else {
                            zero
                        };
                    }
                    for (rows, value) in rows.iter_mut().zip(at_points::<S, T, N, TAPS>(simd, matrix, row)) {
                        rows[y] = value;
                    }
                }
                for (x, &column) in rows.iter().enumerate() {
                    for (y, value) in at_points::<S, T, N, TAPS>(simd, matrix, column).into_iter().enumerate()
                    {
                        out[(y * N + x) * depth + c] = value;
                    }
                }
            }
        }
    }
}

/// The values of a polynomial at the points: those at a and −a have the same even powers, and the opposite odd ones.
#[inline(always)]
fn at_points<S: Simd, T: Real, const N: usize, const TAPS: usize>(
    simd: S,
    matrix: &[[T; LARGEST]; LARGEST],
    window: [T::Vector<S>; TAPS],
) -> [T::Vector<S>; N] {
    let zero = T::splat(simd, T::default());
    let mut out = [zero; N];
    out[0] = T::mul_add(simd, window[0], T::splat(simd, matrix[0][0]), zero);
    out[N - 1] = window[TAPS - 1];
    for pair in 0..N / 2 - 1 {
        let mut sums = [zero; 2];
        for (tap, &value) in window.iter().enumerate() {
            sums[tap % 2] = T::mul_add(simd, value, T::splat(simd, matrix[1 + 2 * pair][tap]), sums[tap % 2]);
        }
        out[1 + 2 * pair] = T::plus(simd, sums[0], sums[1]);
        out[2 + 2 * pair] = T::minus(simd, sums[0], sums[1]);
    }
    out
}
