//! Which values of a map 8-bit integers stand for: all of them, or those that are left where rare ones are cut off.

use std::fmt;
use std::str::FromStr;

/// How a range is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Method {
    /// From the smallest value to the largest one.
    #[default]
    MinMax,
    /// The range that holds this share of the values, in percent; as many are cut off at either end.
    Percentile(f64),
    /// The range whose integers tell most of how the values are distributed: the least Kullback-Leibler divergence.
    Entropy,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Method::MinMax => f.write_str("minmax"),
            Method::Percentile(percent) => write!(f, "{percent}"),
            Method::Entropy => f.write_str("entropy"),
        }
    }
}

impl FromStr for Method {
    type Err = String;

    fn from_str(text: &str) -> Result<Method, String> {
        match text {
            "minmax" => Ok(Method::MinMax),
            "entropy" => Ok(Method::Entropy),
            _ => match text.parse() {
                Ok(percent) if (50.0..=100.0).contains(&percent) => Ok(Method::Percentile(percent)),
                _ => Err(format!("{text:?} is neither minmax nor entropy nor a percentage, as 99.99")),
            },
        }
    }
}

/// Bins on either side of zero.
const BINS: usize = 2048;
/// Steps that the integers of one sign have.
const STEPS: usize = 128;

/// How often a map has which values: bins of equal width around zero.
#[derive(Clone, Debug)]
pub struct Histogram {
    low: f32,
    high: f32,
    counts: Vec<u64>,
}

impl Histogram {
    /// For values from `low` to `high`.
    pub fn new(low: f32, high: f32) -> Histogram {
        Histogram { low, high, counts: vec![0; 2 * BINS] }
    }

    /// The largest magnitude.
    fn most(&self) -> f64 {
        f64::from(self.high.max(-self.low).max(f32::MIN_POSITIVE))
    }

    pub fn add(&mut self, values: &[f32]) {
        let scale = BINS as f64 / self.most();
        for &value in values {
            let bin = (f64::from(value) * scale).floor() + BINS as f64;
            self.counts[bin.clamp(0.0, (2 * BINS - 1) as f64) as usize] += 1;
        }
    }

    /// The range that `method` chooses; all values where there are none.
    pub fn range(&self, method: Method) -> (f32, f32) {
        match method {
            Method::MinMax => (self.low, self.high),
            Method::Percentile(percent) => self.percentile(percent),
            Method::Entropy => {
                let limit = self.least_divergence();
                (self.low.max(-limit), self.high.min(limit))
            }
        }
    }

    fn percentile(&self, percent: f64) -> (f32, f32) {
        let total: u64 = self.counts.iter().sum();
        let beyond = ((100.0 - percent) / 200.0 * total as f64).floor() as u64;
        // The number of bins at an end that hold no more than may be cut off.
        let cut = |counts: &mut dyn Iterator<Item = &u64>| {
            let mut sum = 0;
            counts
                .take_while(|&&count| {
                    sum += count;
                    sum <= beyond
                })
                .count()
        };
        let edge = |bin: usize| (bin as f64 - BINS as f64) * self.most() / BINS as f64;
        let low = edge(cut(&mut self.counts.iter())) as f32;
        let high = edge(2 * BINS - cut(&mut self.counts.iter().rev())) as f32;
        if low < high { (low.max(self.low), high.min(self.high)) } else { (self.low, self.high) }
    }

    /// The magnitude beyond which values are cut off.
    fn least_divergence(&self) -> f32 {
        let magnitudes: Vec<f64> =
            (0..BINS).map(|bin| (self.counts[BINS + bin] + self.counts[BINS - 1 - bin]) as f64).collect();
        let mut best = (f64::INFINITY, BINS);
        for bins in (STEPS..=BINS).step_by(STEPS / 8) {
            let divergence = divergence(&magnitudes, bins);
            if divergence < best.0 {
                best = (divergence, bins);
            }
        }
        (best.1 as f64 * self.most() / BINS as f64) as f32
    }
}

/// How much is lost where only the first `bins` have integers of their own, and everything beyond counts as the last one.
fn divergence(counts: &[f64], bins: usize) -> f64 {
    let kept = &counts[..bins];
    let beyond: f64 = counts[bins..].iter().sum();
    let total = kept.iter().sum::<f64>() + beyond;
    if total <= 0.0 {
        return f64::INFINITY;
    }
    let mut divergence = 0.0;
    for step in 0..STEPS {
        let (from, to) = (step * bins / STEPS, (step + 1) * bins / STEPS);
        let part = &kept[from..to];
        let filled = part.iter().filter(|&&count| count > 0.0).count();
        let inside: f64 = part.iter().sum();
        for (offset, &count) in part.iter().enumerate() {
            let is_last = from + offset + 1 == bins;
            let p = (count + if is_last { beyond } else { 0.0 }) / total;
            if p <= 0.0 {
                continue;
            }
            // All filled bins of a step become one integer.
            let q = if filled == 0 { 0.0 } else { inside / filled as f64 / (total - beyond).max(1.0) };
            divergence += p * (p / q.max(1e-9)).ln();
        }
    }
    divergence
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of a normal distribution, and one far away.
    fn with_outlier() -> (Histogram, f32) {
        let values: Vec<f32> = (1..20_000)
            .map(|i| edgezen_core::stats::normal_quantile(f64::from(i) / 20_000.0) as f32)
            .collect();
        let mut histogram = Histogram::new(-4.0, 40.0);
        histogram.add(&values);
        histogram.add(&[40.0]);
        (histogram, values[0])
    }

    #[test]
    fn rare_values_are_cut_off() {
        let (histogram, lowest) = with_outlier();
        assert_eq!(histogram.range(Method::MinMax), (-4.0, 40.0));
        let (low, high) = histogram.range(Method::Percentile(99.9));
        // 0.05 % at either end: ± 3.29.
        assert!((-3.4..=-3.2).contains(&low) && (3.2..=3.4).contains(&high), "{low} {high}");
        let (low, high) = histogram.range(Method::Percentile(100.0));
        assert!(low <= lowest && high == 40.0, "{low} {high}");
        let (low, high) = histogram.range(Method::Entropy);
        assert!((-4.0..-2.0).contains(&low) && (2.0..8.0).contains(&high), "{low} {high}");
    }

    #[test]
    fn maps_without_negative_values_begin_at_zero() {
        let mut histogram = Histogram::new(0.0, 6.0);
        let values: Vec<f32> = (0..6000).map(|i| i as f32 / 1000.0).collect();
        histogram.add(&values);
        for method in [Method::MinMax, Method::Percentile(99.9), Method::Entropy] {
            let (low, high) = histogram.range(method);
            assert!(low == 0.0 && high > 5.9 && high <= 6.0, "{method}: {low} {high}");
        }
        // Nothing but zeros.
        let mut zeros = Histogram::new(0.0, 0.0);
        zeros.add(&[0.0; 9]);
        for method in [Method::Percentile(99.9), Method::Entropy] {
            let (low, high) = zeros.range(method);
            assert!(low <= 0.0 && (0.0..1e-30).contains(&high), "{method}: {low} {high}");
        }
    }

    #[test]
    fn methods_have_names() {
        for text in ["minmax", "entropy", "99.99"] {
            assert_eq!(text.parse::<Method>().unwrap().to_string(), text);
        }
        for text in ["", "NaN", "30", "101", "Entropy"] {
            assert!(text.parse::<Method>().is_err(), "{text}");
        }
    }
}
