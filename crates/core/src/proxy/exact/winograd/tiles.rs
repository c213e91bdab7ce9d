//! Some images of one convolution: to the points, multiplied there, and back.

use super::points::{LARGEST, Points, from_points, to_points};
use super::scheme::Scheme;
use crate::proxy::exact::kernel::{BLOCK, Offsets, Product, Run};
use crate::proxy::exact::layer::Sums;
use crate::proxy::exact::map::{Map, copy_finished};
use crate::proxy::exact::real::{MAX_LANES, Real};
use pulp::{Simd, WithSimd};

/// Number of inputs of one pass of the micro-kernel.
const DEPTH: usize = 128;

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

/// Some images of one convolution.
pub struct Task<'a, T> {
    pub scheme: &'a Scheme,
    pub points: &'a Points<T>,
    pub map: &'a Map<T>,
    pub first: usize,
    pub weights: &'a [T],
    pub out: &'a mut [T],
    pub sums: &'a mut [Sums],
    pub scratch: &'a mut Scratch<T>,
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
                copy_finished(simd, map, affine, from, &mut padded[slot * width + padding..][..in_w]);
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
