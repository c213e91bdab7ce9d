//! What a convolution window does to a zero-padded square map: tables by side, kernel and stride.
//!
//! Positions along one axis fall into classes by their distance to the border; the last class is the whole interior.
//! Fluctuations of the map are split into octaves of spatial frequency. `docs/closed-form.md`, section 2, lists the
//! symbols.

use super::few_inputs::few_inputs;
use super::rows::{CLASSES, Row};
use std::f64::consts::PI;

/// Kernel sizes with tables; the super blocks have no others.
const KERNELS: [u32; 4] = [1, 3, 5, 7];

/// The tables of one window on one map. q is the share of output positions at which a tap lies inside the map.
#[derive(Clone, Debug)]
pub struct Geometry {
    /// Side of the input.
    pub side: u32,
    /// Side of the output.
    pub out_side: u32,
    /// How far apart, in classes, positions can be that see each other through the window: 0 where it neither averages
    /// nor subsamples (kernel 1, stride 1); all classes where it subsamples, or is wider than any that has tables.
    pub reach: usize,
    pub extent: Extent,
    /// Number of taps inside the map, along one axis: by class of the input, then of the output.
    pub window: [Row; CLASSES],
    /// The same with each tap weighted by its q.
    pub weighted: [Row; CLASSES],
    /// Share of the output positions in each class.
    pub share: Row,
    /// `window` averaged over the output positions: by class of the input.
    pub mean_window: Row,
    /// `weighted` averaged over the output positions: by class of the input.
    pub mean_weighted: Row,
    /// 1 / Σ q² over the taps of one axis.
    pub per_axis_squares: f32,
    /// 1 / (Σ q)²: one over the number of taps inside the map, in two dimensions.
    pub per_taps: f32,
    /// B: images of a batch.
    pub batch: f32,
    /// 1/B.
    pub per_batch: f32,
    /// B·H·W: output positions of all images.
    pub pixels: f32,
    /// 1/(B·H·W).
    pub per_pixels: f32,
    /// (Σ q²)² / (Σ q)⁴, which is Σ q² / (Σ q)² in two dimensions: the part of independent noise that stays in
    /// correlations.
    pub mixing: f32,
    /// Share of the modes, by octave.
    pub modes: Row,
    /// Part of the power that the window leaves, by octave.
    pub response: Row,
    /// Part of the modes that a stride leaves in their octave.
    pub kept: Row,
    /// Share of each octave in the modes that a stride moves.
    pub folded: Row,
}

/// How many classes and octaves maps of some sides have. Those that a map does not have count for nothing in it, nor in
/// what follows: maps never grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Sides of at most 8.
    Small,
    Large,
}

impl Extent {
    fn of(side: u32) -> Extent {
        if side <= 8 { Extent::Small } else { Extent::Large }
    }

    /// As many classes as octaves.
    pub const fn length(self) -> usize {
        match self {
            Extent::Small => CLASSES / 2,
            Extent::Large => CLASSES,
        }
    }
}

/// The class of a position: its distance from the nearer border, at most that of the interior.
fn class(position: u32, side: u32) -> usize {
    (position.min(side - 1 - position) as usize).min(CLASSES - 1)
}

/// The modes n of an octave, as (low, high) with low < n ≤ high: octave j holds those with 2^(j−1) < n ≤ 2^j.
fn octave(j: usize, side: u32) -> (u32, u32) {
    let low = if j == 0 { 0 } else { 1 << (j - 1) };
    let high = if j == CLASSES - 1 { side } else { 1 << j };
    (side.min(low), side.min(high))
}

/// Share of the two-dimensional modes of each octave.
fn modes(side: u32) -> Row {
    std::array::from_fn(|j| {
        let (low, high) = octave(j, side);
        let square = |n: u32| (f64::from(n) / f64::from(side)).powi(2);
        (square(high) - square(low)) as f32
    })
}

/// What a window of `kernel` taps leaves of the power of each octave, between absorbing borders.
fn response(side: u32, kernel: u32) -> [f64; CLASSES] {
    let k = f64::from(kernel);
    let deviation = ((k * k - 1.0) / 12.0).sqrt();
    // A random walk with steps of this deviation is absorbed somewhat outside the border: 0.5826 deviations is the
    // mean overshoot of a walk.
    let length = f64::from(side) - 1.0 + 2.0 * (0.5826 * deviation + 0.5);
    let mut sums = vec![0.0; side as usize + 1];
    for n in 1..=side as usize {
        let half = PI * n as f64 / length / 2.0;
        sums[n] = sums[n - 1] + ((k * half).sin() / (k * half.sin())).powi(2);
    }
    std::array::from_fn(|j| {
        let (low, high) = octave(j, side);
        let modes = f64::from(high).powi(2) - f64::from(low).powi(2);
        let power = sums[high as usize].powi(2) - sums[low as usize].powi(2);
        if modes > 0.0 { power / modes } else { 0.0 }
    })
}

/// Corrects what crosses the edge of the interior (docs/closed-form.md, section 3.1). The interior is one class, but
/// what crosses its edge is not its mean value. A shape that is flat in the middle and falls off like a parabola has,
/// at the edge of an interior of half-width h, the slope (mean − value at the edge)·3/h. The interior and its
/// neighbours therefore exchange less than neighbouring classes of single positions do, and the rest stays where it
/// is.
fn resolve_interior(sums: &mut [[f64; CLASSES]; CLASSES], side: u32, out_side: u32, stride: u32) {
    const LAST: usize = CLASSES - 1;
    let half = f64::from(side) / 2.0 - LAST as f64;
    if stride > 1 || side != out_side || half <= 1.5 {
        return;
    }
    let share = 1.0 / (half / 3.0 + 0.5);
    for other in 0..LAST {
        let (inward, outward) = (sums[other][LAST] * (1.0 - share), sums[LAST][other] * (1.0 - share));
        sums[other][LAST] -= inward;
        sums[other][other] += outward;
        sums[LAST][other] -= outward;
        sums[LAST][LAST] += inward;
    }
}

/// The input position that tap number `tap` reads for output position `at`, if it lies inside the map.
fn tap_position(side: u32, kernel: u32, stride: u32, at: u32, tap: u32) -> Option<u32> {
    let position = i64::from(at * stride) + i64::from(tap) - i64::from(kernel / 2);
    (0..i64::from(side)).contains(&position).then_some(position as u32)
}

/// q: for each tap of one axis, the share of output positions at which it lies inside the map.
fn coverage(side: u32, kernel: u32, stride: u32, out_side: u32) -> Vec<f64> {
    let inside =
        |tap| (0..out_side).filter(|&at| tap_position(side, kernel, stride, at, tap).is_some()).count();
    (0..kernel).map(|tap| inside(tap) as f64 / f64::from(out_side)).collect()
}

/// Taps inside the map along one axis, added up over output positions: by class of the input, then of the output.
struct Taps {
    window: [[f64; CLASSES]; CLASSES],
    /// The same with each tap weighted by its q.
    weighted: [[f64; CLASSES]; CLASSES],
    /// Number of output positions in each class.
    positions: [f64; CLASSES],
}

impl Taps {
    fn count(side: u32, kernel: u32, stride: u32, out_side: u32, coverage: &[f64]) -> Taps {
        let mut taps = Taps {
            window: [[0.0; CLASSES]; CLASSES],
            weighted: [[0.0; CLASSES]; CLASSES],
            positions: [0.0; CLASSES],
        };
        for at in 0..out_side {
            let to = class(at, out_side);
            taps.positions[to] += 1.0;
            for tap in 0..kernel {
                if let Some(position) = tap_position(side, kernel, stride, at, tap) {
                    let from = class(position, side);
                    taps.window[from][to] += 1.0;
                    taps.weighted[from][to] += coverage[tap as usize];
                }
            }
        }
        resolve_interior(&mut taps.window, side, out_side, stride);
        resolve_interior(&mut taps.weighted, side, out_side, stride);
        taps
    }

    /// Means over the output positions of each class.
    fn by_class(&self, sums: [[f64; CLASSES]; CLASSES]) -> [Row; CLASSES] {
        sums.map(|row| std::array::from_fn(|to| (row[to] / f64::max(self.positions[to], 1.0)) as f32))
    }
}

/// Means over all output positions, whatever their class.
fn over_all(sums: [[f64; CLASSES]; CLASSES], out_side: u32) -> Row {
    sums.map(|row| (row.iter().sum::<f64>() / f64::from(out_side)) as f32)
}

/// [`response`] scaled such that the power of white noise is divided by the number of taps inside the map, which is
/// the square of `taps`. The share of the noise in the widest mode stays.
fn white_response(side: u32, kernel: u32, modes: &Row, taps: f64) -> [f64; CLASSES] {
    let mut left = response(side, kernel);
    if kernel > 1 {
        let others: f64 = (1..CLASSES).map(|j| f64::from(modes[j]) * left[j]).sum();
        let want = (1.0 / (taps * taps) - f64::from(modes[0])).max(0.0);
        let scale = if others > 0.0 { want / others } else { 0.0 };
        left[1..].iter_mut().for_each(|left| *left *= scale);
    }
    left[0] = 1.0;
    left
}

/// The part of the modes of each octave that a stride leaves in its place: on every second position, the finer half of
/// the modes looks like coarser ones.
fn kept(side: u32, stride: u32, out_side: u32) -> Row {
    std::array::from_fn(|j| {
        let (low, high) = octave(j, side);
        let square = |n: u32| f64::from(n).powi(2);
        let all = square(high) - square(low);
        let below = square(high.min(out_side)) - square(low.min(out_side));
        if stride == 1 || all == 0.0 { 1.0 } else { (below / all) as f32 }
    })
}

impl Geometry {
    /// The tables for maps of `side` pixels, a window of `kernel` taps a side, and `batch` images.
    pub fn new(side: u32, kernel: u32, stride: u32, batch: u32) -> Geometry {
        let out_side = side.div_ceil(stride);
        let coverage = coverage(side, kernel, stride, out_side);
        let taps = Taps::count(side, kernel, stride, out_side, &coverage);
        let sum: f64 = coverage.iter().sum();
        let squares: f64 = coverage.iter().map(|q| q * q).sum();
        let modes_before = modes(side);
        let pixels = batch as f32 * out_side as f32 * out_side as f32;
        Geometry {
            side,
            out_side,
            reach: if stride == 1 && kernel <= 7 { kernel as usize / 2 } else { CLASSES - 1 },
            extent: Extent::of(side),
            window: taps.by_class(taps.window),
            weighted: taps.by_class(taps.weighted),
            mean_window: over_all(taps.window, out_side),
            mean_weighted: over_all(taps.weighted, out_side),
            share: taps.positions.map(|n| (n / f64::from(out_side)) as f32),
            per_axis_squares: (1.0 / squares) as f32,
            per_taps: (1.0 / (sum * sum)) as f32,
            batch: batch as f32,
            per_batch: 1.0 / batch as f32,
            pixels,
            per_pixels: 1.0 / pixels,
            mixing: (squares * squares / sum.powi(4)) as f32,
            modes: modes_before,
            response: white_response(side, kernel, &modes_before, sum).map(|x| x as f32),
            kept: kept(side, stride, out_side),
            folded: modes(out_side),
        }
    }
}

/// The tables of every map that a network of strides 1 and 2 can have on inputs of one side.
#[derive(Clone, Debug)]
pub struct Tables {
    /// Sides of the maps.
    sides: Vec<u32>,
    /// The windows on each of them: for every kernel size strides 1 and 2.
    levels: Vec<Geometry>,
    /// [`few_inputs`], by the number of inputs.
    few: Vec<f32>,
}

/// From this number of inputs on, the first-order correction of a sum of them suffices.
const MANY: usize = 64;

impl Tables {
    pub fn new(resolution: u32, batch: u32) -> Tables {
        let (mut sides, mut levels) = (Vec::new(), Vec::new());
        let mut side = resolution;
        loop {
            sides.push(side);
            for kernel in KERNELS {
                levels.extend([1, 2].map(|stride| Geometry::new(side, kernel, stride, batch)));
            }
            if side <= 1 {
                let few = (0..MANY).map(|n| few_inputs(n.max(1) as f32)).collect();
                return Tables { sides, levels, few };
            }
            side = side.div_ceil(2);
        }
    }

    /// [`few_inputs`] of a number of inputs.
    #[inline(always)]
    pub fn few(&self, inputs: u32) -> f32 {
        self.few.get(inputs as usize).copied().unwrap_or(1.0)
    }

    /// All tables.
    #[cfg(test)]
    pub fn all(&self) -> impl Iterator<Item = &Geometry> {
        self.levels.iter()
    }

    /// The table for a window, if there is one.
    #[inline(always)]
    pub fn find(&self, side: u32, kernel: u32, stride: u32) -> Option<&Geometry> {
        if kernel.is_multiple_of(2) || kernel > 7 || !(1..=2).contains(&stride) {
            return None;
        }
        let within = (kernel - 1 + stride - 1) as usize;
        let level = self.sides.iter().position(|&s| s == side)?;
        self.levels.get(level * 2 * KERNELS.len() + within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coverage_of_a_small_map() {
        // Side 2, 3×3: per axis the outer taps cover half of the positions.
        let g = Geometry::new(2, 3, 1, 16);
        assert_eq!((g.per_taps, g.per_axis_squares), (0.25, 1.0 / 1.5));
        assert_eq!(g.window[0][0], 2.0);
        let point = Geometry::new(7, 1, 1, 16);
        assert!(point.reach == 0 && point.per_taps == 1.0 && point.mixing == 1.0);
    }

    #[test]
    fn tables_are_found() {
        let tables = Tables::new(224, 16);
        for side in [224, 112, 56, 28, 14, 7, 4, 2, 1] {
            for kernel in KERNELS {
                for stride in [1, 2] {
                    let g = tables.find(side, kernel, stride).unwrap();
                    assert_eq!((g.side, g.out_side), (side, side.div_ceil(stride)));
                    assert!((g.share.iter().sum::<f32>() - 1.0).abs() < 1e-6);
                    assert!((g.modes.iter().sum::<f32>() - 1.0).abs() < 1e-6);
                    // White noise over the taps inside.
                    let left: f32 = g.modes.iter().zip(g.response).map(|(m, r)| m * r).sum();
                    assert!(
                        (left / g.per_taps - 1.0).abs() < 1e-3 || left == g.modes[0],
                        "{side} {kernel}: {left}"
                    );
                }
            }
        }
        assert!(tables.find(100, 3, 1).is_none() && tables.find(7, 9, 1).is_none());
    }
}
