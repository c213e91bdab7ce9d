//! Feature maps of a batch, with the pointwise work on them that is not done yet.

use super::buffer::Buffer;
use super::real::Real;
use crate::plainnet::Shape;
use pulp::Simd;
use std::sync::Arc;

/// What is still to be done to every value: `scale · x + shift` by channel, then a ReLU.
///
/// Batch normalisation and ReLU never pass over memory on their own: whoever reads the map applies them.
#[derive(Clone, Debug, Default)]
pub struct Pending<T> {
    /// (scale, shift) by part of the batch and channel.
    pub affine: Option<Arc<Vec<[T; 2]>>>,
    pub relu: bool,
}

impl<T> Pending<T> {
    pub fn is_nothing(&self) -> bool {
        self.affine.is_none() && !self.relu
    }
}

/// Feature maps of `images` images, image by image, each channel by channel (NCHW).
///
/// The batch falls into equal parts that have statistics of their own: the clean and the disturbed
/// images of a Zen-Score go through the network side by side, with the same weights.
#[derive(Clone, Debug)]
pub struct Map<T> {
    pub shape: Shape,
    pub images: usize,
    pub parts: usize,
    /// The values; more may follow, of a larger map that was in the same memory.
    pub data: Arc<Buffer<T>>,
    pub pending: Pending<T>,
}

impl<T: Real> Map<T> {
    pub fn channels(&self) -> usize {
        self.shape.c as usize
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.images * self.shape.elements() as usize
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Positions of a channel.
    pub fn area(&self) -> usize {
        self.shape.h as usize * self.shape.w as usize
    }

    /// The raw values of one channel of one image.
    pub fn plane(&self, image: usize, channel: usize) -> &[T] {
        let area = self.area();
        &self.data[(image * self.channels() + channel) * area..][..area]
    }

    /// (scale, shift) of a channel of an image.
    #[inline(always)]
    pub fn affine(&self, image: usize, channel: usize) -> [T; 2] {
        match &self.pending.affine {
            Some(affine) => affine[image / (self.images / self.parts) * self.channels() + channel],
            None => [T::ONE, T::default()],
        }
    }

    /// A value with its pending work done.
    #[inline(always)]
    pub fn apply([scale, shift]: [T; 2], relu: bool, value: T) -> T {
        let value = value * scale + shift;
        if relu { T::default().at_least(value) } else { value }
    }

    /// Sends the finished values of every plane to `visit`, images and channels in order.
    pub fn planes(&self, mut visit: impl FnMut(usize, usize, &mut dyn Iterator<Item = T>)) {
        for image in 0..self.images {
            for channel in 0..self.channels() {
                let affine = self.affine(image, channel);
                let relu = self.pending.relu;
                let mut values = self.plane(image, channel).iter().map(|&x| Self::apply(affine, relu, x));
                visit(image, channel, &mut values);
            }
        }
    }

    /// The finished values, row-major (image, channel, row, column).
    pub fn values(&self) -> Vec<T> {
        let mut out = Vec::with_capacity(self.len());
        self.planes(|_, _, values| out.extend(values));
        out
    }
}

/// Copies values and does their pending work.
#[inline(always)]
pub fn copy_finished<S: Simd, T: Real>(simd: S, map: &Map<T>, affine: [T; 2], from: &[T], to: &mut [T]) {
    // No closures here: they would not be compiled for the registers of `S`.
    let (scale, shift) = (T::splat(simd, affine[0]), T::splat(simd, affine[1]));
    let zero = T::splat(simd, T::default());
    let relu = map.pending.relu;
    let (from, rest) = T::vectors::<S>(from);
    let (to, to_rest) = T::vectors_mut::<S>(to);
    if map.pending.is_nothing() {
        to.copy_from_slice(from);
        to_rest.copy_from_slice(rest);
        return;
    }
    // A maximum with the value itself changes nothing: no branch in the loop.
    for (to, &from) in to.iter_mut().zip(from) {
        let value = T::mul_add(simd, from, scale, shift);
        *to = T::max(simd, value, if relu { zero } else { value });
    }
    if !rest.is_empty() {
        let value = T::mul_add(simd, T::load_part(simd, rest), scale, shift);
        T::store_part(simd, to_rest, T::max(simd, value, if relu { zero } else { value }));
    }
}
