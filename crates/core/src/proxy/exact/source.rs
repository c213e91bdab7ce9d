//! Where random weights and inputs come from.
//!
//! Both sources give any part of a tensor by its position, so that threads may draw in any order.

use super::kernel::BLOCK;
use super::real::Real;
use pulp::{Simd, WithSimd};
use std::f64::consts::TAU;

/// A tensor that is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tensor {
    /// Weights of the convolution or linear layer with this index, in the order of the walk.
    Weights(usize),
    /// The images.
    Input,
    /// What the images are disturbed with.
    Noise,
}

/// How weights are scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scaling {
    /// N(0, 1), whatever the fan-in (docs/plainnet.md, section 5.1).
    Unit,
    /// N(0, 1) / √fan-in.
    FanIn,
    /// Uniform in ±1/√fan-in, the default of the framework of the released code.
    Uniform,
}

impl Scaling {
    fn factor(self, fan_in: usize) -> f32 {
        match self {
            Scaling::Unit => 1.0,
            Scaling::FanIn | Scaling::Uniform => (1.0 / (fan_in as f64).sqrt()) as f32,
        }
    }
}

/// A source of random tensors. Values have the precision of `f32`.
pub trait Source<T>: Sync {
    /// Rows `first..first + rows` (at most [`BLOCK`]) of the weights of layer `index`, each of `fan_in`
    /// values; `out` is one block as [`super::kernel`] reads it. Missing rows are zero.
    fn block(&self, index: usize, first: usize, rows: usize, fan_in: usize, out: &mut [T]);

    /// Values `first…` of a tensor of normal numbers, row-major; `first` is a multiple of [`CHUNK`].
    fn fill(&self, tensor: Tensor, first: usize, out: &mut [T]);
}

/// The generator of the golden scores. It makes normal numbers from splitmix64 by the method of Box and
/// Muller, in one stream for the whole case (docs/plainnet.md, section 5.6).
#[derive(Clone, Debug)]
pub struct Golden {
    seed: u64,
    /// Position in the stream of each layer's weights, then of the input, of the noise, and the end.
    starts: Vec<u64>,
    scaling: Scaling,
}

impl Golden {
    /// The stream of `seed` behind `skip` numbers, for layers with these numbers of weights.
    pub fn new(seed: u64, skip: u64, weights: &[usize], input: usize, scaling: Scaling) -> Golden {
        let mut at = skip;
        let mut starts = Vec::with_capacity(weights.len() + 3);
        for &len in weights.iter().chain(&[input, input, 0]) {
            starts.push(at);
            at += len as u64;
        }
        Golden { seed, starts, scaling }
    }

    /// Numbers up to the end of the noise: what a repeat must skip.
    pub fn end(&self) -> u64 {
        self.starts[self.starts.len() - 1]
    }

    fn start(&self, tensor: Tensor) -> u64 {
        let inputs = self.starts.len() - 3;
        match tensor {
            Tensor::Weights(index) => self.starts[index],
            Tensor::Input => self.starts[inputs],
            Tensor::Noise => self.starts[inputs + 1],
        }
    }

    /// Normal number `position` of the stream of `seed`, not rounded.
    pub fn normal(seed: u64, position: u64) -> f64 {
        let [a, b] = [1, 2].map(|draw| splitmix(seed, 2 * position + draw));
        let u1 = ((a >> 11) + 1) as f64 * 2f64.powi(-53);
        let u2 = (b >> 11) as f64 * 2f64.powi(-53);
        (-2.0 * u1.ln()).sqrt() * (TAU * u2).cos()
    }

    fn value<T: Real>(&self, position: u64) -> T {
        T::of(f64::from(Golden::normal(self.seed, position) as f32))
    }
}

/// Output number `draw` (from 1) of splitmix64.
fn splitmix(seed: u64, draw: u64) -> u64 {
    let mut z = seed.wrapping_add(draw.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl<T: Real> Source<T> for Golden {
    fn block(&self, index: usize, first: usize, rows: usize, fan_in: usize, out: &mut [T]) {
        let start = self.start(Tensor::Weights(index));
        let factor = self.scaling.factor(fan_in);
        out.fill(T::default());
        for row in 0..rows {
            for k in 0..fan_in {
                let position = start + ((first + row) * fan_in + k) as u64;
                // The golden files scale in single precision.
                let value = Golden::normal(self.seed, position) as f32 * factor;
                out[k * BLOCK + row] = T::of(f64::from(value));
            }
        }
    }

    fn fill(&self, tensor: Tensor, first: usize, out: &mut [T]) {
        let start = self.start(tensor) + first as u64;
        for (position, value) in (start..).zip(out) {
            *value = self.value(position);
        }
    }
}

/// Values that one step of [`Seeded`] makes; tensors are filled in multiples of it.
pub const CHUNK: usize = 32;

/// The generator of everything but golden cases: a hash of (seed, tensor, block, counter), about a
/// nanosecond per number with wide registers.
///
/// With common random numbers the same layer index draws the same numbers in every network, which takes
/// much of the noise out of a comparison; otherwise `salt` tells networks apart.
#[derive(Clone, Copy, Debug)]
pub struct Seeded {
    pub seed: u64,
    pub repeat: u64,
    pub salt: u64,
    pub scaling: Scaling,
}

impl Seeded {
    /// The two keys of a stream.
    fn keys(&self, tensor: Tensor, block: usize) -> [u32; 2] {
        let tensor = match tensor {
            Tensor::Weights(index) => index as u64 + 2,
            Tensor::Input => 0,
            Tensor::Noise => 1,
        };
        let mut key = splitmix(self.seed, 1) ^ self.salt;
        for part in [self.repeat, tensor, block as u64] {
            key = splitmix(key ^ part, 1);
        }
        [key as u32, (key >> 32) as u32]
    }

    fn draw<T: Real>(&self, keys: [u32; 2], first: usize, factor: f32, out: &mut [T]) {
        let uniform = self.scaling == Scaling::Uniform;
        pulp::Arch::new().dispatch(Draw { keys, first, factor, uniform, out });
    }
}

/// A part of a stream, from number `first` on. A type and no closure: the body of a closure is compiled apart, for the narrowest
/// registers.
struct Draw<'a, T> {
    keys: [u32; 2],
    first: usize,
    factor: f32,
    uniform: bool,
    out: &'a mut [T],
}

impl<T: Real> WithSimd for Draw<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Draw { keys, first, factor, uniform, out } = self;
        let (chunks, rest) = out.as_chunks_mut::<CHUNK>();
        let mut base = (first / CHUNK * (CHUNK / 2)) as u32;
        for out in chunks {
            let values = if uniform { uniforms(keys, base) } else { normals(keys, base) };
            base = base.wrapping_add(CHUNK as u32 / 2);
            for (out, value) in out.iter_mut().zip(values) {
                *out = T::of(f64::from(value * factor));
            }
        }
        if !rest.is_empty() {
            let values = if uniform { uniforms(keys, base) } else { normals(keys, base) };
            for (out, value) in rest.iter_mut().zip(values) {
                *out = T::of(f64::from(value * factor));
            }
        }
    }
}

impl<T: Real> Source<T> for Seeded {
    fn block(&self, index: usize, first: usize, rows: usize, fan_in: usize, out: &mut [T]) {
        // Groups of a few rows begin anywhere; each has a stream of its own.
        let keys = self.keys(Tensor::Weights(index), (first / BLOCK) | (first % BLOCK) << 32);
        self.draw(keys, 0, self.scaling.factor(fan_in), out);
        if rows < BLOCK {
            out.chunks_mut(BLOCK).for_each(|column| column[rows..].fill(T::default()));
        }
    }

    fn fill(&self, tensor: Tensor, first: usize, out: &mut [T]) {
        let normal = Seeded { scaling: Scaling::Unit, ..*self };
        normal.draw(self.keys(tensor, 0), first, 1.0, out);
    }
}

/// An integer hash with full avalanche (two rounds of xor-shift-multiply).
#[inline(always)]
fn hash(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x21f0_aaad);
    x ^= x >> 15;
    x = x.wrapping_mul(0xd35a_2d97);
    x ^ (x >> 15)
}

#[inline(always)]
fn bits(keys: [u32; 2], base: u32) -> [[u32; 16]; 2] {
    let (mut a, mut b) = ([0; 16], [0; 16]);
    for lane in 0..16 {
        let x = hash((base + lane as u32).wrapping_mul(0x9e37_79b9) ^ keys[0]);
        a[lane] = hash(x.wrapping_add(keys[1]));
        b[lane] = hash(x ^ keys[1].wrapping_mul(0x85eb_ca6b) ^ 0x5bd1_e995);
    }
    [a, b]
}

/// Uniform in ±1.
#[inline(always)]
fn uniforms(keys: [u32; 2], base: u32) -> [f32; CHUNK] {
    let [a, b] = bits(keys, base);
    let mut out = [0.0; CHUNK];
    for lane in 0..16 {
        out[lane] = a[lane] as i32 as f32 * 2f32.powi(-31);
        out[16 + lane] = b[lane] as i32 as f32 * 2f32.powi(-31);
    }
    out
}

/// Normal numbers by Box and Muller, with polynomials in place of the library's functions.
#[inline(always)]
fn normals(keys: [u32; 2], base: u32) -> [f32; CHUNK] {
    let [a, b] = bits(keys, base);
    let mut out = [0.0; CHUNK];
    for lane in 0..16 {
        // (0, 1): 31 bits are enough for a tail of 6.5 deviations.
        let u = ((a[lane] >> 1) as i32 as f32 + 0.5) * 2f32.powi(-31);
        let radius = (-2.0 * ln(u)).max(0.0).sqrt();
        let (sin, cos) = sin_cos_turns(b[lane] as i32 as f32 * 2f32.powi(-32));
        out[lane] = radius * cos;
        out[16 + lane] = radius * sin;
    }
    out
}

/// ln of a normal positive number, to about 1e-7: ln(m·2^e) = e·ln 2 + 2·artanh((m − 1)/(m + 1)).
#[inline(always)]
fn ln(x: f32) -> f32 {
    // Shifts the mantissa into [√½, √2).
    let shifted = x.to_bits().wrapping_sub(0x3f35_04f3);
    let exponent = (shifted as i32 >> 23) as f32;
    let m = f32::from_bits((shifted & 0x007f_ffff).wrapping_add(0x3f35_04f3));
    let t = (m - 1.0) / (m + 1.0);
    let t2 = t * t;
    let series = 2.0 + t2 * (2.0 / 3.0 + t2 * (2.0 / 5.0 + t2 * (2.0 / 7.0 + t2 * (2.0 / 9.0))));
    exponent * std::f32::consts::LN_2 + t * series
}

/// sin and cos of `turns` · 2π for |turns| ≤ ½, to about 1e-7.
#[inline(always)]
fn sin_cos_turns(turns: f32) -> (f32, f32) {
    // Nearest quarter; adding and taking away 1.5·2²³ rounds.
    const SHIFT: f32 = 12_582_912.0;
    let quarters = turns * 4.0;
    let shifted = quarters + SHIFT;
    let nearest = shifted - SHIFT;
    let angle = (quarters - nearest) * std::f32::consts::FRAC_PI_2;
    let square = angle * angle;
    let sin = angle * (1.0 + square * (-1.0 / 6.0 + square * (1.0 / 120.0 + square * (-1.0 / 5_040.0))));
    let cos =
        1.0 + square * (-0.5 + square * (1.0 / 24.0 + square * (-1.0 / 720.0 + square * (1.0 / 40_320.0))));
    // The last bits of its representation are those of the integer; a conversion would look at each number apart.
    let quarter = shifted.to_bits();
    let (s, c) = if quarter & 1 == 0 { (sin, cos) } else { (cos, sin) };
    let s = if quarter & 2 == 0 { s } else { -s };
    let c = if (quarter + 1) & 2 == 0 { c } else { -c };
    (s, c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_stream_for_seed_42() {
        assert!((Golden::normal(42, 0) - 0.414_719_750_431_530_5).abs() < 1e-15);
        assert!((Golden::normal(42, 1) + 0.891_886_213_627_756_2).abs() < 1e-15);
    }

    #[test]
    fn approximations_are_good_to_a_few_units_in_the_last_place() {
        for i in 1..=20_000_u16 {
            let x = f32::from(i) / 20_000.0;
            assert!((f64::from(ln(x)) - f64::from(x).ln()).abs() < 4e-7, "ln {x}");
            let turns = x - 0.5;
            let (sin, cos) = sin_cos_turns(turns);
            let angle = TAU * f64::from(turns);
            assert!((f64::from(sin) - angle.sin()).abs() < 4e-7, "sin {turns}");
            assert!((f64::from(cos) - angle.cos()).abs() < 4e-7, "cos {turns}");
        }
    }

    #[test]
    fn every_depthwise_channel_has_a_filter_of_its_own() {
        let source = Seeded { seed: 1, repeat: 0, salt: 0, scaling: Scaling::Unit };
        let filter = |channel: usize| -> Vec<f32> {
            let mut block = vec![0.0_f32; 9 * BLOCK];
            source.block(4, channel, 1, 9, &mut block);
            block.chunks(BLOCK).map(|column| column[0]).collect()
        };
        let filters: Vec<Vec<f32>> = (0..40).map(filter).collect();
        for (channel, one) in filters.iter().enumerate() {
            assert!(filters[..channel].iter().all(|other| other != one), "channel {channel}");
        }
    }

    #[test]
    fn seeded_numbers_are_standard_normal_and_differ_by_tensor() {
        let source = Seeded { seed: 1, repeat: 0, salt: 0, scaling: Scaling::Unit };
        let mut values = vec![0f32; 1 << 20];
        source.fill(Tensor::Input, 0, &mut values);
        let n = values.len() as f64;
        let moment = |p: i32| values.iter().map(|&v| f64::from(v).powi(p)).sum::<f64>() / n;
        for (p, want, tolerance) in [(1, 0.0, 0.004), (2, 1.0, 0.006), (3, 0.0, 0.016), (4, 3.0, 0.04)] {
            assert!((moment(p) - want).abs() < tolerance, "moment {p}: {}", moment(p));
        }
        // Neighbours and the two halves of a step are uncorrelated.
        for lag in [1, 15, 16, 17, 32] {
            let sum: f64 =
                values.iter().zip(&values[lag..]).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
            assert!((sum / n).abs() < 0.004, "lag {lag}: {}", sum / n);
        }
        let mut noise = vec![0f32; 64];
        source.fill(Tensor::Noise, 0, &mut noise);
        assert_ne!(noise, values[..64]);
        // Any part gives the same numbers.
        let mut part = vec![0f32; 64];
        source.fill(Tensor::Input, 96, &mut part);
        assert_eq!(part, values[96..160]);
    }
}
