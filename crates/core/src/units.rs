//! Quantities with their units: latency, multiply-accumulates, parameters, bytes.
//!
//! Each is a newtype over one number, so that a millisecond never meets a microsecond. The
//! `FromStr` implementations read what people type (`80ms`, `400M`, `8MB`); `Display` prints
//! three significant digits.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Sub};
use std::str::FromStr;

/// A time span, held as nanoseconds. May be fractional: predictions and per-image shares are.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Latency(f64);

impl Latency {
    pub const ZERO: Latency = Latency(0.0);

    /// Nothing that is measured is shorter: a few turns of the fastest clock.
    pub const SHORTEST: Latency = Latency(10.0);
    /// Nothing that is measured is longer: an hour.
    pub const LONGEST: Latency = Latency(3.6e12);

    /// A latency that somebody else says was measured.
    ///
    /// # Errors
    /// A number that no measurement gives: none at all, shorter than [`Latency::SHORTEST`] or longer than
    /// [`Latency::LONGEST`].
    pub fn measured_ns(ns: f64) -> Result<Latency, ImplausibleLatency> {
        // NaN is in no range.
        if (Latency::SHORTEST.0..=Latency::LONGEST.0).contains(&ns) {
            Ok(Latency(ns))
        } else {
            Err(ImplausibleLatency { ns })
        }
    }

    pub const fn from_ns(ns: f64) -> Self {
        Latency(ns)
    }
    pub fn from_ms(ms: f64) -> Self {
        Latency(ms * 1e6)
    }
    pub const fn ns(self) -> f64 {
        self.0
    }
    pub fn us(self) -> f64 {
        self.0 / 1e3
    }
    pub fn ms(self) -> f64 {
        self.0 / 1e6
    }
}

/// A number that is no measured latency.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{ns:e} ns is no measured latency; those are from 10 ns to an hour")]
pub struct ImplausibleLatency {
    pub ns: f64,
}

impl fmt::Display for Latency {
    /// Milliseconds with three significant digits, or with as many as the precision says: `{:.5}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", digits(self.ms(), f.precision().unwrap_or(3)))
    }
}

impl FromStr for Latency {
    type Err = UnitError;
    /// A number with a unit: `80ms`, `0.3ms`, `250us`, `1.5s`, `900ns`.
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = split_number(text)?;
        let ns = match unit {
            "ns" => number,
            "us" | "µs" => number * 1e3,
            "ms" => number * 1e6,
            "s" => number * 1e9,
            "" => return Err(UnitError::missing(text, "a latency carries its unit: 80ms, 250us, 1.5s")),
            _ => return Err(UnitError::unknown(text, unit, "ns, us, ms or s")),
        };
        if ns <= 0.0 {
            return Err(UnitError::not_positive(text));
        }
        Ok(Latency(ns))
    }
}

impl Add for Latency {
    type Output = Latency;
    fn add(self, other: Latency) -> Latency {
        Latency(self.0 + other.0)
    }
}
impl AddAssign for Latency {
    fn add_assign(&mut self, other: Latency) {
        self.0 += other.0;
    }
}
impl Sub for Latency {
    type Output = Latency;
    fn sub(self, other: Latency) -> Latency {
        Latency(self.0 - other.0)
    }
}
impl Mul<f64> for Latency {
    type Output = Latency;
    fn mul(self, factor: f64) -> Latency {
        Latency(self.0 * factor)
    }
}
impl Div<f64> for Latency {
    type Output = Latency;
    fn div(self, divisor: f64) -> Latency {
        Latency(self.0 / divisor)
    }
}
impl Sum for Latency {
    fn sum<I: Iterator<Item = Latency>>(iter: I) -> Latency {
        Latency(iter.map(|l| l.0).sum())
    }
}

/// Images per second on a device on which several are under way: no latency of one, and told in a unit of its own.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Throughput(pub f64);

impl Throughput {
    /// What predictors of throughputs give is the time of an image meanwhile.
    pub fn of(image: Latency) -> Throughput {
        let rate = Throughput(1e9 / image.ns());
        // The reciprocal of a reciprocal may be off by its last bit: 29/s would come back as 29.000000000000004/s.
        let round = Throughput((rate.0 * 1e6).round() / 1e6);
        if round.image() == image { round } else { rate }
    }

    /// The time of an image while others are under way.
    pub fn image(self) -> Latency {
        Latency::from_ns(1e9 / self.0)
    }
}

impl fmt::Display for Throughput {
    /// Three significant digits, or as many as the precision says: `2000 images/s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} images/s", digits(self.0, f.precision().unwrap_or(3)))
    }
}

impl FromStr for Throughput {
    type Err = UnitError;
    /// A number with a unit: `2000/s`, `45.5 images/s`.
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = split_number(text)?;
        match unit {
            "/s" | "images/s" => {}
            "" => return Err(UnitError::missing(text, "a throughput carries its unit: 2000/s")),
            _ => return Err(UnitError::unknown(text, unit, "/s or images/s")),
        }
        if number <= 0.0 {
            return Err(UnitError::not_positive(text));
        }
        Ok(Throughput(number))
    }
}

macro_rules! count_unit {
    ($(#[$doc:meta])* $name:ident, $suffix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub f64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let (scaled, prefix) = match self.0.abs() {
                    x if x >= 1e9 => (self.0 / 1e9, "G"),
                    x if x >= 1e6 => (self.0 / 1e6, "M"),
                    x if x >= 1e3 => (self.0 / 1e3, "k"),
                    _ => (self.0, ""),
                };
                let scaled = digits(scaled, f.precision().unwrap_or(3));
                write!(f, "{}{}{}", scaled, prefix, $suffix)
            }
        }

        impl FromStr for $name {
            type Err = UnitError;
            /// A number with an optional decimal prefix: `400M`, `1.5G`, `8k`, `1000000`.
            fn from_str(text: &str) -> Result<Self, UnitError> {
                let (number, unit) = split_number(text)?;
                let bare = unit.strip_suffix($suffix).unwrap_or(unit);
                let factor = match bare {
                    "" => 1.0,
                    "k" | "K" => 1e3,
                    "M" | "m" => 1e6,
                    "G" | "g" | "B" | "b" => 1e9,
                    _ => return Err(UnitError::unknown(text, unit, "k, M or G")),
                };
                if number <= 0.0 {
                    return Err(UnitError::not_positive(text));
                }
                Ok($name(number * factor))
            }
        }

        impl Add for $name {
            type Output = $name;
            fn add(self, other: $name) -> $name {
                $name(self.0 + other.0)
            }
        }
        impl AddAssign for $name {
            fn add_assign(&mut self, other: $name) {
                self.0 += other.0;
            }
        }
    };
}

count_unit!(
    /// Multiply-accumulates. The released code calls them FLOPs. Its count can be fractional, which is why
    /// this is not an integer (docs/plainnet.md, section 3.2).
    Macs,
    ""
);
count_unit!(
    /// Parameters, official or exact (docs/plainnet.md, sections 3.1 and 3.4).
    Params,
    ""
);
count_unit!(
    /// Bytes of memory; prefixes are decimal (8MB = 8,000,000).
    Bytes,
    "B"
);

/// Why a quantity could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {text:?} as a quantity: {reason}")]
pub struct UnitError {
    text: String,
    reason: String,
}

impl UnitError {
    fn missing(text: &str, reason: &str) -> Self {
        UnitError { text: text.into(), reason: reason.into() }
    }
    fn unknown(text: &str, unit: &str, known: &str) -> Self {
        UnitError { text: text.into(), reason: format!("unknown unit {unit:?}, expected {known}") }
    }
    fn not_positive(text: &str) -> Self {
        UnitError { text: text.into(), reason: "must be greater than zero".into() }
    }
}

fn split_number(text: &str) -> Result<(f64, &str), UnitError> {
    let text = text.trim();
    let end = text
        .char_indices()
        .find(|&(i, c)| {
            let exponent = matches!(c, 'e' | 'E')
                && text[i + 1..]
                    .starts_with(|next: char| next.is_ascii_digit() || next == '-' || next == '+');
            let sign = matches!(c, '-' | '+') && (i == 0 || text[..i].ends_with(['e', 'E']));
            !(c.is_ascii_digit() || c == '.' || c == '_' || exponent || sign)
        })
        .map_or(text.len(), |(i, _)| i);
    let number: f64 = text[..end]
        .replace('_', "")
        .parse()
        .map_err(|_| UnitError::missing(text, "it does not start with a number"))?;
    if !number.is_finite() {
        return Err(UnitError::missing(text, "it is not a finite number"));
    }
    Ok((number, text[end..].trim()))
}

/// `value` with three significant digits and no exponent between 0.001 and 999,999.
pub fn three_digits(value: f64) -> String {
    digits(value, 3)
}

/// `value` with `count` significant digits, at most nine of them behind the point; `three_digits` says more.
pub fn digits(value: f64, count: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let magnitude = value.abs().log10().floor() as i32;
    let last = i32::try_from(count).unwrap_or(9) - 1;
    let decimals = (last - magnitude).clamp(0, 9) as usize;
    format!("{value:.decimals$}")
}

/// Two different values as texts that differ: with three significant digits, or with as many more as it takes to tell one
/// from the other. `print` writes a value with a number of digits.
pub fn apart(a: f64, b: f64, print: impl Fn(f64, usize) -> String) -> (String, String) {
    let pair = |count| (print(a, count), print(b, count));
    let differ = |texts: &(String, String)| a == b || texts.0 != texts.1;
    (3..=12).map(pair).find(differ).unwrap_or_else(|| pair(12))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_of_others_are_bounded() {
        for good in [10.0, 1e6, 3.6e12] {
            assert_eq!(Latency::measured_ns(good).unwrap().ns(), good);
        }
        for bad in [0.0, -1.0, 1.0, 3.7e12, 1e306, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(Latency::measured_ns(bad).unwrap_err().to_string().contains("no measured latency"));
        }
    }

    #[test]
    fn latencies_need_a_unit() {
        assert_eq!("80ms".parse::<Latency>().unwrap(), Latency::from_ms(80.0));
        assert_eq!("0.3 ms".parse::<Latency>().unwrap().us(), 300.0);
        assert_eq!("1e-1ms".parse::<Latency>().unwrap().us(), 100.0);
        for bad in ["80", "ms", "-3ms", "0ms", "80min", "", "nanms", "1e999ms"] {
            assert!(bad.parse::<Latency>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn throughputs_need_a_unit_and_are_no_latencies() {
        assert_eq!("2000/s".parse::<Throughput>().unwrap().image(), Latency::from_ms(0.5));
        assert_eq!("45.5 images/s".parse::<Throughput>().unwrap().to_string(), "45.5 images/s");
        assert_eq!(Throughput::of(Latency::from_ms(0.5)).to_string(), "2000 images/s");
        for bad in ["2000", "2ms", "0/s", "-5/s", "/s", "2000/min", "nan/s"] {
            assert!(bad.parse::<Throughput>().is_err(), "{bad:?} was accepted");
        }
        assert!("2000/s".parse::<Latency>().is_err());
        for rate in (1..5000).map(f64::from).chain([0.5, 12.25]) {
            assert_eq!(Throughput::of(Throughput(rate).image()).0, rate);
        }
    }

    #[test]
    fn counts_take_prefixes() {
        assert_eq!("400M".parse::<Macs>().unwrap().0, 4e8);
        assert_eq!("8MB".parse::<Bytes>().unwrap().0, 8e6);
        assert_eq!("1_000_000".parse::<Params>().unwrap().0, 1e6);
        assert!("4x".parse::<Macs>().is_err());
    }

    #[test]
    fn printing_keeps_three_digits() {
        assert_eq!(Latency::from_ms(79.96).to_string(), "80.0 ms");
        assert_eq!(Latency::from_ms(0.12345).to_string(), "0.123 ms");
        assert_eq!(Latency::from_ms(1234.5).to_string(), "1234 ms");
        assert_eq!(Macs(4e8).to_string(), "400M");
        assert_eq!(Bytes(8.25e6).to_string(), "8.25MB");
        assert_eq!(format!("{:.5}", Bytes(8.2512e6)), "8.2512MB");
    }

    #[test]
    fn values_that_differ_are_printed_apart() {
        let bytes = |value: f64, count: usize| format!("{:.count$}", Bytes(value));
        assert_eq!(apart(1e6, 1_000_352.0, bytes), ("1.0000MB".into(), "1.0004MB".into()));
        assert_eq!(apart(1e6, 2e6, bytes), ("1.00MB".into(), "2.00MB".into()));
        assert_eq!(apart(1e6, 1e6, bytes), ("1.00MB".into(), "1.00MB".into()));
    }
}
