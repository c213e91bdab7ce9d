//! How values are written, read and printed.

use crate::units::{Bytes, Latency, Macs, Params, Throughput, UnitError};

/// How the values of a quantity are written, read and printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// A whole number: `18`.
    Whole,
    /// A number with a decimal prefix: `400M`.
    Prefixed,
    /// Bytes with a decimal prefix: `8MB`.
    Bytes,
    /// Nanoseconds in the program; milliseconds in files and for people: `80ms`.
    Time,
    /// Nanoseconds of an image in the program, of which fewer are better; images per second in files and for people: `2000/s`.
    Rate,
}

impl Scale {
    /// The unit of reported values: `ms` or `bytes`; none for numbers.
    pub fn unit(self) -> Option<&'static str> {
        match self {
            Scale::Whole | Scale::Prefixed => None,
            Scale::Bytes => Some("bytes"),
            Scale::Time => Some("ms"),
            Scale::Rate => Some("images/s"),
        }
    }

    /// `value` in the unit of files and results.
    pub fn reported(self, value: f64) -> f64 {
        match self {
            Scale::Time => Latency::from_ns(value).ms(),
            Scale::Rate => Throughput::of(Latency::from_ns(value)).0,
            Scale::Whole | Scale::Prefixed | Scale::Bytes => value,
        }
    }

    /// The value that is `reported` in the unit of files and results.
    pub fn from_reported(self, reported: f64) -> f64 {
        match self {
            Scale::Time => Latency::from_ms(reported).ns(),
            Scale::Rate => Throughput(reported).image().ns(),
            Scale::Whole | Scale::Prefixed | Scale::Bytes => reported,
        }
    }

    /// `value` as people read it, without the noun.
    pub fn print(self, value: f64) -> String {
        self.print_digits(value, 3)
    }

    /// As [`Scale::print`], with `count` significant digits.
    pub fn print_digits(self, value: f64, count: usize) -> String {
        match self {
            Scale::Whole => value.to_string(),
            Scale::Prefixed => format!("{:.count$}", Macs(value)),
            Scale::Bytes => format!("{:.count$}", Bytes(value)),
            Scale::Time => format!("{:.count$}", Latency::from_ns(value)),
            Scale::Rate => format!("{:.count$}", Throughput::of(Latency::from_ns(value))),
        }
    }

    /// Reads a limit as people type it.
    ///
    /// # Errors
    /// Text that is no positive value of this quantity.
    pub fn parse(self, text: &str) -> Result<f64, QuantityError> {
        match self {
            Scale::Whole => {
                let number: i64 = text.parse().map_err(QuantityError::NotWhole)?;
                let range = 1..=i64::from(u32::MAX);
                if range.contains(&number) { Ok(number as f64) } else { Err(QuantityError::Range(number)) }
            }
            Scale::Prefixed => Ok(text.parse::<Params>()?.0),
            Scale::Bytes => Ok(text.parse::<Bytes>()?.0),
            Scale::Time => Ok(text.parse::<Latency>()?.ns()),
            Scale::Rate => Ok(text.parse::<Throughput>()?.image().ns()),
        }
    }
}

/// Why a limit could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    #[error(transparent)]
    Unit(#[from] UnitError),
    #[error("{0}")]
    NotWhole(std::num::ParseIntError),
    #[error("{0} is not in 1..={max}", max = u32::MAX)]
    Range(i64),
}
