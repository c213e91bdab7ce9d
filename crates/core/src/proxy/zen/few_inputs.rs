//! The correction of (E|z|)² for sums of few independent inputs (docs/closed-form.md, section 3.5).

use super::constants::{FRESH, KURTOSIS, SKEWNESS};

/// The correction beyond the first order for a sum of `n` inputs, as a factor of m².
pub fn few_inputs(n: f32) -> f32 {
    let exact = 1.0 - KURTOSIS / 4.0 / (n + 2.0) + SKEWNESS * 1.25 / ((n + 2.0) * (n + 4.0));
    exact / ((-FRESH / 4.0 / n).exp() * (1.0 + 0.5 / n))
}
