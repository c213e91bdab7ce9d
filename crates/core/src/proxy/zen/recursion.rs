//! From convolution to convolution: what a random network does to the statistics of its maps.
//!
//! The derivation is in `docs/closed-form.md`; names here follow it. Energies are squares of the values of a
//! pixel before ReLU, averaged over channels, relative to their mean over the batch.

use super::geometry::{CLASSES, Geometry};
use super::numbers::Numbers;
use super::numbers::{MOST, SideBySide};
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
const BOUND: f32 = 1e6;

/// A convolution; of several networks side by side, where they differ in widths alone.
#[derive(Clone, Copy, Debug)]
pub struct Conv<N = f32> {
    /// Channels of the input that an output channel sees, and one over that.
    pub fan_c: N,
    pub per_fan_c: N,
    pub out_c: N,
    pub kernel: u32,
    pub stride: u32,
    pub depthwise: bool,
    /// [`few_inputs`] of all its inputs.
    pub few: N,
}

impl Conv {
    /// Whether both do the same to maps of any width.
    pub fn is_alike(&self, other: &Conv) -> bool {
        (self.kernel, self.stride, self.depthwise) == (other.kernel, other.stride, other.depthwise)
    }
}

/// One number for each class or octave.
type Row<N> = [N; CLASSES];

/// What the recursion carries from layer to layer.
#[derive(Clone, Copy, Debug)]
pub struct State<N: Numbers = f32> {
    pub side: u32,
    /// Channels of the current map.
    pub channels: N,
    first: bool,
    /// Mean energy by class of position along one axis (mean 1), the map's is the product of two of them; and
    /// the shape of the widest fluctuation.
    profile: Row<N>,
    /// Its square root, one over that, and the root's mean along the axis.
    root: Row<N>,
    per_root: Row<N>,
    mean_root: N,
    widest: Row<N>,
    /// Variance of the energies by octave of frequency; of the widest, the share common to both passes.
    octaves: Row<N>,
    shared: N,
    /// The same summed up, as far as a finite batch can show it; and what a depthwise layer adds in each
    /// channel on its own.
    fluctuation: N,
    seen_widest: N,
    /// 1 / (1 + fluctuation).
    per_spread: N,
    own: N,
    /// Mean square of correlations between pixels: of the map, and of a depthwise layer's channels.
    correlation: N,
    own_correlation: N,
    /// (E x)² of the map over channels; E x² is ½.
    mean_squared: N,
    /// 1 − correlation of the two passes before the last ReLU.
    apart: N,
    /// Σ ½ ln of what the mode takes of each BN's variance; the running product is folded in now and
    /// then, which saves most logarithms.
    log_sum: N::Doubles,
    factor: N::Doubles,
}

/// A row of what the expression gives for each class. No closure: one that is not inlined is compiled for narrow
/// registers.
macro_rules! row {
    ($i:ident => $number:expr) => {
        [
            {
                const $i: usize = 0;
                $number
            },
            {
                const $i: usize = 1;
                $number
            },
            {
                const $i: usize = 2;
                $number
            },
            {
                const $i: usize = 3;
                $number
            },
            {
                const $i: usize = 4;
                $number
            },
            {
                const $i: usize = 5;
                $number
            },
            {
                const $i: usize = 6;
                $number
            },
            {
                const $i: usize = 7;
                $number
            },
        ]
    };
}

#[inline(always)]
fn total<N: Numbers>(x: Row<N>) -> N {
    ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]))
}

#[inline(always)]
fn dot<N: Numbers>(a: &Row<f32>, b: &Row<N>) -> N {
    total(row!(I => b[I] * a[I]))
}

#[inline(always)]
fn apply<N: Numbers>(matrix: &[Row<f32>; CLASSES], x: &Row<N>) -> Row<N> {
    // Two sums at a time: the processor waits for neither.
    let mut low = row!(I => x[0] * matrix[0][I]);
    let mut high = row!(I => x[4] * matrix[4][I]);
    for from in 1..CLASSES / 2 {
        low = row!(I => x[from].mul_add(x[from].all(matrix[from][I]), low[I]));
        high = row!(I => x[4 + from].mul_add(x[from].all(matrix[4 + from][I]), high[I]));
    }
    row!(I => low[I] + high[I])
}

/// What a finite number of independent samples shows of a relative variance: their own mean is taken out.
#[inline(always)]
fn seen<N: Numbers>(variance: N, samples: f32) -> N {
    variance * (samples - 1.0) / (variance + samples)
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
            log_sum: [0.0],
            factor: [1.0],
        }
    }

    /// The score of the network that ends here.
    #[inline(always)]
    pub fn score(self, mode: Mode) -> f64 {
        let mut score = f64::NAN;
        self.finish(mode, |only| score = only);
        score
    }

    /// Whether states of both can lie side by side.
    pub fn is_alike(&self, other: &State) -> bool {
        (self.side, self.first) == (other.side, other.first)
    }
}

impl<S: pulp::Simd> State<SideBySide<S>> {
    /// Up to [`MOST`] states that are [alike](State::is_alike), side by side; where there are fewer than the
    /// registers hold, the last one again.
    #[inline(always)]
    pub fn side_by_side(simd: S, states: &[State]) -> Option<Self> {
        let last = states.last()?;
        macro_rules! number {
            ($($of:tt)+) => {{
                let mut number = SideBySide::splat(simd, last.$($of)+);
                for (number, state) in number.each_mut().iter_mut().zip(states) {
                    *number = state.$($of)+;
                }
                number
            }};
        }
        macro_rules! doubles {
            ($of:ident) => {{
                let mut doubles = [last.$of[0]; MOST];
                for (double, state) in doubles.iter_mut().zip(states) {
                    *double = state.$of[0];
                }
                doubles
            }};
        }
        Some(State {
            side: last.side,
            first: last.first,
            channels: number!(channels),
            profile: row!(I => number!(profile[I])),
            root: row!(I => number!(root[I])),
            per_root: row!(I => number!(per_root[I])),
            mean_root: number!(mean_root),
            widest: row!(I => number!(widest[I])),
            octaves: row!(I => number!(octaves[I])),
            shared: number!(shared),
            fluctuation: number!(fluctuation),
            seen_widest: number!(seen_widest),
            per_spread: number!(per_spread),
            own: number!(own),
            correlation: number!(correlation),
            own_correlation: number!(own_correlation),
            mean_squared: number!(mean_squared),
            apart: number!(apart),
            log_sum: doubles!(log_sum),
            factor: doubles!(factor),
        })
    }
}

impl<N: Numbers> State<N> {
    /// One convolution of `fan_c` channels to `out_c`, with its BN and ReLU.
    #[inline(always)]
    pub fn conv(&mut self, g: &Geometry, conv: &Conv<N>, mode: Mode) {
        if g.is_point {
            self.layer::<true>(g, conv, mode);
        } else {
            self.layer::<false>(g, conv, mode);
        }
    }

    /// `POINT` where the window is a single tap at every position.
    #[inline(always)]
    fn layer<const POINT: bool>(&mut self, g: &Geometry, conv: &Conv<N>, mode: Mode) {
        let Conv { fan_c, per_fan_c, out_c, depthwise, few, .. } = *conv;
        let energy_in: f32 = if self.first { 1.0 } else { 0.5 };
        let m2 = self.mean_squared;

        // Variance, by position: E x² over the window, less what the mean over batch and map takes away.
        let relative = row!(I => self.widest[I] * self.per_root[I]);
        let (gain, mean_root) = if POINT {
            (m2.all(1.0), self.mean_root)
        } else {
            (dot(&g.mean_window, &self.profile), dot(&g.mean_weighted, &self.root))
        };
        let scale = mean_root * g.per_axis_squares;
        let mean_gain = scale * mean_root;
        let (energy, taken) = (gain * energy_in * gain, m2 * mean_gain * mean_gain);
        let variance = energy - taken;

        // How much the widest fluctuation grows against the mean: borders cost it less.
        let wide_gain = dot(&g.mean_window, &self.widest);
        let wide_mean = dot(&g.mean_weighted, &relative);
        let (a, b) = (wide_gain * energy_in, m2 * scale * scale * wide_mean);
        let grown = a * wide_gain - b * wide_mean;
        let (per_variance, per_grown) = (variance.recip(), grown.recip());
        let growth = if self.first { m2.all(1.0) } else { grown / variance };

        // The two passes. Their difference is nowhere refilled by the mean, and is as central as the widest
        // fluctuation.
        let before = self.apart;
        // How unlike the fluctuations of both are that one layer adds: 1 − (0.31 ρ + 0.45 ρ² + 0.24 ρ³).
        let near = before.at_most(1.0);
        let unlike = near * (-(near * (-(near * 0.24) + 1.17)) + 1.93);
        let fine = self.fluctuation - self.seen_widest;
        let distance = if self.first {
            before
        } else {
            let differing = (-self.shared + 1.0) * self.seen_widest + fine * unlike;
            // E √(e e') = (1 − gap)·E e.
            let gap = quarter_power_gap(differing * self.per_spread);
            let apart = (before - gap).at_least(0.0);
            // (1 − gap)·relu_distance(apart / (1 − gap))
            gap * 0.5 + apart * relu_slope(apart * (gap * (gap + 1.0) + 1.0))
        };
        self.apart = wide_gain * wide_gain * per_variance * distance;

        if !self.first {
            let (window, weighted) = if POINT {
                (self.widest, relative)
            } else {
                (apply(&g.window, &self.widest), apply(&g.weighted, &relative))
            };
            self.widest = row!(I => (a * window[I] - b * weighted[I]) * per_grown);
        }
        if !POINT {
            // A point changes the profile in second order only.
            let a = gain * energy_in * per_variance;
            let b = m2 * 2.0 * scale * mean_gain * per_variance;
            let c = taken * per_variance;
            let (window, weighted) = (apply(&g.window, &self.profile), apply(&g.weighted, &self.root));
            self.profile = row!(I => a * window[I] - b * weighted[I] + c);
            self.root = row!(I => self.profile[I].at_least(1e-6).sqrt());
            self.per_root = row!(I => self.root[I].recip());
            self.mean_root = dot(&g.share, &self.root);
        }

        // Fluctuations of energy.
        let zero = m2.all(0.0);
        let mut white = zero;
        // What one channel adds, on its own; heavier tails add more, and BN bounds them.
        let mut heavy = zero;
        if self.first {
            white = per_fan_c * 2.0;
            self.shared = -unlike + 1.0;
        } else {
            let correlation = self.correlation + if depthwise { zero } else { self.own_correlation };
            heavy = (self.fluctuation + 1.0) * FRESH * per_fan_c / (correlation * NORMALISED + 1.0);
            if !depthwise {
                white = heavy * (self.own + 1.0);
                let fine = fine.at_least(0.0) / (fine + 1.0);
                white = white + self.own.if_positive(self.own * per_fan_c, fine * CONVEXITY * fine);
                let gained = white * g.modes[0];
                self.shared =
                    self.shared + (-unlike + 1.0 - self.shared) * (gained / (self.octaves[0] + gained));
            }
        }
        let mut response = row!(I => white.all(g.response[I]));
        response[0] = growth * growth;
        self.octaves = row!(I => white.mul_add(white.all(g.modes[I]), self.octaves[I]) * response[I]);
        if !POINT && g.out_side != g.side {
            let folded = total(row!(I => self.octaves[I] * (1.0 - g.kept[I])));
            self.octaves = row!(I => self.octaves[I] * g.kept[I] + folded * g.folded[I]);
        }
        if depthwise {
            // Each channel is divided by its own deviation, which the brightest images make up.
            let brightest = self.seen_widest + 1.0;
            let bounded = (brightest * (2.0 * UNEVEN) * brightest * g.per_batch + 1.0).recip();
            self.octaves = row!(I => self.octaves[I] * bounded);
        }
        // No batch shows more than this.
        self.octaves[0] = self.octaves[0].at_most(BOUND);
        // What the batch shows of both, and one over one plus that: on one denominator, which takes less time.
        let widest = self.octaves[0];
        let other = total(self.octaves) - widest;
        let (images, pixels) = (widest + g.batch, other + g.pixels);
        let both = images * pixels;
        let (of_images, of_pixels) = (widest * (g.batch - 1.0) * pixels, other * (g.pixels - 1.0) * images);
        let sum = both + of_images + of_pixels;
        let per_spread = both / sum;
        self.seen_widest = of_images / both;
        let after = self.seen_widest + of_pixels / both;
        // (E relu(z))² of a sample, normalised: of normal values, and of a depthwise window's only value.
        let mut of_sample = 1.0 - 0.5 * PI as f32 * g.per_pixels;
        let shape = if depthwise {
            let averaged = dot(&g.modes, &response);
            self.own = seen(heavy * averaged * per_spread, g.pixels);
            self.correlation = self.correlation * (DECAY * g.mixing);
            self.own_correlation = zero + g.mixing;
            if g.per_taps < 1.0 {
                zero + (1.0 - (FRESH / 4.0 * g.per_taps - 0.5 * g.mixing) * (1.0 - FEW * g.mixing).max(0.0))
            } else {
                of_sample = 1.0 + 1.15 * g.per_pixels;
                zero + ONLY_TAP
            }
        } else {
            self.own = zero;
            self.own_correlation = zero;
            let carried = if self.first { zero } else { self.correlation * DECAY };
            self.correlation = (carried + per_fan_c) * g.mixing;
            if self.first { zero + 1.0 } else { few }
        };
        self.per_spread = per_spread;
        self.fluctuation = after;
        // What waits for `per_spread` comes last: it is known last.
        let rest = (self.correlation * 0.5 + 1.0) * MEAN_SQUARED * of_sample * shape;
        self.mean_squared = rest * per_spread.sqrt().sqrt();

        // The mean over channels fluctuates, and the logarithm of a mean is less than the mean logarithm.
        let noise =
            (self.correlation + self.own_correlation + (after + 1.0 + self.own) * g.per_pixels) / out_c;
        let variance = fan_c * variance * (-noise.at_most(0.5) + 1.0);
        let factors = self.factor.as_mut();
        for (factor, &variance) in factors.iter_mut().zip(variance.each()) {
            let variance = f64::from(variance);
            *factor *= match mode {
                // Biased, as the paper's batch variance is.
                Mode::Paper => variance * f64::from(1.0 - g.per_pixels),
                // The running variance after the two passes of one repetition (docs/plainnet.md,
                // section 5.2).
                Mode::Reference => 0.81 + 0.19 * variance,
            };
        }
        if !factors.iter().all(is_moderate) {
            fold(&mut self.log_sum, &mut self.factor, |factor| !is_moderate(factor));
        }
        self.first = false;
        self.side = g.out_side;
        self.channels = out_c;
    }

    /// The score of each network that ends here.
    #[inline(always)]
    pub fn finish(mut self, mode: Mode, score: impl FnMut(f64)) {
        fold(&mut self.log_sum, &mut self.factor, |_| true);
        let of = |numbers: &N, i: usize| numbers.each().get(i).map_or(f64::NAN, |&x| f64::from(x));
        let scores =
            self.log_sum.as_ref().iter().take(self.channels.each().len()).enumerate().map(|(i, log_sum)| {
                let elements = of(&self.channels, i) * f64::from(self.side) * f64::from(self.side);
                let (apart, own) = (of(&self.apart, i), of(&self.own, i));
                let log_delta = match mode {
                    // E|relu(z) − relu(z')| = √((1−ρ)/π), summed over the map.
                    Mode::Reference => {
                        let spread = (of(&self.fluctuation, i) + 1.0) * (own + 1.0);
                        elements.ln() + 0.5 * (apart / PI).ln() + 2.0 * of(&self.mean_root, i).ln()
                            - 0.125 * spread.ln()
                    }
                    // E(relu(z) − relu(z'))² = 1 − 2 J(ρ).
                    Mode::Paper => {
                        let widest = 1.0 + of(&self.seen_widest, i);
                        let distance = f64::from(relu_distance(apart as f32));
                        0.5 * (elements * 2.0 * distance).ln() - 0.125 * widest.ln()
                    }
                };
                log_delta + log_sum
            });
        scores.for_each(score);
    }
}

/// Far from where the product of a few more variances would be lost.
#[inline(always)]
fn is_moderate(factor: &f64) -> bool {
    (1e-100..1e100).contains(factor)
}

fn fold<D: AsMut<[f64]>>(log_sum: &mut D, factor: &mut D, which: impl Fn(&f64) -> bool) {
    let factors = factor.as_mut().iter_mut();
    for (sum, factor) in log_sum.as_mut().iter_mut().zip(factors).filter(|(_, factor)| which(factor)) {
        *sum += 0.5 * factor.ln();
        *factor = 1.0;
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
fn quarter_power_gap<N: Numbers>(x: N) -> N {
    let x = x.at_most(0.9);
    let x2 = x * x;
    let [low, middle, high] = [x * GAP[1] + GAP[0], x * GAP[3] + GAP[2], x * GAP[5] + GAP[4]];
    x * (low + x2 * (middle + x2 * high))
}

/// ½ − J(ρ) with J(ρ) = E relu(z)·relu(z') for unit normals of correlation ρ = 1 − `apart`, the arc-cosine
/// kernel.
#[inline(always)]
fn relu_distance<N: Numbers>(apart: N) -> N {
    apart * relu_slope(apart)
}

/// (½ − J(1 − `apart`)) / `apart`: a polynomial in the root, good to 1e-5 where correlations are not negative.
/// Correlations below −0.2, which no network has, are taken for −0.2.
#[inline(always)]
fn relu_slope<N: Numbers>(apart: N) -> N {
    let apart = apart.at_most(1.2);
    let t = apart.sqrt();
    let low = (t * -0.150_075_8 + 0.500_000_2) + apart * (t * -0.010_245_235 + 0.000_411_376);
    let high = (t * -0.015_606_553 + 0.008_730_6) + apart * (t * -0.004_382_433 + 0.012_013_014);
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
