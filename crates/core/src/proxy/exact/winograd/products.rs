//! The products at the points: for each a matrix product over the channels.
//!
//! A register holds neighbouring channels. Inputs lie by point, group of channels and tile; weights by register of
//! outputs, point and input; products by point, register of outputs and tile. The inner loop multiplies two registers of weights
//! by single inputs of some tiles, and reads all of them one after another.

use crate::proxy::exact::kernel::fetch;
use crate::proxy::exact::real::Real;
use pulp::Simd;

/// Inputs of one pass: their weights for two registers of outputs stay in the L1 cache.
const DEPTH: usize = 256;

/// The products of one task.
pub struct Products<'a, T> {
    pub points: usize,
    /// Groups of input channels: those of each phase of rows and columns.
    pub phases: usize,
    pub channels: usize,
    /// Registers of output channels.
    pub outputs: usize,
    /// Tiles, an even number.
    pub tiles: usize,
    pub weights: &'a [T],
    pub inputs: &'a [T],
    pub products: &'a mut [T],
}

/// What one call of the inner loop computes.
#[derive(Clone, Copy)]
struct Part {
    point: usize,
    /// The register of outputs, and the tile.
    output: usize,
    tile: usize,
    /// Groups of inputs.
    first: usize,
    last: usize,
    /// Where the weights begin that come next, of as many registers. Those of inputs `share.0..share.1` of every group are asked
    /// for.
    next: usize,
    share: (usize, usize),
}

impl<T: Real> Products<'_, T> {
    #[inline(always)]
    pub fn compute<S: Simd>(self, simd: S) {
        // Sums of six tiles by two registers fill 16 registers. Of twelve, which would fill 32, the compiler keeps a copy in
        // memory: its loop over tiles is too long to be unrolled in time.
        if S::REGISTER_COUNT >= 32 { self.by::<S, 2>(simd) } else { self.by::<S, 1>(simd) }
    }

    /// As [`Self::compute`], up to six tiles at once, or five pairs of them where `UNIT` is two.
    #[inline(always)]
    fn by<S: Simd, const UNIT: usize>(mut self, simd: S) {
        let lanes = T::lanes::<S>();
        self.check(lanes);
        let units = self.tiles / UNIT;
        let most = if UNIT == 1 { 6 } else { 5 };
        let parts = units.div_ceil(most);
        let groups = self.phases * self.channels.div_ceil(lanes);
        let step = (DEPTH / lanes).max(1);
        for point in 0..self.points {
            let mut first = 0;
            while first < groups {
                let last = (first + step).min(groups);
                let mut output = 0;
                while output < self.outputs {
                    let two = output + 1 < self.outputs;
                    let next = self.next(lanes, point, output, first, last);
                    let mut tile = 0;
                    for i in 0..parts {
                        // As even as can be.
                        let size = units * (i + 1) / parts - units * i / parts;
                        let share = (lanes * i / parts, lanes * (i + 1) / parts);
                        let part = Part { point, output, tile, first, last, next, share };
                        if two {
                            self.some::<S, UNIT, 2>(simd, size, part);
                        } else {
                            self.some::<S, UNIT, 1>(simd, size, part);
                        }
                        tile += size * UNIT;
                    }
                    output += 2;
                }
                first = last;
            }
        }
    }

    #[inline(always)]
    fn some<S: Simd, const UNIT: usize, const N: usize>(&mut self, simd: S, size: usize, part: Part) {
        match (UNIT, size) {
            (1, 6) => self.micro::<S, 6, N>(simd, part),
            (1, 5) => self.micro::<S, 5, N>(simd, part),
            (1, 4) => self.micro::<S, 4, N>(simd, part),
            (1, 3) => self.micro::<S, 3, N>(simd, part),
            (1, 2) => self.micro::<S, 2, N>(simd, part),
            (1, _) => self.micro::<S, 1, N>(simd, part),
            (_, 5) => self.micro::<S, 10, N>(simd, part),
            (_, 4) => self.micro::<S, 8, N>(simd, part),
            (_, 3) => self.micro::<S, 6, N>(simd, part),
            (_, 2) => self.micro::<S, 4, N>(simd, part),
            (_, _) => self.micro::<S, 2, N>(simd, part),
        }
    }

    /// Where the weights begin that are read after those of some groups of inputs.
    #[inline(always)]
    fn next(&self, lanes: usize, point: usize, output: usize, first: usize, last: usize) -> usize {
        let groups = self.phases * self.channels.div_ceil(lanes);
        let (output, first, point) = if output + 2 < self.outputs {
            (output + 2, first, point)
        } else if last < groups {
            (0, last, point)
        } else {
            (0, 0, point + 1)
        };
        let depth = self.phases * self.channels;
        ((output * self.points + point) * depth + self.before(first, lanes)) * lanes
    }

    /// Inputs before a group: groups are whole registers, but for the last of each phase.
    #[inline(always)]
    fn before(&self, group: usize, lanes: usize) -> usize {
        let of_phase = self.channels.div_ceil(lanes);
        group / of_phase * self.channels + group % of_phase * lanes
    }

    /// Everything that the unchecked reads and writes of [`Self::micro`] rely on.
    fn check(&self, lanes: usize) {
        let groups = self.phases * self.channels.div_ceil(lanes);
        let weights = self.outputs * self.points * self.phases * self.channels * lanes;
        assert!(self.tiles.is_multiple_of(2) && self.weights.len() >= weights);
        assert!(self.inputs.len() >= self.points * groups * self.tiles * lanes);
        assert!(self.products.len() >= self.points * self.outputs * self.tiles * lanes);
    }

    /// `M` tiles by `N` registers of outputs.
    #[inline(always)]
    fn micro<S: Simd, const M: usize, const N: usize>(&mut self, simd: S, part: Part) {
        let lanes = T::lanes::<S>();
        let of_phase = self.channels.div_ceil(lanes);
        let groups = self.phases * of_phase;
        let depth = self.phases * self.channels;
        let mut sums = [[T::splat(simd, T::default()); N]; M];
        let Part { point, output, tile, first, last, next: coming, share } = part;
        let before = self.before(first, lanes);
        // SAFETY: `check` holds for `points`, `groups`, `outputs` and `tiles`, and the part lies within them: `tile + M` is at
        // most `tiles`, `output + N` at most `outputs`.
        unsafe {
            let next = self.points * depth * lanes;
            let mut weights = self.weights.as_ptr().add(output * next + (point * depth + before) * lanes);
            let mut coming = self.weights.as_ptr().wrapping_add(coming);
            for group in first..last {
                for k in share.0..share.1 {
                    for n in 0..N {
                        fetch(coming.wrapping_add(n * next + k * lanes));
                    }
                }
                coming = coming.wrapping_add(lanes * lanes);
                let count = lanes.min(self.channels - group % of_phase * lanes);
                let inputs = self.inputs.as_ptr().add(((point * groups + group) * self.tiles + tile) * lanes);
                for k in 0..count {
                    let mut by = [T::splat(simd, T::default()); N];
                    for (n, by) in by.iter_mut().enumerate() {
                        *by = weights.add(n * next).cast::<T::Vector<S>>().read_unaligned();
                    }
                    for (m, sums) in sums.iter_mut().enumerate() {
                        let value = T::splat(simd, *inputs.add(m * lanes + k));
                        for (sum, by) in sums.iter_mut().zip(by) {
                            *sum = T::mul_add(simd, value, by, *sum);
                        }
                    }
                    weights = weights.add(lanes);
                }
            }
            let out =
                self.products.as_mut_ptr().add(((point * self.outputs + output) * self.tiles + tile) * lanes);
            for (m, sums) in sums.iter().enumerate() {
                for (n, &sum) in sums.iter().enumerate() {
                    let to = out.add((n * self.tiles + m) * lanes).cast::<T::Vector<S>>();
                    let sum = if first > 0 { T::plus(simd, to.read_unaligned(), sum) } else { sum };
                    to.write_unaligned(sum);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The products of `tiles` tiles in registers of eight, six or ten tiles at once.
    fn products<const UNIT: usize>(tiles: usize, channels: usize, outputs: usize) -> Vec<f32> {
        let simd = pulp::Scalar256b;
        let (points, phases, lanes) = (3, 2, f32::lanes::<pulp::Scalar256b>());
        let values = |count: usize, salt: usize| -> Vec<f32> {
            (0..count).map(|i| ((i * 37 + salt) % 101) as f32 / 50.0 - 1.0).collect()
        };
        let groups = phases * channels.div_ceil(lanes);
        let weights = values(outputs * points * phases * channels * lanes, 5);
        let inputs = values(points * groups * tiles * lanes, 11);
        let mut products = vec![f32::NAN; points * outputs * tiles * lanes];
        let of = Products {
            points,
            phases,
            channels,
            outputs,
            tiles,
            weights: &weights,
            inputs: &inputs,
            products: &mut products,
        };
        of.by::<_, UNIT>(simd);
        products
    }

    #[test]
    fn ten_tiles_at_once_give_what_six_do() {
        for tiles in (2..=30).step_by(2) {
            // Whole registers and parts of them; several passes; pairs of outputs, and a single one at the end.
            for (channels, outputs) in [(8, 2), (13, 1), (300, 3)] {
                let (six, ten) =
                    (products::<1>(tiles, channels, outputs), products::<2>(tiles, channels, outputs));
                assert!(six.iter().all(|value| value.is_finite()));
                assert_eq!(six, ten, "{tiles} tiles, {channels} channels, {outputs} outputs");
            }
        }
    }
}
