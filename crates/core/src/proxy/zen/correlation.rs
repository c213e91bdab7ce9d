//! Functions of the correlation ρ of the two passes, as polynomials that are the same for one network and for
//! several side by side.

use super::numbers::Numbers;

/// Coefficients of (1 − (1 − x)^(1/4)) / x as a polynomial in x.
const GAP: [f32; 6] = [0.2497534, 0.1132496, -0.1831531, 1.032067, -1.659833, 1.046629];

/// 1 − (1 − x)^(1/4) for x from 0 to 0.9, with a relative error below one per mille (docs/closed-form.md,
/// section 3.4).
#[inline(always)]
pub fn quarter_power_gap<N: Numbers>(x: N) -> N {
    let x = x.at_most(0.9);
    let x2 = x * x;
    let [low, middle, high] = [x * GAP[1] + GAP[0], x * GAP[3] + GAP[2], x * GAP[5] + GAP[4]];
    x * (low + x2 * (middle + x2 * high))
}

/// ½ − J(ρ), where `apart` is 1 − ρ and J(ρ) = E relu(z)·relu(z') is the arc-cosine kernel of unit normals z, z' of
/// correlation ρ (docs/closed-form.md, section 1).
#[inline(always)]
pub fn relu_distance<N: Numbers>(apart: N) -> N {
    apart * relu_slope(apart)
}

/// (½ − J(ρ)) / (1 − ρ), where `apart` is 1 − ρ, as a polynomial in √(1 − ρ). Its relative error is below 1e-5 where ρ
/// is not negative; ρ below −0.2, which no network has, is taken for −0.2.
#[inline(always)]
pub fn relu_slope<N: Numbers>(apart: N) -> N {
    let apart = apart.at_most(1.2);
    let t = apart.sqrt();
    let low = (t * -0.150_075_8 + 0.500_000_2) + apart * (t * -0.010_245_235 + 0.000_411_376);
    let high = (t * -0.015_606_553 + 0.008_730_6) + apart * (t * -0.004_382_433 + 0.012_013_014);
    low + apart * apart * high
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    /// ½ − J(ρ) from the formula.
    fn exact_relu_distance(apart: f64) -> f64 {
        let rho = 1.0 - apart;
        // √(1 − ρ²); the angle arccos ρ follows from it without cancellation.
        let sin = (apart * (2.0 - apart)).max(0.0).sqrt();
        (PI * apart + rho * sin.atan2(rho) - sin) / (2.0 * PI)
    }

    #[test]
    fn the_polynomial_is_the_arc_cosine_kernel() {
        for i in 1..=1_200 {
            let apart = f64::from(i) / 1_000.0;
            let (got, want) = (f64::from(relu_distance(apart as f32)), exact_relu_distance(apart));
            assert!((got / want - 1.0).abs() < 1e-5, "{apart}: {got} against {want}");
        }
        // Where the angle itself would cancel: ½ − J ≈ apart / 2.
        assert!((relu_distance(1e-10) / 0.5e-10 - 1.0).abs() < 1e-4);
    }
}
