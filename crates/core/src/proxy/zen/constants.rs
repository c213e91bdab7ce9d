//! The constants of the closed form. `docs/closed-form.md` derives them; section 2 lists their symbols.

use std::f64::consts::PI;

/// α: size of the perturbation of the input (the released code calls it γ).
pub const ALPHA: f64 = 0.01;

/// m² of a map without fluctuation: (E relu(z))² = 1/2π of a unit normal z (section 1).
pub const MEAN_SQUARED: f32 = (1.0 / (2.0 * PI)) as f32;

/// Relative variance of (relu(z) − m)²: what one channel adds to κ (section 3.2).
pub const FRESH: f32 = 4.41;

/// Excess kurtosis of relu(z) (section 3.5).
pub const KURTOSIS: f32 = 2.41;

/// Squared skewness of relu(z) (section 3.5).
pub const SKEWNESS: f32 = 2.69;

/// The part of the square of a small correlation that a ReLU keeps: ((1/4) / (½ − 1/2π))².
pub const DECAY: f32 = 0.54;

/// Correction beyond the first order for depthwise sums of few values, which are closer to normal than the first
/// order says; found by simulation (section 3.5).
pub const FEW: f32 = 2.5;

/// (E|relu(z) − m|)² relative to the same of a normal value: the correction where only one tap of a depthwise
/// window lies inside the map (section 3.5). In a sample of n values it is 1 + 1.15/n times as large; found by
/// simulation.
pub const ONLY_TAP: f32 = 0.981;

/// How strongly correlation within a channel bounds its heavy tails: BN divides a channel by the channel's own
/// standard deviation.
pub const NORMALISED: f32 = 2.0;

/// How convexly the energy of a pixel responds to its fluctuation (first order: 0.47). Calibrated on
/// `tests/golden/zen_monte_carlo.csv` (section 4).
pub const CONVEXITY: f32 = 1.0;

/// r of depthwise layers: variance, between the channels of a layer, of an image's share of a channel's energy
/// (first order: 1). Calibrated on `tests/golden/zen_monte_carlo.csv` (section 4).
pub const UNEVEN: f32 = 0.6;

/// Upper bound of V, the variance of energy between images; no batch can show as much.
pub const MOST_VARIANCE: f32 = 1e6;
