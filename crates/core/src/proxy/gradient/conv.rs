//! Convolution and its two gradients as matrix products over im2col.

use crate::proxy::exact::conv::Conv;
use crate::proxy::exact::kernel::{BLOCK, Offsets, Product, Run, packed_len};
use crate::proxy::exact::real::{MAX_LANES, Real};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Number of parts of the batch whose weight gradients are added up separately: enough for the threads of most
/// machines, and fixed, so that the sum is the same on all of them.
const PARTS: usize = 8;

/// Least number of output positions that a matrix product should have to be fast.
const WIDE: usize = 256;

/// `rows` × `k` weights, packed for the micro-kernel.
struct Packed<T> {
    rows: usize,
    k: usize,
    blocks: Vec<T>,
}

impl<T: Real> Packed<T> {
    fn new(rows: usize, k: usize, at: impl Fn(usize, usize) -> T) -> Packed<T> {
        let mut blocks = vec![T::default(); packed_len(rows, k)];
        for row in 0..rows {
            for i in 0..k {
                blocks[(row / BLOCK * k + i) * BLOCK + row % BLOCK] = at(row, i);
            }
        }
        Packed { rows, k, blocks }
    }

    /// Rows of the product with `right` (`k` rows of `n` values, `ld` apart), `ld` apart in the result.
    fn times(&self, right: &[T], n: usize, ld: usize) -> Vec<T> {
        let rows = self.rows.next_multiple_of(BLOCK);
        let mut out = vec![T::default(); rows * ld];
        let offsets: Vec<usize> = (0..self.k).map(|k| k * ld).collect();
        let runs = [Run { input: 0, output: 0, len: n }];
        pulp::Arch::new().dispatch(Times {
            packed: self,
            offsets: &offsets,
            right,
            runs: &runs,
            out: &mut out,
            ld,
        });
        out
    }
}

struct Times<'a, T> {
    packed: &'a Packed<T>,
    offsets: &'a [usize],
    right: &'a [T],
    runs: &'a [Run],
    out: &'a mut [T],
    ld: usize,
}

impl<T: Real> WithSimd for Times<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        const DEPTH: usize = 256;
        for (i, offsets) in self.offsets.chunks(DEPTH).enumerate() {
            Product {
                weights: &self.packed.blocks,
                block_stride: self.packed.k * BLOCK,
                rows: self.packed.rows,
                depth: self.packed.k,
                first_k: i * DEPTH,
                offsets: Offsets::new(offsets),
                input: self.right,
                runs: self.runs,
                out: self.out,
                ld: self.ld,
                add: i > 0,
            }
            .compute(simd);
        }
    }
}

/// Sizes of one group of a convolution, on several images side by side.
struct Sizes {
    group_in: usize,
    group_out: usize,
    fan_in: usize,
    in_area: usize,
    out_area: usize,
    image_in: usize,
    image_out: usize,
    /// Images of one matrix product: on small maps a single one leaves the product too thin.
    images: usize,
    /// Output positions of all of them, and the distance of im2col rows.
    positions: usize,
    ld: usize,
}

impl Sizes {
    fn new(conv: &Conv, images: usize) -> Sizes {
        let out_area = (conv.output.h * conv.output.w) as usize;
        let in_area = (conv.input.h * conv.input.w) as usize;
        let images = WIDE.div_ceil(out_area).min(images);
        let positions = images * out_area;
        Sizes {
            group_in: conv.input.c as usize / conv.groups,
            group_out: conv.output.c as usize / conv.groups,
            fan_in: conv.fan_in(),
            in_area,
            out_area,
            image_in: conv.input.c as usize * in_area,
            image_out: conv.output.c as usize * out_area,
            images,
            positions,
            ld: positions.next_multiple_of(MAX_LANES),
        }
    }
}

/// Runs of output positions of every tap that lie inside the map: (tap, first input, first output, count);
/// inputs are `stride` apart.
fn taps(conv: &Conv, mut visit: impl FnMut(usize, usize, usize, usize)) {
    let (k, stride, padding) = (conv.kernel, conv.stride, (conv.kernel - 1) / 2);
    let (h, w) = (conv.input.h as usize, conv.input.w as usize);
    let (out_h, out_w) = (conv.output.h as usize, conv.output.w as usize);
    for ky in 0..k {
        for kx in 0..k {
            let first = padding.saturating_sub(kx).div_ceil(stride);
            let end = (w + padding).saturating_sub(kx).div_ceil(stride).min(out_w);
            if first >= end {
                continue;
            }
            for y in 0..out_h {
                let row = y * stride + ky;
                if row >= padding && row - padding < h {
                    let input = (row - padding) * w + first * stride + kx - padding;
                    visit(ky * k + kx, input, y * out_w + first, end - first);
                }
            }
        }
    }
}

/// The im2col matrix of one group of the images in `x`: fan-in rows of output positions, or the transpose.
fn columns<T: Real>(conv: &Conv, s: &Sizes, x: &[T], group: usize, transpose: bool) -> Vec<T> {
    let window = conv.kernel * conv.kernel;
    // The micro-kernel reads whole registers past the last row.
    let ld = if transpose { s.fan_in.next_multiple_of(MAX_LANES) } else { s.ld };
    let rows = if transpose { s.positions } else { s.fan_in };
    let mut out = vec![T::default(); rows * ld + MAX_LANES];
    for (image, planes) in x.chunks(s.image_in).enumerate() {
        let planes = &planes[group * s.group_in * s.in_area..];
        let first = image * s.out_area;
        taps(conv, |tap, input, output, count| {
            let output = first + output;
            for channel in 0..s.group_in {
                let k = channel * window + tap;
                let from = planes[channel * s.in_area + input..].iter().step_by(conv.stride).take(count);
                if transpose {
                    let to = out[output * ld + k..].iter_mut().step_by(ld);
                    to.zip(from).for_each(|(to, &from)| *to = from);
                } else if conv.stride == 1 {
                    let from = &planes[channel * s.in_area + input..][..count];
                    out[k * ld + output..][..count].copy_from_slice(from);
                } else {
                    let to = out[k * ld + output..][..count].iter_mut();
                    to.zip(from).for_each(|(to, &from)| *to = from);
                }
            }
        });
    }
    out
}

pub fn forward<T: Real>(conv: &Conv, weights: &[T], x: &[T], images: usize) -> Vec<T> {
    let s = Sizes::new(conv, images);
    let packed: Vec<Packed<T>> = weights
        .chunks(s.group_out * s.fan_in)
        .map(|weights| Packed::new(s.group_out, s.fan_in, |row, k| weights[row * s.fan_in + k]))
        .collect();
    let mut out = vec![T::default(); images * s.image_out];
    let parts = out.par_chunks_mut(s.images * s.image_out).zip(x.par_chunks(s.images * s.image_in));
    parts.for_each(|(out, x)| {
        for (group, packed) in packed.iter().enumerate() {
            let rows =
                packed.times(&columns(conv, &s, x, group, false), out.len() / s.image_out * s.out_area, s.ld);
            for (image, out) in out.chunks_mut(s.image_out).enumerate() {
                let out = out[group * s.group_out * s.out_area..].chunks_mut(s.out_area);
                for (out, row) in out.zip(rows.chunks(s.ld)).take(s.group_out) {
                    out.copy_from_slice(&row[image * s.out_area..][..s.out_area]);
                }
            }
        }
    });
    out
}

/// dW = Σ over images of dY · columnsᵀ.
pub fn weight_gradient<T: Real>(conv: &Conv, x: &[T], gradient: &[T], images: usize) -> Vec<T> {
    let s = Sizes::new(conv, images);
    let ld = s.fan_in.next_multiple_of(MAX_LANES);
    // A part consists of whole products.
    let share = images.div_ceil(PARTS).next_multiple_of(s.images);
    let x = x.par_chunks(share * s.image_in);
    let parts: Vec<Vec<T>> = x
        .zip(gradient.par_chunks(share * s.image_out))
        .map(|(x, gradient)| {
            let mut sum = vec![T::default(); conv.weights()];
            let products = x.chunks(s.images * s.image_in).zip(gradient.chunks(s.images * s.image_out));
            for (x, gradient) in products {
                let positions = gradient.len() / s.image_out * s.out_area;
                for (group, sum) in sum.chunks_mut(s.group_out * s.fan_in).enumerate() {
                    let dy = |row: usize, k: usize| {
                        let plane = group * s.group_out + row;
                        gradient[k / s.out_area * s.image_out + plane * s.out_area + k % s.out_area]
                    };
                    let packed = Packed::new(s.group_out, positions, dy);
                    let rows = packed.times(&columns(conv, &s, x, group, true), s.fan_in, ld);
                    for (sum, row) in sum.chunks_mut(s.fan_in).zip(rows.chunks(ld)) {
                        sum.iter_mut().zip(row).for_each(|(sum, &x)| *sum += x);
                    }
                }
            }
            sum
        })
        .collect();
    let mut parts = parts.into_iter();
    let mut total = parts.next().unwrap_or_default();
    for part in parts {
        total.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
    }
    total
}

/// dX = the transpose of im2col, applied to Wᵀ · dY.
pub fn input_gradient<T: Real>(conv: &Conv, weights: &[T], gradient: &[T], images: usize) -> Vec<T> {
    let s = Sizes::new(conv, images);
    let packed: Vec<Packed<T>> = weights
        .chunks(s.group_out * s.fan_in)
        .map(|weights| Packed::new(s.fan_in, s.group_out, |k, row| weights[row * s.fan_in + k]))
        .collect();
    let window = conv.kernel * conv.kernel;
    let mut down = vec![T::default(); images * s.image_in];
    let parts = down.par_chunks_mut(s.images * s.image_in).zip(gradient.par_chunks(s.images * s.image_out));
    parts.for_each(|(down, gradient)| {
        let mut right = vec![T::default(); s.group_out * s.ld + MAX_LANES];
        for (group, packed) in packed.iter().enumerate() {
            for (image, dy) in gradient.chunks(s.image_out).enumerate() {
                let dy = dy[group * s.group_out * s.out_area..].chunks(s.out_area);
                for (right, dy) in right.chunks_mut(s.ld).zip(dy).take(s.group_out) {
                    right[image * s.out_area..][..s.out_area].copy_from_slice(dy);
                }
            }
            let rows = packed.times(&right, gradient.len() / s.image_out * s.out_area, s.ld);
            for (image, down) in down.chunks_mut(s.image_in).enumerate() {
                let down = &mut down[group * s.group_in * s.in_area..];
                taps(conv, |tap, input, output, count| {
                    for channel in 0..s.group_in {
                        let row = (channel * window + tap) * s.ld + image * s.out_area;
                        let from = &rows[row + output..][..count];
                        let to = &mut down[channel * s.in_area + input..];
                        if conv.stride == 1 {
                            to[..count].iter_mut().zip(from).for_each(|(to, &from)| *to += from);
                        } else {
                            to.iter_mut().step_by(conv.stride).zip(from).for_each(|(to, &from)| *to += from);
                        }
                    }
                });
            }
        }
    });
    down
}
