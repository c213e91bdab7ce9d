//! What the signs of a draw's weights contributed to its score, so that it can be taken out again.
//!
//! A channel's weights are as likely as their negatives. Where BN made z of a channel, ReLU therefore hands on max(z, 0) or
//! max(−z, 0) with the same probability, whatever the layers before drew. The difference of any statistic of these two has the
//! mean zero, and so has the sum of such differences over all layers, each divided by what is known before the signs are. Such a
//! sum may be taken from a score, times any number that does not depend on the draw, without moving the mean.
//!
//! The statistic here is the variance between images, B. In a deep network without residual links one image after another
//! stands out from its batch. How quickly this goes decides most of what scores of two draws differ by, and a difference early on
//! lasts for all layers behind it (docs/decisions/155).

use super::forward::Observer;
use super::map::Map;
use super::real::Real;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Added to the share of the variance that lies between images, so that a share that is nearly zero does not count too much.
const LEAST_SHARE: f64 = 0.003;

/// Adds up what the signs contributed, layer by layer.
#[derive(Debug)]
pub struct Signs {
    layers: usize,
    seen: usize,
    total: f64,
}

impl Signs {
    /// For a network of so many BN layers.
    pub fn new(layers: usize) -> Signs {
        Signs { layers, seen: 0, total: 0.0 }
    }

    /// The sum over all layers that were seen; its mean over draws is zero.
    pub fn total(&self) -> f64 {
        self.total
    }
}

impl<T: Real> Observer<T> for Signs {
    fn normalised(&mut self, map: &Map<T>) {
        // A layer's luck lasts for the layers behind it.
        let behind = self.layers.saturating_sub(self.seen) as f64 / self.layers as f64;
        self.seen += 1;
        self.total += behind * luck(map);
    }
}

/// B(max(z, 0)) − B(max(−z, 0)), the mean over channels, in units of B(z); the mean over the parts of the batch.
fn luck<T: Real>(map: &Map<T>) -> f64 {
    let (images, channels, area) = (map.images / map.parts, map.channels(), map.area() as f64);
    let arch = pulp::Arch::new();
    let sums: Vec<[f64; 2]> = (0..map.parts * channels)
        .into_par_iter()
        .map(|at| {
            let (part, channel) = (at / channels, at % channels);
            // Means of each image, of z and of what its ReLU hands on.
            let means = (part * images..(part + 1) * images).map(|image| {
                let values = map.plane(image, channel);
                let [z, positive] = arch.dispatch(Sums { values, affine: map.affine(image, channel) });
                [z / area, positive / area]
            });
            between(&means.collect::<Vec<_>>())
        })
        .collect();
    let of_part = |sums: &[[f64; 2]]| {
        let [difference, whole] = sums.iter().fold([0.0; 2], |[a, b], sum| [a + sum[0], b + sum[1]]);
        difference / (whole + LEAST_SHARE * channels as f64)
    };
    sums.chunks(channels).map(of_part).sum::<f64>() / map.parts as f64
}

/// Of means [z, p] of images: the variances between images of p less that of p − z, and that of z. The mean of max(−z, 0) is p − z.
fn between(means: &[[f64; 2]]) -> [f64; 2] {
    let n = means.len() as f64;
    let centre = |i: usize| means.iter().map(|mean| mean[i]).sum::<f64>() / n;
    let (z, positive) = (centre(0), centre(1));
    let terms = means.iter().map(|mean| {
        let (z, positive) = (mean[0] - z, mean[1] - positive);
        [z * (2.0 * positive - z), z * z]
    });
    terms.fold([0.0; 2], |sum, term| [sum[0] + term[0] / n, sum[1] + term[1] / n])
}

/// Sums of scale · x + shift, and of the positive ones among them.
struct Sums<'a, T> {
    values: &'a [T],
    affine: [T; 2],
}

impl<T: Real> WithSimd for Sums<'_, T> {
    type Output = [f64; 2];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f64; 2] {
        let [scale, shift] = self.affine;
        let zero = T::splat(simd, T::default());
        let (by, plus) = (T::splat(simd, scale), T::splat(simd, shift));
        let (mut all, mut positive) = ([zero; 2], [zero; 2]);
        let (values, rest) = T::vectors::<S>(self.values);
        let (pairs, odd) = values.as_chunks::<2>();
        for pair in pairs {
            for i in 0..2 {
                let value = T::mul_add(simd, pair[i], by, plus);
                all[i] = T::plus(simd, all[i], value);
                positive[i] = T::plus(simd, positive[i], T::max(simd, value, zero));
            }
        }
        for &value in odd {
            let value = T::mul_add(simd, value, by, plus);
            all[0] = T::plus(simd, all[0], value);
            positive[0] = T::plus(simd, positive[0], T::max(simd, value, zero));
        }
        let sum = |sums: [T::Vector<S>; 2]| T::total(simd, T::plus(simd, sums[0], sums[1])).to_f64();
        let mut out = [sum(all), sum(positive)];
        for &value in rest {
            let value = (value * scale + shift).to_f64();
            out[0] += value;
            out[1] += value.max(0.0);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::Shape;
    use crate::proxy::exact::map::Pending;
    use std::sync::Arc;

    /// Two images, two parts, three channels of 5×7 values.
    fn map(sign: f32) -> Map<f32> {
        let shape = Shape { c: 3, h: 5, w: 7 };
        let value = |i: usize| sign * ((i * i % 101) as f32 / 50.0 - 1.0);
        let data = Arc::new((0..4 * shape.elements() as usize).map(value).collect::<Vec<f32>>().into());
        let affine = Some(Arc::new(vec![[0.5, 0.125 * sign]; 6]));
        Map { shape, images: 4, parts: 2, data, pending: Pending { affine, relu: false } }
    }

    #[test]
    fn the_luck_of_the_other_signs_is_the_opposite() {
        let (one, other) = (luck(&map(1.0)), luck(&map(-1.0)));
        assert!(one.abs() > 1e-3, "{one}");
        assert!((one + other).abs() < 1e-6, "{one} {other}");
    }

    #[test]
    fn the_luck_is_that_of_the_definition() {
        let map = map(1.0);
        let finished = |image: usize, channel: usize, sign: f64| -> (f64, f64) {
            let values = map.plane(image, channel).iter().map(|&x| sign * f64::from(x * 0.5 + 0.125));
            let n = map.area() as f64;
            (values.clone().sum::<f64>() / n, values.map(|z| z.max(0.0)).sum::<f64>() / n)
        };
        let variance = |a: f64, b: f64| (a - b).powi(2) / 4.0;
        let mut want = 0.0;
        for part in 0..2 {
            let (mut difference, mut whole) = (0.0, 0.0);
            for channel in 0..3 {
                let [a, b] = [0, 1].map(|image| finished(2 * part + image, channel, 1.0));
                let [c, d] = [0, 1].map(|image| finished(2 * part + image, channel, -1.0));
                difference += variance(a.1, b.1) - variance(c.1, d.1);
                whole += variance(a.0, b.0);
            }
            want += difference / (whole + 3.0 * LEAST_SHARE) / 2.0;
        }
        assert!((luck(&map) - want).abs() < 1e-5, "{} {want}", luck(&map));
    }
}
