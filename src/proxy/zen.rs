//! The Zen-Score in closed form: no weights, no forward pass, about 30 ns per convolution.
//!
//! Setting (paper, section 3; SPEC 5.1, 5.2): residual links removed, every convolution followed by BN
//! and ReLU, weights N(0,1), input perturbed by α = 0.01. The activations of a random network are
//! Gaussian, so the variance that each BN sees and the correlation ρ of the two passes follow a
//! recursion from layer to layer; the score is a function of these. The calibrated corrections for
//! finite width, zero padding and depthwise layers, and the data they were fitted on, are described in
//! `docs/decisions/001-closed-form-zen-score.md`.

use super::{Candidate, Mode, Proxy, ScoreError};
use crate::plainnet::{Layer, Model, Network, Step, SuperBlock, Variant};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::f64::consts::PI;

/// Perturbation of the input, γ in the reference.
const ALPHA: f64 = 0.01;

/// m0² = (E relu(z))² of a unit normal z.
const MEAN_SQUARED: f64 = 1.0 / (2.0 * PI);

/// Constants of the calibrated form.
mod fitted {
    /// Growth of the energy's relative variance at 1×1 layers: c₁ / width^n₁.
    pub const C_1: f64 = 0.112_797_154;
    pub const N_1: f64 = 0.399_432_563;
    /// The same at k×k layers.
    pub const C_K: f64 = 0.027_550_187_5;
    pub const N_K: f64 = 0.819_566_283;
    /// What is carried on through a layer.
    pub const A_5: f64 = 0.958_290_217;
    pub const A_7: f64 = 0.951_804_211;
    pub const A_DW: f64 = 0.848_630_53;
    /// Effect of the border pattern on the variance.
    pub const G: f64 = 1.766_762_725;
    /// Persistence and source of the border pattern.
    pub const A_P: f64 = 0.720_444_152;
    pub const P_V: f64 = 0.029_970_133;
    /// Kurtosis of a single input channel.
    pub const C_D: f64 = 0.972_755_882;
}

/// Window coverage of a convolution on a zero-padded square map; all in two dimensions.
#[derive(Clone, Copy, Debug, Default)]
struct Geometry {
    /// Σ q over the taps, q = share of output positions whose tap falls inside the map.
    q1: f64,
    /// Σ q².
    q2: f64,
    /// √S0 / Q1 with S0 = Σ C, C = covariance of the taps' coverage.
    spread: f64,
    s0: f64,
    s1: f64,
    s2: f64,
}

impl Geometry {
    fn new(side: u32, kernel: u32, stride: u32) -> Geometry {
        let out = i64::from(side.div_ceil(stride));
        let (side, k, pad) = (i64::from(side), i64::from(kernel), i64::from(kernel / 2));
        let n = kernel as usize;
        let mut q = vec![0.0; n];
        let mut qq = vec![0.0; n * n];
        for position in 0..out {
            let start = position * i64::from(stride) - pad;
            // The taps inside the map form one run.
            let (from, to) = ((-start).max(0) as usize, (side - start).min(k).max(0) as usize);
            for u in from..to {
                q[u] += 1.0;
                for v in from..to {
                    qq[u * n + v] += 1.0;
                }
            }
        }
        let norm = 1.0 / out as f64;
        q.iter_mut().chain(qq.iter_mut()).for_each(|x| *x *= norm);
        // Everything factorises over the two axes.
        let sum: f64 = q.iter().sum();
        let squares: f64 = q.iter().map(|x| x * x).sum();
        let (mut all, mut weighted, mut twice) = (0.0, 0.0, 0.0);
        for u in 0..n {
            for v in 0..n {
                all += qq[u * n + v];
                weighted += q[u] * qq[u * n + v];
                twice += q[u] * q[v] * qq[u * n + v];
            }
        }
        let (q1, q2) = (sum * sum, squares * squares);
        let s0 = (all * all - q1 * q1).max(0.0);
        let s1 = weighted * weighted - q2 * q1;
        let s2 = twice * twice - q2 * q2;
        Geometry { q1, q2, spread: s0.sqrt() / q1, s0, s1, s2 }
    }
}

/// Kernel sizes with a table of geometries; the super blocks have no others.
const TABLED_KERNELS: [u32; 4] = [1, 3, 5, 7];

/// The Zen-Score of networks on inputs of one resolution.
pub struct ZenScore {
    mode: Mode,
    resolution: u32,
    /// Geometries by kernel, stride (1, 2) and input side.
    geometry: Vec<Geometry>,
    /// c₁/c^n₁ and c_k/c^n_k by width.
    widening: Vec<[f64; 2]>,
}

/// Widths up to this one are tabled.
const TABLED_WIDTHS: usize = 4096;

/// What the recursion carries from layer to layer.
#[derive(Clone, Copy, Debug)]
struct State {
    side: u32,
    /// Channels of the current map.
    channels: f64,
    first: bool,
    /// E x² and (E x)² of the map, the second as the BN sees it.
    energy: f64,
    mean_squared: f64,
    /// E x·x' of the two passes.
    product: f64,
    /// Correlation of the two passes before the last ReLU.
    rho: f64,
    /// Relative variance of a pixel's energy, and its pattern along the border.
    beta: f64,
    border: f64,
    /// Σ ½ ln of what the mode takes of each BN's variance; the running product is folded in now and
    /// then, which saves most logarithms.
    log_sum: f64,
    factor: f64,
}

impl ZenScore {
    pub fn new(mode: Mode, resolution: u32) -> ZenScore {
        let sides = resolution + 1;
        let mut geometry = Vec::with_capacity(TABLED_KERNELS.len() * 2 * sides as usize);
        for kernel in TABLED_KERNELS {
            for stride in [1, 2] {
                geometry.extend((0..sides).map(|side| match side {
                    0 => Geometry::default(),
                    _ => Geometry::new(side, kernel, stride),
                }));
            }
        }
        let widening = (0..=TABLED_WIDTHS).map(|c| widening(c as f64)).collect();
        ZenScore { mode, resolution, geometry, widening }
    }

    fn geometry(&self, side: u32, kernel: u32, stride: u32) -> Geometry {
        let tabled = TABLED_KERNELS.iter().position(|&k| k == kernel);
        match tabled {
            Some(k) if (1..=2).contains(&stride) && side <= self.resolution => {
                let row = 2 * k + stride as usize - 1;
                self.geometry[row * (self.resolution as usize + 1) + side as usize]
            }
            _ => Geometry::new(side, kernel, stride),
        }
    }

    fn start(&self) -> State {
        State {
            side: self.resolution,
            channels: 3.0,
            first: true,
            energy: 1.0,
            mean_squared: 0.0,
            product: 1.0 / (1.0 + ALPHA * ALPHA).sqrt(),
            rho: 1.0,
            beta: 0.0,
            border: 0.0,
            log_sum: 0.0,
            factor: 1.0,
        }
    }

    /// One convolution with its BN and ReLU.
    fn conv(&self, state: &mut State, fan_c: f64, kernel: u32, stride: u32, depthwise: bool) {
        let g = self.geometry(state.side, kernel, stride);
        let State { energy, mean_squared, .. } = *state;
        let ideal_mean = if state.first { 0.0 } else { MEAN_SQUARED };
        let v1 = g.q1 * energy * (1.0 + fitted::G * state.border * g.spread) - g.q2 * mean_squared;
        let variance = fan_c * v1;
        state.factor *= match self.mode {
            Mode::Paper => variance,
            // Running variance after the two passes of one repetition: 0.81 + 0.19 v (SPEC 5.2).
            Mode::Reference => 0.81 + 0.19 * variance,
        };
        if !(1e-100..1e100).contains(&state.factor) {
            state.fold();
        }
        let rho = (g.q1 * state.product - g.q2 * ideal_mean) / (g.q1 * energy - g.q2 * ideal_mean);
        state.rho = rho.clamp(-1.0, 1.0);
        if kernel > 1 {
            let pattern = energy * energy * g.s0 - 4.0 * energy * mean_squared * g.s1
                + 4.0 * mean_squared * mean_squared * g.s2;
            let source = (fitted::P_V * pattern).max(0.0).sqrt() / v1;
            state.border = fitted::A_P * state.border + source;
        }
        let kappa = if state.first {
            state.beta = 2.0 / (fan_c * f64::from(kernel * kernel));
            state.beta
        } else if depthwise {
            state.beta *= fitted::A_DW;
            state.beta + fitted::C_D / f64::from(kernel)
        } else {
            let carried = match kernel {
                1 | 3 => 1.0,
                5 => fitted::A_5,
                _ => fitted::A_7,
            };
            let [at_1, at_k] = self.widening.get(fan_c as usize).copied().unwrap_or_else(|| widening(fan_c));
            state.beta = carried * state.beta + if kernel == 1 { at_1 } else { at_k };
            state.beta
        } + state.border * state.border;
        state.mean_squared = (-kappa / 4.0).exp() * MEAN_SQUARED;
        state.energy = 0.5;
        state.product = relu_product(state.rho);
        state.first = false;
        state.side = state.side.div_ceil(stride);
    }

    fn finish(&self, mut state: State) -> Result<f64, ScoreError> {
        state.fold();
        let elements = state.channels * f64::from(state.side) * f64::from(state.side);
        let log_delta = match self.mode {
            // E|relu(z) − relu(z')| = √((1−ρ)/π), summed over the map.
            Mode::Reference => elements.ln() + 0.5 * ((1.0 - state.rho) / PI).ln(),
            // E(relu(z) − relu(z'))² = 1 − 2 J(ρ).
            Mode::Paper => 0.5 * (elements * (1.0 - 2.0 * relu_product(state.rho))).ln(),
        };
        let score = log_delta + state.log_sum;
        if score.is_finite() { Ok(score) } else { Err(ScoreError::NotFinite { proxy: "zen" }) }
    }

    fn layer(&self, state: &mut State, layer: Layer) {
        match layer {
            Layer::Conv { in_c, out_c, kernel, stride, groups } => {
                let fan_c = f64::from(in_c) / f64::from(groups);
                self.conv(
                    state,
                    fan_c,
                    kernel.unsigned_abs(),
                    stride.unsigned_abs(),
                    groups > 1 && groups == in_c,
                );
                state.channels = f64::from(out_c);
            }
            Layer::DwConv { channels, kernel, stride } => {
                self.conv(state, 1.0, kernel.unsigned_abs(), stride.unsigned_abs(), true);
                state.channels = f64::from(channels);
            }
            _ => {}
        }
    }

    /// Score of a chain of valid super blocks.
    pub fn score_blocks(&self, blocks: &[SuperBlock]) -> Result<f64, ScoreError> {
        let mut state = self.start();
        for block in blocks {
            block.walk(Variant::SCORED, &mut |step| {
                if let Step::Layer(layer) = step {
                    self.layer(&mut state, layer);
                }
            });
        }
        self.finish(state)
    }

    /// Score of any network in which BN and ReLU follow each convolution.
    ///
    /// # Errors
    /// Names the layer that the closed form does not cover.
    pub fn score_network(&self, network: &Network) -> Result<f64, ScoreError> {
        self.score_variant(network, Variant::SCORED)
    }

    /// Score of a network with the parts that `variant` keeps.
    ///
    /// # Errors
    /// Names the part that the closed form does not cover: residual links and squeeze-excite among them.
    pub fn score_variant(&self, network: &Network, variant: Variant) -> Result<f64, ScoreError> {
        crate::plainnet::shape::validate_scored(&network.blocks, self.resolution)?;
        let mut state = self.start();
        let mut pending = Pending::Nothing;
        let mut problem = None;
        for block in &network.blocks {
            block.walk(variant, &mut |step| {
                if problem.is_some() {
                    return;
                }
                match pending.then(step) {
                    Ok(next) => pending = next,
                    Err(reason) => problem = Some(format!("{reason} (in {block})")),
                }
                if let Step::Layer(layer) = step {
                    self.layer(&mut state, layer);
                }
            });
        }
        if let Some(reason) = problem.or_else(|| pending.unfinished()) {
            return Err(ScoreError::Undefined { proxy: "zen", reason: format!("closed form: {reason}") });
        }
        self.finish(state)
    }
}

impl Proxy for ZenScore {
    fn name(&self) -> &'static str {
        "zen"
    }
    fn score(&self, candidate: Candidate<'_>, _: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
        debug_assert_eq!(candidate.resolution, self.resolution);
        self.score_blocks(candidate.blocks)
    }
    fn score_model(&self, model: &Model, _: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
        debug_assert_eq!(model.resolution, self.resolution);
        self.score_network(&model.network)
    }
}

impl State {
    fn fold(&mut self) {
        self.log_sum += 0.5 * self.factor.ln();
        self.factor = 1.0;
    }
}

/// What must come next for the closed form to hold.
#[derive(Clone, Copy, PartialEq)]
enum Pending {
    Nothing,
    Bn,
    Relu,
}

impl Pending {
    fn then(self, step: Step) -> Result<Pending, String> {
        let layer = match step {
            Step::Layer(layer) => layer,
            Step::Enter(_) | Step::Leave(_) => return Err("residual links are not covered".into()),
            Step::Fork | Step::Branch | Step::Join(_) => return Err("branches are not covered".into()),
        };
        match (self, layer) {
            (Pending::Nothing, Layer::Conv { .. } | Layer::DwConv { .. }) => Ok(Pending::Bn),
            (Pending::Bn, Layer::Bn { .. }) => Ok(Pending::Relu),
            (Pending::Relu, Layer::Relu { .. }) => Ok(Pending::Nothing),
            (Pending::Nothing, other) => Err(format!("{other} is not covered")),
            (Pending::Bn, other) => Err(format!("{other} where BN should follow a convolution")),
            (Pending::Relu, other) => Err(format!("{other} where ReLU should follow BN")),
        }
    }

    fn unfinished(self) -> Option<String> {
        (self != Pending::Nothing).then(|| "the last convolution lacks its BN and ReLU".into())
    }
}

fn widening(c: f64) -> [f64; 2] {
    [fitted::C_1 / c.powf(fitted::N_1), fitted::C_K / c.powf(fitted::N_K)]
}

/// J(ρ) = E relu(z)·relu(z') for unit normals of correlation ρ: the arc-cosine kernel.
fn relu_product(rho: f64) -> f64 {
    ((1.0 - rho * rho).max(0.0).sqrt() + rho * (PI - rho.acos())) / (2.0 * PI)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::{notation, published};

    #[test]
    fn coverage_of_a_small_map() {
        // Side 2, 3×3: per axis the outer taps cover half of the positions.
        let g = Geometry::new(2, 3, 1);
        assert!((g.q1 - 4.0).abs() < 1e-12 && (g.q2 - 2.25).abs() < 1e-12);
        // Per axis ΣQQ = 4: both positions see two taps. So the coverage does not vary.
        assert!(g.s0.abs() < 1e-12);
        let one = Geometry::new(7, 1, 1);
        assert!((one.q1 - 1.0).abs() < 1e-12 && one.s0.abs() < 1e-12);
    }

    #[test]
    fn irregular_networks_are_refused_by_name() {
        let zen = ZenScore::new(Mode::Paper, 224);
        let resnet = published::by_name("resnet18").unwrap();
        let error = zen.score_network(&resnet.network).unwrap_err();
        assert!(error.to_string().contains("MaxPool(64,3,2)"), "{error}");
        let bare = notation::parse("ConvKX(3,8,3,1)BN(8)").unwrap();
        assert!(zen.score_network(&bare).is_err());
    }

    #[test]
    fn both_entry_points_agree() {
        let model = published::by_name("zennet_imagenet1k_flops400M_SE_res224").unwrap();
        let zen = ZenScore::new(Mode::Reference, 224);
        let blocks = model.network.super_blocks("the test scores").unwrap();
        assert_eq!(zen.score_blocks(&blocks), zen.score_network(&model.network));
    }
}
