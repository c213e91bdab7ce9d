//! Rows: one number for each class of positions along an axis, or for each octave of spatial frequency.

use super::numbers::Numbers;

/// Number of classes of positions, and of octaves of frequency.
pub const CLASSES: usize = 8;

/// One number for each class or octave.
pub type Row<N = f32> = [N; CLASSES];

/// The row that an expression of the index gives. A closure would do the same, but a closure that is not inlined is
/// compiled for narrow registers. With a length, only so many numbers are computed; the others are those of another row.
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
    ($i:ident < $length:ident of $others:expr => $number:expr) => {
        row!($i => if $i < $length { $number } else { $others[$i] })
    };
}

pub(super) use row;

/// Sum of a row whose numbers from `LENGTH` on are zeros; they are passed over, which changes no bit.
#[inline(always)]
pub fn total<const LENGTH: usize, N: Numbers>(x: Row<N>) -> N {
    let even = if LENGTH > 4 { x[0] + x[4] } else { x[0] };
    let even = even + if LENGTH > 6 { x[2] + x[6] } else { x[2] };
    let odd = if LENGTH > 5 { x[1] + x[5] } else { x[1] };
    let odd = odd + if LENGTH > 7 { x[3] + x[7] } else { x[3] };
    even + odd
}

/// Σ a·b over a row, where the numbers of `a` from `LENGTH` on are zeros.
#[inline(always)]
pub fn dot<const LENGTH: usize, N: Numbers>(a: &Row<f32>, b: &Row<N>) -> N {
    total::<LENGTH, N>(row!(I < LENGTH of b => b[I] * a[I]))
}

/// Row vector times matrix: for each class of the output the sum over classes of the input. The matrix has nothing but
/// zeros farther than `REACH` classes from its diagonal, and in rows and columns from `LENGTH` on.
#[inline(always)]
pub fn apply<const REACH: usize, const LENGTH: usize, N: Numbers>(
    matrix: &[Row<f32>; CLASSES],
    x: &Row<N>,
) -> Row<N> {
    if N::SIDE_BY_SIDE && REACH < CLASSES - 1 {
        return row!(I < LENGTH of x => near::<REACH, LENGTH, I, N>(matrix, x));
    }
    // Two independent sums, so that the processor computes one while it would wait for the other.
    let mut low = row!(I => x[0] * matrix[0][I]);
    let mut high = row!(I => x[4] * matrix[4][I]);
    for from in 1..CLASSES / 2 {
        low = row!(I => x[from].mul_add(x[from].all(matrix[from][I]), low[I]));
        high = row!(I => x[4 + from].mul_add(x[from].all(matrix[4 + from][I]), high[I]));
    }
    row!(I => low[I] + high[I])
}

/// The sum for the class `TO`, without the zeros that are out of reach: they change no bit of it.
#[inline(always)]
fn near<const REACH: usize, const LENGTH: usize, const TO: usize, N: Numbers>(
    matrix: &[Row<f32>; CLASSES],
    x: &Row<N>,
) -> N {
    let low = half::<REACH, LENGTH, TO, 0, N>(matrix, x);
    let high = half::<REACH, LENGTH, TO, { CLASSES / 2 }, N>(matrix, x);
    match (low, high) {
        (Some(low), Some(high)) => low + high,
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => x[TO] * matrix[TO][TO],
    }
}

/// The sum over the four classes from `FIRST` on.
#[inline(always)]
fn half<const REACH: usize, const LENGTH: usize, const TO: usize, const FIRST: usize, N: Numbers>(
    matrix: &[Row<f32>; CLASSES],
    x: &Row<N>,
) -> Option<N> {
    let mut sum: Option<N> = None;
    for from in FIRST..FIRST + CLASSES / 2 {
        if from < LENGTH && from.abs_diff(TO) <= REACH {
            sum = Some(match sum {
                None => x[from] * matrix[from][TO],
                Some(sum) => x[from].mul_add(x[from].all(matrix[from][TO]), sum),
            });
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::zen::geometry::Tables;

    #[test]
    fn what_is_out_of_reach_adds_nothing() {
        let x: Row = std::array::from_fn(|i| 0.3 + 0.7 * i as f32);
        let mut compared = 0;
        for resolution in [224, 32, 33, 7] {
            for g in Tables::new(resolution, 16).all().filter(|g| g.reach < CLASSES - 1) {
                let bits =
                    |row: Row, length: usize| row[..length].iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                let length = g.extent.length();
                for matrix in [&g.window, &g.weighted] {
                    let near = match (g.reach, length) {
                        (0, _) => continue,
                        (1, 4) => row!(I => near::<1, 4, I, f32>(matrix, &x)),
                        (2, 4) => row!(I => near::<2, 4, I, f32>(matrix, &x)),
                        (3, 4) => row!(I => near::<3, 4, I, f32>(matrix, &x)),
                        (1, _) => row!(I => near::<1, 8, I, f32>(matrix, &x)),
                        (2, _) => row!(I => near::<2, 8, I, f32>(matrix, &x)),
                        _ => row!(I => near::<3, 8, I, f32>(matrix, &x)),
                    };
                    let all = apply::<{ CLASSES - 1 }, CLASSES, f32>(matrix, &x);
                    assert_eq!(bits(near, length), bits(all, length), "{} {}", g.side, g.reach);
                    compared += 1;
                }
                for row in [&g.share, &g.mean_window, &g.mean_weighted, &g.modes, &g.response] {
                    assert!(row[length..].iter().all(|&x| x == 0.0), "{} {length} {row:?}", g.side);
                }
                let (few, all) = (dot::<4, f32>(&g.share, &x), dot::<CLASSES, f32>(&g.share, &x));
                assert!(length > 4 || few.to_bits() == all.to_bits());
            }
        }
        assert!(compared > 100, "{compared}");
    }
}
