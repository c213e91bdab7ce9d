//! The Zen-Score in closed form: no weights are drawn and no network is run, so that a convolution takes about 50 ns.
//!
//! The closed form holds for networks without residual links in which BN and ReLU follow every convolution. Two things
//! beyond it are approximated: a max pool, and a convolution without ReLU before another one (sections 3.7 and 3.8). Weights
//! are N(0,1), and the disturbance of the input has the size α = 0.01 (Zen-NAS paper, sections 3.2 and 4.2;
//! docs/plainnet.md, sections 5.1 and 5.2). The outputs of a random convolution are Gaussian, so the variance that
//! each BN sees and the correlation of the two passes follow a recursion from layer to layer (`recursion`), over
//! windows on zero-padded maps (`geometry`). The score is a function of these. `docs/closed-form.md` derives it and
//! says how far it is from Monte-Carlo.

mod constants;
mod correlation;
mod few_inputs;
mod geometry;
mod numbers;
mod recursion;
mod rows;
mod side_by_side;
mod trail;

use super::{Candidate, Memory, Mode, Proxy, ScoreError};
use crate::plainnet::{Layer, Model, Network, Step, SuperBlock, Variant};
use geometry::{Geometry, Tables};
use numbers::Numbers;
use rand_xoshiro::Xoshiro256PlusPlus;
use recursion::{Conv, State};
use trail::Trail;

/// The Zen-Score of networks on inputs of one resolution.
pub struct ZenScore {
    mode: Mode,
    resolution: u32,
    batch: u32,
    tables: Tables,
}

/// Default number of images of a pass, as in the paper. The closed form draws no images, but the expected score
/// depends on their number: a small batch shows less of the fluctuations between images.
pub const BATCH: u32 = 16;

impl ZenScore {
    pub fn new(mode: Mode, resolution: u32) -> ZenScore {
        ZenScore::of_batch(mode, resolution, BATCH)
    }

    /// The expectation of exact scores on batches of this many images.
    pub fn of_batch(mode: Mode, resolution: u32, batch: u32) -> ZenScore {
        ZenScore { mode, resolution, batch, tables: Tables::new(resolution, batch) }
    }

    /// What the recursion needs to know of a layer; nothing for layers that change no statistics.
    fn conv(&self, layer: Layer) -> Option<Conv> {
        let (fan_c, out_c, kernel, stride, depthwise) = match layer {
            Layer::Conv { in_c, out_c, kernel, stride, groups } => {
                (in_c / groups.max(1), out_c, kernel, stride, groups > 1 && groups == in_c)
            }
            Layer::DwConv { channels, kernel, stride } => (1, channels, kernel, stride, true),
            _ => return None,
        };
        let (kernel, stride) = (kernel.unsigned_abs(), stride.unsigned_abs());
        let few = self.tables.few(fan_c.unsigned_abs().saturating_mul(kernel * kernel));
        let per_fan_c = 1.0 / fan_c as f32;
        Some(Conv { fan_c: fan_c as f32, per_fan_c, out_c: out_c as f32, kernel, stride, depthwise, few })
    }

    #[inline(always)]
    fn step<N: Numbers>(&self, state: &mut State<N>, conv: &Conv<N>) {
        match self.tables.find(state.side, conv.kernel, conv.stride) {
            Some(geometry) => state.conv(geometry, conv, self.mode),
            None => {
                let geometry = Geometry::new(state.side, conv.kernel, conv.stride, self.batch);
                state.conv(&geometry, conv, self.mode);
            }
        }
    }

    /// Score of a chain of convolutions, each with whether ReLU follows its BN.
    fn score_chain(&self, links: &[(Conv, bool)]) -> Result<f64, ScoreError> {
        finite(on_wide_registers(
            #[inline(always)]
            || {
                let mut state = State::start(self.resolution);
                // No closure here: it would be compiled for the narrow registers.
                for (conv, relu) in links {
                    self.step(&mut state, conv);
                    if !relu {
                        state.without_relu();
                    }
                }
                state.score(self.mode)
            },
        ))
    }

    /// The scores of the networks that end behind each convolution of `layers`. Other layers are passed over, as if
    /// they changed no statistics.
    ///
    /// # Errors
    /// A score that is not finite.
    pub fn after_each(&self, layers: impl IntoIterator<Item = Layer>) -> Result<Vec<f64>, ScoreError> {
        let convs: Vec<Conv> = layers.into_iter().filter_map(|layer| self.conv(layer)).collect();
        let mut scores = Vec::with_capacity(convs.len());
        on_wide_registers(
            #[inline(always)]
            || {
                let mut state = State::start(self.resolution);
                for conv in &convs {
                    self.step(&mut state, conv);
                    scores.push(state.score(self.mode));
                }
            },
        );
        scores.into_iter().map(finite).collect()
    }

    /// Score of a chain of valid super blocks.
    ///
    /// # Errors
    /// A stride larger than its map.
    pub fn score_blocks(&self, blocks: &[SuperBlock]) -> Result<f64, ScoreError> {
        self.score_along(blocks, &mut Trail::default())
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
        if variant == Variant::SCORED
            && let Ok(blocks) = network.super_blocks("nothing else is in them")
        {
            return self.score_blocks(&blocks);
        }
        let mut chain = Chain::default();
        let mut problem = None;
        for block in &network.blocks {
            block.walk(variant, &mut |step| {
                if problem.is_none()
                    && let Err(reason) = chain.then(step)
                {
                    problem = Some(format!("{reason} (in {block})"));
                }
            });
        }
        if let Some(reason) = problem.or_else(|| chain.unfinished()) {
            return Err(ScoreError::Undefined { proxy: "zen", reason: format!("closed form: {reason}") });
        }
        let links: Vec<(Conv, bool)> =
            chain.links.iter().filter_map(|link| Some((self.conv(link.conv)?, link.relu))).collect();
        self.score_chain(&links)
    }
}

/// Runs `f` for the widest registers of this machine.
#[inline(always)]
fn on_wide_registers<T>(f: impl FnOnce() -> T) -> T {
    pulp::Arch::new().dispatch(f)
}

fn finite(score: f64) -> Result<f64, ScoreError> {
    if score.is_finite() { Ok(score) } else { Err(ScoreError::NotFinite { proxy: "zen" }) }
}

impl Proxy for ZenScore {
    fn name(&self) -> &'static str {
        "zen"
    }
    fn score(&self, candidate: Candidate<'_>, _: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
        debug_assert_eq!(candidate.resolution, self.resolution);
        self.score_blocks(candidate.blocks)
    }
    fn score_next(
        &self,
        candidate: Candidate<'_>,
        memory: &mut Memory,
        _: &mut Xoshiro256PlusPlus,
    ) -> Result<f64, ScoreError> {
        debug_assert_eq!(candidate.resolution, self.resolution);
        self.score_along(candidate.blocks, memory.of())
    }
    fn score_alike(
        &self,
        candidates: &[Candidate<'_>],
        memory: &mut Memory,
        _: &mut dyn FnMut(usize) -> Xoshiro256PlusPlus,
    ) -> Vec<Result<f64, ScoreError>> {
        self.score_side_by_side(candidates, memory.of())
    }
    fn score_model(&self, model: &Model, _: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
        debug_assert_eq!(model.resolution, self.resolution);
        self.score_network(&model.network)
    }
}

/// What must come next for the closed form to hold.
#[derive(Clone, Copy, Default, PartialEq)]
enum Pending {
    #[default]
    Nothing,
    Bn,
    Relu,
}

/// A convolution of the chain.
struct Link {
    /// With the strides of the max pools before it.
    conv: Layer,
    /// ReLU follows its BN.
    relu: bool,
}

/// A network as the chain of convolutions that the closed form scores.
#[derive(Default)]
struct Chain {
    links: Vec<Link>,
    pending: Pending,
    /// Product of the strides of the max pools since the last convolution.
    pooled: i32,
}

impl Chain {
    fn then(&mut self, step: Step) -> Result<(), String> {
        let layer = match step {
            Step::Layer(layer) => layer,
            Step::Enter(_) | Step::Leave(_) => return Err("residual links are not covered".into()),
            Step::Fork | Step::Branch | Step::Join(_) => return Err("branches are not covered".into()),
        };
        self.pending = match (self.pending, layer) {
            (Pending::Nothing | Pending::Relu, Layer::Conv { .. } | Layer::DwConv { .. }) => {
                // A convolution where ReLU should follow BN: the one before is linear.
                if let (Pending::Relu, Some(before)) = (self.pending, self.links.last_mut()) {
                    before.relu = false;
                }
                let times = std::mem::take(&mut self.pooled).max(1);
                self.links.push(Link { conv: strided(layer, times), relu: true });
                Pending::Bn
            }
            (Pending::Bn, Layer::Bn { .. }) => Pending::Relu,
            (Pending::Relu, Layer::Relu { .. }) => Pending::Nothing,
            (Pending::Nothing, Layer::MaxPool { stride, .. }) => {
                self.pooled = self.pooled.max(1).saturating_mul(stride);
                Pending::Nothing
            }
            (Pending::Nothing, other) => return Err(format!("{other} is not covered")),
            (Pending::Bn, other) => return Err(format!("{other} where BN should follow a convolution")),
            (Pending::Relu, other) => return Err(format!("{other} where ReLU should follow BN")),
        };
        Ok(())
    }

    fn unfinished(&self) -> Option<String> {
        match self.pending {
            Pending::Nothing if self.pooled > 0 => Some("no convolution follows the last pool".into()),
            Pending::Nothing => None,
            Pending::Bn | Pending::Relu => Some("the last convolution lacks its BN and ReLU".into()),
        }
    }
}

/// A convolution with its stride multiplied.
fn strided(layer: Layer, times: i32) -> Layer {
    match layer {
        Layer::Conv { in_c, out_c, kernel, stride, groups } => {
            Layer::Conv { in_c, out_c, kernel, stride: stride.saturating_mul(times), groups }
        }
        Layer::DwConv { channels, kernel, stride } => {
            Layer::DwConv { channels, kernel, stride: stride.saturating_mul(times) }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::{notation, published};
    use crate::proxy::exact;

    #[test]
    fn irregular_networks_are_refused_by_name() {
        let zen = ZenScore::new(Mode::Paper, 224);
        for (text, what) in [
            ("ConvKX(3,8,3,1)BN(8)Swish(8)", "Swish(8)"),
            ("ConvKX(3,8,3,1)BN(8)", "lacks its BN and ReLU"),
            ("ConvKX(3,8,3,1)BN(8)RELU(8)MaxPool(8,3,2)", "no convolution follows"),
            ("ConvKX(3,8,3,1)BN(8)MaxPool(8,3,2)", "MaxPool(8,3,2)"),
        ] {
            let error = zen.score_network(&notation::parse(text).unwrap()).unwrap_err();
            assert!(error.to_string().contains(what), "{text}: {error}");
        }
    }

    #[test]
    fn pooled_and_linear_layers_are_near_the_exact_score() {
        for (name, resolution) in [("resnet18", 224), ("resnet50", 128), ("mobilenet_v2", 128)] {
            let network = published::by_name(name).unwrap().network;
            let closed = ZenScore::of_batch(Mode::Paper, resolution, 2).score_network(&network).unwrap();
            let settings = exact::Settings { batch: 2, ..exact::Settings::new(Mode::Paper, 7) };
            let exact = exact::score::<f32>(&network, resolution, &settings).unwrap().score;
            assert!((closed - exact).abs() < 0.4, "{name}: {closed} is not near {exact}");
        }
    }

    #[test]
    fn both_entry_points_agree() {
        let model = published::by_name("zennet_imagenet1k_flops400M_SE_res224").unwrap();
        let zen = ZenScore::new(Mode::Reference, 224);
        let blocks = model.network.super_blocks("the test scores").unwrap();
        assert_eq!(zen.score_blocks(&blocks), zen.score_network(&model.network));
    }
}
