//! Regression kriging: a linear model, and a Gaussian process for what it leaves over in the logarithm.
//!
//! A kernel's error is that of the measured kernels near it, in sizes in octaves with a length scale for each. Far
//! from all of them nothing is added to the linear model. For few rows this is much better than trees: it needs no
//! rows on both sides of a cut.
//!
//! Nearness is 1 / (1 + d²/2), the rational quadratic of Rasmussen & Williams (Gaussian Processes for Machine
//! Learning, 2006, equation 4.19) with α = 1: unlike the others it takes no call of a library for each measured kernel.

use super::kernel_model::KernelModel;
use super::linear::Linear;
use crate::predictor::features::{Named, Quantities};
use crate::predictor::layout;
use pulp::{Simd, WithSimd};
use serde::{Deserialize, Serialize};

/// Most measured kernels that a model remembers: each is looked at for each prediction.
pub const MAX_POINTS: usize = 1_000;
const MAX_INPUTS: usize = 16;
/// Largest correction, in the logarithm: no linear model is off by more than twenty times.
const MAX_LOG: f64 = 3.0;
/// Kernels that are predicted side by side.
const MANY: usize = 4;
/// Points whose distances are added up side by side.
const ABREAST: usize = 32;
/// Sums of weighted nearnesses that are added up side by side: in one sum each addition would wait for the one before.
const SUMS: usize = 8;

/// A linear model times the exponential of a weighted sum of nearnesses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Kriging {
    pub base: Linear,
    inputs: Vec<Input>,
    weights: Vec<f64>,
    /// Where measured kernels lie, in lengths: so many of them along each input, then the next ones. The last ones are filled up.
    places: Vec<[f32; ABREAST]>,
    /// The weights, as places are: zeros fill up the last ones.
    shares: Vec<[f64; ABREAST]>,
}

/// One coordinate.
#[derive(Clone, Debug, PartialEq)]
struct Input {
    feature: Named,
    /// Distance at which kernels have little in common, in units of ln(1 + feature).
    length: f64,
    /// The feature of each measured kernel.
    values: Vec<f64>,
}

/// The form of files.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    base: Linear,
    inputs: Vec<Axis>,
    weights: Vec<f64>,
}

/// A coordinate, as files hold it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    pub feature: Named,
    /// Distance at which kernels have little in common, in units of ln(1 + feature).
    pub length: f64,
    pub values: Vec<f64>,
}

/// Where a value of a feature, which is not negative, lies.
pub fn place(value: f64, length: f64) -> f64 {
    (1.0 + value).ln() / length
}

/// What kernels at this squared distance have in common.
pub fn nearness(squared: f64) -> f64 {
    1.0 / (1.0 + 0.5 * squared)
}

impl Kriging {
    /// `weights` has one number for each measured kernel, and so has each axis.
    pub fn new(base: Linear, axes: Vec<Axis>, weights: Vec<f64>) -> Kriging {
        let count = axes.len();
        let mut places = vec![[0.0; ABREAST]; weights.len().div_ceil(ABREAST) * count];
        for (j, Axis { length, values, .. }) in axes.iter().enumerate() {
            for (i, &value) in values.iter().enumerate() {
                places[i / ABREAST * count + j][i % ABREAST] = place(value, *length) as f32;
            }
        }
        let input = |Axis { feature, length, values }: Axis| Input { feature, length, values };
        let mut shares = vec![[0.0; ABREAST]; weights.len().div_ceil(ABREAST)];
        for (i, &weight) in weights.iter().enumerate() {
            shares[i / ABREAST][i % ABREAST] = weight;
        }
        Kriging { base, inputs: axes.into_iter().map(input).collect(), weights, places, shares }
    }
}

impl Kriging {
    /// Where kernels lie; the place of a value that the one before has, too, is not found again.
    fn places<const PLACES: usize>(&self, quantities: &[Quantities]) -> [[f32; MAX_INPUTS]; PLACES] {
        let mut at = [[0.0; MAX_INPUTS]; PLACES];
        for (j, Input { feature, length, .. }) in self.inputs.iter().enumerate() {
            let mut before = None;
            for (at, quantities) in at.iter_mut().zip(quantities) {
                let value = feature.0.of(quantities);
                at[j] = match before {
                    Some((same, place)) if same == value => place,
                    _ => place(value, *length) as f32,
                };
                before = Some((value, at[j]));
            }
        }
        at
    }

    /// Predicts at most `PLACES` kernels.
    fn together<const PLACES: usize>(
        &self,
        quantities: &[Quantities],
        ns: &mut [f64],
        near: &mut [Nearnesses; PLACES],
    ) {
        let at = self.places::<PLACES>(quantities);
        let logs = pulp::Arch::new().dispatch(Logs { model: self, at: &at, near });
        for ((ns, quantities), log) in ns.iter_mut().zip(quantities).zip(logs) {
            *ns = self.base.predict_ns(quantities) * log.clamp(-MAX_LOG, MAX_LOG).exp();
        }
    }
}

/// Nearnesses of a kernel to all measured ones.
type Nearnesses = [[f32; ABREAST]; MAX_POINTS.div_ceil(ABREAST)];
const NOWHERE: Nearnesses = [[0.0; ABREAST]; MAX_POINTS.div_ceil(ABREAST)];

/// What is added to the logarithm at several places, in the widest registers of this machine: each measured kernel is read once for all of
/// them. Nothing is rounded in another way for one place, or in other registers.
struct Logs<'a, const PLACES: usize> {
    model: &'a Kriging,
    at: &'a [[f32; MAX_INPUTS]; PLACES],
    /// A buffer.
    near: &'a mut [Nearnesses; PLACES],
}

impl<const PLACES: usize> WithSimd for Logs<'_, PLACES> {
    type Output = [f64; PLACES];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f64; PLACES] {
        let Logs { model: Kriging { inputs, places, shares, .. }, at, near } = self;
        let mut along = [[0.0_f32; PLACES]; MAX_INPUTS];
        for (j, along) in along.iter_mut().enumerate() {
            for (along, at) in along.iter_mut().zip(at) {
                *along = at[j];
            }
        }
        let [zero, half, one] = [0.0, 0.5, 1.0].map(|value| simd.splat_f32s(value));
        for (chunk, places) in places.chunks_exact(inputs.len()).enumerate() {
            for lane in 0..ABREAST / S::F32_LANES {
                let mut sums = [zero; PLACES];
                for (places, at) in places.iter().zip(&along) {
                    let places = S::as_simd_f32s(places).0[lane];
                    let squared = |at: f32| {
                        let distance = simd.sub_f32s(places, simd.splat_f32s(at));
                        simd.mul_f32s(distance, distance)
                    };
                    // Kernels that are alike have most of their coordinates in common.
                    if at.iter().all(|other| *other == at[0]) {
                        let squared = squared(at[0]);
                        for sum in &mut sums {
                            *sum = simd.add_f32s(*sum, squared);
                        }
                    } else {
                        for (sum, &at) in sums.iter_mut().zip(at) {
                            *sum = simd.add_f32s(*sum, squared(at));
                        }
                    }
                }
                for (near, sum) in near.iter_mut().zip(sums) {
                    let below = simd.add_f32s(one, simd.mul_f32s(half, sum));
                    S::as_mut_simd_f32s(&mut near[chunk]).0[lane] = simd.div_f32s(one, below);
                }
            }
        }
        let mut logs = [0.0; PLACES];
        for (log, near) in logs.iter_mut().zip(near) {
            *log = weighted(near, shares);
        }
        logs
    }
}

/// The sum of nearnesses, each times its weight. It is inlined into code for the widest registers, and has no closures, which would not be.
#[inline(always)]
fn weighted(near: &Nearnesses, shares: &[[f64; ABREAST]]) -> f64 {
    let mut sums = [0.0_f64; SUMS];
    for (near, shares) in near.iter().zip(shares) {
        for (near, shares) in near.chunks_exact(SUMS).zip(shares.chunks_exact(SUMS)) {
            for i in 0..SUMS {
                sums[i] += shares[i] * f64::from(near[i]);
            }
        }
    }
    sums.iter().sum()
}

impl KernelModel for Kriging {
    fn name(&self) -> &'static str {
        "kriging"
    }

    fn together(&self) -> bool {
        true
    }

    fn scale(&mut self, factor: f64) {
        self.base.scale(factor);
    }

    fn layout(&self) -> u32 {
        layout::DETAILED_SCHEMA
    }

    fn predict_ns(&self, quantities: &Quantities) -> f64 {
        let mut ns = [0.0];
        self.together(std::slice::from_ref(quantities), &mut ns, &mut [NOWHERE; 1]);
        ns[0]
    }

    fn predict_many(&self, quantities: &[Quantities], ns: &mut [f64]) {
        if let ([one], [ns]) = (quantities, &mut *ns) {
            *ns = self.predict_ns(one);
            return;
        }
        let mut near = [NOWHERE; MANY];
        for (quantities, ns) in quantities.chunks(MANY).zip(ns.chunks_mut(MANY)) {
            self.together(quantities, ns, &mut near);
        }
    }

    fn features(&self) -> Vec<Named> {
        let terms = self.base.terms.iter().map(|term| term.feature);
        terms.chain(self.inputs.iter().map(|input| input.feature)).collect()
    }

    fn check(&self) -> Result<(), String> {
        self.base.check()
    }
}

impl From<Kriging> for Stored {
    fn from(Kriging { base, inputs, weights, .. }: Kriging) -> Stored {
        let axis = |Input { feature, length, values }| Axis { feature, length, values };
        Stored { base, inputs: inputs.into_iter().map(axis).collect(), weights }
    }
}

impl TryFrom<Stored> for Kriging {
    type Error = String;

    fn try_from(Stored { base, inputs, weights }: Stored) -> Result<Kriging, String> {
        let points = weights.len();
        if inputs.is_empty() || inputs.len() > MAX_INPUTS || points == 0 || points > MAX_POINTS {
            return Err(format!("{points} measured kernels with {} coordinates", inputs.len()));
        }
        // Bounded, so that sums of products are finite.
        let within = |value: f64, most: f64| value.abs() <= most;
        if !weights.iter().all(|&weight| within(weight, 1e9)) {
            return Err("a weight is out of range".into());
        }
        for Axis { feature, length, values } in &inputs {
            let name = feature.0.name;
            if values.len() != points {
                return Err(format!("{} values of {name} for {points} measured kernels", values.len()));
            }
            if !(1e-3..=1e6).contains(length)
                || !values.iter().all(|&value| value >= 0.0 && within(value, 1e18))
            {
                return Err(format!("the length or a value of {name} is out of range"));
            }
        }
        Ok(Kriging::new(base, inputs, weights))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_hold_them_and_refuse_what_is_none() {
        let text = serde_json::json!({
            "base": { "terms": [{ "feature": "mmacs", "ns": 20.0 }] },
            "inputs": [
                { "feature": "in_c", "length": 1.5, "values": [8.0, 64.0] },
                { "feature": "stride", "length": 0.5, "values": [1.0, 2.0] },
            ],
            "weights": [0.25, -1.5],
        });
        let model: Kriging = serde_json::from_value(text.clone()).unwrap();
        assert_eq!(serde_json::to_value(&model).unwrap(), text);
        assert_eq!(model.features().len(), 3);
        for (pointer, value) in [
            ("/weights", serde_json::json!([0.25])),
            ("/weights", serde_json::json!([])),
            ("/weights/1", serde_json::json!(1e10)),
            ("/inputs", serde_json::json!([])),
            ("/inputs/0/length", serde_json::json!(0.0)),
            ("/inputs/0/length", serde_json::json!(-1.5)),
            ("/inputs/0/values", serde_json::json!([8.0, 64.0, 9.0])),
            ("/inputs/1/values/0", serde_json::json!(-1.0)),
            ("/inputs/1/feature", serde_json::json!("colour")),
        ] {
            let mut text = text.clone();
            *text.pointer_mut(pointer).unwrap() = value;
            assert!(serde_json::from_value::<Kriging>(text).is_err(), "{pointer}");
        }
        let many = serde_json::json!(vec![1.0; MAX_POINTS + 1]);
        let mut text = text;
        text["weights"] = many.clone();
        (text["inputs"][0]["values"], text["inputs"][1]["values"]) = (many.clone(), many);
        assert!(serde_json::from_value::<Kriging>(text).is_err());
    }
}
