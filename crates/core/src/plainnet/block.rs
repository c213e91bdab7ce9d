//! Blocks of a PlainNet and the layers that they stand for (docs/plainnet.md, section 2).
//!
//! A *super block* is the unit of search: five integers in a flat struct. Everything else in a
//! network is a plain layer or a container of blocks. Costs, shapes, kernels, scores and graphs
//! all read the same stream of [`Step`]s that [`Block::walk`] produces, so a block is defined once.

/// Which parts of the expanded blocks are kept (docs/plainnet.md, section 2.8); section 3.3 says which
/// variant is counted for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Residual links, and with them the projections.
    pub reslink: bool,
    /// Squeeze-excite in the residual super blocks.
    pub se: bool,
    /// Batch normalisation in the bodies.
    pub bn: bool,
}

impl Variant {
    /// The network as built and measured: residual links and BN, no SE.
    pub const BUILT: Variant = Variant { reslink: true, se: false, bn: true };
    /// As [`Variant::BUILT`] with squeeze-excite.
    pub const BUILT_SE: Variant = Variant { reslink: true, se: true, bn: true };
    /// The vanilla network that zero-shot scores look at.
    pub const SCORED: Variant = Variant { reslink: false, se: false, bn: true };

    pub fn built(se: bool) -> Variant {
        Variant { se, ..Variant::BUILT }
    }
}

/// The family of a super block, with its kernel size and expansion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SuperKind {
    /// `SuperConvK{k}BNRELU`: convolution, BN, ReLU (docs/plainnet.md, section 2.1).
    Conv { kernel: u8 },
    /// `SuperResK{k}K{k}`: basic residual block (docs/plainnet.md, section 2.2).
    Residual { kernel: u8 },
    /// `SuperResK1K{k}K1`: bottleneck residual block (docs/plainnet.md, section 2.3).
    Bottleneck { kernel: u8 },
    /// `SuperResIDWE{e}K{k}`: inverted depthwise block (docs/plainnet.md, section 2.4).
    Inverted { expansion: u8, kernel: u8 },
}

impl SuperKind {
    pub fn is_conv(self) -> bool {
        matches!(self, SuperKind::Conv { .. })
    }

    /// Side of the window of its convolutions; beside it, bottlenecks and inverted blocks have 1×1 convolutions.
    pub fn kernel(self) -> u32 {
        match self {
            SuperKind::Conv { kernel }
            | SuperKind::Residual { kernel }
            | SuperKind::Bottleneck { kernel }
            | SuperKind::Inverted { kernel, .. } => kernel.into(),
        }
    }

    /// The same family, with the same expansion, and another kernel size.
    #[must_use]
    pub fn with_kernel(self, kernel: u8) -> SuperKind {
        match self {
            SuperKind::Conv { .. } => SuperKind::Conv { kernel },
            SuperKind::Residual { .. } => SuperKind::Residual { kernel },
            SuperKind::Bottleneck { .. } => SuperKind::Bottleneck { kernel },
            SuperKind::Inverted { expansion, .. } => SuperKind::Inverted { expansion, kernel },
        }
    }

    /// Whether both consist of the same layers, apart from widths.
    pub fn has_layers_of(self, other: SuperKind) -> bool {
        match (self, other) {
            (SuperKind::Inverted { kernel, .. }, SuperKind::Inverted { kernel: other, .. }) => {
                kernel == other
            }
            _ => self == other,
        }
    }
}

/// A super block. Integers are kept as written; [`super::shape::validate`] judges them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SuperBlock {
    pub kind: SuperKind,
    pub in_c: i32,
    pub out_c: i32,
    pub stride: i32,
    /// Hidden width; 0 for [`SuperKind::Conv`], which has none.
    pub bottleneck: i32,
    pub sublayers: i32,
}

/// A layer without blocks inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layer {
    /// Convolution with padding (kernel−1)/2 and no bias.
    Conv {
        in_c: i32,
        out_c: i32,
        kernel: i32,
        stride: i32,
        groups: i32,
    },
    DwConv {
        channels: i32,
        kernel: i32,
        stride: i32,
    },
    Bn {
        channels: i32,
    },
    Relu {
        channels: i32,
    },
    Swish {
        channels: i32,
    },
    /// Squeeze-excite with hidden width [`se_hidden`].
    Se {
        channels: i32,
    },
    MaxPool {
        channels: i32,
        kernel: i32,
        stride: i32,
    },
    AdaptiveAvgPool {
        channels: i32,
        size: i32,
    },
    Flatten {
        channels: i32,
    },
    Linear {
        in_c: i32,
        out_c: i32,
        bias: bool,
    },
}

impl Layer {
    /// Channels out, as declared.
    pub fn out_c(&self) -> i32 {
        match *self {
            Layer::Conv { out_c, .. } | Layer::Linear { out_c, .. } => out_c,
            Layer::DwConv { channels, .. }
            | Layer::Bn { channels }
            | Layer::Relu { channels }
            | Layer::Swish { channels }
            | Layer::Se { channels }
            | Layer::MaxPool { channels, .. }
            | Layer::AdaptiveAvgPool { channels, .. }
            | Layer::Flatten { channels } => channels,
        }
    }

    /// Channels in, as declared.
    pub fn in_c(&self) -> i32 {
        match *self {
            Layer::Conv { in_c, .. } | Layer::Linear { in_c, .. } => in_c,
            _ => self.out_c(),
        }
    }

    /// Stride; 1 where the layer has none.
    pub fn stride(&self) -> i32 {
        match *self {
            Layer::Conv { stride, .. } | Layer::DwConv { stride, .. } | Layer::MaxPool { stride, .. } => {
                stride
            }
            _ => 1,
        }
    }
}

/// How the branches of a [`Block::Branches`] are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    Sum,
    Concat,
}

/// Anything that stands in a structure string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    Super(SuperBlock),
    Layer(Layer),
    /// A residual unit: a body and a shortcut, which are added (docs/plainnet.md, section 2.5).
    Residual {
        in_c: i32,
        stride: i32,
        body: Vec<Block>,
        always_project: bool,
    },
    /// `MultiSumBlock`, `MultiCatBlock`: parallel branches.
    Branches {
        name: String,
        join: Join,
        branches: Vec<Block>,
    },
    Sequential(Vec<Block>),
}

/// The shortcut of a residual unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortcut {
    pub in_c: i32,
    pub out_c: i32,
    pub stride: i32,
    /// 1×1 convolution with bias, then BN; otherwise the identity.
    pub projection: bool,
}

/// One event of the walk over an expanded network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Layer(Layer),
    /// The body of a residual unit begins.
    Enter(Shortcut),
    /// The body ends: add the shortcut.
    Leave(Shortcut),
    /// Parallel branches begin; each is followed by [`Step::Branch`].
    Fork,
    /// A branch ends.
    Branch,
    /// The branches are joined.
    Join(Join),
}

/// `max(base, round(x / base) · base)` with ties to the even multiple (docs/plainnet.md, section 2.7).
pub fn smart_round(x: f64, base: i32) -> i32 {
    // Adding and taking away 1.5·2⁵² leaves the nearest integer, ties to even. `round_ties_even` is a
    // call into the C library on x86-64 without SSE 4.1, and mutation rounds 18 times per block.
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    let base = f64::from(base);
    let rounded = (x / base + SHIFT) - SHIFT;
    (rounded * base).max(base) as i32
}

/// [`smart_round`] with the base that belongs to the magnitude of `x` (docs/plainnet.md, section 2.7).
pub fn smart_round_auto(x: f64) -> i32 {
    let base = match x {
        x if x > 256.0 => 32,
        x if x > 128.0 => 16,
        _ => 8,
    };
    smart_round(x, base)
}

/// Hidden width of squeeze-excite over `channels` (docs/plainnet.md, section 2.6).
pub fn se_hidden(channels: i32) -> i32 {
    ((f64::from(channels) * 0.25).round_ties_even() as i32).max(1)
}

impl SuperBlock {
    /// Sublayers above this bound are not walked: no device runs such a block, and a hostile
    /// structure string must not keep the program busy for hours.
    pub const MAX_SUBLAYERS: i32 = 10_000;

    /// Sends the steps of all sublayers to `visit`.
    pub fn walk(&self, variant: Variant, visit: &mut impl FnMut(Step)) {
        for i in 0..self.sublayers.min(Self::MAX_SUBLAYERS) {
            self.walk_sublayer(i == 0, variant, visit);
        }
    }

    /// Sends the steps of one sublayer. All but the first are alike.
    pub fn walk_sublayer(&self, first: bool, variant: Variant, visit: &mut impl FnMut(Step)) {
        let prev = if first { self.in_c } else { self.out_c };
        let stride = if first { self.stride } else { 1 };
        let (out, mid) = (self.out_c, self.bottleneck);
        match self.kind {
            SuperKind::Conv { kernel } => {
                conv_bn(prev, out, kernel, stride, variant, visit);
                relu(out, visit);
            }
            SuperKind::Residual { kernel } => {
                unit(prev, out, stride, first, out, variant, visit, |visit| {
                    conv_bn(prev, mid, kernel, stride, variant, visit);
                    relu_se(mid, variant, visit);
                    conv_bn(mid, out, kernel, 1, variant, visit);
                });
            }
            SuperKind::Bottleneck { kernel } => {
                for second in [false, true] {
                    let prev = if second { out } else { prev };
                    let stride = if second { 1 } else { stride };
                    unit(prev, out, stride, first && !second, out, variant, visit, |visit| {
                        conv_bn(prev, mid, 1, 1, variant, visit);
                        relu(mid, visit);
                        conv_bn(mid, mid, kernel, stride, variant, visit);
                        relu_se(mid, variant, visit);
                        conv_bn(mid, out, 1, 1, variant, visit);
                    });
                }
            }
            SuperKind::Inverted { expansion, kernel } => {
                for second in [false, true] {
                    let (prev, to) = if second { (mid, out) } else { (prev, mid) };
                    let stride = if second { 1 } else { stride };
                    let hidden = smart_round(f64::from(to) * f64::from(expansion), 8);
                    // The ReLU after the first unit is printed with the output width of the second, as the
                    // reference prints it (docs/plainnet.md, section 2.4).
                    unit(prev, to, stride, first && !second, out, variant, visit, |visit| {
                        conv_bn(prev, hidden, 1, 1, variant, visit);
                        relu(hidden, visit);
                        let kernel = i32::from(kernel);
                        visit(Step::Layer(Layer::DwConv { channels: hidden, kernel, stride }));
                        bn(hidden, variant, visit);
                        relu_se(hidden, variant, visit);
                        conv_bn(hidden, to, 1, 1, variant, visit);
                    });
                }
            }
        }
    }

    /// Two blocks if this one is residual and has at least `threshold` sublayers, else itself
    /// (docs/plainnet.md, section 2.9).
    pub fn split(self, threshold: i32) -> (SuperBlock, Option<SuperBlock>) {
        if self.kind.is_conv() || self.sublayers < threshold || threshold < 2 {
            return (self, None);
        }
        let head = SuperBlock { sublayers: threshold / 2, ..self };
        let rest =
            SuperBlock { in_c: self.out_c, stride: 1, sublayers: self.sublayers - threshold / 2, ..self };
        (head, Some(rest))
    }

    /// Scales widths and depth; the input and the stride stay (docs/plainnet.md, section 2.9).
    pub fn scale(self, channels: f64, sublayers: f64) -> SuperBlock {
        let width = |c: i32| smart_round_auto(f64::from(c) * channels);
        SuperBlock {
            out_c: width(self.out_c),
            bottleneck: if self.kind.is_conv() { 0 } else { width(self.bottleneck) },
            sublayers: ((f64::from(self.sublayers) * sublayers).round_ties_even() as i32).max(1),
            ..self
        }
    }
}

fn conv_bn(in_c: i32, out_c: i32, kernel: u8, stride: i32, variant: Variant, visit: &mut impl FnMut(Step)) {
    visit(Step::Layer(Layer::Conv { in_c, out_c, kernel: i32::from(kernel), stride, groups: 1 }));
    bn(out_c, variant, visit);
}

fn bn(channels: i32, variant: Variant, visit: &mut impl FnMut(Step)) {
    if variant.bn {
        visit(Step::Layer(Layer::Bn { channels }));
    }
}

fn relu(channels: i32, visit: &mut impl FnMut(Step)) {
    visit(Step::Layer(Layer::Relu { channels }));
}

fn relu_se(channels: i32, variant: Variant, visit: &mut impl FnMut(Step)) {
    relu(channels, visit);
    if variant.se {
        visit(Step::Layer(Layer::Se { channels }));
    }
}

/// A residual unit from `in_c` to `out_c` and the ReLU after it, printed with `relu_c` channels.
#[expect(clippy::too_many_arguments, reason = "the parts of one unit, in the order of the specification")]
fn unit<V: FnMut(Step)>(
    in_c: i32,
    out_c: i32,
    stride: i32,
    always_project: bool,
    relu_c: i32,
    variant: Variant,
    visit: &mut V,
    body: impl FnOnce(&mut V),
) {
    let shortcut = Shortcut::new(in_c, out_c, stride, always_project);
    if variant.reslink {
        visit(Step::Enter(shortcut));
    }
    body(visit);
    if variant.reslink {
        visit(Step::Leave(shortcut));
    }
    relu(relu_c, visit);
}

impl Shortcut {
    pub fn new(in_c: i32, out_c: i32, stride: i32, always_project: bool) -> Self {
        Shortcut { in_c, out_c, stride, projection: always_project || stride > 1 || in_c != out_c }
    }
}

impl Block {
    /// Sends the steps of the expanded block to `visit`.
    pub fn walk(&self, variant: Variant, visit: &mut impl FnMut(Step)) {
        match self {
            Block::Super(block) => block.walk(variant, visit),
            Block::Layer(layer) => visit(Step::Layer(*layer)),
            Block::Residual { in_c, stride, body, always_project } => {
                let out_c = body.last().map_or(*in_c, Block::out_c);
                let shortcut = Shortcut::new(*in_c, out_c, *stride, *always_project);
                if variant.reslink {
                    visit(Step::Enter(shortcut));
                }
                body.iter().for_each(|b| walk_dyn(b, variant, visit));
                if variant.reslink {
                    visit(Step::Leave(shortcut));
                }
            }
            Block::Branches { join, branches, .. } => {
                visit(Step::Fork);
                for branch in branches {
                    walk_dyn(branch, variant, visit);
                    visit(Step::Branch);
                }
                visit(Step::Join(*join));
            }
            Block::Sequential(blocks) => blocks.iter().for_each(|b| walk_dyn(b, variant, visit)),
        }
    }

    /// Channels out, as declared.
    pub fn out_c(&self) -> i32 {
        match self {
            Block::Super(block) => block.out_c,
            Block::Layer(layer) => layer.out_c(),
            Block::Residual { in_c, body, .. } => body.last().map_or(*in_c, Block::out_c),
            Block::Branches { join, branches, .. } => {
                let outs = branches.iter().map(Block::out_c);
                match join {
                    Join::Sum => outs.max().unwrap_or(0),
                    Join::Concat => outs.fold(0, i32::saturating_add),
                }
            }
            Block::Sequential(blocks) => blocks.last().map_or(0, Block::out_c),
        }
    }

    /// Channels in, as declared.
    pub fn in_c(&self) -> i32 {
        match self {
            Block::Super(block) => block.in_c,
            Block::Layer(layer) => layer.in_c(),
            Block::Residual { in_c, .. } => *in_c,
            Block::Branches { branches, .. } => branches.iter().map(Block::in_c).max().unwrap_or(0),
            Block::Sequential(blocks) => blocks.first().map_or(0, Block::in_c),
        }
    }

    /// The block as basic blocks and containers (golden `expansions.json`).
    pub fn expand(&self, variant: Variant) -> Vec<Block> {
        let Block::Super(block) = self else { return vec![self.clone()] };
        let mut open: Vec<(Shortcut, Vec<Block>)> = Vec::new();
        let mut done: Vec<Block> = Vec::new();
        let mut units = 0;
        block.walk(variant, &mut |step| match step {
            Step::Layer(layer) => {
                open.last_mut().map_or(&mut done, |top| &mut top.1).push(Block::Layer(layer))
            }
            Step::Enter(shortcut) => open.push((shortcut, Vec::new())),
            Step::Leave(shortcut) => {
                let body = open.pop().map(|top| top.1).unwrap_or_default();
                // The first unit of a super block is a ResBlockProj, whatever its shape.
                done.push(Block::Residual {
                    in_c: shortcut.in_c,
                    stride: shortcut.stride,
                    body,
                    always_project: units == 0,
                });
                units += 1;
            }
            Step::Fork | Step::Branch | Step::Join(_) => {}
        });
        done
    }
}

/// [`Block::walk`] with a visitor behind a pointer: nested blocks would otherwise nest the types of closures without
/// end.
fn walk_dyn(block: &Block, variant: Variant, visit: &mut dyn FnMut(Step)) {
    block.walk(variant, &mut |step| visit(step));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_ties_go_to_the_even_multiple() {
        for (x, want) in [(12.0, 16), (20.0, 16), (28.0, 32), (36.0, 32), (0.4, 8)] {
            assert_eq!(smart_round(x, 8), want);
        }
    }

    #[test]
    fn only_deep_residual_blocks_split() {
        let block = SuperBlock {
            kind: SuperKind::Residual { kernel: 3 },
            in_c: 16,
            out_c: 32,
            stride: 2,
            bottleneck: 8,
            sublayers: 7,
        };
        let (head, rest) = block.split(6);
        assert_eq!((head.sublayers, head.in_c, head.stride), (3, 16, 2));
        assert_eq!(rest.map(|r| (r.sublayers, r.in_c, r.stride)), Some((4, 32, 1)));
        let conv = SuperBlock { kind: SuperKind::Conv { kernel: 3 }, bottleneck: 0, ..block };
        assert_eq!(conv.split(6), (conv, None));
    }
}
