//! The micro-kernel of depthwise convolutions: one filter over one staged map.
//!
//! Some rows of outputs stay in registers. Every row of the input that they look at is read once for each column of the
//! window, and multiplied by all taps of that column that reach it; a product of a single row (`kernel`) would read it anew for
//! each tap, mostly across two lines of the cache.

use super::kernel::BLOCK;
use super::real::{MAX_LANES, Real};
use pulp::Simd;

/// Rows of outputs of a block at most, and rows of a window.
const MOST: usize = 7;

/// One filter on one image.
pub struct Rows<'a, T> {
    /// The filter, tap by tap, [`BLOCK`] apart.
    pub filter: &'a [T],
    pub kernel: usize,
    pub stride: usize,
    /// Where the input of the first output lies for each tap. Those of a column, `stride` rows apart, lie `in_width` apart.
    pub offsets: &'a [usize],
    pub input: &'a [T],
    /// Distances of rows.
    pub in_width: usize,
    pub out_width: usize,
    /// Rows of outputs, and outputs of a row. What follows in whole registers is read and written as well.
    pub rows: usize,
    pub len: usize,
    pub out: &'a mut [T],
}

/// Rows and registers of outputs, and the rows of the window that look at the same phase of the input.
#[derive(Clone, Copy)]
struct Part {
    y: usize,
    x: usize,
    phase: usize,
}

impl<T: Real> Rows<'_, T> {
    /// Whether there is such a kernel for windows of this side.
    pub fn has(kernel: usize) -> bool {
        (2..=MOST).contains(&kernel)
    }

    #[inline(always)]
    pub fn compute<S: Simd>(mut self, simd: S) {
        self.check();
        let lanes = T::lanes::<S>();
        let mut y = 0;
        while y < self.rows {
            let left = self.rows - y;
            // Sides of maps are mostly multiples of seven or of four.
            let rows = if left.is_multiple_of(MOST) { MOST } else { left.min(4) };
            let mut x = 0;
            while x < self.len {
                // Two registers of seven rows do not fit into 16 registers.
                let two = S::REGISTER_COUNT >= 32 && x + lanes < self.len;
                for phase in 0..self.stride.min(self.kernel) {
                    let part = Part { y, x, phase };
                    match (rows, two) {
                        (MOST, true) => self.taps::<S, MOST, 2>(simd, part),
                        (MOST, false) => self.taps::<S, MOST, 1>(simd, part),
                        (4, true) => self.taps::<S, 4, 2>(simd, part),
                        (4, false) => self.taps::<S, 4, 1>(simd, part),
                        (rows, _) => {
                            for y in y..y + rows {
                                self.taps::<S, 1, 1>(simd, Part { y, ..part });
                                if two {
                                    self.taps::<S, 1, 1>(simd, Part { y, x: x + lanes, ..part });
                                }
                            }
                        }
                    }
                }
                x += if two { 2 * lanes } else { lanes };
            }
            y += rows;
        }
    }

    #[inline(always)]
    fn taps<S: Simd, const R: usize, const N: usize>(&mut self, simd: S, part: Part) {
        match (self.kernel - part.phase).div_ceil(self.stride) {
            1 => self.block::<S, R, N, 1>(simd, part),
            2 => self.block::<S, R, N, 2>(simd, part),
            3 => self.block::<S, R, N, 3>(simd, part),
            4 => self.block::<S, R, N, 4>(simd, part),
            5 => self.block::<S, R, N, 5>(simd, part),
            6 => self.block::<S, R, N, 6>(simd, part),
            _ => self.block::<S, R, N, MOST>(simd, part),
        }
    }

    /// Everything that the unchecked reads and writes of [`Self::block`] rely on.
    fn check(&self) {
        assert!(Self::has(self.kernel) && self.stride > 0 && self.rows > 0);
        assert!(self.filter.len() >= self.kernel * self.kernel * BLOCK);
        assert!(self.offsets.len() >= self.kernel * self.kernel);
        let len = self.len.next_multiple_of(MAX_LANES);
        assert!(len <= self.out_width && self.rows * self.out_width <= self.out.len());
        let taps = self.kernel.div_ceil(self.stride);
        let first = self.offsets[..self.stride.min(self.kernel) * self.kernel].iter().max();
        let last = first.map_or(0, |first| first + (self.rows + taps - 2) * self.in_width + len);
        assert!(last <= self.input.len());
    }

    /// `R` rows by `N` registers of outputs, of `TAPS` rows of the window.
    #[inline(always)]
    fn block<S: Simd, const R: usize, const N: usize, const TAPS: usize>(
        &mut self,
        simd: S,
        Part { y, x, phase }: Part,
    ) {
        let lanes = T::lanes::<S>();
        let zero = T::splat(simd, T::default());
        let mut sums = [[zero; N]; R];
        for column in 0..self.kernel {
            let mut filter = [zero; TAPS];
            for (tap, value) in filter.iter_mut().enumerate() {
                let at = (phase + self.stride * tap) * self.kernel + column;
                // SAFETY: `check` holds for the kernel, and `TAPS` rows of it are of this phase.
                *value = T::splat(simd, unsafe { *self.filter.as_ptr().add(at * BLOCK) });
            }
            // SAFETY: `check` holds for the first row of each phase and `TAPS` more than there are outputs.
            let input = unsafe {
                let offset = *self.offsets.get_unchecked(phase * self.kernel + column);
                self.input.as_ptr().add(offset + y * self.in_width + x)
            };
            // Written out: the compiler keeps the sums of a loop of this length in memory.
            macro_rules! rows {
                ($($row:literal)*) => {$(
                    if $row < R + TAPS - 1 {
                        let mut values = [zero; N];
                        for (n, value) in values.iter_mut().enumerate() {
                            // SAFETY: as above; `$row` is less than `R + TAPS − 1`.
                            *value = unsafe {
                                input.add($row * self.in_width + n * lanes).cast::<T::Vector<S>>().read_unaligned()
                            };
                        }
                        rows!(@taps $row, values, 0 1 2 3 4 5 6);
                    }
                )*};
                (@taps $row:literal, $values:ident, $($tap:literal)*) => {$(
                    if $tap < TAPS && usize::wrapping_sub($row, $tap) < R {
                        for (sum, &value) in sums[usize::wrapping_sub($row, $tap)].iter_mut().zip(&$values) {
                            *sum = T::mul_add(simd, value, filter[$tap], *sum);
                        }
                    }
                )*};
            }
            rows!(0 1 2 3 4 5 6 7 8 9 10 11 12);
        }
        let one = T::splat(simd, T::ONE);
        for (row, sums) in sums.iter().enumerate() {
            for (n, &sum) in sums.iter().enumerate() {
                // SAFETY: `check` holds for whole registers of each row of outputs.
                unsafe {
                    let to = self.out.as_mut_ptr().add((y + row) * self.out_width + x + n * lanes);
                    let to = to.cast::<T::Vector<S>>();
                    let sum = if phase > 0 { T::mul_add(simd, to.read_unaligned(), one, sum) } else { sum };
                    to.write_unaligned(sum);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agree_with_the_definition<S: Simd>(simd: S) {
        // Rows of seven, of four and single ones; one register and more; all numbers of taps in a phase.
        let cases: [(usize, usize, usize, usize); 8] = [
            (3, 1, 7, 7),
            (5, 1, 10, 14),
            (7, 1, 14, 33),
            (3, 2, 6, 20),
            (5, 2, 4, 16),
            (7, 2, 21, 17),
            (4, 3, 5, 40),
            (6, 1, 3, 50),
        ];
        for (kernel, stride, rows, len) in cases {
            let (reach, phases) = ((kernel - 1) / stride, kernel.min(stride));
            let (in_width, out_width) = (len + reach, len.next_multiple_of(MAX_LANES));
            let phase_len = (rows + reach) * in_width;
            let values = |count: usize, salt: usize| -> Vec<f32> {
                (0..count).map(|i| ((i * 37 + salt) % 101) as f32 / 50.0 - 1.0).collect()
            };
            let filter = values(kernel * kernel * BLOCK, 5);
            let input = values(phases * phases * phase_len + 3 * MAX_LANES, 11);
            let taps = (0..kernel).flat_map(|y| (0..kernel).map(move |x| (y, x)));
            let offsets: Vec<usize> = taps
                .map(|(y, x)| {
                    (y % stride * phases + x % stride) * phase_len + y / stride * in_width + x / stride
                })
                .collect();
            let mut out = vec![f32::NAN; rows * out_width];
            let (filter, input, offsets) = (&filter[..], &input[..], &offsets[..]);
            Rows { filter, kernel, stride, offsets, input, in_width, out_width, rows, len, out: &mut out }
                .compute(simd);
            for (y, x) in (0..rows).flat_map(|y| (0..len).map(move |x| (y, x))) {
                let want: f32 = (0..kernel * kernel)
                    .map(|tap| filter[tap * BLOCK] * input[offsets[tap] + y * in_width + x])
                    .sum();
                let got = out[y * out_width + x];
                assert!(
                    (got - want).abs() < 1e-4,
                    "window {kernel}, stride {stride}, row {y}, column {x}: {got} {want}"
                );
            }
        }
    }

    #[test]
    fn rows_agree_with_the_definition_in_registers_of_every_width() {
        agree_with_the_definition(pulp::Scalar::new());
        agree_with_the_definition(pulp::Scalar128b);
        agree_with_the_definition(pulp::Scalar256b);
        agree_with_the_definition(pulp::Scalar512b);
    }
}
