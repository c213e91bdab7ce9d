//! Dense convolutions by Winograd's short algorithms: fewer multiplications, at the price of some rounding.
//!
//! A tile of N×N inputs gives M×M outputs of a window of R×R taps, N = M + R − 1. The polynomials of tile and
//! window are evaluated at N points (0, ±1, ±2, for N = 8 also ±½, and ∞), multiplied there point by point, and the product's
//! coefficients read off (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016). Over all channels the
//! products of one point are a matrix product, which [`super::kernel`] computes: N² of them in place of M²·R² products for
//! each tile.
//!
//! A stride of two falls into four convolutions of stride one over every other row and column of the input. Their
//! sums are those over four times the channels, with half of the taps each.
//!
//! Double precision, the definition of a score, does without: see [`Real::SHORT`].

use super::conv::{Conv, Sums};
use super::kernel::{BLOCK, Offsets, Product, Run};
use super::map::Map;
use super::real::{MAX_LANES, Real};
use super::source::Source;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Points beside 0 and ∞: each of these and its negative.
const PAIRS: [f64; 3] = [1.0, 2.0, 0.5];
/// Largest side of a tile.
const LARGEST: usize = 8;
/// Positions of a task at least: with fewer, the weights would be read too often.
const POSITIONS: usize = 48;
/// … where the weights of all points do not stay in the cache.
const MANY_POSITIONS: usize = 192;
/// Weights of all points that stay in the cache of a core: 1 MB in f32.
const CACHED: usize = 1 << 18;
/// Weights of all points at most: 256 MB in f32.
const MOST_WEIGHTS: usize = 1 << 26;
/// Number of inputs of one pass of the micro-kernel.
const DEPTH: usize = 128;

/// How one convolution is cut into tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheme {
    conv: Conv,
    /// Side of a tile of inputs: number of points.
    points: usize,
    /// Taps of a window, of one phase of rows or columns where the stride is two.
    taps: usize,
    /// Side of a tile of outputs.
    outputs: usize,
    /// Tiles of a map.
    tiles_y: usize,
    tiles_x: usize,
    /// Images, and rows of tiles, of one task.
    images: usize,
    rows: usize,
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

    fn new(conv: &Conv, points: usize, images: usize, parts: usize) -> Option<Scheme> {
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
    fn depth(&self) -> usize {
        self.conv.input.c as usize * self.conv.stride * self.conv.stride
    }
    fn out_channels(&self) -> usize {
        self.conv.output.c as usize
    }
    fn blocks(&self) -> usize {
        self.out_channels().div_ceil(BLOCK)
    }
    /// Number of weights of all points.
    fn weights(&self) -> usize {
        self.blocks() * BLOCK * self.depth() * self.points * self.points
    }
    /// Tiles side by side in a row of a task, those of all its images, in whole registers.
    fn line(&self) -> usize {
        (self.images * self.tiles_x).next_multiple_of(MAX_LANES)
    }
    /// Distance of two rows of tiles: whole registers, unless these would be much more than the tiles.
    fn columns(&self) -> usize {
        let columns = self.images * self.tiles_x;
        if self.line() * 6 <= columns * 7 { self.line() } else { columns }
    }
    /// Distance of two channels of one point.
    fn ld(&self) -> usize {
        ((self.rows - 1) * self.columns()).next_multiple_of(MAX_LANES) + self.line()
    }
    /// Distance of two points; not a power of two, so that the same place of all points does not fall into one set of the cache.
    fn point_stride(&self, channels: usize) -> usize {
        channels * self.ld() + MAX_LANES
    }

    /// Multiplications of a direct convolution that take as long, for `images` images.
    fn cost(&self, images: usize) -> f64 {
        let points = (self.points * self.points) as f64;
        let (depth, out) = (self.depth() as f64, (self.blocks() * BLOCK) as f64);
        let tiles = (images * self.tiles_x * self.tiles_y) as f64;
        let tile = points * (PRODUCT * depth * out + STAGING * depth + DRAINING * out);
        tiles * tile + WEIGHT * self.weights() as f64
    }
}

// What a value of one point costs, in multiplications of a direct convolution (docs/decisions/130).
/// A multiplication: the weights of all points are many, and are read from farther away.
const PRODUCT: f64 = 1.3;
/// A value of the input that is taken to the points.
const STAGING: f64 = 150.0;
/// A product that is taken back.
const DRAINING: f64 = 90.0;
/// A weight that is taken to the points, written and read again.
const WEIGHT: f64 = 80.0;
/// A scheme must promise that much less than a direct convolution: the costs are rough, and differ from processor to processor.
const WORTHWHILE: f64 = 0.75;

/// Multiplications of a direct convolution of `images` images.
fn direct_cost(conv: &Conv, images: usize) -> f64 {
    let width = conv.output.w as usize + (conv.kernel - 1) / 2;
    let positions = images * conv.output.h as usize * width;
    let rows = (conv.output.c as usize).next_multiple_of(BLOCK);
    (conv.fan_in() * rows * positions) as f64
}

/// The constants of N points.
struct Points<T> {
    /// Coefficients of Π (x² − a²) over all pairs, of x⁰, x², …
    all: [T; 4],
    /// The same without the pair's own factor.
    even: [[T; 3]; 3],
    /// `even` times the pair's a.
    odd: [[T; 3]; 3],
    /// Powers of the pairs' a: `powers[i][pair]` is aⁱ.
    powers: [[T; 3]; LARGEST],
}

impl<T: Real> Points<T> {
    fn new(points: usize) -> Points<T> {
        let pairs = points / 2 - 1;
        let of = |value: f64| T::of(value);
        let all = squares_product(&PAIRS[..pairs]);
        let (mut even, mut odd) = ([[0.0; 3]; 3], [[0.0; 3]; 3]);
        for pair in 0..pairs {
            let others: Vec<f64> =
                (0..pairs).filter(|&other| other != pair).map(|other| PAIRS[other]).collect();
            even[pair].copy_from_slice(&squares_product(&others)[..3]);
            odd[pair] = even[pair].map(|value| value * PAIRS[pair]);
        }
        let powers = std::array::from_fn(|i| PAIRS.map(|a| of(a.powi(i as i32))));
        Points {
            all: all.map(of),
            even: even.map(|row| row.map(of)),
            odd: odd.map(|row| row.map(of)),
            powers,
        }
    }
}

/// Coefficients of Π (x² − a²), of x⁰, x², x⁴, x⁶.
fn squares_product(pairs: &[f64]) -> [f64; 4] {
    let mut product = [1.0, 0.0, 0.0, 0.0];
    for a in pairs {
        for i in (0..4).rev() {
            let below = if i > 0 { product[i - 1] } else { 0.0 };
            product[i] = below - a * a * product[i];
        }
    }
    product
}

/// The values of a window at the points, divided by what the interpolation divides by: `matrix[point][tap]`. The points are 0,
/// then each pair's a and −a, then ∞.
fn window_matrix(points: usize, taps: usize) -> Vec<Vec<f64>> {
    let pairs = points / 2 - 1;
    let at = |a: f64, by: f64| (0..taps).map(|tap| a.powi(tap as i32) / by).collect::<Vec<f64>>();
    let mut matrix = vec![at(0.0, squares_product(&PAIRS[..pairs])[0])];
    for (pair, &a) in PAIRS[..pairs].iter().enumerate() {
        let others =
            (0..pairs).filter(|&other| other != pair).map(|other| a * a - PAIRS[other] * PAIRS[other]);
        let by = 2.0 * a * a * others.product::<f64>();
        matrix.push(at(a, by));
        matrix.push(at(-a, by));
    }
    matrix.push((0..taps).map(|tap| if tap + 1 == taps { 1.0 } else { 0.0 }).collect());
    matrix
}

/// A tile's inputs taken to the points.
#[inline(always)]
fn to_points<S: Simd, T: Real, const N: usize>(
    simd: S,
    points: &Points<T>,
    tile: [T::Vector<S>; N],
) -> [T::Vector<S>; N] {
    let zero = T::splat(simd, T::default());
    let mut out = [zero; N];
    let (mut first, mut last) = (zero, zero);
    for k in 0..N / 2 {
        let by = T::splat(simd, points.all[k]);
        first = T::mul_add(simd, tile[2 * k], by, first);
        last = T::mul_add(simd, tile[2 * k + 1], by, last);
    }
    (out[0], out[N - 1]) = (first, last);
    for pair in 0..N / 2 - 1 {
        let (mut even, mut odd, mut negative) = (zero, zero, zero);
        for k in 0..N / 2 - 1 {
            even = T::mul_add(simd, tile[2 * k + 2], T::splat(simd, points.even[pair][k]), even);
            odd = T::mul_add(simd, tile[2 * k + 1], T::splat(simd, points.odd[pair][k]), odd);
            negative = T::mul_add(simd, tile[2 * k + 1], T::splat(simd, -points.odd[pair][k]), negative);
        }
        out[1 + 2 * pair] = T::plus(simd, even, odd);
        out[2 + 2 * pair] = T::plus(simd, even, negative);
    }
    out
}

/// Products at the points taken back: the first `outputs` values are the outputs of a tile.
#[inline(always)]
fn from_points<S: Simd, T: Real, const N: usize>(
    simd: S,
    points: &Points<T>,
    outputs: usize,
    products: [T::Vector<S>; N],
) -> [T::Vector<S>; N] {
    let zero = T::splat(simd, T::default());
    let minus = T::splat(simd, -T::ONE);
    // The sum and the difference of each pair, for even and odd powers.
    let mut sums = [[zero; 2]; 3];
    for (pair, sums) in sums.iter_mut().enumerate().take(N / 2 - 1) {
        let (plus, negative) = (products[1 + 2 * pair], products[2 + 2 * pair]);
        *sums = [T::plus(simd, plus, negative), T::mul_add(simd, negative, minus, plus)];
    }
    let mut out = [zero; N];
    for i in 0..outputs {
        let mut value = if i == 0 { products[0] } else { zero };
        if i + 1 == outputs {
            value = T::plus(simd, value, products[N - 1]);
        }
        for (sums, &power) in sums.iter().zip(&points.powers[i]).take(N / 2 - 1) {
            value = T::mul_add(simd, sums[i % 2], T::splat(simd, power), value);
        }
        out[i] = value;
    }
    out
}

/// Memory that the tasks of one thread use.
#[derive(Debug, Default)]
pub struct Scratch<T> {
    line: Vec<T>,
    gathered: Vec<T>,
    staged: Vec<T>,
    inputs: Vec<T>,
    products: Vec<T>,
    outputs: Vec<T>,
}

impl Scheme {
    /// Draws the weights of layer `index`, at the points: block by block, point by point, input by input.
    pub fn draw<T: Real>(&self, index: usize, source: &dyn Source<T>, weights: &mut Vec<T>) {
        let (rows, k) = (self.out_channels(), self.conv.fan_in());
        weights.resize(self.weights(), T::default());
        let matrix: Vec<T> = window_matrix(self.points, self.taps).into_iter().flatten().map(T::of).collect();
        let arch = pulp::Arch::new();
        let size = self.points * self.points * self.depth() * BLOCK;
        weights.par_chunks_mut(size).enumerate().for_each_init(Vec::new, |drawn, (block, out)| {
            drawn.resize(k * BLOCK, T::default());
            let left = rows - block * BLOCK;
            source.block(index, block * BLOCK, left.min(BLOCK), k, drawn);
            arch.dispatch(Windows { scheme: self, matrix: &matrix, drawn, out });
        });
    }

    /// Convolves `map` with the weights that [`Self::draw`] made, as [`Conv::run`] does.
    pub fn run<T: Real>(
        &self,
        map: &Map<T>,
        out: &mut [T],
        weights: &[T],
        take: &(dyn Fn() -> Scratch<T> + Sync),
        give: &(dyn Fn(Scratch<T>) + Sync),
    ) -> Vec<(usize, Vec<Sums>)> {
        let per_part = map.images / map.parts;
        let image = self.out_channels() * (self.conv.output.h * self.conv.output.w) as usize;
        // As in a direct convolution: tasks do not straddle the parts of the batch.
        let tasks: Vec<(usize, &mut [T])> = out
            .chunks_mut(per_part * image)
            .enumerate()
            .flat_map(|(part, out)| {
                let tasks = out.chunks_mut(self.images * image).enumerate();
                tasks.map(move |(i, out)| (part * per_part + i * self.images, out))
            })
            .collect();
        let arch = pulp::Arch::new();
        let points = Points::new(self.points);
        tasks
            .into_par_iter()
            .map(|(first, out)| {
                let mut scratch = take();
                let mut sums = vec![Sums::default(); self.out_channels()];
                arch.dispatch(Task {
                    scheme: self,
                    points: &points,
                    map,
                    first,
                    weights,
                    out,
                    sums: &mut sums,
                    scratch: &mut scratch,
                });
                give(scratch);
                (first / per_part, sums)
            })
            .collect()
    }
}

/// The windows of a block of channels, taken to the points.
struct Windows<'a, T> {
    scheme: &'a Scheme,
    matrix: &'a [T],
    drawn: &'a [T],
    out: &'a mut [T],
}

impl<T: Real> WithSimd for Windows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        match self.scheme.points {
            6 => self.points::<6>(),
            _ => self.points::<LARGEST>(),
        }
    }
}

impl<T: Real> Windows<'_, T> {
    #[inline(always)]
    fn points<const N: usize>(self) {
        match self.scheme.taps {
            2 => self.taps::<N, 2>(),
            3 => self.taps::<N, 3>(),
            4 => self.taps::<N, 4>(),
            5 => self.taps::<N, 5>(),
            _ => self.taps::<N, 7>(),
        }
    }

    #[inline(always)]
    fn taps<const N: usize, const TAPS: usize>(self) {
        let (points, taps) = (N, TAPS);
        let Windows { scheme, matrix, drawn, out } = self;
        let Scheme { conv: Conv { kernel, stride, .. }, .. } = *scheme;
        let depth = scheme.depth();
        let (windows, _) = drawn.as_chunks::<BLOCK>();
        let (out, _) = out.as_chunks_mut::<BLOCK>();
        let mut rows = [[T::default(); BLOCK]; LARGEST * LARGEST];
        for c in 0..depth {
            let (channel, phase) = (c / (stride * stride), c % (stride * stride));
            let (phase_y, phase_x) = (phase / stride, phase % stride);
            let window = &windows[channel * kernel * kernel..][..kernel * kernel];
            // Rows of the window at the points of x; then columns.
            for y in 0..taps {
                for point in 0..points {
                    let mut sum = [T::default(); BLOCK];
                    for x in 0..taps {
                        let (at_y, at_x) = (y * stride + phase_y, x * stride + phase_x);
                        if at_y < kernel && at_x < kernel {
                            let by = matrix[point * taps + x];
                            let values = &window[at_y * kernel + at_x];
                            for lane in 0..BLOCK {
                                sum[lane] += values[lane] * by;
                            }
                        }
                    }
                    rows[y * points + point] = sum;
                }
            }
            for point_y in 0..points {
                for point_x in 0..points {
                    let mut sum = [T::default(); BLOCK];
                    for y in 0..taps {
                        let by = matrix[point_y * taps + y];
                        let values = &rows[y * points + point_x];
                        for lane in 0..BLOCK {
                            sum[lane] += values[lane] * by;
                        }
                    }
                    out[(point_y * points + point_x) * depth + c] = sum;
                }
            }
        }
    }
}

/// Some images of one convolution.
struct Task<'a, T> {
    scheme: &'a Scheme,
    points: &'a Points<T>,
    map: &'a Map<T>,
    first: usize,
    weights: &'a [T],
    out: &'a mut [T],
    sums: &'a mut [Sums],
    scratch: &'a mut Scratch<T>,
}

impl<T: Real> WithSimd for Task<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.scheme.points {
            6 => self.tiles::<S, 6>(simd),
            _ => self.tiles::<S, LARGEST>(simd),
        }
    }
}

impl<T: Real> Task<'_, T> {
    #[inline(always)]
    fn tiles<S: Simd, const N: usize>(self, simd: S) {
        let scheme = *self.scheme;
        let Task { points, map, first, weights, out, sums, scratch, .. } = self;
        let (depth, channels) = (scheme.depth(), scheme.out_channels());
        let ld = scheme.ld();
        let (in_stride, out_stride) =
            (scheme.point_stride(depth), scheme.point_stride(scheme.blocks() * BLOCK));
        let images = out.len() / (channels * (scheme.conv.output.h * scheme.conv.output.w) as usize);
        scratch.inputs.resize(N * N * in_stride, T::default());
        scratch.products.resize(N * N * out_stride, T::default());
        let offsets: Vec<usize> = (0..depth).map(|c| c * ld).collect();
        let offsets: Vec<Offsets> = offsets.chunks(DEPTH).map(Offsets::new).collect();
        let mut tile_y = 0;
        while tile_y < scheme.tiles_y {
            let rows = scheme.rows.min(scheme.tiles_y - tile_y);
            for channel in 0..map.channels() {
                stage::<S, T, N>(
                    simd,
                    &scheme,
                    points,
                    map,
                    (first, images),
                    channel,
                    (tile_y, rows),
                    scratch,
                );
            }
            let runs = [Run { input: 0, output: 0, len: rows * scheme.columns() }];
            for point in 0..N * N {
                for (i, offsets) in offsets.iter().enumerate() {
                    Product {
                        weights: &weights[point * depth * BLOCK..],
                        block_stride: N * N * depth * BLOCK,
                        rows: channels,
                        depth,
                        first_k: i * DEPTH,
                        offsets: *offsets,
                        input: &scratch.inputs[point * in_stride..][..in_stride],
                        runs: &runs,
                        out: &mut scratch.products[point * out_stride..][..out_stride],
                        ld,
                        add: i > 0,
                    }
                    .compute(simd);
                }
            }
            for channel in 0..channels {
                drain::<S, T, N>(simd, &scheme, points, images, channel, (tile_y, rows), scratch, out);
            }
            add_up(simd, &scheme, images, (tile_y, rows), out, sums);
            tile_y += rows;
        }
    }
}

/// Takes one channel of the input to the points, for `rows` rows of tiles from `tile_y` on.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "the place of one task in the input")]
fn stage<S: Simd, T: Real, const N: usize>(
    simd: S,
    scheme: &Scheme,
    points: &Points<T>,
    map: &Map<T>,
    (first, images): (usize, usize),
    channel: usize,
    (tile_y, rows): (usize, usize),
    scratch: &mut Scratch<T>,
) {
    let Scheme { conv, outputs, tiles_x, .. } = *scheme;
    let (stride, padding) = (conv.stride, (conv.kernel - 1) / 2);
    let (in_h, in_w) = (conv.input.h as usize, conv.input.w as usize);
    let (lanes, line) = (T::lanes::<S>(), scheme.line());
    let count = (rows - 1) * outputs + N;
    let width = (((tiles_x - 1) * outputs + N) * stride).max(in_w + padding);
    let Scratch { line: padded, gathered, staged, inputs, .. } = scratch;
    // The padding stays zero from channel to channel.
    if channel == 0 {
        padded.clear();
        padded.resize(images * width, T::default());
    }
    gathered.resize(stride * N * line, T::default());
    staged.resize(stride * count * N * line, T::default());
    let ld = scheme.ld();
    let (columns, point_stride) = (scheme.columns(), scheme.point_stride(scheme.depth()));
    for phase_y in 0..stride {
        for row in 0..count {
            // Row of the padded input, then of the input.
            let at = (tile_y * outputs + row) * stride + phase_y;
            let inside = at >= padding && at - padding < in_h;
            if !inside {
                for phase_x in 0..stride {
                    staged[(phase_x * count + row) * N * line..][..N * line].fill(T::default());
                }
                continue;
            }
            for slot in 0..images {
                let from = &map.plane(first + slot, channel)[(at - padding) * in_w..][..in_w];
                let affine = map.affine(first + slot, channel);
                super::conv::copy_finished(
                    simd,
                    map,
                    affine,
                    from,
                    &mut padded[slot * width + padding..][..in_w],
                );
                // Input x of every tile.
                for phase_x in 0..stride {
                    for x in 0..if tiles_x < MAX_LANES / 2 { N } else { 0 } {
                        let to = &mut gathered[(phase_x * N + x) * line + slot * tiles_x..][..tiles_x];
                        let from = padded[slot * width + x * stride + phase_x..].chunks(outputs * stride);
                        for (to, from) in to.iter_mut().zip(from) {
                            *to = from[0];
                        }
                    }
                }
                if tiles_x >= MAX_LANES / 2 {
                    let from = &padded[slot * width..][..width];
                    let to = &mut gathered[slot * tiles_x..];
                    match outputs * stride {
                        2 => every::<T, N, 2>(from, to, (tiles_x, line, stride)),
                        3 => every::<T, N, 3>(from, to, (tiles_x, line, stride)),
                        4 => every::<T, N, 4>(from, to, (tiles_x, line, stride)),
                        5 => every::<T, N, 5>(from, to, (tiles_x, line, stride)),
                        6 => every::<T, N, 6>(from, to, (tiles_x, line, stride)),
                        8 => every::<T, N, 8>(from, to, (tiles_x, line, stride)),
                        _ => every::<T, N, 10>(from, to, (tiles_x, line, stride)),
                    }
                }
            }
            for phase_x in 0..stride {
                let from = &gathered[phase_x * N * line..][..N * line];
                let to = &mut staged[(phase_x * count + row) * N * line..][..N * line];
                let mut at = 0;
                while at < line {
                    let mut tile = [T::splat(simd, T::default()); N];
                    for x in 0..N {
                        tile[x] = load::<S, T>(&from[x * line + at..][..lanes]);
                    }
                    let tile = to_points::<S, T, N>(simd, points, tile);
                    for x in 0..N {
                        store::<S, T>(&mut to[x * line + at..][..lanes], tile[x]);
                    }
                    at += lanes;
                }
            }
        }
        for phase_x in 0..stride {
            let c = channel * stride * stride + phase_y * stride + phase_x;
            let from = &staged[phase_x * count * N * line..][..count * N * line];
            for row in 0..rows {
                for x in 0..N {
                    let mut at = 0;
                    while at < line {
                        let mut tile = [T::splat(simd, T::default()); N];
                        for (y, value) in tile.iter_mut().enumerate() {
                            *value =
                                load::<S, T>(&from[((row * outputs + y) * N + x) * line + at..][..lanes]);
                        }
                        let place = c * ld + row * columns + at;
                        for (y, value) in to_points::<S, T, N>(simd, points, tile).into_iter().enumerate() {
                            store::<S, T>(&mut inputs[(y * N + x) * point_stride + place..][..lanes], value);
                        }
                        at += lanes;
                    }
                }
            }
        }
    }
}

/// Input x of every tile, for all phases and x: `to[(phase · N + x) · line + tile]` is `from[tile · STEP + x · stride + phase]`.
#[inline(always)]
fn every<T: Real, const N: usize, const STEP: usize>(
    from: &[T],
    to: &mut [T],
    (tiles, line, stride): (usize, usize, usize),
) {
    for phase in 0..stride {
        for x in 0..N {
            let (steps, rest) = from[x * stride + phase..].as_chunks::<STEP>();
            let to = &mut to[(phase * N + x) * line..][..tiles];
            for (to, from) in to.iter_mut().zip(steps) {
                *to = from[0];
            }
            // The last tile's input may be the last value of all.
            if let (Some(to), Some(&from)) = (to.get_mut(steps.len()), rest.first()) {
                *to = from;
            }
        }
    }
}

/// Takes one channel of the output back from the points, and writes it out.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "the place of one task in the output")]
fn drain<S: Simd, T: Real, const N: usize>(
    simd: S,
    scheme: &Scheme,
    points: &Points<T>,
    images: usize,
    channel: usize,
    (tile_y, rows): (usize, usize),
    scratch: &mut Scratch<T>,
    out: &mut [T],
) {
    let Scheme { conv, outputs, tiles_x, .. } = *scheme;
    let (out_h, out_w) = (conv.output.h as usize, conv.output.w as usize);
    let (lanes, line) = (T::lanes::<S>(), scheme.line());
    let ld = scheme.ld();
    let point_stride = scheme.point_stride(scheme.blocks() * BLOCK);
    let Scratch { products, outputs: finished, .. } = scratch;
    finished.resize(N * N * line, T::default());
    let zero = T::splat(simd, T::default());
    for row in 0..rows {
        let mut at = 0;
        while at < line {
            let place = channel * ld + row * scheme.columns() + at;
            let mut columns = [[zero; N]; N];
            for x in 0..N {
                let mut tile = [zero; N];
                for y in 0..N {
                    tile[y] = load::<S, T>(&products[(y * N + x) * point_stride + place..][..lanes]);
                }
                let tile = from_points::<S, T, N>(simd, points, outputs, tile);
                for y in 0..outputs {
                    columns[y][x] = tile[y];
                }
            }
            for y in 0..outputs {
                let tile = from_points::<S, T, N>(simd, points, outputs, columns[y]);
                for x in 0..outputs {
                    store::<S, T>(&mut finished[(y * N + x) * line + at..][..lanes], tile[x]);
                }
            }
            at += lanes;
        }
        let first = (tile_y + row) * outputs;
        for y in 0..outputs.min(out_h - first) {
            for slot in 0..images {
                let plane = (slot * scheme.out_channels() + channel) * out_h * out_w;
                let to = &mut out[plane + (first + y) * out_w..][..out_w];
                for x in 0..outputs {
                    let from = &finished[(y * N + x) * line + slot * tiles_x..][..tiles_x];
                    for (to, &from) in to.iter_mut().skip(x).step_by(outputs).zip(from) {
                        *to = from;
                    }
                }
            }
        }
    }
}

/// Adds the rows that were written to the statistics of their channels.
#[inline(always)]
fn add_up<S: Simd, T: Real>(
    simd: S,
    scheme: &Scheme,
    images: usize,
    (tile_y, rows): (usize, usize),
    out: &[T],
    sums: &mut [Sums],
) {
    let (out_h, out_w) = (scheme.conv.output.h as usize, scheme.conv.output.w as usize);
    let first = tile_y * scheme.outputs;
    let last = ((tile_y + rows) * scheme.outputs).min(out_h);
    let zero = T::splat(simd, T::default());
    for slot in 0..images {
        for (channel, to) in sums.iter_mut().enumerate() {
            let plane = (slot * scheme.out_channels() + channel) * out_h * out_w;
            let (values, rest) = T::vectors::<S>(&out[plane + first * out_w..plane + last * out_w]);
            let (mut sum, mut squares) = ([zero; 2], [zero; 2]);
            let (pairs, odd) = values.as_chunks::<2>();
            for pair in pairs {
                for i in 0..2 {
                    sum[i] = T::plus(simd, sum[i], pair[i]);
                    squares[i] = T::mul_add(simd, pair[i], pair[i], squares[i]);
                }
            }
            for &value in odd {
                sum[0] = T::plus(simd, sum[0], value);
                squares[0] = T::mul_add(simd, value, value, squares[0]);
            }
            if !rest.is_empty() {
                let value = T::load_part(simd, rest);
                sum[1] = T::plus(simd, sum[1], value);
                squares[1] = T::mul_add(simd, value, value, squares[1]);
            }
            to.sum += T::total(simd, T::plus(simd, sum[0], sum[1])).to_f64();
            to.squares += T::total(simd, T::plus(simd, squares[0], squares[1])).to_f64();
        }
    }
}

/// A whole register of values.
#[inline(always)]
fn load<S: Simd, T: Real>(values: &[T]) -> T::Vector<S> {
    T::vectors::<S>(values).0[0]
}

#[inline(always)]
fn store<S: Simd, T: Real>(to: &mut [T], vector: T::Vector<S>) {
    T::vectors_mut::<S>(to).0[0] = vector;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::Shape;
    use crate::proxy::exact::conv::Workspace;
    use crate::proxy::exact::map::Pending;
    use crate::proxy::exact::source::{Scaling, Seeded, Tensor};
    use std::sync::Arc;

    fn conv(input: (u32, u32), channels: (u32, u32), kernel: usize, stride: usize) -> Conv {
        let side = |side: u32| (side + 2 * ((kernel as u32 - 1) / 2) - kernel as u32) / stride as u32 + 1;
        Conv {
            input: Shape { c: channels.0, h: input.0, w: input.1 },
            output: Shape { c: channels.1, h: side(input.0), w: side(input.1) },
            kernel,
            stride,
            groups: 1,
        }
    }

    fn map<T: Real>(conv: &Conv, source: &Seeded, images: usize) -> Map<T> {
        let mut data = vec![0f32; images * conv.input.elements() as usize];
        source.fill(Tensor::Input, 0, &mut data);
        let channels = conv.input.c as usize;
        let affine = (0..2 * channels).map(|c| [T::of(0.5 + c as f64 / 16.0), T::of(0.1 * c as f64 - 0.3)]);
        Map {
            shape: conv.input,
            images,
            parts: 2,
            data: Arc::new(data.into_iter().map(|x| T::of(f64::from(x))).collect()),
            pending: Pending { affine: Some(Arc::new(affine.collect())), relu: true },
        }
    }

    /// Relative error (root mean square) of the short algorithm against a direct convolution in double precision.
    fn error(conv: &Conv, points: usize, images: usize) -> Option<f64> {
        let source = Seeded { seed: 3, repeat: 0, salt: 0, scaling: Scaling::Unit };
        let scheme = Scheme::new(conv, points, images, 2)?;
        let len = images * conv.output.elements() as usize;

        let exact = map::<f64>(conv, &source, images);
        let mut want = vec![0f64; len];
        let mut work = Workspace::default();
        conv.draw(5, &source, &mut work, images, 2);
        let want_sums = conv.run(&exact, &mut want, &work);

        let single = map::<f32>(conv, &source, images);
        let (mut weights, mut got) = (Vec::new(), vec![f32::NAN; len]);
        scheme.draw::<f32>(5, &source, &mut weights);
        let parts = scheme.run(&single, &mut got, &weights, &Scratch::default, &|_| ());
        let mut sums = vec![Sums::default(); 2 * conv.output.c as usize];
        for (part, tile) in parts {
            for (sum, tile) in sums[part * conv.output.c as usize..].iter_mut().zip(tile) {
                sum.sum += tile.sum;
                sum.squares += tile.squares;
            }
        }
        for (got, want) in sums.iter().zip(&want_sums) {
            assert!((got.squares / want.squares - 1.0).abs() < 1e-4, "{conv:?}: {got:?} {want:?}");
        }
        let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>();
        let off = squares(&mut got.iter().zip(&want).map(|(&got, want)| f64::from(got) - want));
        Some((off / squares(&mut want.iter().copied())).sqrt())
    }

    #[test]
    fn short_algorithms_agree_with_direct_convolutions() {
        for (kernel, stride) in [(3, 1), (5, 1), (7, 1), (3, 2), (5, 2), (7, 2)] {
            for (input, channels, images) in [
                ((7, 7), (20, 12), 6),
                ((14, 14), (3, 8), 4),
                ((9, 13), (5, 17), 2),
                ((56, 56), (4, 9), 2),
                ((1, 2), (2, 3), 4),
            ] {
                for points in [6, 8] {
                    let conv = conv(input, channels, kernel, stride);
                    let Some(error) = error(&conv, points, images) else { continue };
                    assert!(error < 2e-5, "{conv:?}, {points} points: {error:e}");
                }
            }
        }
    }

    #[test]
    fn short_algorithms_are_for_dense_windows_in_single_precision() {
        let dense = conv((14, 14), (160, 160), 5, 1);
        assert!(Scheme::choose::<f32>(&dense, 32, 2).is_some());
        assert!(Scheme::choose::<f64>(&dense, 32, 2).is_none());
        assert!(Scheme::choose::<f32>(&Conv { kernel: 1, ..dense }, 32, 2).is_none());
        assert!(Scheme::choose::<f32>(&Conv { groups: 160, ..dense }, 32, 2).is_none());
        // The first layer of most networks has three channels: there the tiles would cost more than the products.
        assert!(Scheme::choose::<f32>(&conv((224, 224), (3, 16), 3, 2), 32, 2).is_none());
    }
}
