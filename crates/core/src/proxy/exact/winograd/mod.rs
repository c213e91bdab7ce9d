//! Dense convolutions by Winograd's short algorithms: fewer multiplications, at the price of some rounding.
//!
//! A tile of N×N inputs gives M×M outputs of a window of R×R taps, N = M + R − 1. The polynomials of tile and
//! window are evaluated at N points (0, ±1, ±2, for N = 8 also ±½, and ∞), multiplied there point by point, and the product's
//! coefficients read off (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016). Over all channels the
//! products of one point are a matrix product (`products`): N² of them in place of M²·R² products for
//! each tile.
//!
//! A stride of two falls into four convolutions of stride one over every other row and column of the input. Their
//! sums are those over four times the channels, with half of the taps each.
//!
//! Double precision, the definition of a score, does without: see [`Real::SHORT`].

mod points;
mod products;
mod scheme;
#[cfg(test)]
mod tests;
mod tiles;
mod windows;

pub use scheme::Scheme;
pub use tiles::Scratch;

use super::buffer::Buffer;
use super::kernel::BLOCK;
use super::layer::Sums;
use super::map::Map;
use super::real::MAX_LANES;
use super::real::Real;
use super::source::Source;
use points::{LARGEST, window_matrix};
use pulp::WithSimd;
use rayon::prelude::*;
use tiles::Task;
use windows::Windows;

/// The registers that the work is done in: the widest of the processor, or in tests any.
trait Registers: Copy + Send + Sync {
    fn run(self, work: impl WithSimd<Output = ()>);
}

impl Registers for pulp::Arch {
    fn run(self, work: impl WithSimd<Output = ()>) {
        self.dispatch(work);
    }
}

impl Scheme {
    /// Draws the weights of layer `index`, at the points: by register of channels, point and input.
    pub fn draw<T: Real>(
        &self,
        index: usize,
        source: &dyn Source<T>,
        weights: &mut Buffer<T>,
        take: &(dyn Fn() -> Scratch<T> + Sync),
        give: &(dyn Fn(Scratch<T>) + Sync),
    ) {
        self.draw_in(pulp::Arch::new(), index, source, weights, take, give);
    }

    fn draw_in<T: Real>(
        &self,
        registers: impl Registers,
        index: usize,
        source: &dyn Source<T>,
        weights: &mut Buffer<T>,
        take: &(dyn Fn() -> Scratch<T> + Sync),
        give: &(dyn Fn(Scratch<T>) + Sync),
    ) {
        let (rows, k) = (self.out_channels(), self.conv.fan_in());
        let weights = weights.room(self.weights());
        let mut matrix = [[T::default(); LARGEST]; LARGEST];
        for (to, from) in matrix.iter_mut().zip(window_matrix(self.points, self.taps)) {
            to.iter_mut().zip(from).for_each(|(to, value)| *to = T::of(value));
        }
        let size = self.points * self.points * self.depth() * MAX_LANES;
        weights.par_chunks_mut(size).enumerate().for_each(|(part, out)| {
            let mut scratch = take();
            let (first, blocks) = (part * MAX_LANES, MAX_LANES / BLOCK);
            let drawn = scratch.drawn.room((blocks + 1) * k * BLOCK);
            let (drawn, block) = drawn.split_at_mut(blocks * k * BLOCK);
            for at in 0..blocks {
                let left = rows.saturating_sub(first + at * BLOCK).min(BLOCK);
                if left > 0 {
                    source.block(index, first + at * BLOCK, left, k, block);
                } else {
                    block.fill(T::default());
                }
                let (to, _) = drawn.as_chunks_mut::<MAX_LANES>();
                for (to, from) in to.iter_mut().zip(block.chunks(BLOCK)) {
                    to[at * BLOCK..][..BLOCK].copy_from_slice(from);
                }
            }
            registers.run(Windows { scheme: self, matrix: &matrix, drawn, out });
            give(scratch);
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
        self.run_in(pulp::Arch::new(), map, out, weights, take, give)
    }

    fn run_in<T: Real>(
        &self,
        registers: impl Registers,
        map: &Map<T>,
        out: &mut [T],
        weights: &[T],
        take: &(dyn Fn() -> Scratch<T> + Sync),
        give: &(dyn Fn(Scratch<T>) + Sync),
    ) -> Vec<(usize, Vec<Sums>)> {
        let per_part = map.images / map.parts;
        let tasks = self.conv.tasks(out, per_part, self.images);
        tasks
            .into_par_iter()
            .map(|(first, out)| {
                let mut scratch = take();
                let mut sums = vec![Sums::default(); self.out_channels()];
                registers.run(Task {
                    scheme: self,
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
