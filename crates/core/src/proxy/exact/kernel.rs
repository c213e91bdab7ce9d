//! The micro-kernel: a matrix product whose right side is read through a table of offsets.
//!
//! `out[m][n] (+)= Σ_k weights[m][k] · input[offset(k) + n]`: with offsets k·ld an ordinary matrix
//! product, with the offsets of a window's taps in a padded map a convolution without im2col. Weights lie
//! in blocks of [`BLOCK`] rows, k by k, so that the inner loop reads them one after another; outputs stay
//! in registers over all k.

use super::real::{MAX_LANES, Real};
use pulp::Simd;

/// Rows of a block of weights.
pub const BLOCK: usize = 8;

/// Length of a block-packed matrix of `rows` × `k`.
pub fn packed_len(rows: usize, k: usize) -> usize {
    rows.div_ceil(BLOCK) * BLOCK * k
}

/// A run of consecutive output positions.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub input: usize,
    /// Runs do not overlap after their lengths are rounded up to [`MAX_LANES`].
    pub output: usize,
    pub len: usize,
}

/// Offsets of the inputs of some k.
#[derive(Clone, Copy, Debug)]
pub struct Offsets<'a> {
    values: &'a [usize],
    /// No offset is larger.
    far: usize,
}

impl<'a> Offsets<'a> {
    pub fn new(values: &'a [usize]) -> Offsets<'a> {
        Offsets { values, far: values.iter().copied().max().unwrap_or(0) }
    }
}

/// One product. The outputs are whole registers: up to [`MAX_LANES`] values behind each run are read and
/// written as well.
pub struct Product<'a, T> {
    /// Blocks of weights, each `depth` × [`BLOCK`].
    pub weights: &'a [T],
    /// Distance of two blocks of weights.
    pub block_stride: usize,
    pub rows: usize,
    /// All k of the weights.
    pub depth: usize,
    /// The part of k to add up, and the offset of each.
    pub first_k: usize,
    pub offsets: Offsets<'a>,
    pub input: &'a [T],
    pub runs: &'a [Run],
    pub out: &'a mut [T],
    /// Distance of the rows of `out`; `rows` rounded up to [`BLOCK`] of them are written, one where
    /// `rows` is 1.
    pub ld: usize,
    /// Add to what `out` holds.
    pub add: bool,
}

impl<T: Real> Product<'_, T> {
    #[inline(always)]
    pub fn compute<S: Simd>(self, simd: S) {
        self.check();
        let out = self.out.as_mut_ptr();
        let lanes = T::lanes::<S>();
        if self.rows == 1 {
            for run in self.runs {
                let mut at = 0;
                while at < run.len {
                    at += lanes
                        * match (run.len - at).div_ceil(lanes) {
                            8.. => self.micro::<S, 1, 8>(simd, run, at, 0, 0, out),
                            4.. => self.micro::<S, 1, 4>(simd, run, at, 0, 0, out),
                            2.. => self.micro::<S, 1, 2>(simd, run, at, 0, 0, out),
                            _ => self.micro::<S, 1, 1>(simd, run, at, 0, 0, out),
                        };
                }
            }
            return;
        }
        let blocks = self.rows.div_ceil(BLOCK);
        for run in self.runs {
            let mut at = 0;
            while at < run.len {
                // Four registers are two and two, rather than three and one: a single one waits for the weights.
                let vectors = match (run.len - at).div_ceil(lanes) {
                    4 => 2,
                    left => left.min(3),
                };
                for block in 0..blocks {
                    // Sums that do not fit into the registers are split into rows, not into columns.
                    if S::REGISTER_COUNT >= 32 {
                        match vectors {
                            3 => self.micro::<S, 8, 3>(simd, run, at, block, 0, out),
                            2 => self.micro::<S, 8, 2>(simd, run, at, block, 0, out),
                            _ => self.micro::<S, 8, 1>(simd, run, at, block, 0, out),
                        };
                    } else {
                        for half in [0, BLOCK / 2] {
                            match vectors {
                                3 => self.micro::<S, 4, 3>(simd, run, at, block, half, out),
                                2 => self.micro::<S, 4, 2>(simd, run, at, block, half, out),
                                _ => self.micro::<S, 4, 1>(simd, run, at, block, half, out),
                            };
                        }
                    }
                }
                at += vectors * lanes;
            }
        }
    }

    /// Everything that the unchecked reads and writes of [`Self::micro`] rely on.
    fn check(&self) {
        let rows = if self.rows == 1 { 1 } else { self.rows.div_ceil(BLOCK) * BLOCK };
        let far = self.offsets.far;
        assert!(self.first_k + self.offsets.values.len() <= self.depth);
        assert!(self.block_stride >= self.depth * BLOCK);
        let blocks = self.rows.div_ceil(BLOCK);
        assert!(self.weights.len() >= (blocks - 1) * self.block_stride + self.depth * BLOCK);
        for run in self.runs {
            let len = run.len.next_multiple_of(MAX_LANES);
            assert!(run.input + far + len <= self.input.len());
            assert!(run.output + len <= self.ld && (rows - 1) * self.ld + run.output + len <= self.out.len());
        }
    }

    /// `M` rows of one block by `N` registers. Gives `N`.
    #[inline(always)]
    fn micro<S: Simd, const M: usize, const N: usize>(
        &self,
        simd: S,
        run: &Run,
        at: usize,
        block: usize,
        half: usize,
        out: *mut T,
    ) -> usize {
        let lanes = T::lanes::<S>();
        let mut sums = [[T::splat(simd, T::default()); N]; M];
        // SAFETY: `check` holds for `offsets`, the rows of `weights` and this run; `at` lies within it.
        unsafe {
            let input = self.input.as_ptr().add(run.input + at);
            let mut weights =
                self.weights.as_ptr().add(block * self.block_stride + self.first_k * BLOCK + half);
            for &offset in self.offsets.values {
                let mut values = [T::splat(simd, T::default()); N];
                for (n, value) in values.iter_mut().enumerate() {
                    *value = input.add(offset + n * lanes).cast::<T::Vector<S>>().read_unaligned();
                }
                for (m, sums) in sums.iter_mut().enumerate() {
                    let weight = T::splat(simd, *weights.add(m));
                    for (sum, value) in sums.iter_mut().zip(values) {
                        *sum = T::mul_add(simd, weight, value, *sum);
                    }
                }
                weights = weights.add(BLOCK);
            }
            let out = out.add(run.output + at + (block * BLOCK + half) * self.ld);
            let one = T::splat(simd, T::ONE);
            for (m, sums) in sums.iter().enumerate() {
                for (n, &sum) in sums.iter().enumerate() {
                    let to = out.add(m * self.ld + n * lanes).cast::<T::Vector<S>>();
                    let sum = if self.add { T::mul_add(simd, to.read_unaligned(), one, sum) } else { sum };
                    to.write_unaligned(sum);
                }
            }
        }
        N
    }
}
