//! Rows: one number for each class of positions along an axis, or for each octave of spatial frequency.

use super::numbers::Numbers;

/// Number of classes of positions, and of octaves of frequency.
pub const CLASSES: usize = 8;

/// One number for each class or octave.
pub type Row<N = f32> = [N; CLASSES];

/// The row that an expression of the index gives. A closure would do the same, but a closure that is not inlined is
/// compiled for narrow registers.
macro_rules! row {
    ($i:ident => $number:expr) => {
        [
            {
                const $i: usize = 0;
                $number
            },
            {
                const $i: usize = 1;
                $number
            },
            {
                const $i: usize = 2;
                $number
            },
            {
                const $i: usize = 3;
                $number
            },
            {
                const $i: usize = 4;
                $number
            },
            {
                const $i: usize = 5;
                $number
            },
            {
                const $i: usize = 6;
                $number
            },
            {
                const $i: usize = 7;
                $number
            },
        ]
    };
}

pub(super) use row;

/// Sum of a row.
#[inline(always)]
pub fn total<N: Numbers>(x: Row<N>) -> N {
    ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]))
}

/// Σ a·b over a row.
#[inline(always)]
pub fn dot<N: Numbers>(a: &Row<f32>, b: &Row<N>) -> N {
    total(row!(I => b[I] * a[I]))
}

/// Row vector times matrix: for each class of the output the sum over classes of the input.
#[inline(always)]
pub fn apply<N: Numbers>(matrix: &[Row<f32>; CLASSES], x: &Row<N>) -> Row<N> {
    // Two independent sums, so that the processor computes one while it would wait for the other.
    let mut low = row!(I => x[0] * matrix[0][I]);
    let mut high = row!(I => x[4] * matrix[4][I]);
    for from in 1..CLASSES / 2 {
        low = row!(I => x[from].mul_add(x[from].all(matrix[from][I]), low[I]));
        high = row!(I => x[4 + from].mul_add(x[from].all(matrix[4 + from][I]), high[I]));
    }
    row!(I => low[I] + high[I])
}
