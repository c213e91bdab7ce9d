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

mod points;
mod scheme;
#[cfg(test)]
mod tests;
mod tiles;
mod windows;

pub use scheme::Scheme;
pub use tiles::Scratch;

use super::kernel::BLOCK;
use super::layer::Sums;
use super::map::Map;
use super::real::Real;
use super::source::Source;
use points::{Points, window_matrix};
use rayon::prelude::*;
use tiles::Task;
use windows::Windows;

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

    /// Convolves `map` with the weights that [`Self::draw`] made, as a direct convolution does.
    pub fn run<T: Real>(
        &self,
        map: &Map<T>,
        out: &mut [T],
        weights: &[T],
        take: &(dyn Fn() -> Scratch<T> + Sync),
        give: &(dyn Fn(Scratch<T>) + Sync),
    ) -> Vec<(usize, Vec<Sums>)> {
        let per_part = map.images / map.parts;
        let tasks = self.conv.tasks(out, per_part, self.images);
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
