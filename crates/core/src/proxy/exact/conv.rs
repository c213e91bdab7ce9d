//! Convolution over cache-sized tiles.
//!
//! A tile is a band of output rows of one image, or several small images. Its part of the input is
//! staged once: normalised, rectified, padded with zeros and, for strides, split by the phase of rows
//! and columns, so that every tap of the window reads consecutive values. The micro-kernel then reads the
//! staged values through the taps' offsets; there is no im2col. The finished tile is written out and
//! added to the statistics of its channels while it is still in the cache.

use super::buffer::Buffer;
use super::depthwise::Rows;
use super::kernel::{BLOCK, Offsets, Product, Run, fetch, packed_len};
use super::layer::by_part;
pub use super::layer::{Conv, Sums};
use super::map::{Map, copy_finished};
use super::real::{MAX_LANES, Real};
use super::source::Source;
use super::winograd::{self, Scheme};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Mutex;

/// Elements of the staged input and of the output tile together: 512 kB in f32, half of a small L2 cache.
const TILE_BUDGET: usize = 128 << 10;
/// Least number of positions of a tile: with fewer, the weights would be read too often.
const TILE_LEAST: usize = 192;
/// Number of inputs of one pass of the micro-kernel: their part of the staged input stays in the L1 cache.
const DEPTH: usize = 192;
/// Elements of a part of the output tile, of some channels: it stays in the L2 cache, beside its weights, over all passes.
const PART: usize = 64 << 10;

/// Channels ahead of the one that is staged whose values are asked for.
const AHEAD: usize = 2;

/// Memory that the tiles of one thread use.
#[derive(Debug, Default)]
struct Scratch<T> {
    staged: Buffer<T>,
    tile: Buffer<T>,
    finished: Buffer<T>,
    line: Buffer<T>,
}

/// Memory that is reused from one convolution to the next.
#[derive(Debug)]
pub struct Workspace<T> {
    weights: Buffer<T>,
    scratch: Mutex<Vec<Scratch<T>>>,
    short: Mutex<Vec<winograd::Scratch<T>>>,
}

impl<T> Default for Workspace<T> {
    fn default() -> Self {
        Workspace { weights: Buffer::default(), scratch: Mutex::default(), short: Mutex::default() }
    }
}

impl<T: Real> Workspace<T> {
    /// Makes room for the weights of all of `convs`, run on `images` images that fall into `parts`.
    pub fn foresee(&mut self, convs: &[Conv], images: usize, parts: usize) {
        self.weights.room(convs.iter().map(|conv| conv.drawn::<T>(images, parts)).max().unwrap_or(0));
    }
}

impl Conv {
    /// Numbers that [`Self::draw`] writes.
    fn drawn<T: Real>(&self, images: usize, parts: usize) -> usize {
        match Scheme::choose::<T>(self, images, parts) {
            Some(scheme) => scheme.weights(),
            None => self.groups * packed_len(self.group_out(), self.fan_in()),
        }
    }

    /// Draws the weights of layer `index`, in the order in which a run on `images` images that fall into `parts` reads
    /// them.
    pub fn draw<T: Real>(
        &self,
        index: usize,
        source: &dyn Source<T>,
        work: &mut Workspace<T>,
        images: usize,
        parts: usize,
    ) {
        if let Some(scheme) = Scheme::choose::<T>(self, images, parts) {
            let take = || lock(&work.short).pop().unwrap_or_default();
            let give = |scratch| lock(&work.short).push(scratch);
            return scheme.draw(index, source, &mut work.weights, &take, &give);
        }
        let (rows, k) = (self.group_out(), self.fan_in());
        let weights = work.weights.room(self.drawn::<T>(images, parts));
        let blocks = rows.div_ceil(BLOCK);
        weights.par_chunks_mut(k * BLOCK).enumerate().for_each(|(i, out)| {
            let (group, block) = (i / blocks, i % blocks);
            let left = rows - block * BLOCK;
            source.block(index, group * rows + block * BLOCK, left.min(BLOCK), k, out);
        });
    }

    /// Convolves `map` with the weights that were drawn last; the statistics are those of each part of
    /// the batch and channel.
    pub fn run<T: Real>(&self, map: &Map<T>, out: &mut [T], work: &Workspace<T>) -> Vec<Sums> {
        let channels = self.output.c as usize;
        if let Some(scheme) = Scheme::choose::<T>(self, map.images, map.parts) {
            let take = || lock(&work.short).pop().unwrap_or_default();
            let give = |scratch| lock(&work.short).push(scratch);
            return by_part(map.parts, channels, scheme.run(map, out, &work.weights, &take, &give));
        }
        let plan = Plan::new(self, map.images / map.parts);
        let per_part = map.images / map.parts;
        let tasks = self.tasks(out, per_part, plan.images);
        let arch = pulp::Arch::new();
        let partial: Vec<(usize, Vec<Sums>)> = tasks
            .into_par_iter()
            .map(|(first, out)| {
                let mut scratch = lock(&work.scratch).pop().unwrap_or_default();
                let mut sums = vec![Sums::default(); channels];
                let weights = &work.weights;
                arch.dispatch(Task {
                    plan: &plan,
                    map,
                    first,
                    weights,
                    out,
                    sums: &mut sums,
                    scratch: &mut scratch,
                });
                lock(&work.scratch).push(scratch);
                (first / per_part, sums)
            })
            .collect();
        by_part(map.parts, channels, partial)
    }
}

/// Locks `mutex` even if a thread panicked while it held it: there is only scratch memory inside.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// How a convolution is cut into tiles, and where things lie in a staged tile.
struct Plan {
    conv: Conv,
    /// Positions of an output channel.
    area: usize,
    /// Images of a task.
    images: usize,
    /// Output rows of a band.
    rows: usize,
    /// Row length of the staged phases, and of the output tile.
    width: usize,
    out_width: usize,
    /// Whether rows are computed by the kernel of depthwise convolutions.
    depthwise: bool,
    /// Distances in the staged tile.
    channel_stride: usize,
    phase_stride: usize,
    image_stride: usize,
    staged_len: usize,
    /// Offset of each k of a group; groups lie `group_in · channel_stride` apart.
    offsets: Vec<usize>,
    /// Distance of images in the output tile.
    out_stride: usize,
    ld: usize,
    /// Groups that are staged, computed and written out at a time.
    groups: usize,
    /// Output channels that are computed and written out at a time: those of these groups, or a part of the only one.
    part: usize,
}

impl Plan {
    fn new(conv: &Conv, batch: usize) -> Plan {
        let Conv { kernel, stride, .. } = *conv;
        let (in_c, out_c) = (conv.group_in(), conv.group_out());
        let (out_h, out_w) = (conv.output.h as usize, conv.output.w as usize);
        let area = out_h * out_w;
        // Rows and columns that the window reaches beyond the first tap, by phase.
        let reach = (kernel - 1) / stride;
        let phases = stride.min(kernel);
        let width = if kernel == 1 {
            out_w
        } else if stride == 1 {
            // The right padding of a row is the left padding of the next.
            out_w + conv.padding()
        } else {
            out_w + reach
        };
        let cost =
            |rows: usize| in_c * phases * phases * (rows + reach) * width + (out_c * rows * width).min(PART);
        let least = TILE_LEAST.div_ceil(width).min(out_h);
        let mut rows = out_h;
        while rows > least && cost(rows) > TILE_BUDGET {
            rows = rows.div_ceil(2).max(least);
        }
        let images = if rows < out_h { 1 } else { TILE_LEAST.div_ceil(area).clamp(1, batch) };

        let groups = (TILE_BUDGET / (4 * images * cost(rows))).clamp(1, conv.groups);
        let in_c = groups * in_c;

        // Rows of whole registers, which do not run into each other.
        let depthwise = conv.group_in() == 1 && out_c == 1 && conv.groups > 1 && Rows::<f32>::has(kernel);
        let out_width = if depthwise { out_w.next_multiple_of(MAX_LANES) } else { width };
        let phase_len = (rows + reach) * width;
        let (channel_stride, phase_stride, image_stride, out_stride, positions);
        if kernel == 1 {
            // Images one after another: a single run.
            (image_stride, out_stride) = (rows * width, rows * width);
            positions = images * rows * width;
            (channel_stride, phase_stride) = (positions, 0);
        } else {
            phase_stride = phase_len;
            channel_stride = phases * phases * phase_len;
            image_stride = in_c * channel_stride;
            out_stride = (rows * out_width).next_multiple_of(MAX_LANES);
            positions = images * out_stride;
        }
        let ld = positions.next_multiple_of(MAX_LANES);
        let part = if conv.groups == 1 {
            // Parts of one size.
            let parts = out_c.div_ceil((PART / ld).max(BLOCK));
            out_c.div_ceil(parts).next_multiple_of(BLOCK).min(out_c)
        } else {
            groups * out_c
        };
        let mut offsets = Vec::with_capacity(conv.fan_in());
        for channel in 0..conv.group_in() {
            for ky in 0..kernel {
                for kx in 0..kernel {
                    let phase = (ky % stride) * phases + kx % stride;
                    let within = ky / stride * width + kx / stride;
                    offsets.push(channel * channel_stride + phase * phase_stride + within);
                }
            }
        }
        let staged_len = if kernel == 1 { in_c * channel_stride } else { images * image_stride };
        Plan {
            conv: *conv,
            area,
            images,
            rows,
            width,
            out_width,
            depthwise,
            channel_stride,
            phase_stride,
            image_stride,
            // The last tap of the last run reads a little further.
            staged_len: staged_len + 2 * MAX_LANES + conv.padding(),
            offsets,
            out_stride,
            ld,
            groups,
            part,
        }
    }
}

/// Some images of one convolution.
struct Task<'a, T> {
    plan: &'a Plan,
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
        let Task { plan, map, first, weights, out, sums, scratch } = self;
        let conv = &plan.conv;
        let out_h = conv.output.h as usize;
        let images = out.len() / (conv.output.c as usize * plan.area);
        let (rows_out, k) = (conv.group_out(), conv.fan_in());
        let block_rows = if rows_out == 1 { 1 } else { rows_out.next_multiple_of(BLOCK) };
        scratch.staged.room(plan.staged_len);
        let part_rows = block_rows.min(plan.part.next_multiple_of(BLOCK));
        scratch.tile.room(plan.groups * part_rows * plan.ld + MAX_LANES);
        let offsets: Vec<Offsets> = plan.offsets.chunks(DEPTH).map(Offsets::new).collect();
        let mut y = 0;
        while y < out_h {
            let rows = plan.rows.min(out_h - y);
            let runs: Vec<Run> = if conv.kernel == 1 {
                let len = if images > 1 { images * plan.out_stride } else { rows * plan.width };
                vec![Run { input: 0, output: 0, len }]
            } else {
                let len = (rows - 1) * plan.width + conv.output.w as usize;
                (0..images)
                    .map(|i| Run { input: i * plan.image_stride, output: i * plan.out_stride, len })
                    .collect()
            };
            let mut group = 0;
            while group < conv.groups {
                let groups = group..(group + plan.groups).min(conv.groups);
                for image in 0..images {
                    let place = Place { image, y, rows };
                    if conv.kernel == 1 {
                        stage_points(simd, plan, map, first, place, groups.clone(), scratch);
                    } else {
                        stage_windows(simd, plan, map, first, place, groups.clone(), scratch);
                    }
                }
                let (mut channel, last) = (groups.start * rows_out, groups.end * rows_out);
                while channel < last {
                    let channels = channel..(channel + plan.part).min(last);
                    for (slot, group) in groups.clone().enumerate() {
                        if plan.depthwise {
                            for (image, run) in runs.iter().enumerate() {
                                let staged = &scratch.staged[slot * plan.channel_stride + run.input..];
                                let out = &mut scratch.tile[slot * plan.ld + image * plan.out_stride..];
                                Rows {
                                    filter: &weights[group * packed_len(1, k)..],
                                    kernel: conv.kernel,
                                    stride: conv.stride,
                                    offsets: &plan.offsets,
                                    input: staged,
                                    in_width: plan.width,
                                    out_width: plan.out_width,
                                    rows,
                                    len: conv.output.w as usize,
                                    out,
                                }
                                .compute(simd);
                            }
                            continue;
                        }
                        // Parts of the channels, where there is one group.
                        let (before, rows) =
                            if conv.groups == 1 { (channel, channels.len()) } else { (0, rows_out) };
                        let mut first_k = 0;
                        while first_k < k {
                            let last_k = (first_k + DEPTH).min(k);
                            Product {
                                weights: &weights[group * packed_len(rows_out, k) + before * k..],
                                block_stride: k * BLOCK,
                                rows,
                                depth: k,
                                first_k,
                                offsets: offsets[first_k / DEPTH],
                                input: &scratch.staged[slot * conv.group_in() * plan.channel_stride..],
                                runs: &runs,
                                out: &mut scratch.tile[slot * block_rows * plan.ld..],
                                ld: plan.ld,
                                add: first_k > 0,
                            }
                            .compute(simd);
                            first_k = last_k;
                        }
                    }
                    channel = channels.end;
                    for image in 0..images {
                        let place = Place { image, y, rows };
                        drain(simd, plan, block_rows, place, channels.clone(), scratch, out, sums);
                    }
                }
                group = groups.end;
            }
            y += rows;
        }
    }
}

/// An image of a task, and a band of output rows.
#[derive(Clone, Copy)]
struct Place {
    image: usize,
    y: usize,
    rows: usize,
}

/// Stages the input of a 1×1 convolution: a band of rows, the channels of some groups.
#[inline(always)]
fn stage_points<S: Simd, T: Real>(
    simd: S,
    plan: &Plan,
    map: &Map<T>,
    first: usize,
    Place { image, y, rows }: Place,
    groups: Range<usize>,
    scratch: &mut Scratch<T>,
) {
    let conv = &plan.conv;
    let (in_w, out_w, stride) = (conv.input.w as usize, conv.output.w as usize, conv.stride);
    let Scratch { staged, line, .. } = scratch;
    let line = line.room(in_w + stride);
    // Rows that are read, up to the last one's end.
    let read = ((rows - 1) * stride + 1) * in_w;
    let channels = groups.start * conv.group_in()..groups.end * conv.group_in();
    for (slot, channel) in channels.clone().enumerate() {
        let plane = &map.plane(first + image, channel)[y * stride * in_w..][..read];
        let affine = map.affine(first + image, channel);
        let to = &mut staged[slot * plan.channel_stride + image * plan.image_stride..][..rows * out_w];
        // A band of rows of the next channels lies elsewhere in memory, where the processor does not expect it.
        if rows < conv.output.h as usize && channel + AHEAD < channels.end {
            let next = &map.plane(first + image, channel + AHEAD)[y * stride * in_w..][..read];
            next.chunks(MAX_LANES).for_each(|line| fetch(line.as_ptr()));
        }
        if stride == 1 {
            copy_finished(simd, map, affine, plane, to);
        } else {
            for (row, to) in to.chunks_exact_mut(out_w).enumerate() {
                copy_finished(simd, map, affine, &plane[row * stride * in_w..][..in_w], &mut line[..in_w]);
                if stride == 2 {
                    let (pairs, _) = line.as_chunks::<2>();
                    to.iter_mut().zip(pairs).for_each(|(to, pair)| *to = pair[0]);
                } else {
                    to.iter_mut().zip(line.iter().step_by(stride)).for_each(|(to, &from)| *to = from);
                }
            }
        }
    }
}

/// Stages the padded input of a windowed convolution for a band of output rows, the channels of some groups.
#[inline(always)]
fn stage_windows<S: Simd, T: Real>(
    simd: S,
    plan: &Plan,
    map: &Map<T>,
    first: usize,
    Place { image, y, rows }: Place,
    groups: Range<usize>,
    scratch: &mut Scratch<T>,
) {
    let conv = &plan.conv;
    let (in_h, in_w) = (conv.input.h as usize, conv.input.w as usize);
    let (stride, width, padding) = (conv.stride, plan.width, conv.padding());
    let reach = (conv.kernel - 1) / stride;
    let phases = stride.min(conv.kernel);
    let Scratch { staged, finished, line, .. } = scratch;
    let line = line.room((width + 1) * stride + in_w + padding + MAX_LANES);
    line.fill(T::default());
    // Rows of the input that the band looks at: they lie one after another, and so are finished in whole registers.
    let top = (y * stride).saturating_sub(padding).min(in_h);
    let bottom = ((y + rows + reach) * stride).saturating_sub(padding).min(in_h);
    let finished = finished.room((bottom - top) * in_w + MAX_LANES);
    let channels = groups.start * conv.group_in()..groups.end * conv.group_in();
    for (slot, channel) in channels.enumerate() {
        let plane = &map.plane(first + image, channel)[top * in_w..bottom * in_w];
        copy_finished(simd, map, map.affine(first + image, channel), plane, &mut finished[..plane.len()]);
        let base = image * plan.image_stride + slot * plan.channel_stride;
        for phase_y in 0..phases {
            for row in 0..rows + reach {
                // Row of the padded input, then of the input.
                let padded = (y + row) * stride + phase_y;
                let inside = padded >= padding && padded - padding < in_h;
                let at =
                    |phase_x: usize| base + (phase_y * phases + phase_x) * plan.phase_stride + row * width;
                if !inside {
                    for phase_x in 0..phases {
                        staged[at(phase_x)..][..width].fill(T::default());
                    }
                    continue;
                }
                let from = &finished[(padded - padding - top) * in_w..];
                if stride == 1 {
                    let to = &mut staged[at(0)..];
                    to[..padding].fill(T::default());
                    copy_over(from, &mut to[padding..], in_w);
                    continue;
                }
                // The whole row first, then every `stride`-th value of it.
                copy_over(from, &mut line[padding..], in_w);
                line[padding + in_w..][..MAX_LANES].fill(T::default());
                for phase_x in 0..phases {
                    let to = &mut staged[at(phase_x)..][..width];
                    if stride == 2 {
                        let (pairs, _) = line[phase_x..].as_chunks::<2>();
                        for (to, pair) in to.iter_mut().zip(pairs) {
                            *to = pair[0];
                        }
                    } else {
                        let values = line[phase_x..].iter().step_by(stride);
                        to.iter_mut().zip(values).for_each(|(to, &from)| *to = from);
                    }
                }
            }
        }
        if stride == 1 {
            // What the last row's right padding shares with whatever comes next.
            staged[base + (rows + reach) * width..][..padding].fill(T::default());
        }
    }
}

/// Copies `len` values, and up to [`MAX_LANES`] more that lie behind them: a few moves without a loop over single values. Rows
/// are copied in order, so that each covers what was too much of the last.
#[inline(always)]
fn copy_over<T: Real>(from: &[T], to: &mut [T], len: usize) {
    for at in (0..len).step_by(MAX_LANES) {
        to[at..][..MAX_LANES].copy_from_slice(&from[at..][..MAX_LANES]);
    }
}

/// Writes a part of the channels of a finished tile out, and adds it to the statistics.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "the place of one tile in the output")]
fn drain<S: Simd, T: Real>(
    simd: S,
    plan: &Plan,
    block_rows: usize,
    Place { image, y, rows }: Place,
    part: Range<usize>,
    scratch: &mut Scratch<T>,
    out: &mut [T],
    sums: &mut [Sums],
) {
    let conv = &plan.conv;
    let (channels, width, out_w) = (conv.output.c as usize, plan.out_width, conv.output.w as usize);
    let group_out = conv.group_out();
    let Scratch { tile, finished, .. } = scratch;
    let finished = finished.room(rows * out_w + MAX_LANES);
    for (channel, sums) in sums.iter_mut().enumerate().skip(part.start).take(part.len()) {
        let row = (channel - part.start) / group_out * block_rows + (channel - part.start) % group_out;
        let from = &tile[row * plan.ld + image * plan.out_stride..];
        let to = &mut out[(image * channels + channel) * plan.area + y * out_w..][..rows * out_w];
        let zero = T::splat(simd, T::default());
        let mut both = [[zero; 2]; 2];
        if width == out_w {
            move_and_sum(simd, &from[..rows * out_w], to, &mut both);
        } else {
            for row in 0..rows {
                copy_over(&from[row * width..], &mut finished[row * out_w..], out_w);
            }
            move_and_sum(simd, &finished[..rows * out_w], to, &mut both);
        }
        let [sum, squares] = both;
        sums.sum += T::total(simd, T::plus(simd, sum[0], sum[1])).to_f64();
        sums.squares += T::total(simd, T::plus(simd, squares[0], squares[1])).to_f64();
    }
}

/// Copies values and adds them and their squares to `[sums, squares]`, which are kept in two registers
/// each, so that one addition need not wait for the last.
#[inline(always)]
fn move_and_sum<S: Simd, T: Real>(simd: S, from: &[T], to: &mut [T], both: &mut [[T::Vector<S>; 2]; 2]) {
    let (from, rest) = T::vectors::<S>(from);
    let (to, to_rest) = T::vectors_mut::<S>(to);
    let [mut sums, mut squares] = *both;
    let (pairs, odd) = from.as_chunks::<2>();
    let (to_pairs, to_odd) = to.as_chunks_mut::<2>();
    for (to, from) in to_pairs.iter_mut().zip(pairs) {
        for i in 0..2 {
            sums[i] = T::plus(simd, sums[i], from[i]);
            squares[i] = T::mul_add(simd, from[i], from[i], squares[i]);
        }
        *to = *from;
    }
    for (to, &from) in to_odd.iter_mut().zip(odd) {
        sums[0] = T::plus(simd, sums[0], from);
        squares[0] = T::mul_add(simd, from, from, squares[0]);
        *to = from;
    }
    if !rest.is_empty() {
        let last = T::load_part(simd, rest);
        sums[1] = T::plus(simd, sums[1], last);
        squares[1] = T::mul_add(simd, last, last, squares[1]);
        T::store_part(simd, to_rest, last);
    }
    *both = [sums, squares];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::Shape;
    use crate::proxy::exact::map::Pending;
    use crate::proxy::exact::source::{Scaling, Seeded, Tensor};
    use std::sync::Arc;

    /// The output by its definition, weight by weight.
    fn naive(conv: &Conv, map: &Map<f64>, source: &Seeded) -> Vec<f64> {
        let (k, rows, kernel) = (conv.fan_in(), conv.group_out(), conv.kernel);
        let (in_h, in_w) = (conv.input.h as usize, conv.input.w as usize);
        let values = map.values();
        let mut block = vec![0.0; k * BLOCK];
        let mut out = vec![0.0; map.images * conv.output.elements() as usize];
        let (out_h, out_w) = (conv.output.h as usize, conv.output.w as usize);
        for channel in 0..conv.output.c as usize {
            let (group, row) = (channel / rows, channel % rows);
            let first = group * rows + row / BLOCK * BLOCK;
            source.block(5, first, (rows - row / BLOCK * BLOCK).min(BLOCK), k, &mut block);
            for (image, y, x) in (0..map.images)
                .flat_map(|image| (0..out_h).flat_map(move |y| (0..out_w).map(move |x| (image, y, x))))
            {
                let mut sum = 0.0;
                for at in 0..k {
                    let (c, tap) = (at / (kernel * kernel), at % (kernel * kernel));
                    let from_y = (y * conv.stride + tap / kernel).checked_sub(conv.padding());
                    let from_x = (x * conv.stride + tap % kernel).checked_sub(conv.padding());
                    let inside = |from: Option<usize>, side: usize| from.filter(|&from| from < side);
                    if let (Some(y), Some(x)) = (inside(from_y, in_h), inside(from_x, in_w)) {
                        let plane = image * conv.input.c as usize + group * conv.group_in() + c;
                        sum += block[at * BLOCK + row % BLOCK] * values[(plane * in_h + y) * in_w + x];
                    }
                }
                out[((image * conv.output.c as usize + channel) * out_h + y) * out_w + x] = sum;
            }
        }
        out
    }

    #[test]
    fn direct_convolutions_are_those_of_the_definition() {
        let source = Seeded { seed: 3, repeat: 0, salt: 0, scaling: Scaling::Unit };
        // Numbers of channels with all remainders of six and eight rows, in parts, in groups, and one alone.
        let cases = [
            ((3, 5), (1, 5), 3, 1, 1),
            ((2, 7), (9, 7), 3, 1, 1),
            ((4, 8), (20, 4), 3, 2, 1),
            ((300, 4), (28, 4), 1, 1, 1),
            ((5, 14), (1003, 14), 1, 1, 1),
            ((6, 9), (30, 5), 1, 2, 1),
            ((6, 9), (6, 9), 5, 1, 6),
            ((40, 14), (40, 14), 7, 1, 40),
            ((40, 29), (40, 15), 7, 2, 40),
            ((3, 112), (3, 112), 3, 1, 3),
            ((12, 40), (36, 20), 5, 2, 3),
            ((8, 6), (24, 6), 3, 1, 2),
        ];
        let mut work = Workspace::default();
        for (input, output, kernel, stride, groups) in cases {
            let shape = |(c, side): (u32, u32)| Shape { c, h: side, w: side };
            let conv = Conv { input: shape(input), output: shape(output), kernel, stride, groups };
            let images = 4;
            let mut data = vec![0.0; images * conv.input.elements() as usize];
            source.fill(Tensor::Input, 0, &mut data);
            let affine = (0..2 * input.0).map(|c| [0.5 + f64::from(c) / 16.0, 0.1]).collect();
            let pending = Pending { affine: Some(Arc::new(affine)), relu: true };
            let map = Map { shape: conv.input, images, parts: 2, data: Arc::new(data.into()), pending };
            let mut got = vec![f64::NAN; images * conv.output.elements() as usize];
            conv.draw(5, &source, &mut work, images, 2);
            let sums = conv.run(&map, &mut got, &work);
            let want = naive(&conv, &map, &source);
            for (got, want) in got.iter().zip(&want) {
                assert!((got - want).abs() < 1e-9 * (1.0 + want.abs()), "{conv:?}: {got} {want}");
            }
            let squares: f64 = want.iter().map(|x| x * x).sum();
            let summed: f64 = sums.iter().map(|sums| sums.squares).sum();
            assert!((summed / squares - 1.0).abs() < 1e-9, "{conv:?}: {summed} {squares}");
        }
    }
}
