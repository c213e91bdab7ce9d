//! Search spaces: which blocks may take the place of a block (docs/plainnet.md, section 4).
//!
//! A space answers for one block at a time with a small product of lists, so that drawing a mutation
//! neither allocates nor prints.

mod inverted;
pub mod narrowed;
mod residual;
pub mod shape_rules;

pub use narrowed::Narrowed;
pub use shape_rules::ShapeRules;

use crate::plainnet::block::smart_round;
use crate::plainnet::{SuperBlock, SuperKind};
use rand::{Rng, RngExt};

/// How likely each block type is (docs/plainnet.md, section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KindWeights {
    /// The accidental weights of the released code.
    Reference,
    /// What the paper says.
    Uniform,
}

/// How far one mutation may go (docs/plainnet.md, section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MutationReach {
    /// Widths 0.4 to 2.5 times, depth ±1 and ±2.
    Reference,
    /// The same steps within 0.5 to 2 times, for widths and depths.
    Paper,
}

/// A set of structures, given by what a block may mutate into.
pub trait SearchSpace: Send + Sync {
    /// `resnet`, `mobilenet`.
    fn name(&self) -> &'static str;

    /// The name in the released scripts: `XXBL`, `IDW_fixfc`.
    fn reference_name(&self) -> &'static str;

    /// Types that a residual super block may take, with their reference weights.
    fn kinds(&self) -> &[(SuperKind, u32)];

    /// Widest layer that a mutation may give.
    fn max_channels(&self) -> i32;

    /// Whether a convolution block keeps its width.
    fn width_is_fixed(&self, kind: SuperKind) -> bool;

    /// Widest layer that a mutation may give a block of this type.
    fn most_width(&self, _kind: SuperKind) -> i32 {
        self.max_channels()
    }

    /// Where searches start that say nothing else.
    fn default_structure(&self) -> &'static str;

    /// The networks that stand for the space where its latencies are measured. The first entry also stands for it in
    /// plans for other spaces.
    fn profiled(&self) -> Vec<NetworkRange>;

    /// What shapes published networks of the space have; searches keep to them unless they are told not to.
    fn shape_rules(&self) -> ShapeRules;
}

/// A part of a space, from which the networks of a measuring plan are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NetworkRange {
    /// Structure that the networks are mutated from.
    pub start: &'static str,
    /// Side of the square input image, in pixels.
    pub resolution: u32,
    pub classes: u32,
    pub max_layers: i64,
    /// Smallest and largest exact MACs, without the classifier.
    pub macs: (f64, f64),
}

/// All search spaces.
pub fn registry() -> &'static [&'static dyn SearchSpace] {
    REGISTRY
}

static REGISTRY: &[&dyn SearchSpace] = &[&residual::ResidualSpace, &inverted::InvertedSpace];

/// The space called `name`, by its own or its reference name.
pub fn by_name(name: &str) -> Option<&'static dyn SearchSpace> {
    registry().iter().copied().find(|space| space.name() == name || space.reference_name() == name)
}

/// Up to `N` integers without allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choices<const N: usize> {
    values: [i32; N],
    len: usize,
}

impl<const N: usize> Choices<N> {
    const EMPTY: Self = Choices { values: [0; N], len: 0 };

    fn one(value: i32) -> Self {
        let mut choices = Self::EMPTY;
        choices.insert(value);
        choices
    }

    /// Adds a value unless it is there or the room is used up.
    fn insert(&mut self, value: i32) {
        if self.len < N && !self.as_slice().contains(&value) {
            self.values[self.len] = value;
            self.len += 1;
        }
    }

    pub fn as_slice(&self) -> &[i32] {
        &self.values[..self.len]
    }

    fn draw(&self, rng: &mut impl Rng) -> i32 {
        self.values[rng.random_range(0..self.len.max(1))]
    }
}

/// The product of lists that a block may be replaced from. `in` and `stride` always stay.
#[derive(Clone, Copy, Debug)]
pub struct Candidates<'a> {
    block: SuperBlock,
    /// Types with weights; empty where the type stays.
    kinds: &'a [(SuperKind, u32)],
    weights: KindWeights,
    pub out_c: Choices<9>,
    pub sublayers: Choices<5>,
    /// Empty for convolution blocks.
    pub bottleneck: Choices<9>,
}

const GROW: [f64; 5] = [2.5, 2.0, 1.5, 1.25, 1.0];
const SHRINK: [f64; 4] = [1.25, 1.5, 2.0, 2.5];

/// Widths that `c` may mutate into, largest first (docs/plainnet.md, section 4.1).
pub fn channel_choices(c: i32, max_channels: i32, reach: MutationReach) -> Choices<9> {
    let within = |factor: f64| reach == MutationReach::Reference || factor <= 2.0;
    let grown = GROW.iter().filter(|&&f| within(f)).map(|f| f64::from(c) * f);
    let shrunk = SHRINK.iter().filter(|&&f| within(f)).map(|f| f64::from(c) / f);
    let mut choices = Choices::EMPTY;
    for width in grown.chain(shrunk) {
        choices.insert(smart_round(width.max(8.0).min(f64::from(max_channels)), 8));
    }
    choices
}

/// Depths that `sublayers` may mutate into (docs/plainnet.md, section 4.1).
pub fn sublayer_choices(sublayers: i32, reach: MutationReach) -> Choices<5> {
    let within = |l: i32| reach == MutationReach::Reference || (2 * l >= sublayers && l <= 2 * sublayers);
    let mut choices = Choices::EMPTY;
    for step in [2, 1, 0, -1, -2] {
        let depth = sublayers + step;
        if depth >= 1 && within(depth) {
            choices.insert(depth);
        }
    }
    choices
}

/// What `block` may become in `space`.
pub fn candidates(
    space: &dyn SearchSpace,
    block: SuperBlock,
    weights: KindWeights,
    reach: MutationReach,
) -> Candidates<'_> {
    let widths = |c: i32| channel_choices(c, space.most_width(block.kind), reach);
    if block.kind.is_conv() {
        let fixed = space.width_is_fixed(block.kind);
        return Candidates {
            block,
            kinds: &[],
            weights,
            out_c: if fixed { Choices::one(block.out_c) } else { widths(block.out_c) },
            sublayers: Choices::one(1),
            bottleneck: Choices::EMPTY,
        };
    }
    Candidates {
        block,
        kinds: space.kinds(),
        weights,
        out_c: widths(block.out_c),
        sublayers: sublayer_choices(block.sublayers, reach),
        bottleneck: widths(block.bottleneck),
    }
}

impl Candidates<'_> {
    /// One candidate.
    pub fn draw(&self, rng: &mut impl Rng) -> SuperBlock {
        let kind = self.draw_kind(rng);
        SuperBlock {
            kind,
            out_c: self.out_c.draw(rng),
            sublayers: self.sublayers.draw(rng),
            bottleneck: if self.bottleneck.len == 0 { 0 } else { self.bottleneck.draw(rng) },
            ..self.block
        }
    }

    fn draw_kind(&self, rng: &mut impl Rng) -> SuperKind {
        if self.kinds.is_empty() {
            return self.block.kind;
        }
        let total: u32 = self.kinds.iter().map(|&(_, weight)| self.weight(weight)).sum();
        let mut at = rng.random_range(0..total);
        for &(kind, weight) in self.kinds {
            let weight = self.weight(weight);
            if at < weight {
                return kind;
            }
            at -= weight;
        }
        self.block.kind
    }

    fn weight(&self, reference: u32) -> u32 {
        match self.weights {
            KindWeights::Reference => reference,
            KindWeights::Uniform => 1,
        }
    }

    /// Types with the weights in force.
    pub fn kinds(&self) -> Vec<(SuperKind, u32)> {
        if self.kinds.is_empty() {
            return vec![(self.block.kind, 1)];
        }
        self.kinds.iter().map(|&(kind, weight)| (kind, self.weight(weight))).collect()
    }

    /// Every candidate once.
    pub fn all(&self) -> Vec<SuperBlock> {
        let bottlenecks = if self.bottleneck.len == 0 { &[0][..] } else { self.bottleneck.as_slice() };
        let mut all = Vec::new();
        for (kind, _) in self.kinds() {
            for &out_c in self.out_c.as_slice() {
                for &sublayers in self.sublayers.as_slice() {
                    for &bottleneck in bottlenecks {
                        all.push(SuperBlock { kind, out_c, sublayers, bottleneck, ..self.block });
                    }
                }
            }
        }
        all
    }

    /// Whether `block` is one of the candidates, its `in` aside.
    pub fn contains(&self, block: &SuperBlock) -> bool {
        self.kinds().iter().any(|&(kind, _)| kind == block.kind)
            && block.stride == self.block.stride
            && self.out_c.as_slice().contains(&block.out_c)
            && self.sublayers.as_slice().contains(&block.sublayers)
            && (self.bottleneck.len == 0 || self.bottleneck.as_slice().contains(&block.bottleneck))
    }
}
