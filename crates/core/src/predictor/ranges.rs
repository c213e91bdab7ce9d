//! Ranges of the numbers of predictor files. A file may have been made by any program, so that its checksum says nothing of whether
//! its numbers make sense: each is checked where it is read. The ranges are far wider than any device, and such that what is computed
//! from the numbers is finite.

use std::fmt::Display;
use std::ops::RangeInclusive;

/// Rates of a device, in 10⁹ multiply-accumulates or bytes per second: from a microcontroller's to far beyond any computer's.
pub const RATES: RangeInclusive<f64> = 1e-6..=1e9;
/// Nanoseconds of what may take no time; the most are eleven days.
pub const NS: RangeInclusive<f64> = 0.0..=1e15;
/// Nanoseconds of what takes some time.
pub const SOME_NS: RangeInclusive<f64> = 1e-3..=1e15;
/// Nanoseconds of what may be taken off as well.
pub const SIGNED_NS: RangeInclusive<f64> = -1e15..=1e15;
/// Features of kernels and sums of them.
pub const QUANTITIES: RangeInclusive<f64> = 0.0..=1e18;
/// Errors in percent.
pub const ERRORS: RangeInclusive<f64> = 0.0..=1e12;
/// Shares in percent.
pub const PERCENT: RangeInclusive<f64> = 0.0..=100.0;
/// Rank correlations.
pub const CORRELATIONS: RangeInclusive<f64> = -1.0..=1.0;
/// Whole numbers of nanoseconds of a probe that was run; the most are a quarter of an hour.
pub const PROBES: RangeInclusive<u64> = 1..=1_000_000_000_000;

/// Whether the number that is called `what` lies in `range`.
///
/// # Errors
/// It does not, or is none.
pub fn within<T: PartialOrd + Display>(
    what: &str,
    value: T,
    range: &RangeInclusive<T>,
) -> Result<(), String> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(format!("{what} is {value}, which is not from {} to {}", range.start(), range.end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_belong_to_a_range_and_no_number_does_not() {
        for value in [1e-6, 1.0, 1e9] {
            within("a rate", value, &RATES).unwrap();
        }
        for value in [0.0, 1e-320, -1.0, 1.1e9, f64::NAN, f64::INFINITY] {
            let refused = within("a rate", value, &RATES).unwrap_err();
            assert!(refused.starts_with("a rate is") && refused.contains("not from"), "{refused}");
        }
    }
}
