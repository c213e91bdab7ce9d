//! How far apart two ways of searching are, with an interval that holds the true difference nineteen times in twenty, and
//! the smallest difference that would have been seen. All of this is about other seeds, on the same test images.

use edgezen_core::stats;
use serde::Serialize;

/// Which values belong to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pairing {
    /// Value by value: searches with the same seed.
    Paired,
    /// Not at all (Welch).
    Unpaired,
}

/// A difference of means, in points of accuracy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    pub points: f64,
    /// Ends of the 95 % interval by Student's t distribution.
    pub lower: f64,
    pub upper: f64,
    /// The smallest true difference that four of five such experiments would tell from zero.
    pub detectable: f64,
    pub pairing: Pairing,
}

impl Difference {
    fn of(points: f64, standard_error: f64, degrees_of_freedom: usize, pairing: Pairing) -> Difference {
        let t = stats::t_quantile_975(degrees_of_freedom);
        Difference {
            points,
            lower: points - t * standard_error,
            upper: points + t * standard_error,
            detectable: (t + t_quantile_80(degrees_of_freedom)) * standard_error,
            pairing,
        }
    }

    /// Whether the interval leaves out zero.
    pub fn is_seen(&self) -> bool {
        self.lower > 0.0 || self.upper < 0.0
    }
}

/// Values below which there is no interval: accuracies are multiples of one test image, and two differences may be the same
/// by chance.
const LEAST: usize = 3;

/// The mean of `a` − `b`, value by value; nothing for fewer than three pairs.
pub fn paired(a: &[f64], b: &[f64]) -> Option<Difference> {
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let count = differences.len();
    if a.len() != b.len() || count < LEAST {
        return None;
    }
    let error = deviation(&differences)? / (count as f64).sqrt();
    Some(Difference::of(stats::mean(&differences)?, error, count - 1, Pairing::Paired))
}

/// The mean of `a` − that of `b`, where the variances may differ; nothing where either has fewer than three values.
pub fn unpaired(a: &[f64], b: &[f64]) -> Option<Difference> {
    let part = |values: &[f64]| -> Option<(f64, f64, f64)> {
        let count = values.len();
        let variance = deviation(values)?.powi(2) / count as f64;
        (count >= LEAST).then_some((stats::mean(values)?, variance, count as f64 - 1.0))
    };
    let ((mean_a, a, df_a), (mean_b, b, df_b)) = (part(a)?, part(b)?);
    // Welch and Satterthwaite; rounded down, which widens the interval.
    let degrees = if a + b > 0.0 { (a + b).powi(2) / (a * a / df_a + b * b / df_b) } else { df_a + df_b };
    Some(Difference::of(mean_a - mean_b, (a + b).sqrt(), (degrees as usize).max(1), Pairing::Unpaired))
}

/// The deviation of single values, estimated from a sample; nothing for fewer than two.
pub fn deviation(values: &[f64]) -> Option<f64> {
    let (mean, count) = (stats::mean(values)?, values.len());
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (count >= 2).then(|| (squares / (count as f64 - 1.0)).sqrt())
}

/// The half width of the 95 % interval of a mean; nothing for fewer than two values.
pub fn half_width(values: &[f64]) -> Option<f64> {
    let count = values.len();
    if count < 2 {
        return None;
    }
    Some(stats::t_quantile_975(count - 1) * deviation(values)? / (count as f64).sqrt())
}

/// 80 % quantile of Student's t distribution: what a difference must lie beyond the edge of the interval to be seen four
/// times of five. A table of the textbooks up to ten; above it, the first two terms of Abramowitz & Stegun 26.7.5.
fn t_quantile_80(degrees_of_freedom: usize) -> f64 {
    const TABLE: [f64; 10] = [1.376, 1.061, 0.978, 0.941, 0.920, 0.906, 0.896, 0.889, 0.883, 0.879];
    let Some(index) = degrees_of_freedom.checked_sub(1) else { return f64::INFINITY };
    let z = 0.841_621_f64;
    let expanded = z + (z.powi(3) + z) / (4.0 * degrees_of_freedom as f64);
    TABLE.get(index).copied().unwrap_or(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 2e-3 * b.abs().max(1.0), "{a} is not {b}");
    }

    #[test]
    fn a_paired_difference_is_that_of_the_textbook() {
        // Differences 1, 2, 3, 4, 5: mean 3, deviation 1.5811, standard error 0.70711, t 2.776.
        let difference = paired(&[11.0, 12.0, 13.0, 14.0, 15.0], &[10.0; 5]).unwrap();
        close(difference.points, 3.0);
        close(difference.lower, 3.0 - 2.776 * std::f64::consts::FRAC_1_SQRT_2);
        close(difference.upper, 3.0 + 2.776 * std::f64::consts::FRAC_1_SQRT_2);
        close(difference.detectable, (2.776 + 0.941) * std::f64::consts::FRAC_1_SQRT_2);
        assert!(difference.is_seen());
        assert!(!paired(&[1.0, -1.0, 1.0], &[0.0; 3]).unwrap().is_seen());
        assert_eq!(paired(&[1.0, 1.0], &[0.0; 2]), None);
    }

    #[test]
    fn an_unpaired_difference_is_welchs() {
        // Variances of the means 5/3 and 5/12, 4.41 degrees of freedom.
        let (a, b) = ([10.0, 12.0, 14.0, 16.0], [6.0, 7.0, 8.0, 9.0]);
        let difference = unpaired(&a, &b).unwrap();
        let error = (20.0 / 3.0 / 4.0 + 5.0 / 3.0 / 4.0_f64).sqrt();
        close(difference.points, 5.5);
        close(difference.upper - 5.5, 2.776 * error);
        assert_eq!(difference.pairing, Pairing::Unpaired);
        assert_eq!(unpaired(&[1.0], &b), None);
        close(half_width(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap(), 2.776 * std::f64::consts::FRAC_1_SQRT_2);
        assert_eq!(half_width(&[1.0]), None);
    }

    #[test]
    fn quantiles_go_on_above_their_tables() {
        close(t_quantile_80(11), 0.876);
        close(t_quantile_80(30), 0.854);
        assert!(t_quantile_80(0).is_infinite());
    }
}
