//! Some images of one convolution: to the points, multiplied there, and back.
//!
//! A register holds the same place of neighbouring channels, so that the ways to the points and back are the same for all of
//! its values; only at the start and at the end rows of channels are turned into registers and back.

use super::points::{LARGEST, from_points, to_points};
use super::products::Products;
use super::scheme::Scheme;
use crate::proxy::exact::buffer::Buffer;
use crate::proxy::exact::layer::Sums;
use crate::proxy::exact::map::{Map, copy_finished};
use crate::proxy::exact::real::{MAX_LANES, Real};
use pulp::{Simd, WithSimd};

/// Memory that the tasks of one thread use.
#[derive(Debug, Default)]
pub struct Scratch<T> {
    pub(super) drawn: Buffer<T>,
    lines: Buffer<T>,
    pixels: Buffer<T>,
    /// Whether the padding of `pixels` is zero.
    padded: bool,
    inputs: Buffer<T>,
    products: Buffer<T>,
}

/// Some images of one convolution.
pub struct Task<'a, T> {
    pub scheme: &'a Scheme,
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

/// Rows of tiles of a task, which has `tiles` tiles in all its images.
#[derive(Clone, Copy)]
struct Band {
    tile_y: usize,
    rows: usize,
    tiles: usize,
}

impl<T: Real> Task<'_, T> {
    #[inline(always)]
    fn tiles<S: Simd, const N: usize>(self, simd: S) {
        let Task { scheme, map, first, weights, out, sums, scratch } = self;
        let lanes = T::lanes::<S>();
        let (phases, channels) = (scheme.conv.stride * scheme.conv.stride, map.channels());
        let (groups, outputs) = (channels.div_ceil(lanes), scheme.out_channels().div_ceil(lanes));
        let images = out.len() / scheme.conv.output.elements() as usize;
        let mut tile_y = 0;
        while tile_y < scheme.tiles_y {
            let rows = scheme.rows.min(scheme.tiles_y - tile_y);
            let tiles = (images * rows * scheme.tiles_x).next_multiple_of(2);
            let band = Band { tile_y, rows, tiles };
            let values = N * N * tiles * lanes;
            scratch.inputs.room(values * phases * groups);
            scratch.products.room(values * outputs);
            scratch.padded = false;
            for group in 0..groups {
                for slot in 0..images {
                    stage::<S, T, N>(simd, scheme, map, first, group, slot, band, scratch);
                }
            }
            Products {
                points: N * N,
                phases,
                channels,
                outputs,
                tiles,
                weights,
                inputs: &scratch.inputs,
                products: &mut scratch.products,
            }
            .compute(simd);
            for register in 0..outputs {
                for slot in 0..images {
                    drain::<S, T, N>(simd, scheme, register, slot, band, scratch, out, sums);
                }
            }
            tile_y += rows;
        }
    }
}

/// Takes a group of channels of one image to the points.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "the place of one task in the input")]
fn stage<S: Simd, T: Real, const N: usize>(
    simd: S,
    scheme: &Scheme,
    map: &Map<T>,
    first: usize,
    group: usize,
    slot: usize,
    band: Band,
    scratch: &mut Scratch<T>,
) {
    let Scheme { conv, outputs, tiles_x, .. } = *scheme;
    let (stride, padding) = (conv.stride, (conv.kernel - 1) / 2);
    let (in_h, in_w) = (conv.input.h as usize, conv.input.w as usize);
    let lanes = T::lanes::<S>();
    let Band { tile_y, rows, tiles } = band;
    let Scratch { lines, pixels, padded, inputs, .. } = scratch;
    let height = ((rows - 1) * outputs + N) * stride;
    let width = (((tiles_x - 1) * outputs + N) * stride).max(in_w + padding);
    let top = tile_y * outputs * stride;
    let channels = map.channels();
    let groups = channels.div_ceil(lanes);
    // The padding stays zero from one group to the next, but for channels that the last one lacks.
    let pixels = pixels.room(height * width * lanes);
    if !*padded || (group + 1 == groups && !channels.is_multiple_of(lanes)) {
        pixels.fill(T::default());
        *padded = true;
    }
    let line = in_w.next_multiple_of(MAX_LANES);
    let lines = lines.room(line * lanes);
    let here = lanes.min(channels - group * lanes);
    for row in 0..height {
        // Row of the padded input, then of the input.
        let at = top + row;
        if at < padding || at - padding >= in_h {
            continue;
        }
        for lane in 0..here {
            let (image, channel) = (first + slot, group * lanes + lane);
            let from = &map.plane(image, channel)[(at - padding) * in_w..][..in_w];
            copy_finished(simd, map, map.affine(image, channel), from, &mut lines[lane * line..][..in_w]);
        }
        let to = &mut pixels[(row * width + padding) * lanes..][..in_w * lanes];
        turn::<S, T>(lines, line, here, to);
    }
    let (pixels, _) = T::vectors::<S>(pixels);
    let (inputs, _) = T::vectors_mut::<S>(inputs);
    let zero = T::splat(simd, T::default());
    // Zeroed here, once, and not for each tile.
    let mut at_x = [[zero; N]; N];
    for phase in 0..stride * stride {
        let (phase_y, phase_x) = (phase / stride, phase % stride);
        // Points lie that far apart.
        let step = stride * stride * groups * tiles;
        let to = &mut inputs[(phase * groups + group) * tiles..];
        for row in 0..rows {
            for tile_x in 0..tiles_x {
                let corner = (row * outputs * stride + phase_y) * width + tile_x * outputs * stride + phase_x;
                for y in 0..N {
                    let from = &pixels[corner + y * stride * width..][..(N - 1) * stride + 1];
                    let mut tile = [zero; N];
                    for (x, value) in tile.iter_mut().enumerate() {
                        *value = from[x * stride];
                    }
                    at_x[y] = to_points::<S, T, N>(simd, tile);
                }
                let tile = (slot * rows + row) * tiles_x + tile_x;
                for x in 0..N {
                    let mut column = [zero; N];
                    for (value, row) in column.iter_mut().zip(&at_x) {
                        *value = row[x];
                    }
                    for (y, value) in to_points::<S, T, N>(simd, column).into_iter().enumerate() {
                        to[(y * N + x) * step + tile] = value;
                    }
                }
            }
        }
    }
}

/// Takes a register of channels of one image back from the points, writes it out, and adds it to the statistics.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "the place of one task in the output")]
fn drain<S: Simd, T: Real, const N: usize>(
    simd: S,
    scheme: &Scheme,
    register: usize,
    slot: usize,
    band: Band,
    scratch: &mut Scratch<T>,
    out: &mut [T],
    sums: &mut [Sums],
) {
    let Scheme { conv, outputs, tiles_x, .. } = *scheme;
    let (out_h, out_w) = (conv.output.h as usize, conv.output.w as usize);
    let lanes = T::lanes::<S>();
    let Band { tile_y, rows, tiles } = band;
    let Scratch { lines, pixels, products, .. } = scratch;
    let width = tiles_x * outputs;
    let registers = scheme.out_channels().div_ceil(lanes);
    let pixels = pixels.room(rows * outputs * width * lanes);
    let (products, _) = T::vectors::<S>(products);
    let zero = T::splat(simd, T::default());
    let (finished, _) = T::vectors_mut::<S>(pixels);
    // Zeroed here, once, and not for each tile.
    let mut at_x = [[zero; N]; N];
    for row in 0..rows {
        for tile_x in 0..tiles_x {
            let tile = register * tiles + (slot * rows + row) * tiles_x + tile_x;
            for x in 0..N {
                let mut column = [zero; N];
                for (y, value) in column.iter_mut().enumerate() {
                    *value = products[(y * N + x) * registers * tiles + tile];
                }
                let mut back = [zero; N];
                from_points::<S, T, N>(simd, outputs, column, &mut back, 1);
                at_x[x] = back;
            }
            for y in 0..outputs {
                let mut row_at = [zero; N];
                for (value, column) in row_at.iter_mut().zip(&at_x) {
                    *value = column[y];
                }
                let to = &mut finished[(row * outputs + y) * width + tile_x * outputs..][..outputs];
                from_points::<S, T, N>(simd, outputs, row_at, to, 1);
            }
        }
    }
    let first = tile_y * outputs;
    let last = ((tile_y + rows) * outputs).min(out_h);
    let (mut sum, mut squares) = ([zero; 2], [zero; 2]);
    for row in finished.chunks(width).take(last - first) {
        let (pairs, odd) = row[..out_w].as_chunks::<2>();
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
    }
    let lines = lines.room(2 * lanes);
    let (both, _) = T::vectors_mut::<S>(lines);
    both[0] = T::plus(simd, sum[0], sum[1]);
    both[1] = T::plus(simd, squares[0], squares[1]);
    let here = lanes.min(scheme.out_channels() - register * lanes);
    for (lane, to) in sums[register * lanes..][..here].iter_mut().enumerate() {
        to.sum += lines[lane].to_f64();
        to.squares += lines[lanes + lane].to_f64();
    }
    let area = out_h * out_w;
    let planes = &mut out[(slot * scheme.out_channels() + register * lanes) * area..][..here * area];
    for (y, row) in pixels.chunks(width * lanes).take(last - first).enumerate() {
        turn_back::<S, T>(&row[..out_w * lanes], &mut planes[(first + y) * out_w..], area, here);
    }
}

/// Turns lines of `channels` channels, `line` apart, into registers of channels.
#[inline(always)]
fn turn<S: Simd, T: Real>(lines: &[T], line: usize, channels: usize, to: &mut [T]) {
    let lanes = T::lanes::<S>();
    for lane in 0..channels {
        for (to, &from) in to[lane..].iter_mut().step_by(lanes).zip(&lines[lane * line..]) {
            *to = from;
        }
    }
}

/// Turns registers of channels into rows of `channels` channels, `area` apart.
#[inline(always)]
fn turn_back<S: Simd, T: Real>(from: &[T], to: &mut [T], area: usize, channels: usize) {
    let lanes = T::lanes::<S>();
    for lane in 0..channels {
        for (&from, to) in from[lane..].iter().step_by(lanes).zip(&mut to[lane * area..]) {
            *to = from;
        }
    }
}
