//! How a convolution is cut into tiles, and what that costs.

use crate::proxy::exact::kernel::BLOCK;
use crate::proxy::exact::layer::Conv;
use crate::proxy::exact::real::{MAX_LANES, Real};

/// Positions of a task at least: with fewer, the weights would be read too often.
const POSITIONS: usize = 32;
/// … where the weights of all points do not stay in the cache.
const MANY_POSITIONS: usize = 96;
/// Weights of all points that stay in the cache of a core: 1 MB in f32.
const CACHED: usize = 1 << 18;
/// Weights of all points at most: 256 MB in f32.
const MOST_WEIGHTS: usize = 1 << 26;

/// How one convolution is cut into tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheme {
    pub conv: Conv,
    /// Side of a tile of inputs: number of points.
    pub points: usize,
    /// Taps of a window, of one phase of rows or columns where the stride is two.
    pub taps: usize,
    /// Side of a tile of outputs.
    pub outputs: usize,
    /// Tiles of a map.
    pub tiles_y: usize,
    pub tiles_x: usize,
    /// Images, and rows of tiles, of one task.
    pub images: usize,
    pub rows: usize,
}

impl Scheme {
    /// The best scheme for `images` images that fall into `parts`, if there is one that is quicker than a direct convolution.
    pub fn choose<T: Real>(conv: &Conv, images: usize, parts: usize) -> Option<Scheme> {
        if !T::SHORT || conv.groups > 1 || conv.kernel < 3 || conv.stride > 2 {
            return None;
        }
        let direct = direct_cost(conv, images);
        let schemes = [6, 8].into_iter().filter_map(|points| Scheme::new(conv, points, images, parts));
        let costs = schemes.map(|scheme| (scheme.cost(images), scheme));
        let (cost, scheme) = costs.min_by(|a, b| a.0.total_cmp(&b.0))?;
        (cost < WORTHWHILE * direct).then_some(scheme)
    }

    pub fn new(conv: &Conv, points: usize, images: usize, parts: usize) -> Option<Scheme> {
        let taps = conv.kernel.div_ceil(conv.stride);
        let outputs = (points + 1).checked_sub(taps).filter(|&outputs| outputs >= 2)?;
        let tiles_y = (conv.output.h as usize).div_ceil(outputs);
        let tiles_x = (conv.output.w as usize).div_ceil(outputs);
        let mut scheme = Scheme { conv: *conv, points, taps, outputs, tiles_y, tiles_x, images: 1, rows: 1 };
        if scheme.weights() > MOST_WEIGHTS {
            return None;
        }
        let wanted = if scheme.weights() > CACHED { MANY_POSITIONS } else { POSITIONS };
        let per_part = images / parts;
        if tiles_y * tiles_x < wanted {
            scheme.rows = tiles_y;
            // Tasks of one size.
            let most = (wanted / (tiles_y * tiles_x)).clamp(1, per_part);
            scheme.images = per_part.div_ceil(per_part.div_ceil(most));
        } else {
            let bands = (tiles_y * tiles_x / wanted).clamp(1, tiles_y);
            scheme.rows = tiles_y.div_ceil(bands);
        }
        Some(scheme)
    }

    /// Channels of the input, times phases.
    pub fn depth(&self) -> usize {
        self.conv.input.c as usize * self.conv.stride * self.conv.stride
    }
    pub fn out_channels(&self) -> usize {
        self.conv.output.c as usize
    }
    /// Number of weights of all points.
    pub fn weights(&self) -> usize {
        self.out_channels().next_multiple_of(MAX_LANES) * self.depth() * self.points * self.points
    }

    /// Multiplications of a direct convolution that take as long, for `images` images.
    pub fn cost(&self, images: usize) -> f64 {
        let points = (self.points * self.points) as f64;
        let (depth, out) = (self.depth() as f64, self.out_channels() as f64);
        let tiles = (images * self.tiles_x * self.tiles_y) as f64;
        let way = if self.points == 6 { 1.0 } else { LARGE };
        let tile = points * (PRODUCT * depth * out + way * (STAGING * depth + DRAINING * out));
        tiles * tile + WEIGHT * self.weights() as f64
    }
}

// What a value of one point costs, in multiplications of a direct convolution (docs/decisions/161).
/// A multiplication.
const PRODUCT: f64 = 1.0;
/// A value of the input that is taken to the points.
const STAGING: f64 = 45.0;
/// A product that is taken back.
const DRAINING: f64 = 40.0;
/// How much more the ways of tiles of eight cost, for each value: they have more steps, and fewer tiles fit into a cache.
const LARGE: f64 = 1.25;
/// A weight that is taken to the points, written and read again.
const WEIGHT: f64 = 50.0;
/// A scheme must promise that much less than a direct convolution: the costs are rough, and differ from processor to processor.
const WORTHWHILE: f64 = 0.85;

/// Multiplications of a direct convolution of `images` images.
fn direct_cost(conv: &Conv, images: usize) -> f64 {
    let width = conv.output.w as usize + (conv.kernel - 1) / 2;
    let positions = images * conv.output.h as usize * width;
    let rows = (conv.output.c as usize).next_multiple_of(BLOCK);
    (conv.fan_in() * rows * positions) as f64
}
