//! Parameters and multiply-accumulates, counted in two ways. The *official* counts are those of the
//! released code, which budgets are compared with (docs/plainnet.md, sections 3.1 and 3.2). The *exact*
//! counts are those of the network as built (section 3.4).

use super::block::{Block, Layer, Step, SuperBlock, Variant, se_hidden};
use super::shape::ShapeError;
use crate::units::{Macs, Params};

/// Official cost of a part of a network.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Official {
    pub params: Params,
    pub flops: Macs,
    /// Resolution after this part, by the official rule r // stride.
    pub resolution: i64,
}

/// Exact cost of a part of a network, or of a whole one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exact {
    /// Trainable parameters: weights, biases, two per BN channel.
    pub params: i64,
    pub conv_macs: i64,
    pub fc_macs: i64,
    /// Additions of the projections' biases.
    pub conv_bias_adds: i64,
    pub bn_elements: i64,
    pub convs: i64,
    pub bns: i64,
    /// Side of the feature map after this part, ceil(r / stride) at each layer.
    pub resolution: i64,
}

impl Exact {
    /// Multiply-accumulates of all convolutions and fully connected layers.
    pub fn macs(&self) -> i64 {
        self.conv_macs + self.fc_macs
    }
}

/// Official cost of `blocks` on an input of side `resolution`.
///
/// # Errors
/// A stride of zero, where the reference divides by zero.
pub fn official(blocks: &[Block], resolution: i64, variant: Variant) -> Result<Official, ShapeError> {
    let mut walk = OfficialWalk::new(resolution);
    for block in blocks {
        block.walk(variant, &mut |step| walk.step(step));
    }
    walk.finish()
}

/// Official cost of one super block; every sublayer after the first costs the same.
pub fn official_block(block: &SuperBlock, resolution: i64, variant: Variant) -> Result<Official, ShapeError> {
    if block.sublayers < 1 {
        return Ok(Official { resolution, ..Official::default() });
    }
    let first = official_sublayer(block, true, resolution, variant)?;
    if block.sublayers == 1 {
        return Ok(first);
    }
    let next = official_sublayer(block, false, first.resolution, variant)?;
    Ok(first.with_alike(next, block.sublayers - 1))
}

/// Official cost of one sublayer of a super block: the first, or any of the others.
pub fn official_sublayer(
    block: &SuperBlock,
    first: bool,
    resolution: i64,
    variant: Variant,
) -> Result<Official, ShapeError> {
    let mut walk = OfficialWalk::new(resolution);
    block.walk_sublayer(first, variant, &mut |step| walk.step(step));
    walk.finish()
}

impl Official {
    /// With `times` parts like `next` behind it.
    pub fn with_alike(self, next: Official, times: i32) -> Official {
        let times = f64::from(times);
        Official {
            params: Params(self.params.0 + times * next.params.0),
            flops: Macs(self.flops.0 + times * next.flops.0),
            resolution: next.resolution,
        }
    }
}

/// Official cost of the classifier after global pooling. The whole bias counts as one parameter
/// (docs/plainnet.md, section 3.1).
pub fn official_head(in_c: i32, classes: u32) -> Official {
    let weights = f64::from(in_c) * f64::from(classes);
    Official { params: Params(weights + 1.0), flops: Macs(weights), resolution: 1 }
}

struct OfficialWalk {
    resolution: i64,
    params: i64,
    flops: f64,
    /// Resolutions at the start of each open fork and after its last finished branch.
    forks: Vec<(i64, i64)>,
    zero_stride: bool,
}

impl OfficialWalk {
    fn new(resolution: i64) -> Self {
        OfficialWalk { resolution, params: 0, flops: 0.0, forks: Vec::new(), zero_stride: false }
    }

    fn finish(self) -> Result<Official, ShapeError> {
        if self.zero_stride {
            return Err(ShapeError::ZeroStride);
        }
        Ok(Official {
            params: Params(self.params as f64),
            flops: Macs(self.flops),
            resolution: self.resolution,
        })
    }

    /// `a // b` of the reference; a zero divisor is remembered.
    fn floor_div(&mut self, a: i64, b: i32) -> i64 {
        match b {
            // Nearly all divisors in a search; a division costs as much as the rest of a layer.
            1 => a,
            2 => a >> 1,
            4 => a >> 2,
            _ => a.checked_div_euclid(i64::from(b)).unwrap_or_else(|| {
                self.zero_stride = true;
                0
            }),
        }
    }

    /// Inlined, so that a block that is walked along adds up its layers without asking what each of them is.
    #[inline(always)]
    fn step(&mut self, step: Step) {
        let r2 = self.resolution.wrapping_mul(self.resolution);
        match step {
            Step::Layer(layer) => self.layer(layer, r2),
            Step::Leave(shortcut) if shortcut.projection => {
                let size = wide(shortcut.in_c, shortcut.out_c).wrapping_add(i64::from(shortcut.out_c));
                self.params = self.params.wrapping_add(size);
                if shortcut.stride == 0 {
                    self.zero_stride = true;
                    return;
                }
                // The reference divides by the stride although the body has done so already. A projection of
                // stride 2 therefore counts a quarter of its work (docs/plainnet.md, section 3.2).
                let side = self.resolution as f64 / f64::from(shortcut.stride);
                self.flops += size as f64 * side * side;
            }
            Step::Enter(_) | Step::Leave(_) => {}
            Step::Fork => self.forks.push((self.resolution, self.resolution)),
            Step::Branch => {
                if let Some((start, after)) = self.forks.last_mut() {
                    *after = self.resolution;
                    self.resolution = *start;
                }
            }
            Step::Join(_) => {
                if let Some((_, after)) = self.forks.pop() {
                    self.resolution = after;
                }
            }
        }
    }

    #[inline(always)]
    fn layer(&mut self, layer: Layer, r2: i64) {
        let (params, flops) = match layer {
            Layer::Conv { in_c, out_c, kernel, stride, groups } => {
                let weights = wide(in_c, out_c).wrapping_mul(wide(kernel, kernel));
                let at_stride = self.floor_div(weights.wrapping_mul(r2), stride.wrapping_mul(stride));
                let flops = self.floor_div(at_stride, groups);
                self.resolution = self.floor_div(self.resolution, stride);
                (self.floor_div(weights, groups), flops)
            }
            Layer::DwConv { channels, kernel, stride } => {
                let weights = wide(channels, kernel).wrapping_mul(i64::from(kernel));
                let flops = self.floor_div(weights.wrapping_mul(r2), stride.wrapping_mul(stride));
                self.resolution = self.floor_div(self.resolution, stride);
                (weights, flops)
            }
            Layer::Bn { channels } => (i64::from(channels), i64::from(channels).wrapping_mul(r2)),
            Layer::Relu { .. } => (0, 0),
            Layer::Swish { channels } => (0, i64::from(channels).wrapping_mul(r2)),
            Layer::Se { channels } => {
                let (c, h) = (i64::from(channels), i64::from(se_hidden(channels)));
                (2 * c * h + 2 * h + 2 * c, (2 * c * h + c).wrapping_add(c.wrapping_mul(r2)))
            }
            Layer::MaxPool { stride, .. } => {
                self.resolution = self.floor_div(self.resolution, stride);
                (0, 0)
            }
            Layer::AdaptiveAvgPool { size, .. } => {
                self.resolution = i64::from(size);
                (0, 0)
            }
            Layer::Flatten { .. } => {
                self.resolution = 1;
                (0, 0)
            }
            Layer::Linear { in_c, out_c, bias } => {
                self.resolution = 1;
                (wide(in_c, out_c) + i64::from(bias), wide(in_c, out_c))
            }
        };
        self.params = self.params.wrapping_add(params);
        self.flops += flops as f64;
    }
}

/// Exact cost of `blocks` on an input of side `resolution`.
///
/// # Errors
/// A stride of zero.
pub fn exact(blocks: &[Block], resolution: i64, variant: Variant) -> Result<Exact, ShapeError> {
    let mut walk =
        ExactWalk { sum: Exact { resolution, ..Exact::default() }, sides: Vec::new(), zero_stride: false };
    for block in blocks {
        block.walk(variant, &mut |step| walk.step(step));
    }
    if walk.zero_stride { Err(ShapeError::ZeroStride) } else { Ok(walk.sum) }
}

/// Adds the classifier: a fully connected layer with one bias per class.
pub fn exact_head(mut body: Exact, in_c: i32, classes: u32) -> Exact {
    let weights = i64::from(in_c) * i64::from(classes);
    body.params += weights + i64::from(classes);
    body.fc_macs += weights;
    body
}

struct ExactWalk {
    sum: Exact,
    /// Sides at the start of open residual units and forks, and after the last finished branch.
    sides: Vec<(i64, i64)>,
    zero_stride: bool,
}

impl ExactWalk {
    /// ceil(side / stride), what padding (kernel−1)/2 gives for odd kernels.
    fn strided(&mut self, side: i64, stride: i32) -> i64 {
        if stride == 0 {
            self.zero_stride = true;
            return 0;
        }
        (side + i64::from(stride) - 1).div_euclid(i64::from(stride))
    }

    fn conv(&mut self, weights: i64, bias: i64, side: i64) {
        self.sum.params += weights + bias;
        self.sum.conv_macs = self.sum.conv_macs.wrapping_add(weights.wrapping_mul(side.wrapping_mul(side)));
        self.sum.conv_bias_adds += bias.wrapping_mul(side.wrapping_mul(side));
        self.sum.convs += 1;
    }

    fn bn(&mut self, channels: i64, side: i64) {
        self.sum.params += 2 * channels;
        self.sum.bn_elements += channels.wrapping_mul(side.wrapping_mul(side));
        self.sum.bns += 1;
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Layer(layer) => self.layer(layer),
            Step::Enter(_) | Step::Fork => self.sides.push((self.sum.resolution, self.sum.resolution)),
            Step::Leave(shortcut) => {
                let start = self.sides.pop().map_or(self.sum.resolution, |side| side.0);
                if shortcut.projection {
                    let side = self.strided(start, shortcut.stride);
                    self.conv(wide(shortcut.in_c, shortcut.out_c), i64::from(shortcut.out_c), side);
                    self.bn(i64::from(shortcut.out_c), side);
                }
            }
            Step::Branch => {
                if let Some((start, after)) = self.sides.last_mut() {
                    *after = self.sum.resolution;
                    self.sum.resolution = *start;
                }
            }
            Step::Join(_) => {
                if let Some((_, after)) = self.sides.pop() {
                    self.sum.resolution = after;
                }
            }
        }
    }

    fn layer(&mut self, layer: Layer) {
        let side = self.sum.resolution;
        match layer {
            Layer::Conv { in_c, out_c, kernel, stride, groups } => {
                let side = self.strided(side, stride);
                let weights = wide(in_c, out_c).wrapping_mul(wide(kernel, kernel));
                self.conv(weights / i64::from(groups.max(1)), 0, side);
                self.sum.resolution = side;
            }
            Layer::DwConv { channels, kernel, stride } => {
                let side = self.strided(side, stride);
                self.conv(wide(channels, kernel) * i64::from(kernel), 0, side);
                self.sum.resolution = side;
            }
            Layer::Bn { channels } => self.bn(i64::from(channels), side),
            Layer::Relu { .. } | Layer::Swish { .. } => {}
            Layer::Se { channels } => {
                let (c, h) = (i64::from(channels), i64::from(se_hidden(channels)));
                self.conv(c * h, 0, 1);
                self.bn(h, 1);
                self.conv(h * c, 0, 1);
                self.bn(c, 1);
            }
            Layer::MaxPool { stride, .. } => self.sum.resolution = self.strided(side, stride),
            Layer::AdaptiveAvgPool { size, .. } => self.sum.resolution = i64::from(size),
            Layer::Flatten { .. } => self.sum.resolution = 1,
            Layer::Linear { in_c, out_c, bias } => {
                self.sum.params += wide(in_c, out_c) + if bias { i64::from(out_c) } else { 0 };
                self.sum.fc_macs += wide(in_c, out_c);
                self.sum.resolution = 1;
            }
        }
    }
}

fn wide(a: i32, b: i32) -> i64 {
    i64::from(a) * i64::from(b)
}
