//! Weights and biases in integers.

use crate::weights::Parameters;

/// The parameters of a convolution or a linear layer.
#[derive(Clone, Debug, PartialEq)]
pub struct IntegerWeights {
    /// In the order of [`Parameters::weight`].
    pub weight: Vec<i8>,
    /// One for each output channel.
    pub scales: Vec<f32>,
    /// One for each output channel, in units of the map's scale times the weight's; zeros where the layer has none.
    pub bias: Vec<i32>,
}

/// How much of the range of 8-bit integers weights use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightRange {
    /// −127 to 127.
    Full,
    /// −64 to 64, of which two products with an unsigned map have room in 16 bits: x86-64 processors without VNNI add
    /// them there, and cut off what has none (docs/decisions/098).
    Reduced,
}

impl WeightRange {
    /// The largest integer.
    fn most(self) -> f64 {
        match self {
            WeightRange::Full => 127.0,
            WeightRange::Reduced => 64.0,
        }
    }
}

/// Largest bias in its units, so that sums of 32 bits have room for the products beside it.
const MOST_BIAS: f64 = (1 << 30) as f64;
/// Units of the bias of a channel whose weights are all zero.
const BIAS_ALONE: f64 = (1 << 24) as f64;

/// `parameters` for a map with this scale.
pub fn integers(parameters: &Parameters, map_scale: f32, range: WeightRange) -> IntegerWeights {
    let most = range.most();
    let channels = parameters.shape[0];
    let fan_in = (parameters.weight.len() / channels.max(1)).max(1);
    let bias_of = |channel: usize| {
        let bias = parameters.bias.as_ref().and_then(|bias| bias.get(channel));
        f64::from(bias.copied().unwrap_or(0.0))
    };
    let map_scale = f64::from(map_scale);
    let (mut scales, mut bias) = (Vec::with_capacity(channels), Vec::with_capacity(channels));
    let mut weight = Vec::with_capacity(parameters.weight.len());
    for (channel, row) in parameters.weight.chunks(fan_in).enumerate() {
        let largest = row.iter().fold(0.0_f32, |most, weight| most.max(weight.abs()));
        let shift = bias_of(channel);
        let scale = match largest {
            0.0 if shift == 0.0 => 1.0,
            0.0 => shift.abs() / map_scale / BIAS_ALONE,
            _ => (f64::from(largest) / most).max(shift.abs() / map_scale / MOST_BIAS),
        } as f32;
        let units = |number: f64, unit: f64| (number / unit).round();
        weight.extend(row.iter().map(|&w| units(f64::from(w), f64::from(scale)).clamp(-most, most) as i8));
        bias.push(units(shift, f64::from(scale) * map_scale) as i32);
        scales.push(scale);
    }
    IntegerWeights { weight, scales, bias }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_have_scales_of_their_own() {
        let parameters = Parameters {
            shape: vec![4, 2],
            weight: vec![1.27, -0.635, 0.0, 12.7, 0.0, 0.0, 1e-12, 0.0],
            bias: Some(vec![0.5, 0.0, 3.0, 2.0]),
        };
        let found = integers(&parameters, 0.1, WeightRange::Full);
        assert_eq!(found.weight[..6], [127, -64, 0, 127, 0, 0]);
        assert!((found.scales[0] - 0.01).abs() < 1e-6 && (found.scales[1] - 0.1).abs() < 1e-6);
        for (channel, bias) in [(0, 0.5), (1, 0.0), (2, 3.0), (3, 2.0)] {
            let back = found.bias[channel] as f32 * found.scales[channel] * 0.1;
            assert!((back - bias).abs() < 1e-3, "channel {channel}: {back}");
            assert!(found.bias[channel].unsigned_abs() <= 1 << 30);
        }
        let none = integers(&Parameters { bias: None, ..parameters }, 0.1, WeightRange::Full);
        assert_eq!(none.bias, [0; 4]);
    }

    /// 255 is the largest integer of an unsigned map.
    #[test]
    fn two_products_of_the_reduced_range_have_room_in_16_bits() {
        let parameters = Parameters { shape: vec![1, 3], weight: vec![1.0, -1.0, 0.5], bias: None };
        let found = integers(&parameters, 0.1, WeightRange::Reduced);
        assert_eq!(found.weight, [64, -64, 32]);
        assert!((found.scales[0] - 1.0 / 64.0).abs() < 1e-6);
        let most = found.weight.iter().map(|&weight| i32::from(weight).abs()).max().unwrap_or(0);
        assert!(2 * 255 * most <= i32::from(i16::MAX), "{most}");
    }
}
