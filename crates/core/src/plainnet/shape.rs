//! Feature-map shapes, and whether a structure makes a usable network (docs/plainnet.md, section 1.5).

use super::block::{Block, Join, Layer, Step, SuperBlock, SuperKind, Variant};
use std::fmt;

/// Channels and spatial size of a feature map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Shape {
    pub c: u32,
    pub h: u32,
    pub w: u32,
}

impl Shape {
    pub fn square(c: u32, side: u32) -> Shape {
        Shape { c, h: side, w: side }
    }
    pub fn elements(&self) -> u64 {
        u64::from(self.c) * u64::from(self.h) * u64::from(self.w)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}×{}", self.c, self.h, self.w)
    }
}

/// Why a structure is not a usable network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    #[error("the network is empty; write at least one block")]
    Empty,
    #[error("a stride of 0 has no meaning; use 1 or 2")]
    ZeroStride,
    #[error("block {} {block}: {reason}", index + 1)]
    Block { index: usize, block: String, reason: String },
    #[error("block {} {block} is not a super block; {need} only super blocks", index + 1)]
    NotSuper { index: usize, block: String, need: &'static str },
    #[error("input resolution {0} is out of range; use 1 to {MAX_RESOLUTION}")]
    Resolution(u32),
    #[error("{0} classes are out of range; use 1 to {MAX_CLASSES}")]
    Classes(u32),
    #[error("{0} layers and sublayers; a network of more than {MAX_DEPTH} is a typing mistake")]
    Depth(u64),
}

/// Widest layer that is taken for a network rather than a typing mistake.
pub const MAX_CHANNELS: i32 = 65_536;
/// Deepest super block, likewise.
pub const MAX_SUBLAYERS: i32 = 1_000;
pub const MAX_RESOLUTION: u32 = 8_192;
/// Most classes, likewise.
pub const MAX_CLASSES: u32 = 1_000_000;
/// Most sublayers of super blocks and plain layers in all, likewise. A graph has up to thirty nodes for each.
pub const MAX_DEPTH: u64 = 100_000;

/// Checks the side of an input.
///
/// # Errors
/// One that is out of range.
pub fn check_side(side: u32) -> Result<(), ShapeError> {
    if (1..=MAX_RESOLUTION).contains(&side) { Ok(()) } else { Err(ShapeError::Resolution(side)) }
}

/// Checks the number of classes of a classifier.
///
/// # Errors
/// One that is out of range.
pub fn check_classes(classes: u32) -> Result<(), ShapeError> {
    if (1..=MAX_CLASSES).contains(&classes) { Ok(()) } else { Err(ShapeError::Classes(classes)) }
}

/// Checks how deep a network is, before anything is made of it.
///
/// # Errors
/// More layers and sublayers than [`MAX_DEPTH`].
pub fn check_depth(blocks: &[Block]) -> Result<(), ShapeError> {
    let depth = blocks.iter().map(depth).fold(0, u64::saturating_add);
    if depth <= MAX_DEPTH { Ok(()) } else { Err(ShapeError::Depth(depth)) }
}

/// Sublayers of super blocks and plain layers of a block.
fn depth(block: &Block) -> u64 {
    match block {
        // Numbers that make no sense are refused with their own reason.
        Block::Super(block) => u64::try_from(block.sublayers.min(MAX_SUBLAYERS)).unwrap_or(0).max(1),
        Block::Layer(_) => 1,
        Block::Residual { body: blocks, .. }
        | Block::Branches { branches: blocks, .. }
        | Block::Sequential(blocks) => blocks.iter().map(depth).fold(0, u64::saturating_add),
    }
}

/// Checks the whole network on a 3-channel input of side `resolution`; gives the shape before
/// global pooling.
///
/// # Errors
/// The first block that breaks a rule (docs/plainnet.md, section 1.5), with the reason.
pub fn validate(blocks: &[Block], resolution: u32) -> Result<Shape, ShapeError> {
    check(blocks, resolution, false)
}

/// As [`validate`], and refuses strides that are larger than the map they apply to. Networks with such a stride can be
/// built, but scores are not defined for them, because one of their stages does nothing.
///
/// # Errors
/// The first block that breaks a rule, with the reason.
pub fn validate_scored(blocks: &[Block], resolution: u32) -> Result<Shape, ShapeError> {
    check(blocks, resolution, true)
}

fn check(blocks: &[Block], resolution: u32, strides_fit: bool) -> Result<Shape, ShapeError> {
    if blocks.is_empty() {
        return Err(ShapeError::Empty);
    }
    check_side(resolution)?;
    check_depth(blocks)?;
    let mut shape = Shape::square(3, resolution);
    for (index, block) in blocks.iter().enumerate() {
        if let Block::Super(block) = block
            && let Some(output) = super_output(block, shape, strides_fit)
        {
            shape = output;
            continue;
        }
        let tracker = Tracker { strides_fit, ..Tracker::at(shape) };
        shape = track(block, tracker, Variant::BUILT).map_err(|reason| ShapeError::Block {
            index,
            block: block.to_string(),
            reason,
        })?;
    }
    Ok(shape)
}

/// The shape that `block` makes of `input`, or what is wrong with it.
pub fn block_output(block: &Block, input: Shape, variant: Variant) -> Result<Shape, String> {
    track(block, Tracker::at(input), variant)
}

fn track(block: &Block, mut tracker: Tracker, variant: Variant) -> Result<Shape, String> {
    if let Block::Super(block) = block {
        check_super(block)?;
    }
    block.walk(variant, &mut |step| tracker.step(step));
    tracker.problem.map_or(Ok(tracker.shape), Err)
}

/// Whether one sublayer of `block` is known to make a usable network of `input`. Where it is not, a walk finds the reason, or that it does.
pub(super) fn fits(block: &SuperBlock, input: Shape) -> bool {
    let in_c = i32::try_from(input.c).unwrap_or(i32::MAX);
    super_output(&SuperBlock { in_c, sublayers: 1, ..*block }, input, false).is_some()
}

/// The output shape of a super block, computed without a walk through its layers. `None` means that the block may be
/// wrong; a walk then finds the reason.
fn super_output(block: &SuperBlock, input: Shape, strides_fit: bool) -> Option<Shape> {
    let (kernel, widest) = match block.kind {
        SuperKind::Conv { kernel } => (kernel, 1),
        SuperKind::Residual { kernel } | SuperKind::Bottleneck { kernel } => {
            (kernel, i64::from(block.bottleneck))
        }
        SuperKind::Inverted { expansion: 0, .. } => return None,
        // Rounded to the next multiple of eight.
        SuperKind::Inverted { expansion, kernel } => {
            let width = block.bottleneck.max(block.out_c);
            (kernel, i64::from(width) * i64::from(expansion) + 8)
        }
    };
    let stride = block.stride.unsigned_abs();
    let right = check_super(block).is_ok()
        && kernel % 2 == 1
        && kernel <= 63
        && widest <= i64::from(MAX_CHANNELS)
        && u32::try_from(block.in_c) == Ok(input.c)
        && !(strides_fit && stride > input.h.min(input.w));
    right.then(|| Shape {
        c: block.out_c.unsigned_abs(),
        h: input.h.div_ceil(stride),
        w: input.w.div_ceil(stride),
    })
}

/// Checks the integers of a super block, without its input.
fn check_super(block: &SuperBlock) -> Result<(), String> {
    let positive = [("input channels", block.in_c), ("output channels", block.out_c)];
    for (what, value) in positive {
        channels(what, value)?;
    }
    if !block.kind.is_conv() {
        channels("the bottleneck", block.bottleneck)?;
    }
    if !(1..=2).contains(&block.stride) {
        return Err(format!("stride {} is neither 1 nor 2", block.stride));
    }
    if !(1..=MAX_SUBLAYERS).contains(&block.sublayers) {
        return Err(format!("{} sublayers; use 1 to {MAX_SUBLAYERS}", block.sublayers));
    }
    Ok(())
}

fn channels(what: &str, value: i32) -> Result<u32, String> {
    match u32::try_from(value) {
        Ok(c) if c >= 1 && value <= MAX_CHANNELS => Ok(c),
        _ => Err(format!("{what}: {value} is out of range; use 1 to {MAX_CHANNELS}")),
    }
}

/// Follows the shape through the steps of a walk; remembers the first problem.
struct Tracker {
    shape: Shape,
    /// The residual units and forks that are open, outermost first.
    open: Vec<Open>,
    problem: Option<String>,
    /// Whether a stride may not be larger than the map.
    strides_fit: bool,
}

/// A residual unit or a fork that the walk has entered and not left.
struct Open {
    /// The shape at its start.
    start: Shape,
    /// The output of its first branch, once that is finished.
    first: Option<Shape>,
    /// The output of the first branch whose number of channels differs from that of `first`.
    different: Option<Shape>,
    /// The sum of the channels of all branches that are finished.
    channels: u32,
}

impl Open {
    fn at(start: Shape) -> Open {
        Open { start, first: None, different: None, channels: 0 }
    }

    /// A branch ends with the shape `out`.
    fn branch(&mut self, out: Shape) -> Result<(), String> {
        self.channels = self.channels.saturating_add(out.c);
        let Some(first) = self.first else {
            self.first = Some(out);
            return Ok(());
        };
        if (first.h, first.w) != (out.h, out.w) {
            return Err(format!("one branch gives {first}, another {out}"));
        }
        if first.c != out.c && self.different.is_none() {
            self.different = Some(out);
        }
        Ok(())
    }

    /// The shape of the joined branches; nothing where there is no branch.
    fn joined(self, join: Join) -> Result<Option<Shape>, String> {
        let Some(first) = self.first else { return Ok(None) };
        match (join, self.different) {
            (Join::Concat, _) if self.channels > MAX_CHANNELS.unsigned_abs() => {
                Err(format!("{} channels in all branches together; use up to {MAX_CHANNELS}", self.channels))
            }
            (Join::Concat, _) => Ok(Some(Shape { c: self.channels, ..first })),
            (Join::Sum, None) => Ok(Some(first)),
            (Join::Sum, Some(other)) => Err(format!(
                "one branch gives {first}, another {other}; branches that are added need the same number of channels"
            )),
        }
    }
}

impl Tracker {
    fn at(shape: Shape) -> Tracker {
        Tracker { shape, open: Vec::new(), problem: None, strides_fit: false }
    }

    fn step(&mut self, step: Step) {
        if self.problem.is_some() {
            return;
        }
        if let Err(problem) = self.try_step(step) {
            self.problem = Some(problem);
        }
    }

    fn try_step(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Layer(layer) => {
                let out = layer_output(layer, self.shape)?;
                let stride = layer.stride();
                if self.strides_fit && i64::from(stride) > i64::from(self.shape.h.min(self.shape.w)) {
                    return Err(format!("{layer}: stride {stride} on a map of {}", self.shape));
                }
                self.shape = out;
            }
            Step::Enter(_) | Step::Fork => self.open.push(Open::at(self.shape)),
            Step::Leave(shortcut) => {
                let Some(Open { start, .. }) = self.open.pop() else { return Ok(()) };
                if u32::try_from(shortcut.in_c) != Ok(start.c) {
                    return Err(format!(
                        "the unit declares {} channels in, {} arrive",
                        shortcut.in_c, start.c
                    ));
                }
                let through = if shortcut.projection {
                    let stride = stride(shortcut.stride)?;
                    Shape { c: self.shape.c, h: start.h.div_ceil(stride), w: start.w.div_ceil(stride) }
                } else {
                    start
                };
                if through != self.shape {
                    return Err(format!("the body gives {}, the shortcut {through}", self.shape));
                }
            }
            Step::Branch => {
                let Some(open) = self.open.last_mut() else { return Ok(()) };
                open.branch(self.shape)?;
                self.shape = open.start;
            }
            Step::Join(join) => {
                let Some(open) = self.open.pop() else { return Ok(()) };
                if let Some(joined) = open.joined(join)? {
                    self.shape = joined;
                }
            }
        }
        Ok(())
    }
}

fn stride(stride: i32) -> Result<u32, String> {
    match u32::try_from(stride) {
        Ok(s) if (1..=8).contains(&s) => Ok(s),
        _ => Err(format!("stride {stride} is out of range; use 1 or 2")),
    }
}

/// Output of one layer on `input`, or what is wrong.
fn layer_output(layer: Layer, input: Shape) -> Result<Shape, String> {
    let windowed = |out_c: u32, kernel: i32, s: i32| -> Result<Shape, String> {
        if kernel < 1 || kernel % 2 == 0 || kernel > 63 {
            return Err(format!("kernel {kernel}; use an odd number from 1 to 63"));
        }
        let s = stride(s)?;
        Ok(Shape { c: out_c, h: input.h.div_ceil(s), w: input.w.div_ceil(s) })
    };
    let declared = |value: i32| -> Result<u32, String> {
        let c = channels("channels", value)?;
        if c != input.c {
            return Err(format!("{layer} declares {c} channels in, {} arrive", input.c));
        }
        Ok(c)
    };
    match layer {
        Layer::Conv { in_c, out_c, kernel, stride, groups } => {
            let (c, out) = (declared(in_c)?, channels("output channels", out_c)?);
            let groups = channels("groups", groups)?;
            if c % groups != 0 || out % groups != 0 {
                return Err(format!("{groups} groups do not divide {c} and {out} channels"));
            }
            windowed(out, kernel, stride)
        }
        Layer::DwConv { channels, kernel, stride } => windowed(declared(channels)?, kernel, stride),
        Layer::MaxPool { channels, kernel, stride } => windowed(declared(channels)?, kernel, stride),
        Layer::Bn { channels } | Layer::Se { channels } => declared(channels).map(|_| input),
        // The number of channels that an activation declares has no effect, and is wrong in some
        // expanded blocks (docs/plainnet.md, section 2.4).
        Layer::Relu { .. } | Layer::Swish { .. } => Ok(input),
        Layer::AdaptiveAvgPool { channels, size } => {
            let c = declared(channels)?;
            match u32::try_from(size) {
                Ok(side) if side >= 1 && side <= input.h && side <= input.w => Ok(Shape::square(c, side)),
                _ => Err(format!("pooling {input} to side {size}")),
            }
        }
        Layer::Flatten { .. } => {
            let flat = u32::try_from(input.elements()).map_err(|_| format!("flattening {input}"))?;
            Ok(Shape::square(flat, 1))
        }
        Layer::Linear { in_c, out_c, .. } => {
            if (input.h, input.w) != (1, 1) {
                return Err(format!("a linear layer reads a vector, {input} arrives"));
            }
            declared(in_c)?;
            Ok(Shape::square(channels("output features", out_c)?, 1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::notation;

    #[test]
    fn branches_join_only_where_their_shapes_allow_it() {
        let output = |text: &str| validate(&notation::parse(text).unwrap().blocks, 8);
        let equal = "MultiSumBlock(a|ConvKX(3,8,3,1);ConvKX(3,8,1,1))";
        assert_eq!(output(equal), Ok(Shape::square(8, 8)));
        let different = "MultiSumBlock(a|ConvKX(3,8,3,1);ConvKX(3,8,1,1);ConvKX(3,16,1,1))";
        let error = output(different).unwrap_err().to_string();
        assert!(error.contains("one branch gives 8×8×8, another 16×8×8; branches that are added"), "{error}");
        let strided = "MultiCatBlock(a|ConvKX(3,8,3,1);ConvKX(3,8,1,2))";
        assert!(output(strided).unwrap_err().to_string().contains("one branch gives 8×8×8, another 8×4×4"));
        assert_eq!(output(&different.replace("Sum", "Cat")), Ok(Shape::square(32, 8)));
        // A fork inside a branch has channels of its own.
        let nested = "MultiCatBlock(a|MultiCatBlock(b|ConvKX(3,8,1,1);ConvKX(3,4,1,1));ConvKX(3,16,1,1))";
        assert_eq!(output(nested), Ok(Shape::square(28, 8)));
    }

    #[test]
    fn a_walk_gives_the_shape_that_is_known_without_it() {
        let (mut known, mut all) = (0, 0);
        for kernel in [1, 2, 3, 5, 7, 65] {
            let inverted = [0, 1, 6].map(|expansion| SuperKind::Inverted { expansion, kernel });
            let others = [
                SuperKind::Conv { kernel },
                SuperKind::Residual { kernel },
                SuperKind::Bottleneck { kernel },
            ];
            for kind in others.into_iter().chain(inverted) {
                for (in_c, out_c, bottleneck) in
                    [(8, 16, 24), (9, 8, 8), (8, 1, 60_000), (8, 65_536, 8), (8, 0, 8)]
                {
                    for (stride, side, sublayers) in [(1, 1, 1), (2, 1, 2), (2, 7, 3), (1, 8, 2), (3, 8, 1)] {
                        let block = SuperBlock { kind, in_c, out_c, stride, bottleneck, sublayers };
                        let input = Shape::square(8, side);
                        for strides_fit in [false, true] {
                            let tracker = Tracker { strides_fit, ..Tracker::at(input) };
                            let walked = track(&Block::Super(block), tracker, Variant::BUILT);
                            let output = super_output(&block, input, strides_fit);
                            assert!(
                                output.is_none() || output == walked.ok(),
                                "{block} on {input}: {output:?}"
                            );
                            known += usize::from(output.is_some());
                            all += 1;
                        }
                    }
                }
            }
        }
        assert!(known > all / 8, "{known} of {all}");
    }
}
