//! Numbers as 8-bit integers.

/// What 8-bit integers from −128 to 127 stand for: (q − zero point) · scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    pub scale: f32,
    pub zero_point: i8,
}

impl Affine {
    /// 0 to 1 in steps of 1/256, which is what runtimes compute a sigmoid in.
    pub const SIGMOID: Affine = Affine { scale: 1.0 / 256.0, zero_point: -128 };

    /// The integers for numbers from `low` to `high`, and for zero, which always has an integer of its own.
    pub fn of_range(low: f32, high: f32) -> Affine {
        let (low, high) = (f64::from(low.min(0.0)), f64::from(high.max(0.0)));
        // Less than this, runtimes cannot compute with.
        let scale = ((high - low) / 255.0).max(1e-9);
        let zero_point = (-128.0 - low / scale).round().clamp(-128.0, 127.0);
        Affine { scale: scale as f32, zero_point: zero_point as i8 }
    }

    /// The integers for all of `numbers`.
    pub fn of_numbers(numbers: &[f32]) -> Affine {
        let low = numbers.iter().copied().fold(0.0, f32::min);
        Affine::of_range(low, numbers.iter().copied().fold(0.0, f32::max))
    }

    /// The integers for every number that these stand for, times each of `factors`.
    #[must_use]
    pub fn times(self, factors: &[f32]) -> Affine {
        let ends = [i8::MIN, i8::MAX].map(|end| self.number(end));
        let products: Vec<f32> = factors.iter().flat_map(|factor| ends.map(|end| factor * end)).collect();
        Affine::of_numbers(&products)
    }

    /// The integer that is nearest to a number.
    pub fn quantise(self, number: f32) -> i8 {
        let steps = f64::from(number) / f64::from(self.scale) + f64::from(self.zero_point);
        steps.round().clamp(-128.0, 127.0) as i8
    }

    /// The number that an integer stands for.
    pub fn number(self, integer: i8) -> f32 {
        (i32::from(integer) - i32::from(self.zero_point)) as f32 * self.scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_their_ends_and_zero() {
        for (low, high) in [(-1.0, 1.0), (0.0, 6.0), (2.0, 3.0), (-4.0, -3.0), (-0.1, 5.0), (0.0, 0.0)] {
            let affine = Affine::of_range(low, high);
            assert_eq!(affine.number(affine.quantise(0.0)), 0.0, "{low} to {high}");
            for end in [low, high] {
                let error = (affine.number(affine.quantise(end)) - end).abs();
                assert!(error <= 0.51 * affine.scale, "{end} of {low} to {high}: {error}");
            }
        }
        assert_eq!(Affine::of_range(0.0, 6.0).zero_point, -128);
        assert_eq!(Affine::SIGMOID.number(127), 255.0 / 256.0);
        let times = Affine::of_range(-1.0, 3.0).times(&[2.0, -1.0]);
        assert!((times.scale - 9.0 / 255.0).abs() < 1e-3, "{times:?}");
        // Beyond the range is the nearest end.
        assert_eq!(Affine::of_range(-1.0, 1.0).quantise(9.0), 127);
    }
}
