//! Rounding without calls into a library, which the usual functions are on plain x86-64.

/// `value`, not negative, rounded up.
#[inline]
pub(super) fn ceil(value: f64) -> f64 {
    // Larger ones are whole.
    const WHOLE: f64 = (1_u64 << 52) as f64;
    let down = value.min(WHOLE) as i64 as f64;
    if value >= WHOLE { value } else { down + f64::from(u8::from(down < value)) }
}

#[cfg(test)]
mod tests {
    use super::ceil;

    #[test]
    fn numbers_are_rounded_as_usual() {
        for value in [0.0, 0.25, 1.0, 1.0 + f64::EPSILON, 2.5, 1e9 + 0.5, 4.6e15, 1e300, f64::INFINITY] {
            assert_eq!(ceil(value), value.ceil(), "{value}");
        }
    }
}
