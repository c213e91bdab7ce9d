//! From convolution to convolution: what a random network does to the statistics of its maps.
//!
//! The derivation is in `docs/closed-form.md`; names here follow it. Energies are squares of the values of a
//! pixel before ReLU, averaged over channels, relative to their mean over the batch.

use super::geometry::{CLASSES, Geometry, Row};
use crate::proxy::Mode;
use std::f64::consts::PI;

/// Perturbation of the input, α in the paper, γ in the reference.
pub const ALPHA: f64 = 0.01;

/// (E relu(z))² of a unit normal z, and its variance ½ − 1/2π.
const MEAN_SQUARED: f32 = (1.0 / (2.0 * PI)) as f32;
/// Relative variance of (relu(z) − E relu(z))²: what one channel adds to the fluctuation of energies.
const FRESH: f32 = 4.41;
/// Excess kurtosis and squared skewness of relu(z).
const KURTOSIS: f32 = 2.41;
const SKEWNESS: f32 = 2.69;
/// What ReLU leaves of the square of a small correlation: ((1/4) / (½ − 1/2π))².
const DECAY: f32 = 0.54;
/// Depthwise sums of few values are closer to normal than the first order says: simulated.
const FEW: f32 = 2.5;
/// The same of a window with one tap inside the map, which gives relu(z) less its mean: (E|relu(z) − m|)² against a
/// normal value's. Of a sample of n it is 1 + 1.15/n times as much, simulated.
const ONLY_TAP: f32 = 0.981;
/// BN divides a channel by its own deviation, which bounds heavy tails.
const NORMALISED: f32 = 2.0;
/// Two effects calibrated on `tests/golden/zen_monte_carlo.csv`: how convexly the energy of a pixel responds to its
/// fluctuation (first order 0.47), and how much an image's share of a channel's energy varies between the channels
/// of a depthwise layer (of order 1).
const CONVEXITY: f32 = 1.0;
const UNEVEN: f32 = 0.6;
/// More variance between images than any batch shows.
const MOST: f32 = 1e6;

/// A convolution.
#[derive(Clone, Copy, Debug)]
pub struct Conv {
    /// Channels of the input that an output channel sees, and one over that.
    pub fan_c: f32,
    pub per_fan_c: f32,
    pub out_c: f32,
    pub kernel: u32,
    pub stride: u32,
    pub depthwise: bool,
    /// [`few_inputs`] of all its inputs.
    pub few: f32,
}

/// What the recursion carries from layer to layer.
#[derive(Clone, Copy, Debug)]
pub struct State {
    pub side: u32,
    /// Channels of the current map.
    pub channels: f32,
    first: bool,
    /// Mean energy by class of position along one axis (mean 1), the map's is the product of two of them; and
    /// the shape of the widest fluctuation.
    profile: Row,
    /// Its square root, one over that, and the root's mean along the axis.
    root: Row,
    per_root: Row,
    mean_root: f32,
    widest: Row,
    /// Variance of the energies by octave of frequency; of the widest, the share common to both passes.
    octaves: Row,
    shared: f32,
    /// The same summed up, as far as a finite batch can show it; and what a depthwise layer adds in each
    /// channel on its own.
    fluctuation: f32,
    seen_widest: f32,
    /// 1 / (1 + fluctuation).
    per_spread: f32,
    own: f32,
    /// Mean square of correlations between pixels: of the map, and of a depthwise layer's channels.
    correlation: f32,
    own_correlation: f32,
    /// (E x)² of the map over channels; E x² is ½.
    mean_squared: f32,
    /// 1 − correlation of the two passes before the last ReLU.
    apart: f32,
    /// Σ ½ ln of what the mode takes of each BN's variance; the running product is folded in now and
    /// then, which saves most logarithms.
    log_sum: f64,
    factor: f64,
}

#[inline(always)]
fn total(x: Row) -> f32 {
    let x: [f32; 4] = std::array::from_fn(|i| x[i] + x[i + 4]);
    (x[0] + x[2]) + (x[1] + x[3])
}

#[inline(always)]
fn zip(a: Row, b: Row, f: impl Fn(f32, f32) -> f32) -> Row {
    std::array::from_fn(|i| f(a[i], b[i]))
}

#[inline(always)]
fn dot(a: Row, b: Row) -> f32 {
    total(zip(a, b, |a, b| a * b))
}

#[inline(always)]
fn apply(matrix: &[Row; CLASSES], x: Row) -> Row {
    // Two sums at a time: the processor waits for neither.
    let half = |from: usize| {
        let mut out: Row = matrix[from].map(|m| m * x[from]);
        for i in 1..CLASSES / 2 {
            for (out, m) in out.iter_mut().zip(&matrix[from + i]) {
                *out = m.mul_add(x[from + i], *out);
            }
        }
        out
    };
    zip(half(0), half(CLASSES / 2), |a, b| a + b)
}

/// What a finite number of independent samples shows of a relative variance: their own mean is taken out.
#[inline(always)]
fn seen(variance: f32, samples: f32) -> f32 {
    variance * (samples - 1.0) / (samples + variance)
}

impl State {
    pub fn start(side: u32) -> State {
        State {
            side,
            channels: 3.0,
            first: true,
            profile: [1.0; CLASSES],
            root: [1.0; CLASSES],
            per_root: [1.0; CLASSES],
            mean_root: 1.0,
            widest: [1.0; CLASSES],
            octaves: [0.0; CLASSES],
            shared: 1.0,
            fluctuation: 0.0,
            seen_widest: 0.0,
            per_spread: 1.0,
            own: 0.0,
            correlation: 0.0,
            own_correlation: 0.0,
            mean_squared: 0.0,
            apart: (1.0 - 1.0 / (1.0 + ALPHA * ALPHA).sqrt()) as f32,
            log_sum: 0.0,
            factor: 1.0,
        }
    }

    /// One convolution of `fan_c` channels to `out_c`, with its BN and ReLU.
    #[inline(always)]
    pub fn conv(&mut self, g: &Geometry, conv: &Conv, mode: Mode) {
        if g.is_point {
            self.layer::<true>(g, conv, mode);
        } else {
            self.layer::<false>(g, conv, mode);
        }
    }

    /// `POINT` where the window is a single tap at every position.
    #[inline(always)]
    fn layer<const POINT: bool>(&mut self, g: &Geometry, conv: &Conv, mode: Mode) {
        let Conv { fan_c, per_fan_c, out_c, depthwise, few, .. } = *conv;
        let energy_in: f32 = if self.first { 1.0 } else { 0.5 };
        let m2 = self.mean_squared;

        // Variance, by position: E x² over the window, less what the mean over batch and map takes away.
        let relative = zip(self.widest, self.per_root, |shape, per_root| shape * per_root);
        let (gain, mean_root) = if POINT {
            (1.0, self.mean_root)
        } else {
            (dot(g.mean_window, self.profile), dot(g.mean_weighted, self.root))
        };
        let scale = mean_root * g.per_axis_squares;
        let mean_gain = scale * mean_root;
        let (energy, taken) = (energy_in * gain * gain, m2 * mean_gain * mean_gain);
        let variance = energy - taken;

        // How much the widest fluctuation grows against the mean: borders cost it less.
        let wide_gain = dot(g.mean_window, self.widest);
        let wide_mean = dot(g.mean_weighted, relative);
        let (a, b) = (energy_in * wide_gain, m2 * scale * scale * wide_mean);
        let grown = a * wide_gain - b * wide_mean;
        let (per_variance, per_grown) = (1.0 / variance, 1.0 / grown);
        let growth = if self.first { 1.0 } else { grown / variance };

        // The two passes. Their difference is nowhere refilled by the mean, and is as central as the widest
        // fluctuation.
        let before = self.apart;
        // How unlike the fluctuations of both are that one layer adds: 1 − (0.31 ρ + 0.45 ρ² + 0.24 ρ³).
        let near = before.min(1.0);
        let unlike = near * (1.93 - near * (1.17 - 0.24 * near));
        let fine = self.fluctuation - self.seen_widest;
        let distance = if self.first {
            before
        } else {
            let differing = (1.0 - self.shared) * self.seen_widest + fine * unlike;
            // E √(e e') = (1 − gap)·E e.
            let gap = quarter_power_gap(differing * self.per_spread);
            let apart = (before - gap).max(0.0);
            // (1 − gap)·relu_distance(apart / (1 − gap))
            0.5 * gap + apart * relu_slope(apart * (1.0 + gap * (1.0 + gap)))
        };
        self.apart = wide_gain * wide_gain * per_variance * distance;

        if !self.first {
            let shape = |wide, weighted| zip(wide, weighted, |x, y| (a * x - b * y) * per_grown);
            self.widest = if POINT {
                shape(self.widest, relative)
            } else {
                shape(apply(&g.window, self.widest), apply(&g.weighted, relative))
            };
        }
        if !POINT {
            // A point changes the profile in second order only.
            let a = energy_in * gain * per_variance;
            let b = 2.0 * m2 * scale * mean_gain * per_variance;
            let c = taken * per_variance;
            let (window, weighted) = (apply(&g.window, self.profile), apply(&g.weighted, self.root));
            self.profile = zip(window, weighted, |x, y| a * x - b * y + c);
            self.root = self.profile.map(|x| x.max(1e-6).sqrt());
            self.per_root = self.root.map(|x| 1.0 / x);
            self.mean_root = dot(g.share, self.root);
        }

        // Fluctuations of energy.
        let mut white = 0.0;
        // What one channel adds, on its own; heavier tails add more, and BN bounds them.
        let mut heavy = 0.0;
        if self.first {
            white = 2.0 * per_fan_c;
            self.shared = 1.0 - unlike;
        } else {
            let correlation = self.correlation + if depthwise { 0.0 } else { self.own_correlation };
            heavy = FRESH * (1.0 + self.fluctuation) * per_fan_c / (1.0 + NORMALISED * correlation);
            if !depthwise {
                white = heavy * (1.0 + self.own);
                white += if self.own > 0.0 {
                    self.own * per_fan_c
                } else {
                    let fine = fine.max(0.0) / (1.0 + fine);
                    CONVEXITY * fine * fine
                };
                let gained = white * g.modes[0];
                self.shared += (1.0 - unlike - self.shared) * (gained / (self.octaves[0] + gained));
            }
        }
        let mut response = g.response;
        response[0] = growth * growth;
        self.octaves = std::array::from_fn(|i| white.mul_add(g.modes[i], self.octaves[i]) * response[i]);
        if !POINT && g.out_side != g.side {
            let folded = total(zip(self.octaves, g.kept, |x, kept| x * (1.0 - kept)));
            self.octaves = std::array::from_fn(|i| self.octaves[i] * g.kept[i] + folded * g.folded[i]);
        }
        if depthwise {
            // Each channel is divided by its own deviation, which the brightest images make up.
            let brightest = 1.0 + self.seen_widest;
            let bounded = 1.0 / (1.0 + 2.0 * UNEVEN * brightest * brightest * g.per_batch);
            self.octaves = self.octaves.map(|x| x * bounded);
        }
        // No batch shows more than this.
        self.octaves[0] = self.octaves[0].min(MOST);
        // What the batch shows of both, and one over one plus that: on one denominator, which takes less time.
        let widest = self.octaves[0];
        let other = total(self.octaves) - widest;
        let (images, pixels) = (g.batch + widest, g.pixels + other);
        let both = images * pixels;
        let (of_images, of_pixels) = (widest * (g.batch - 1.0) * pixels, other * (g.pixels - 1.0) * images);
        let sum = both + of_images + of_pixels;
        let per_spread = both / sum;
        self.seen_widest = of_images / both;
        let after = self.seen_widest + of_pixels / both;
        // (E relu(z))² of a sample, normalised: of normal values, and of a depthwise window's only value.
        let mut of_sample = 1.0 - 0.5 * PI as f32 * g.per_pixels;
        let shape = if depthwise {
            let averaged = dot(g.modes, response);
            self.own = seen(heavy * averaged * per_spread, g.pixels);
            self.correlation *= DECAY * g.mixing;
            self.own_correlation = g.mixing;
            if g.per_taps < 1.0 {
                1.0 - (FRESH / 4.0 * g.per_taps - 0.5 * g.mixing) * (1.0 - FEW * g.mixing).max(0.0)
            } else {
                of_sample = 1.0 + 1.15 * g.per_pixels;
                ONLY_TAP
            }
        } else {
            self.own = 0.0;
            self.own_correlation = 0.0;
            let carried = if self.first { 0.0 } else { DECAY * self.correlation };
            self.correlation = (carried + per_fan_c) * g.mixing;
            if self.first { 1.0 } else { few }
        };
        self.per_spread = per_spread;
        self.fluctuation = after;
        // What waits for `per_spread` comes last: it is known last.
        let rest = MEAN_SQUARED * (1.0 + 0.5 * self.correlation) * of_sample * shape;
        self.mean_squared = rest * per_spread.sqrt().sqrt();

        // The mean over channels fluctuates, and the logarithm of a mean is less than the mean logarithm.
        let noise =
            (self.correlation + self.own_correlation + (1.0 + after + self.own) * g.per_pixels) / out_c;
        let variance = f64::from(fan_c * variance * (1.0 - noise.min(0.5)));
        self.factor *= match mode {
            // Biased, as the paper's batch variance is.
            Mode::Paper => variance * f64::from(1.0 - g.per_pixels),
            // Running variance after the two passes of one repetition: 0.81 + 0.19 v (SPEC 5.2).
            Mode::Reference => 0.81 + 0.19 * variance,
        };
        if !(1e-100..1e100).contains(&self.factor) {
            self.fold();
        }
        self.first = false;
        self.side = g.out_side;
        self.channels = out_c;
    }

    fn fold(&mut self) {
        self.log_sum += 0.5 * self.factor.ln();
        self.factor = 1.0;
    }

    /// The score of the network that ends here.
    pub fn finish(mut self, mode: Mode) -> f64 {
        self.fold();
        let elements = f64::from(self.channels) * f64::from(self.side) * f64::from(self.side);
        let log_delta = match mode {
            // E|relu(z) − relu(z')| = √((1−ρ)/π), summed over the map.
            Mode::Reference => {
                let spread = (1.0 + self.fluctuation) * (1.0 + self.own);
                elements.ln() + 0.5 * (f64::from(self.apart) / PI).ln() + 2.0 * f64::from(self.mean_root).ln()
                    - 0.125 * f64::from(spread).ln()
            }
            // E(relu(z) − relu(z'))² = 1 − 2 J(ρ).
            Mode::Paper => {
                let widest = 1.0 + f64::from(self.seen_widest);
                0.5 * (elements * 2.0 * f64::from(relu_distance(self.apart))).ln() - 0.125 * widest.ln()
            }
        };
        log_delta + self.log_sum
    }
}

/// Correction of (E|z|)² beyond the first order for sums of few independent inputs.
pub fn few_inputs(n: f32) -> f32 {
    let exact = 1.0 - KURTOSIS / 4.0 / (n + 2.0) + SKEWNESS * 1.25 / ((n + 2.0) * (n + 4.0));
    exact / ((-FRESH / 4.0 / n).exp() * (1.0 + 0.5 / n))
}

/// (1 − (1 − x)^(1/4)) / x as a polynomial in x.
const GAP: [f32; 6] = [0.2497534, 0.1132496, -0.1831531, 1.032067, -1.659833, 1.046629];

/// 1 − (1 − x)^(1/4) for x from 0 to 0.9, to one per mille of it.
#[inline(always)]
fn quarter_power_gap(x: f32) -> f32 {
    let x = x.min(0.9);
    let x2 = x * x;
    x * ((GAP[0] + GAP[1] * x) + x2 * ((GAP[2] + GAP[3] * x) + x2 * (GAP[4] + GAP[5] * x)))
}

/// ½ − J(ρ) with J(ρ) = E relu(z)·relu(z') for unit normals of correlation ρ = 1 − `apart`, the arc-cosine
/// kernel.
#[inline(always)]
fn relu_distance(apart: f32) -> f32 {
    apart * relu_slope(apart)
}

/// (½ − J(1 − `apart`)) / `apart`: a polynomial in the root, good to 1e-5 where correlations are not negative.
/// Correlations below −0.2, which no network has, are taken for −0.2.
#[inline(always)]
fn relu_slope(apart: f32) -> f32 {
    let apart = apart.min(1.2);
    let t = apart.sqrt();
    let low = (0.500_000_2 - 0.150_075_8 * t) + apart * (0.000_411_376 - 0.010_245_235 * t);
    let high = (0.008_730_6 - 0.015_606_553 * t) + apart * (0.012_013_014 - 0.004_382_433 * t);
    low + apart * apart * high
}

#[cfg(test)]
fn exact_relu_distance(apart: f64) -> f64 {
    let rho = 1.0 - apart;
    // √(1 − ρ²), and the angle between the two.
    let sin = (apart * (2.0 - apart)).max(0.0).sqrt();
    // (π(1 − ρ) + ρ·angle − sin) / 2π
    (PI * apart + rho * sin.atan2(rho) - sin) / (2.0 * PI)
}

#[cfg(test)]
mod tests {
    use super::*;

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
