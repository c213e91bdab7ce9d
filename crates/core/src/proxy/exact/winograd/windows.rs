//! The weights of a layer, taken to the points.

use super::points::LARGEST;
use super::scheme::Scheme;
use crate::proxy::exact::kernel::BLOCK;
use crate::proxy::exact::layer::Conv;
use crate::proxy::exact::real::Real;
use pulp::{Simd, WithSimd};

/// The windows of a block of channels, taken to the points.
pub struct Windows<'a, T> {
    pub scheme: &'a Scheme,
    pub matrix: &'a [T],
    pub drawn: &'a [T],
    pub out: &'a mut [T],
}

impl<T: Real> WithSimd for Windows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        match self.scheme.points {
            6 => self.points::<6>(),
            _ => self.points::<LARGEST>(),
        }
    }
}

impl<T: Real> Windows<'_, T> {
    #[inline(always)]
    fn points<const N: usize>(self) {
        match self.scheme.taps {
            2 => self.taps::<N, 2>(),
            3 => self.taps::<N, 3>(),
            4 => self.taps::<N, 4>(),
            5 => self.taps::<N, 5>(),
            _ => self.taps::<N, 7>(),
        }
    }

    #[inline(always)]
    fn taps<const N: usize, const TAPS: usize>(self) {
        let (points, taps) = (N, TAPS);
        let Windows { scheme, matrix, drawn, out } = self;
        let Scheme { conv: Conv { kernel, stride, .. }, .. } = *scheme;
        let depth = scheme.depth();
        let (windows, _) = drawn.as_chunks::<BLOCK>();
        let (out, _) = out.as_chunks_mut::<BLOCK>();
        let mut rows = [[T::default(); BLOCK]; LARGEST * LARGEST];
        for c in 0..depth {
            let (channel, phase) = (c / (stride * stride), c % (stride * stride));
            let (phase_y, phase_x) = (phase / stride, phase % stride);
            let window = &windows[channel * kernel * kernel..][..kernel * kernel];
            // Rows of the window at the points of x; then columns.
            for y in 0..taps {
                for point in 0..points {
                    let mut sum = [T::default(); BLOCK];
                    for x in 0..taps {
                        let (at_y, at_x) = (y * stride + phase_y, x * stride + phase_x);
                        if at_y < kernel && at_x < kernel {
                            let by = matrix[point * taps + x];
                            let values = &window[at_y * kernel + at_x];
                            for lane in 0..BLOCK {
                                sum[lane] += values[lane] * by;
                            }
                        }
                    }
                    rows[y * points + point] = sum;
                }
            }
            for point_y in 0..points {
                for point_x in 0..points {
                    let mut sum = [T::default(); BLOCK];
                    for y in 0..taps {
                        let by = matrix[point_y * taps + y];
                        let values = &rows[y * points + point_x];
                        for lane in 0..BLOCK {
                            sum[lane] += values[lane] * by;
                        }
                    }
                    out[(point_y * points + point_x) * depth + c] = sum;
                }
            }
        }
    }
}
