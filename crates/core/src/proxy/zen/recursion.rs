//! The recursion of the closed form: from convolution to convolution, what a random network does to the statistics of
//! its maps.
//!
//! `docs/closed-form.md` derives it. Its section 2 is a table of all symbols, and each step of [`State::layer`] names
//! the section that it implements. The *energy* of a pixel is the square of its value before ReLU, averaged over
//! channels, relative to its mean over the batch. None of these quantities has a unit.

use super::constants::{
    ALPHA, CONVEXITY, DECAY, FEW, FRESH, MEAN_SQUARED, MOST_VARIANCE, NORMALISED, ONLY_TAP, UNEVEN,
};
use super::correlation::{quarter_power_gap, relu_distance, relu_slope};
use super::geometry::{Extent, Geometry};
use super::numbers::{MOST, Numbers};
use super::rows::{CLASSES, Row, apply, dot, row, total};
use crate::proxy::Mode;
use std::f64::consts::PI;

/// One convolution; or the convolutions of several networks side by side, which differ in widths alone.
#[derive(Clone, Copy, Debug)]
pub struct Conv<N = f32> {
    /// c: input channels that one output channel reads.
    pub fan_c: N,
    /// 1/c.
    pub per_fan_c: N,
    /// Output channels.
    pub out_c: N,
    /// k: side of the window.
    pub kernel: u32,
    pub stride: u32,
    pub depthwise: bool,
    /// [`few_inputs`](super::few_inputs::few_inputs) of the c·k² inputs of one output.
    pub few: N,
}

impl Conv<[f32; MOST]> {
    /// The same convolution for each network.
    pub fn shared(conv: &Conv) -> Self {
        Conv {
            fan_c: [conv.fan_c; MOST],
            per_fan_c: [conv.per_fan_c; MOST],
            out_c: [conv.out_c; MOST],
            few: [conv.few; MOST],
            kernel: conv.kernel,
            stride: conv.stride,
            depthwise: conv.depthwise,
        }
    }

    /// Gives the network at `lane` a convolution of its own, which is alike.
    pub fn put(&mut self, lane: usize, conv: &Conv) {
        self.fan_c[lane] = conv.fan_c;
        self.per_fan_c[lane] = conv.per_fan_c;
        self.out_c[lane] = conv.out_c;
        self.few[lane] = conv.few;
    }
}

impl Conv {
    /// Whether both do the same to maps of any width.
    pub fn is_alike(&self, other: &Conv) -> bool {
        (self.kernel, self.stride, self.depthwise) == (other.kernel, other.stride, other.depthwise)
    }
}

/// What the recursion carries from layer to layer: the statistics of one map.
#[derive(Clone, Copy, Debug)]
pub struct State<N: Numbers = f32> {
    /// H = W: side of the map.
    pub side: u32,
    /// C: channels of the map.
    pub channels: N,
    /// The map is the image: no layer has been passed.
    pub(super) first: bool,
    /// The values have not been through a ReLU: of the image, and behind a linear layer (BN without ReLU).
    pub(super) signed: bool,
    /// a: mean energy by class of position along one axis, mean 1. The map's is the product of two of them.
    pub(super) profile: Row<N>,
    /// √a, by class.
    pub(super) root: Row<N>,
    /// 1/√a, by class.
    pub(super) per_root: Row<N>,
    /// Mean of √a along the axis.
    pub(super) mean_root: N,
    /// Shape of the widest fluctuation along one axis, by class.
    pub(super) widest: Row<N>,
    /// Variance of the energies by octave of spatial frequency; octave 0 is the widest fluctuation, V.
    pub(super) octaves: Row<N>,
    /// Share of the widest fluctuation that both passes have in common.
    pub(super) shared: N,
    /// κ: relative variance of the energies of all pixels, as far as a finite batch shows it.
    pub(super) fluctuation: N,
    /// The part of κ that lies between images: V, as far as a finite batch shows it.
    pub(super) seen_widest: N,
    /// 1 / (1 + κ).
    pub(super) per_spread: N,
    /// Relative variance of energy that each channel of a depthwise layer has on its own.
    pub(super) own: N,
    /// Mean square of the correlations between two pixels of the map.
    pub(super) correlation: N,
    /// The same between two pixels of one channel of a depthwise layer, beyond `correlation`.
    pub(super) own_correlation: N,
    /// m²: square of the mean of a channel, averaged over channels; the mean square E x² is ½.
    pub(super) mean_squared: N,
    /// 1 − ρ: distance from 1 of the correlation of the two passes before the last ReLU.
    pub(super) apart: N,
    /// Σ ½ ln of the BN variances (in reference mode of 0.81 + 0.19 v), but for those in `factor`.
    pub(super) log_sum: N::Doubles,
    /// Product of the last few BN variances: one logarithm for many factors.
    pub(super) factor: N::Doubles,
}

/// What one window makes of the mean energies.
#[derive(Clone, Copy)]
struct MeanEnergy<N> {
    /// E x² of the map that the convolution reads, where its energy is 1: 1 for the image, ½ behind a ReLU.
    energy_in: f32,
    /// Mean over output positions of Σ_u a(p+u), along one axis.
    gain: N,
    /// φ_u / q_u, taken to be the same for every tap u.
    scale: N,
    /// Σ_u φ_u², along one axis.
    mean_gain: N,
    /// m² Σ_u φ_u²: the energy that BN takes away with the mean.
    taken: N,
    /// v/c: variance that BN sees, for one input channel.
    variance: N,
}

/// What one window makes of the widest fluctuation.
#[derive(Clone, Copy)]
struct Widening<N> {
    /// Change of √a by the widest fluctuation, by class, to a factor.
    relative: Row<N>,
    /// Mean over output positions of Σ_u of the shape, along one axis.
    gain: N,
    /// Factor of the window's energy in the next shape.
    from_energy: N,
    /// Factor of the mean in the next shape.
    from_mean: N,
    /// One over the mean of the next shape before it is normalised.
    per_grown: N,
    /// λ: growth relative to that of the mean energy.
    growth: N,
    /// 1 / (v/c).
    per_variance: N,
}

/// How the two passes fluctuate.
#[derive(Clone, Copy)]
struct Passes<N> {
    /// How little the fluctuations have in common that one layer adds to the two passes: 0 if they are the same, 1 if
    /// they are independent.
    unlike: N,
    /// The part of κ that lies within images.
    fine: N,
}

/// The fluctuation that a layer adds.
#[derive(Clone, Copy)]
struct Added<N> {
    /// To the map: white noise over all modes.
    white: N,
    /// To each channel on its own. Only depthwise layers use it.
    heavy: N,
}

/// Factors of m² that do not depend on κ.
#[derive(Clone, Copy)]
struct Squared<N> {
    /// What a finite sample does to (E relu(z))².
    of_sample: f32,
    /// What few inputs do to it.
    of_inputs: N,
}

/// The part of a relative variance that a finite number of independent samples shows: the samples' own mean is
/// subtracted from them.
#[inline(always)]
fn seen<N: Numbers>(variance: N, samples: f32) -> N {
    variance * (samples - 1.0) / (variance + samples)
}

impl State {
    /// The statistics of a Gaussian image with sides of `side` pixels.
    pub fn start(side: u32) -> State {
        State {
            side,
            channels: 3.0,
            first: true,
            signed: true,
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

    /// Whether both states can be computed side by side.
    pub fn is_alike(&self, other: &State) -> bool {
        (self.side, self.first, self.signed) == (other.side, other.first, other.signed)
    }
}

impl<N: Numbers> State<N> {
    /// One convolution with its BN and ReLU, over the windows of `g`.
    #[inline(always)]
    pub fn conv(&mut self, g: &Geometry, conv: &Conv<N>, mode: Mode) {
        const ALL: usize = CLASSES - 1;
        // One network is computed a row at a time, whatever its length.
        if !N::SIDE_BY_SIDE {
            match g.reach {
                0 => self.layer::<0, CLASSES>(g, conv, mode),
                _ => self.layer::<ALL, CLASSES>(g, conv, mode),
            }
            return;
        }
        macro_rules! layer {
            ($reach:literal) => {
                match g.extent {
                    Extent::Small => self.layer::<$reach, { Extent::Small.length() }>(g, conv, mode),
                    Extent::Large => self.layer::<$reach, CLASSES>(g, conv, mode),
                }
            };
        }
        match g.reach {
            0 => layer!(0),
            1 => layer!(1),
            2 => layer!(2),
            3 => layer!(3),
            _ => self.layer::<ALL, CLASSES>(g, conv, mode),
        }
    }

    /// The steps of one layer. Their order, and that of the operations within, is what the compiler schedules best; early
    /// returns in a step cost 5 % of the time. `REACH` is that of the window; at 0 it is
    /// a single tap at every position. `LENGTH` is that of the map's extent.
    #[inline(always)]
    fn layer<const REACH: usize, const LENGTH: usize>(&mut self, g: &Geometry, conv: &Conv<N>, mode: Mode) {
        let energy = self.mean_energy::<REACH, LENGTH>(g);
        let widening = self.widening::<LENGTH>(g, &energy);
        let passes = self.part_passes(&widening);
        self.carry_widest::<REACH, LENGTH>(g, &widening);
        if REACH > 0 {
            // A point changes the profile in second order only.
            self.carry_profile::<REACH, LENGTH>(g, &energy, &widening);
        }
        let added = self.add_fluctuation(g, conv, &passes);
        let response = self.carry_octaves::<REACH, LENGTH>(g, added.white, widening.growth);
        if conv.depthwise {
            self.bound_brightest::<LENGTH>(g);
        }
        let (per_spread, after) = self.observe::<LENGTH>(g);
        let squared = self.relate_pixels::<LENGTH>(g, conv, added.heavy, &response, per_spread);
        self.per_spread = per_spread;
        self.fluctuation = after;
        self.update_mean_squared(&squared);
        self.add_logarithm(g, conv, energy.variance, mode);
        self.first = false;
        self.signed = false;
        self.side = g.out_side;
        self.channels = conv.out_c;
    }

    /// Takes the ReLU of the last layer away: its values are normal and have the mean 0 (section 3.7).
    pub fn without_relu(&mut self) {
        self.signed = true;
        self.mean_squared = self.mean_squared.all(0.0);
    }

    /// The variance that BN sees: Σ E x² over the window, less what BN subtracts as the mean over batch and map
    /// (docs/closed-form.md, sections 1 and 3.1).
    #[inline(always)]
    fn mean_energy<const REACH: usize, const LENGTH: usize>(&self, g: &Geometry) -> MeanEnergy<N> {
        let energy_in: f32 = if self.signed { 1.0 } else { 0.5 };
        let m2 = self.mean_squared;
        // Along one axis: mean of Σ a(p+u), and Σ_u q φ_u.
        let (gain, mean_root) = if REACH == 0 {
            (m2.all(1.0), self.mean_root)
        } else {
            (dot::<LENGTH, N>(&g.mean_window, &self.profile), dot::<LENGTH, N>(&g.mean_weighted, &self.root))
        };
        let scale = mean_root * g.per_axis_squares;
        let mean_gain = scale * mean_root;
        let (energy, taken) = (gain * energy_in * gain, m2 * mean_gain * mean_gain);
        MeanEnergy { energy_in, gain, scale, mean_gain, taken, variance: energy - taken }
    }

    /// λ, the growth of the widest fluctuation relative to the mean energy: borders cost it less (section 3.3).
    #[inline(always)]
    fn widening<const LENGTH: usize>(&self, g: &Geometry, energy: &MeanEnergy<N>) -> Widening<N> {
        let m2 = self.mean_squared;
        let relative = row!(I < LENGTH of self.widest => self.widest[I] * self.per_root[I]);
        let gain = dot::<LENGTH, N>(&g.mean_window, &self.widest);
        let mean = dot::<LENGTH, N>(&g.mean_weighted, &relative);
        let (from_energy, from_mean) = (gain * energy.energy_in, m2 * energy.scale * energy.scale * mean);
        let grown = from_energy * gain - from_mean * mean;
        let (per_variance, per_grown) = (energy.variance.recip(), grown.recip());
        let growth = if self.first { m2.all(1.0) } else { grown / energy.variance };
        Widening { relative, gain, from_energy, from_mean, per_grown, growth, per_variance }
    }

    /// 1 − ρ behind this layer. BN's mean adds no energy to the difference of the passes at the borders, so that the
    /// difference lies as far in the middle as the widest fluctuation (section 3.4).
    #[inline(always)]
    fn part_passes(&mut self, widening: &Widening<N>) -> Passes<N> {
        let before = self.apart;
        // 1 − (0.31 ρ + 0.45 ρ² + 0.24 ρ³), as a polynomial in 1 − ρ.
        let near = before.at_most(1.0);
        let unlike = near * (-(near * (-(near * 0.24) + 1.17)) + 1.93);
        let fine = self.fluctuation - self.seen_widest;
        let distance = if self.signed {
            before
        } else {
            let differing = (-self.shared + 1.0) * self.seen_widest + fine * unlike;
            // E √(e e') = (1 − gap)·E e.
            let gap = quarter_power_gap(differing * self.per_spread);
            let apart = (before - gap).at_least(0.0);
            // (1 − gap)·relu_distance(apart / (1 − gap)), with 1/(1 − gap) to second order.
            gap * 0.5 + apart * relu_slope(apart * (gap * (gap + 1.0) + 1.0))
        };
        self.apart = widening.gain * widening.gain * widening.per_variance * distance;
        Passes { unlike, fine }
    }

    /// The shape of the widest fluctuation behind this layer (section 3.3).
    #[inline(always)]
    fn carry_widest<const REACH: usize, const LENGTH: usize>(
        &mut self,
        g: &Geometry,
        widening: &Widening<N>,
    ) {
        if !self.first {
            let Widening { relative, from_energy, from_mean, per_grown, .. } = *widening;
            let (window, weighted) = if REACH == 0 {
                (self.widest, relative)
            } else {
                (
                    apply::<REACH, LENGTH, N>(&g.window, &self.widest),
                    apply::<REACH, LENGTH, N>(&g.weighted, &relative),
                )
            };
            self.widest =
                row!(I < LENGTH of window => (from_energy * window[I] - from_mean * weighted[I]) * per_grown);
        }
    }

    /// The profile behind this layer: a' ∝ ½ Σ a − 2m² Σ √a φ_u + m² Σ φ_u² (section 3.1).
    #[inline(always)]
    fn carry_profile<const REACH: usize, const LENGTH: usize>(
        &mut self,
        g: &Geometry,
        energy: &MeanEnergy<N>,
        widening: &Widening<N>,
    ) {
        let MeanEnergy { energy_in, gain, scale, mean_gain, taken, .. } = *energy;
        let per_variance = widening.per_variance;
        let of_window = gain * energy_in * per_variance;
        let of_root = self.mean_squared * 2.0 * scale * mean_gain * per_variance;
        let of_mean = taken * per_variance;
        let window = apply::<REACH, LENGTH, N>(&g.window, &self.profile);
        let weighted = apply::<REACH, LENGTH, N>(&g.weighted, &self.root);
        self.profile =
            row!(I < LENGTH of self.profile => of_window * window[I] - of_root * weighted[I] + of_mean);
        self.root = row!(I < LENGTH of self.root => self.profile[I].at_least(1e-6).sqrt());
        self.per_root = row!(I < LENGTH of self.per_root => self.root[I].recip());
        self.mean_root = dot::<LENGTH, N>(&g.share, &self.root);
    }

    /// What a finite number of channels adds to the fluctuation: 4.41·(1 + κ)/c (section 3.2). Also updates the share
    /// of the widest fluctuation that the passes have in common.
    #[inline(always)]
    fn add_fluctuation(&mut self, g: &Geometry, conv: &Conv<N>, passes: &Passes<N>) -> Added<N> {
        let Conv { per_fan_c, depthwise, .. } = *conv;
        let Passes { unlike, fine } = *passes;
        let zero = self.mean_squared.all(0.0);
        let (mut white, mut heavy) = (zero, zero);
        if self.first {
            white = per_fan_c * 2.0;
            self.shared = -unlike + 1.0;
        } else {
            // Heavier tails add more, and BN bounds them where the pixels of a channel are correlated.
            let correlation = self.correlation + if depthwise { zero } else { self.own_correlation };
            // 2 is the relative variance of z², as of the image's.
            let fresh = if self.signed { 2.0 } else { FRESH };
            heavy = (self.fluctuation + 1.0) * fresh * per_fan_c / (correlation * NORMALISED + 1.0);
            if !depthwise {
                white = heavy * (self.own + 1.0);
                let fine = fine.at_least(0.0) / (fine + 1.0);
                white = white + self.own.if_positive(self.own * per_fan_c, fine * CONVEXITY * fine);
                let gained = white * g.modes[0];
                self.shared =
                    self.shared + (-unlike + 1.0 - self.shared) * (gained / (self.octaves[0] + gained));
            }
        }
        Added { white, heavy }
    }

    /// The fluctuation by octave behind this layer: each octave shrinks by the window's response, but for the widest,
    /// which grows by λ² (sections 3.2 and 3.3). Gives the factor of each octave.
    #[inline(always)]
    fn carry_octaves<const REACH: usize, const LENGTH: usize>(
        &mut self,
        g: &Geometry,
        white: N,
        growth: N,
    ) -> Row<N> {
        let mut response = row!(I < LENGTH of self.octaves => white.all(g.response[I]));
        response[0] = growth * growth;
        self.octaves = row!(I < LENGTH of self.octaves => {
            white.mul_add(white.all(g.modes[I]), self.octaves[I]) * response[I]
        });
        if REACH > 0 && g.out_side != g.side {
            // A stride folds fine octaves into coarser ones.
            let folded = total::<CLASSES, N>(row!(I => self.octaves[I] * (1.0 - g.kept[I])));
            self.octaves = row!(I => self.octaves[I] * g.kept[I] + folded * g.folded[I]);
        }
        response
    }

    /// BN divides each channel of a depthwise layer by the channel's own standard deviation, to which the brightest
    /// images contribute most: V becomes V / (1 + 2r(1 + V)²/B) (section 3.5).
    #[inline(always)]
    fn bound_brightest<const LENGTH: usize>(&mut self, g: &Geometry) {
        let brightest = self.seen_widest + 1.0;
        let bounded = (brightest * (2.0 * UNEVEN) * brightest * g.per_batch + 1.0).recip();
        self.octaves = row!(I < LENGTH of self.octaves => self.octaves[I] * bounded);
    }

    /// κ and V as far as B images show them (sections 3.2 and 3.3). Gives 1 / (1 + κ) and κ.
    #[inline(always)]
    fn observe<const LENGTH: usize>(&mut self, g: &Geometry) -> (N, N) {
        self.octaves[0] = self.octaves[0].at_most(MOST_VARIANCE);
        // [`seen`] of V among B images, and of the other octaves among all pixels; and 1 / (1 + both). One common
        // denominator takes less time than three divisions.
        let widest = self.octaves[0];
        let other = total::<LENGTH, N>(self.octaves) - widest;
        let (images, pixels) = (widest + g.batch, other + g.pixels);
        let both = images * pixels;
        let (of_images, of_pixels) = (widest * (g.batch - 1.0) * pixels, other * (g.pixels - 1.0) * images);
        let sum = both + of_images + of_pixels;
        let per_spread = both / sum;
        self.seen_widest = of_images / both;
        (per_spread, self.seen_widest + of_pixels / both)
    }

    /// The correlations between pixels behind this layer, and the fluctuation of each channel on its own
    /// (sections 3.2 and 3.5). Gives what a finite sample and few inputs do to m².
    #[inline(always)]
    fn relate_pixels<const LENGTH: usize>(
        &mut self,
        g: &Geometry,
        conv: &Conv<N>,
        heavy: N,
        response: &Row<N>,
        per_spread: N,
    ) -> Squared<N> {
        let zero = self.mean_squared.all(0.0);
        // (E relu(z))² of a finite sample of normal values, after it was normalised.
        let mut of_sample = 1.0 - 0.5 * PI as f32 * g.per_pixels;
        let of_inputs = if conv.depthwise {
            let averaged = dot::<LENGTH, N>(&g.modes, response);
            self.own = seen(heavy * averaged * per_spread, g.pixels);
            self.correlation = self.correlation * (DECAY * g.mixing);
            self.own_correlation = zero + g.mixing;
            if g.per_taps < 1.0 {
                zero + (1.0 - (FRESH / 4.0 * g.per_taps - 0.5 * g.mixing) * (1.0 - FEW * g.mixing).max(0.0))
            } else {
                // One tap lies inside the map: values are those of relu(z) less their mean.
                of_sample = 1.0 + 1.15 * g.per_pixels;
                zero + ONLY_TAP
            }
        } else {
            self.own = zero;
            self.own_correlation = zero;
            let carried = if self.first { zero } else { self.correlation * DECAY };
            self.correlation = (carried + conv.per_fan_c) * g.mixing;
            if self.first { zero + 1.0 } else { conv.few }
        };
        Squared { of_sample, of_inputs }
    }

    /// m² = (1 + κ)^(−1/4)/2π, with the corrections for a finite sample, few inputs and correlated pixels
    /// (sections 3.2 and 3.5).
    #[inline(always)]
    fn update_mean_squared(&mut self, squared: &Squared<N>) {
        let rest = (self.correlation * 0.5 + 1.0) * MEAN_SQUARED * squared.of_sample * squared.of_inputs;
        // The root comes last, because `per_spread` is known last.
        self.mean_squared = rest * self.per_spread.sqrt().sqrt();
    }

    /// Adds ½ ln of the variance that BN sees to the score, as a factor. The mean over channels fluctuates, and the
    /// expectation of its logarithm is less than the logarithm of its expectation by half the relative variance of
    /// that noise (section 3.6).
    #[inline(always)]
    fn add_logarithm(&mut self, g: &Geometry, conv: &Conv<N>, variance: N, mode: Mode) {
        let noise =
            (self.correlation + self.own_correlation + (self.fluctuation + 1.0 + self.own) * g.per_pixels)
                / conv.out_c;
        let variance = conv.fan_c * variance * (-noise.at_most(0.5) + 1.0);
        let factors = self.factor.as_mut();
        // Of all of them, without a way out at the first: they are looked at side by side.
        let mut moderate = true;
        for (factor, &variance) in factors.iter_mut().zip(variance.each()) {
            let variance = f64::from(variance);
            *factor *= match mode {
                // The biased estimate, as the paper's batch variance is.
                Mode::Paper => variance * f64::from(1.0 - g.per_pixels),
                // The running variance after the two passes of one repetition (docs/plainnet.md,
                // section 5.2).
                Mode::Reference => 0.81 + 0.19 * variance,
            };
            moderate &= is_moderate(factor);
        }
        if !moderate {
            fold(&mut self.log_sum, &mut self.factor, |factor| !is_moderate(factor));
        }
    }

    /// Sends the score of each network that ends here to `score`: ln Δ plus the sum over the BN layers (section 1).
    #[inline(always)]
    pub fn finish(mut self, mode: Mode, score: impl FnMut(f64)) {
        fold(&mut self.log_sum, &mut self.factor, |_| true);
        let of = |numbers: &N, i: usize| numbers.each().get(i).map_or(f64::NAN, |&x| f64::from(x));
        let scores =
            self.log_sum.as_ref().iter().take(self.channels.each().len()).enumerate().map(|(i, log_sum)| {
                let elements = of(&self.channels, i) * f64::from(self.side) * f64::from(self.side);
                let (apart, own) = (of(&self.apart, i), of(&self.own, i));
                let log_delta = match mode {
                    // Δ_L1 = C·H·W·√((1 − ρ)/π), lowered by borders and fluctuation.
                    Mode::Reference => {
                        let spread = (of(&self.fluctuation, i) + 1.0) * (own + 1.0);
                        elements.ln() + 0.5 * (apart / PI).ln() + 2.0 * of(&self.mean_root, i).ln()
                            - 0.125 * spread.ln()
                    }
                    // Δ_L2² = C·H·W·(1 − 2 J(ρ)), lowered by the fluctuation between images.
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

/// Whether a few more variances can be multiplied in without overflow or underflow.
#[inline(always)]
fn is_moderate(factor: &f64) -> bool {
    (*factor >= 1e-100) & (*factor < 1e100)
}

/// Moves the factors that `which` selects into the sums, as ½ of their logarithms.
fn fold<D: AsMut<[f64]>>(log_sum: &mut D, factor: &mut D, which: impl Fn(&f64) -> bool) {
    let factors = factor.as_mut().iter_mut();
    for (sum, factor) in log_sum.as_mut().iter_mut().zip(factors).filter(|(_, factor)| which(factor)) {
        *sum += 0.5 * factor.ln();
        *factor = 1.0;
    }
}
