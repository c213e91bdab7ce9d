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

/// Asks for a line of memory that will be read soon. Nothing is read yet; any address will do.
#[inline(always)]
pub fn fetch<T>(at: *const T) {
    // SAFETY: a prefetch changes nothing that the program sees, and never faults.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
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
            // A single row: with few sums each step waits for the last, so that parts of a run are as even as can be.
            for run in self.runs {
                let mut at = 0;
                let (vectors, mut parts) = (run.len.div_ceil(lanes), run.len.div_ceil(lanes).div_ceil(8));
                while parts > 0 {
                    at += lanes
                        * match (vectors - at / lanes).div_ceil(parts) {
                            8.. => self.micro::<S, 1, 8, 1>(simd, run, at, 0, out),
                            7 => self.micro::<S, 1, 7, 1>(simd, run, at, 0, out),
                            6 => self.micro::<S, 1, 6, 1>(simd, run, at, 0, out),
                            5 => self.micro::<S, 1, 5, 1>(simd, run, at, 0, out),
                            4 => self.micro::<S, 1, 4, 1>(simd, run, at, 0, out),
                            3 => self.micro::<S, 1, 3, 1>(simd, run, at, 0, out),
                            2 => self.micro::<S, 1, 2, 1>(simd, run, at, 0, out),
                            _ => self.micro::<S, 1, 1, 1>(simd, run, at, 0, out),
                        };
                    parts -= 1;
                }
            }
            return;
        }
        // Sums that do not fit into the registers are split into rows, not into columns.
        if S::REGISTER_COUNT >= 32 {
            self.whole_blocks(simd, out);
        } else {
            self.sixes(simd, out);
        }
    }

    /// Blocks of rows as they are: 24 registers of sums, where there are 32.
    #[inline(always)]
    fn whole_blocks<S: Simd>(&self, simd: S, out: *mut T) {
        let lanes = T::lanes::<S>();
        for run in self.runs {
            let mut at = 0;
            while at < run.len {
                // Four registers are two and two, rather than three and one: a single one waits for the weights.
                let vectors = match (run.len - at).div_ceil(lanes) {
                    4 => 2,
                    left => left.min(3),
                };
                for block in 0..self.rows.div_ceil(BLOCK) {
                    let row = block * BLOCK;
                    match vectors {
                        3 => self.micro::<S, 8, 3, 8>(simd, run, at, row, out),
                        2 => self.micro::<S, 8, 2, 8>(simd, run, at, row, out),
                        _ => self.micro::<S, 8, 1, 8>(simd, run, at, row, out),
                    };
                }
                at += vectors * lanes;
            }
        }
    }

    /// Six rows by two registers, where there are 16: the compiler then keeps all sums in registers, which it does not with four rows
    /// by three. Six rows may be of two blocks; at the end there are fours.
    #[inline(always)]
    fn sixes<S: Simd>(&self, simd: S, out: *mut T) {
        let lanes = T::lanes::<S>();
        let rows = self.rows.next_multiple_of(BLOCK);
        for run in self.runs {
            let mut at = 0;
            while at < run.len {
                let two = run.len - at > lanes;
                let mut row = 0;
                while row < rows {
                    let six = !matches!(rows - row, 4 | 8);
                    match (six, row % BLOCK, two) {
                        (true, 4, true) => self.micro::<S, 6, 2, 4>(simd, run, at, row, out),
                        (true, 4, false) => self.micro::<S, 6, 1, 4>(simd, run, at, row, out),
                        (true, 6, true) => self.micro::<S, 6, 2, 2>(simd, run, at, row, out),
                        (true, 6, false) => self.micro::<S, 6, 1, 2>(simd, run, at, row, out),
                        (true, _, true) => self.micro::<S, 6, 2, 6>(simd, run, at, row, out),
                        (true, _, false) => self.micro::<S, 6, 1, 6>(simd, run, at, row, out),
                        (false, _, true) => self.micro::<S, 4, 2, 4>(simd, run, at, row, out),
                        (false, _, false) => self.micro::<S, 4, 1, 4>(simd, run, at, row, out),
                    };
                    row += if six { 6 } else { 4 };
                }
                at += 2 * lanes;
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

    /// `M` rows from `row` on by `N` registers; the first `FIRST` of them are of one block, the others of the next. Gives `N`.
    #[inline(always)]
    fn micro<S: Simd, const M: usize, const N: usize, const FIRST: usize>(
        &self,
        simd: S,
        run: &Run,
        at: usize,
        row: usize,
        out: *mut T,
    ) -> usize {
        let lanes = T::lanes::<S>();
        let mut sums = [[T::splat(simd, T::default()); N]; M];
        let next = self.block_stride - BLOCK;
        // SAFETY: `check` holds for `offsets`, the rows of `weights` and this run; `at` lies within it.
        unsafe {
            let input = self.input.as_ptr().add(run.input + at);
            let mut weights = self
                .weights
                .as_ptr()
                .add(row / BLOCK * self.block_stride + self.first_k * BLOCK + row % BLOCK);
            for &offset in self.offsets.values {
                let mut values = [T::splat(simd, T::default()); N];
                for (n, value) in values.iter_mut().enumerate() {
                    *value = input.add(offset + n * lanes).cast::<T::Vector<S>>().read_unaligned();
                }
                for (m, sums) in sums.iter_mut().enumerate() {
                    let of_block = if m < FIRST { m } else { next + m };
                    let weight = T::splat(simd, *weights.add(of_block));
                    for (sum, value) in sums.iter_mut().zip(values) {
                        *sum = T::mul_add(simd, weight, value, *sum);
                    }
                }
                weights = weights.add(BLOCK);
            }
            let out = out.add(run.output + at + row * self.ld);
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
