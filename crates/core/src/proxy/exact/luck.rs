//! What chance contributed to the score of a draw, so that it can be taken out again.
//!
//! In a deep network without residual links one image after another stands out from its batch. How quickly this goes decides
//! most of what scores of two draws differ by, and a difference early on lasts for all layers behind it (docs/decisions/155). A layer's luck
//! is by how much it went quicker or slower than the layer's input let expect. All of its terms have the mean zero, whatever the layers
//! before drew, and what they are divided by is known before the layer's weights are. So the sum over all layers may be taken from a score, times
//! any number that does not depend on the draw, without moving the mean.
//!
//! * A channel's weights are as likely as their negatives. Where BN made z of a channel, ReLU therefore hands on max(z, 0) or
//!   max(−z, 0) with the same probability: the difference of any statistic of these two has the mean zero. The statistics are
//!   the variance between images, B, and that of all values, V.
//! * The weights of a convolution are independent with the variance one. So the mean of B of its output is the sum of B over all taps of its
//!   windows, and that of V the sum of V.

use super::forward::Observer;
use super::layer::Conv;
use super::map::{Map, copy_finished};
use super::real::Real;
use crate::plainnet::graph::BN_EPS;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use std::sync::Arc;

/// Added to the share of the variance that lies between images, so that a share that is nearly zero does not count too much.
const LEAST_SHARE: f64 = 0.001;
/// How much B and V of convolutions and V behind ReLU count, where B behind ReLU counts 1: about what explains most of the scores of the
/// three published networks for CIFAR (docs/decisions/155).
const BETWEEN: f64 = 0.25;
const WHOLE: f64 = 0.75;
const WHOLE_BEHIND: f64 = 1.75;

/// Adds up the luck of a draw, layer by layer. It looks at the first part of the batch alone: the others hardly differ.
#[derive(Debug)]
pub struct Luck<T> {
    layers: usize,
    seen: usize,
    total: f64,
    /// What is expected of the output of the convolution that ran last, and its node.
    expected: Option<(usize, Variances)>,
    /// What the BN layer before handed on if a ReLU follows, and how that BN is told from others.
    handed_on: Option<(Arc<Vec<[T; 2]>>, Variances)>,
}

/// Variances of channels.
#[derive(Clone, Copy, Debug, Default)]
struct Variances {
    /// Between the means of images.
    between: f64,
    /// Of all values.
    whole: f64,
}

impl<T> Luck<T> {
    /// For a network of so many BN layers.
    pub fn new(layers: usize) -> Luck<T> {
        Luck { layers, seen: 0, total: 0.0, expected: None, handed_on: None }
    }

    /// The sum over all layers that were seen; its mean over draws is zero.
    pub fn total(&self) -> f64 {
        self.total
    }
}

impl<T: Real> Observer<T> for Luck<T> {
    fn convolving(&mut self, node: usize, conv: &Conv, input: &Map<T>) {
        let known = self.handed_on.take().filter(|(affine, _)| {
            let same = input.pending.affine.as_ref().is_some_and(|of| Arc::ptr_eq(of, affine));
            same && input.pending.relu && conv.kernel == 1 && conv.stride == 1
        });
        let inputs = known.map_or_else(|| met(conv, input), |(_, handed_on)| handed_on);
        // Each channel of a group is an input of as many outputs as the group has.
        let groups = conv.groups as f64;
        let expected = Variances { between: inputs.between / groups, whole: inputs.whole / groups };
        self.expected = Some((node, expected));
    }

    fn normalised(&mut self, input: usize, map: &Map<T>) {
        // A layer's luck lasts for the layers behind it.
        let behind = self.layers.saturating_sub(self.seen) as f64 / self.layers as f64;
        self.seen += 1;
        // Where BN normalised anything but the output of a convolution, nothing is known of it.
        let Some((_, expected)) = self.expected.take().filter(|&(node, _)| node == input) else { return };
        let (luck, handed_on) = luck(map, expected);
        self.total += behind * luck;
        self.handed_on = map.pending.affine.clone().map(|affine| (affine, handed_on));
    }
}

/// B and V of what the taps of the windows of `conv` meet: the sum over the taps of all channels.
fn met<T: Real>(conv: &Conv, input: &Map<T>) -> Variances {
    let arch = pulp::Arch::new();
    let of_channel = |channel: usize| arch.dispatch(Windows { conv, input, channel });
    let channels: Vec<Variances> = (0..input.channels()).into_par_iter().map(of_channel).collect();
    channels.into_iter().fold(Variances::default(), Variances::and)
}

/// The luck of a layer: its output with BN pending, and the means over its channels that were to be expected before BN. With the variances
/// that ReLU hands on, the sum over the channels.
fn luck<T: Real>(map: &Map<T>, expected: Variances) -> (f64, Variances) {
    let (images, channels, area) = (map.images / map.parts, map.channels(), map.area() as f64);
    let arch = pulp::Arch::new();
    let of_channel = |channel: usize| {
        let scale = map.affine(0, channel)[0].to_f64();
        let variance = (1.0 / (scale * scale) - BN_EPS).max(0.0);
        let mut means = Vec::with_capacity(images);
        let mut behind = Moments::default();
        for image in 0..images {
            let values = map.plane(image, channel);
            let [z, positive, squares] = arch.dispatch(Sums { values, affine: map.affine(image, channel) });
            means.push([z / area, positive / area]);
            behind.add(positive / area, squares / area);
        }
        let Signs { luck, between, negative } = Signs::of(&means);
        let handed_on = behind.variances(images);
        // The mean of z² is that of max(z, 0)² and max(−z, 0)².
        let n = images as f64;
        let whole = variance * scale * scale - behind.squares / n - negative * negative;
        [
            luck,
            between,
            between / (scale * scale),
            variance,
            handed_on.whole - whole,
            handed_on.between,
            handed_on.whole,
        ]
    };
    let sums: Vec<[f64; 7]> = (0..channels).into_par_iter().map(of_channel).collect();
    let sum = |i: usize| sums.iter().map(|of| of[i]).sum::<f64>();
    let mean = |i: usize| sum(i) / channels as f64;
    let handed_on = Variances { between: sum(5), whole: sum(6) };
    let mut luck = mean(0) / (mean(1) + LEAST_SHARE) + WHOLE_BEHIND * mean(4);
    if expected.whole > 0.0 {
        let least = LEAST_SHARE * expected.whole;
        luck += BETWEEN * (mean(2) - expected.between) / (expected.between + least);
        luck += WHOLE * (mean(3) / expected.whole - 1.0);
    }
    (luck, handed_on)
}

/// What means [z, p] of images tell of a channel z and of p = max(z, 0); the mean of max(−z, 0) is p − z.
struct Signs {
    /// The variance between images of p less that of p − z.
    luck: f64,
    /// That of z.
    between: f64,
    /// The mean of p − z over the images.
    negative: f64,
}

impl Signs {
    fn of(means: &[[f64; 2]]) -> Signs {
        let n = means.len() as f64;
        let centre = |i: usize| means.iter().map(|mean| mean[i]).sum::<f64>() / n;
        let (z, positive) = (centre(0), centre(1));
        let terms = means.iter().map(|mean| {
            let (z, positive) = (mean[0] - z, mean[1] - positive);
            [z * (2.0 * positive - z), z * z]
        });
        let [luck, between] = terms.fold([0.0; 2], |sum, term| [sum[0] + term[0] / n, sum[1] + term[1] / n]);
        Signs { luck, between, negative: positive - z }
    }
}

/// Sums over images.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    means: f64,
    squares_of_means: f64,
    squares: f64,
}

impl Moments {
    /// Adds the mean of an image and that of its squares.
    fn add(&mut self, mean: f64, square: f64) {
        self.means += mean;
        self.squares_of_means += mean * mean;
        self.squares += square;
    }

    fn variances(&self, images: usize) -> Variances {
        let n = images as f64;
        let square = (self.means / n).powi(2);
        Variances {
            between: (self.squares_of_means / n - square).max(0.0),
            whole: (self.squares / n - square).max(0.0),
        }
    }
}

impl Variances {
    fn and(self, other: Variances) -> Variances {
        Variances { between: self.between + other.between, whole: self.whole + other.whole }
    }
}

/// Sums of z = scale · x + shift, of max(z, 0) and of max(z, 0)².
struct Sums<'a, T> {
    values: &'a [T],
    affine: [T; 2],
}

impl<T: Real> WithSimd for Sums<'_, T> {
    type Output = [f64; 3];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f64; 3] {
        let [scale, shift] = self.affine;
        let zero = T::splat(simd, T::default());
        let (by, plus) = (T::splat(simd, scale), T::splat(simd, shift));
        let (mut all, mut positive, mut squares) = ([zero; 2], [zero; 2], [zero; 2]);
        let (values, rest) = T::vectors::<S>(self.values);
        let (pairs, odd) = values.as_chunks::<2>();
        for pair in pairs {
            for i in 0..2 {
                let z = T::mul_add(simd, pair[i], by, plus);
                let raised = T::max(simd, z, zero);
                all[i] = T::plus(simd, all[i], z);
                positive[i] = T::plus(simd, positive[i], raised);
                squares[i] = T::mul_add(simd, raised, raised, squares[i]);
            }
        }
        for &value in odd {
            let z = T::mul_add(simd, value, by, plus);
            let raised = T::max(simd, z, zero);
            all[0] = T::plus(simd, all[0], z);
            positive[0] = T::plus(simd, positive[0], raised);
            squares[0] = T::mul_add(simd, raised, raised, squares[0]);
        }
        // No closure here: it would not be compiled for the registers of `S`.
        let mut out = [0.0; 3];
        for (out, sums) in out.iter_mut().zip([all, positive, squares]) {
            *out = T::total(simd, T::plus(simd, sums[0], sums[1])).to_f64();
        }
        for &value in rest {
            let z = (value * scale + shift).to_f64();
            let raised = z.max(0.0);
            out = [out[0] + z, out[1] + raised, out[2] + raised * raised];
        }
        out
    }
}

/// B and V of what each tap of a window meets in a channel, summed over the taps; what lies beyond the edge is zero.
struct Windows<'a, T> {
    conv: &'a Conv,
    input: &'a Map<T>,
    channel: usize,
}

impl<T: Real> WithSimd for Windows<'_, T> {
    type Output = Variances;

    // No closures here: they would not be compiled for the registers of `S`.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Variances {
        let Windows { conv, input, channel } = self;
        let (width, height) = (conv.input.w as usize, conv.input.h as usize);
        let images = input.images / input.parts;
        let positions = f64::from(conv.output.h) * f64::from(conv.output.w);
        let taps = conv.kernel * conv.kernel;
        let mut finished = vec![T::default(); width * height];
        let mut rows = vec![T::default(); (conv.stride + 1) * width];
        let (mut sums, mut squares) = (vec![0.0; taps], vec![0.0; taps]);
        let mut moments = vec![Moments::default(); taps];
        for image in 0..images {
            let plane = input.plane(image, channel);
            copy_finished(simd, input, input.affine(image, channel), plane, &mut finished);
            windows(simd, conv, &finished, &mut rows, &mut sums);
            for value in &mut finished {
                *value = *value * *value;
            }
            windows(simd, conv, &finished, &mut rows, &mut squares);
            for ((moments, sum), square) in moments.iter_mut().zip(&sums).zip(&squares) {
                moments.add(sum / positions, square / positions);
            }
        }
        let mut all = Variances::default();
        for moments in &moments {
            all = all.and(moments.variances(images));
        }
        all
    }
}

/// The sums of what each tap of a window meets of `plane`, row by row of the window. `rows` is memory for `stride` + 1 rows.
#[inline(always)]
fn windows<S: Simd, T: Real>(simd: S, conv: &Conv, plane: &[T], rows: &mut [T], sums: &mut [f64]) {
    let (width, height) = (conv.input.w as usize, conv.input.h as usize);
    let stride = conv.stride;
    // Sums over every `stride`-th row, from each of the first rows on; then those over the rows that one row of the window meets.
    let (of_phase, line) = rows.split_at_mut(stride * width);
    of_phase.fill(T::default());
    for (y, row) in plane.chunks_exact(width).enumerate() {
        for (sum, &value) in of_phase[y % stride * width..][..width].iter_mut().zip(row) {
            *sum += value;
        }
    }
    for (tap_y, sums) in sums.chunks_exact_mut(conv.kernel).enumerate() {
        sums.fill(0.0);
        let Some(met) = Met::by(conv, tap_y, height, conv.output.h as usize) else { continue };
        line.copy_from_slice(&of_phase[met.first % stride * width..][..width]);
        let mut y = met.first % stride;
        while y < height {
            if y < met.first || met.last < y {
                for (sum, &value) in line.iter_mut().zip(&plane[y * width..][..width]) {
                    *sum = *sum - value;
                }
                y += stride;
            } else {
                y = met.last + stride;
            }
        }
        let whole = if stride == 1 { total(simd, line) } else { 0.0 };
        for (tap_x, sum) in sums.iter_mut().enumerate() {
            let Some(met) = Met::by(conv, tap_x, width, conv.output.w as usize) else { continue };
            if stride == 1 {
                *sum = whole;
                for &value in line[..met.first].iter().chain(&line[met.last + 1..]) {
                    *sum -= value.to_f64();
                }
            } else {
                for &value in line[met.first..=met.last].iter().step_by(stride) {
                    *sum += value.to_f64();
                }
            }
        }
    }
}

/// Rows or columns of a map, the first, the last, and every `stride`-th in between, that one row or column of a window meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Met {
    first: usize,
    last: usize,
}

impl Met {
    /// Of a window that slides over `inputs` to `outputs` places; `None` where it meets nothing but padding.
    #[inline(always)]
    fn by(conv: &Conv, tap: usize, inputs: usize, outputs: usize) -> Option<Met> {
        let (stride, padding) = (conv.stride, conv.padding());
        let first = padding.saturating_sub(tap).div_ceil(stride);
        let last = ((inputs + padding).checked_sub(tap + 1)? / stride).min(outputs.checked_sub(1)?);
        (first <= last)
            .then(|| Met { first: first * stride + tap - padding, last: last * stride + tap - padding })
    }
}

/// The sum of a line.
#[inline(always)]
fn total<S: Simd, T: Real>(simd: S, line: &[T]) -> f64 {
    let (values, rest) = T::vectors::<S>(line);
    let mut sum = T::load_part(simd, rest);
    for &value in values {
        sum = T::plus(simd, sum, value);
    }
    T::total(simd, sum).to_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::Shape;
    use crate::proxy::exact::conv::Workspace;
    use crate::proxy::exact::map::Pending;
    use crate::proxy::exact::source::{Scaling, Seeded};

    const UNKNOWN: Variances = Variances { between: 0.0, whole: 0.0 };

    /// Two images, two parts, three channels of 5×7 values.
    fn map(sign: f32) -> Map<f32> {
        let shape = Shape { c: 3, h: 5, w: 7 };
        let value = |i: usize| sign * ((i * i % 101) as f32 / 50.0 - 1.0);
        let data = Arc::new((0..4 * shape.elements() as usize).map(value).collect::<Vec<f32>>().into());
        let affine = Some(Arc::new(vec![[0.5, 0.125 * sign]; 6]));
        Map { shape, images: 4, parts: 2, data, pending: Pending { affine, relu: false } }
    }

    /// Images of the first part, with values that a ReLU has still to look at or not.
    fn input(shape: Shape, images: usize, relu: bool) -> Map<f32> {
        let value = |i: usize| (i * i * 7 % 113) as f32 / 50.0 - 0.8;
        let data = (0..2 * images * shape.elements() as usize).map(value).collect::<Vec<f32>>();
        let affine = (0..2 * shape.c).map(|c| [0.5 + c as f32 / 16.0, 0.1]).collect();
        let pending = Pending { affine: Some(Arc::new(affine)), relu };
        Map { shape, images: 2 * images, parts: 2, data: Arc::new(data.into()), pending }
    }

    fn convs() -> impl Iterator<Item = Conv> {
        let cases = [
            ((3, 5, 7), (8, 5, 7), 1, 1, 1),
            ((4, 6, 6), (6, 3, 3), 1, 2, 2),
            ((3, 9, 8), (5, 9, 8), 3, 1, 1),
            ((4, 8, 9), (8, 4, 5), 3, 2, 4),
            ((2, 4, 4), (3, 4, 4), 7, 1, 1),
            ((6, 33, 20), (6, 17, 10), 5, 2, 6),
            ((2, 10, 10), (4, 4, 4), 3, 3, 1),
        ];
        cases.into_iter().map(|((c, h, w), (oc, oh, ow), kernel, stride, groups)| Conv {
            input: Shape { c, h, w },
            output: Shape { c: oc, h: oh, w: ow },
            kernel,
            stride,
            groups,
        })
    }

    /// Variance between the means of rows, and of all values.
    fn variances(rows: &[Vec<f64>]) -> [f64; 2] {
        let of = |values: &[f64]| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64
        };
        let means: Vec<f64> = rows.iter().map(|row| row.iter().sum::<f64>() / row.len() as f64).collect();
        [of(&means), of(&rows.concat())]
    }

    #[test]
    fn what_taps_meet_is_that_of_the_definition() {
        for (conv, relu) in convs().flat_map(|conv| [(conv, true), (conv, false)]) {
            let map = input(conv.input, 3, relu);
            let values = map.values();
            let (h, w) = (conv.input.h as usize, conv.input.w as usize);
            let mut want = [0.0; 2];
            for at in 0..conv.input.c as usize * conv.kernel * conv.kernel {
                let (channel, tap) = (at / (conv.kernel * conv.kernel), at % (conv.kernel * conv.kernel));
                let met = |image: usize, y: usize, x: usize| {
                    let y =
                        (y * conv.stride + tap / conv.kernel).checked_sub(conv.padding()).filter(|&y| y < h);
                    let x =
                        (x * conv.stride + tap % conv.kernel).checked_sub(conv.padding()).filter(|&x| x < w);
                    let plane = (image * conv.input.c as usize + channel) * h * w;
                    y.zip(x).map_or(0.0, |(y, x)| f64::from(values[plane + y * w + x]))
                };
                let (rows, columns) = (conv.output.h as usize, conv.output.w as usize);
                let image =
                    |image| (0..rows * columns).map(|at| met(image, at / columns, at % columns)).collect();
                let of = variances(&(0..3).map(image).collect::<Vec<Vec<f64>>>());
                want = [want[0] + of[0], want[1] + of[1]];
            }
            let got = met(&conv, &map);
            for (got, want) in [got.between, got.whole].into_iter().zip(want) {
                assert!((got / want - 1.0).abs() < 1e-4, "{conv:?} {relu}: {got} {want}");
            }
        }
    }

    #[test]
    fn many_weights_give_what_is_expected_of_them() {
        for conv in convs() {
            let map = input(conv.input, 3, true);
            let mut work = Workspace::default();
            let area = (conv.output.h * conv.output.w) as usize;
            let channels = conv.output.c as usize;
            let mut of_draws = vec![];
            for seed in 0..300 {
                let source = Seeded { seed, repeat: 0, salt: 0, scaling: Scaling::Unit };
                let mut out = vec![0.0; map.images * channels * area];
                conv.draw(0, &source, &mut work, map.images, map.parts);
                conv.run(&map, &mut out, &work);
                let plane = |image: usize, channel: usize| -> Vec<f64> {
                    out[(image * channels + channel) * area..][..area].iter().map(|&x| f64::from(x)).collect()
                };
                let sums = (0..channels)
                    .map(|channel| variances(&(0..3).map(|image| plane(image, channel)).collect::<Vec<_>>()))
                    .fold([0.0; 2], |sum, of| [sum[0] + of[0], sum[1] + of[1]]);
                of_draws.push(sums.map(|sum| sum / channels as f64));
            }
            let mut luck = Luck::new(1);
            luck.convolving(0, &conv, &map);
            let (_, expected) = luck.expected.unwrap();
            for (i, want) in [expected.between, expected.whole].into_iter().enumerate() {
                let values: Vec<f64> = of_draws.iter().map(|draw| draw[i]).collect();
                let mean = crate::stats::mean(&values).unwrap();
                let error = crate::stats::std_dev(&values).unwrap() / (values.len() as f64).sqrt();
                assert!((mean - want).abs() < 4.0 * error, "{conv:?}: {mean} ± {error}, {want}");
            }
        }
    }

    #[test]
    fn what_bn_hands_on_is_what_a_convolution_of_points_meets() {
        let mut map = map(1.0);
        let (_, handed_on) = luck(&map, UNKNOWN);
        map.pending.relu = true;
        let conv = Conv { input: map.shape, output: map.shape, kernel: 1, stride: 1, groups: 1 };
        let met = met(&conv, &map);
        assert!((handed_on.between / met.between - 1.0).abs() < 1e-5, "{handed_on:?} {met:?}");
        assert!((handed_on.whole / met.whole - 1.0).abs() < 1e-5, "{handed_on:?} {met:?}");
    }

    #[test]
    fn the_luck_of_the_other_signs_is_the_opposite() {
        let (one, other) = (luck(&normalised(1.0), UNKNOWN).0, luck(&normalised(-1.0), UNKNOWN).0);
        assert!(one.abs() > 1e-3, "{one}");
        assert!((one + other).abs() < 1e-5, "{one} {other}");
    }

    /// The map with the normalisation that its values call for.
    fn normalised(sign: f32) -> Map<f32> {
        let mut map = map(sign);
        let affine = (0..6).map(|at| {
            let (part, channel) = (at / 3, at % 3);
            let values: Vec<f64> = (2 * part..2 * part + 2)
                .flat_map(|image| map.plane(image, channel).iter().map(|&x| f64::from(x)))
                .collect();
            let mean = crate::stats::mean(&values).unwrap();
            let scale = 1.0 / (crate::stats::std_dev(&values).unwrap().powi(2) + BN_EPS).sqrt();
            [scale as f32, (-mean * scale) as f32]
        });
        map.pending.affine = Some(Arc::new(affine.collect()));
        map
    }

    #[test]
    fn the_luck_is_that_of_the_definition() {
        let map = normalised(1.0);
        let expected = Variances { between: 0.01, whole: 0.4 };
        let (mut signs, mut share, mut between, mut whole, mut whole_behind) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for channel in 0..3 {
            let of = |f: &dyn Fn(f64) -> f64| {
                let image = |image| {
                    let [scale, shift] = map.affine(image, channel).map(f64::from);
                    map.plane(image, channel).iter().map(|&x| f(f64::from(x) * scale + shift)).collect()
                };
                variances(&[image(0), image(1)])
            };
            let (z, positive, negative) = (of(&|z| z), of(&|z| z.max(0.0)), of(&|z| (-z).max(0.0)));
            let scale = f64::from(map.affine(0, channel)[0]);
            signs += (positive[0] - negative[0]) / 3.0;
            whole_behind += (positive[1] - negative[1]) / 3.0;
            share += z[0] / 3.0;
            between += z[0] / scale.powi(2) / 3.0;
            whole += z[1] / scale.powi(2) / 3.0;
        }
        let want = signs / (share + LEAST_SHARE)
            + WHOLE_BEHIND * whole_behind
            + BETWEEN * (between - 0.01) / (0.01 + LEAST_SHARE * 0.4)
            + WHOLE * (whole / 0.4 - 1.0);
        let (got, _) = luck(&map, expected);
        assert!((got / want - 1.0).abs() < 1e-4, "{got} {want}");
    }

    /// BN of anything but the output of the convolution before has no luck: its signs may be no matter of chance.
    #[test]
    fn bn_of_something_else_has_no_luck() {
        let map = normalised(1.0);
        let conv = Conv { input: map.shape, output: map.shape, kernel: 1, stride: 1, groups: 1 };
        let total = |node: usize| {
            let mut luck = Luck::new(2);
            luck.convolving(4, &conv, &map);
            luck.normalised(node, &map);
            luck.total()
        };
        assert_eq!(total(5), 0.0);
        assert!(total(4) != 0.0);
    }
}
