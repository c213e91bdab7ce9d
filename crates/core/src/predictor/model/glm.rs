//! Products of powers of costs: ln T = c + Σ eⱼ · ln(1 + xⱼ/sⱼ).

use super::kernel_model::KernelModel;
use crate::predictor::features::{Named, Quantities};
use crate::predictor::ranges::within;
use serde::{Deserialize, Serialize};

/// A product of powers of costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Glm {
    /// ln of the nanoseconds where all costs are nothing.
    pub constant_ln_ns: f64,
    pub factors: Vec<Factor>,
}

/// (1 + feature/scale)^exponent
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Factor {
    pub feature: Named,
    /// In the feature's unit.
    pub scale: f64,
    /// Not negative.
    pub exponent: f64,
}

impl KernelModel for Glm {
    fn name(&self) -> &'static str {
        "glm"
    }

    fn scale(&mut self, factor: f64) {
        self.constant_ln_ns += factor.ln();
    }

    fn features(&self) -> Vec<Named> {
        self.factors.iter().map(|factor| factor.feature).collect()
    }

    fn predict_ns(&self, quantities: &Quantities) -> f64 {
        let ln = |factor: &Factor| factor.exponent * (factor.feature.0.of(quantities) / factor.scale).ln_1p();
        // Far outside the data a product of powers may leave all bounds.
        (self.constant_ln_ns + self.factors.iter().map(ln).sum::<f64>()).min(LARGEST_LN_NS).exp()
    }

    fn check(&self) -> Result<(), String> {
        if !(-50.0..LARGEST_LN_NS).contains(&self.constant_ln_ns) {
            return Err("the constant of a product of powers is out of range".into());
        }
        for Factor { feature, scale, exponent } in &self.factors {
            let of = |reason: String| format!("the power of {}: {reason}", feature.0.name);
            within("scale", *scale, &(1e-9..=1e18)).map_err(of)?;
            within("exponent", *exponent, &(0.0..=10.0)).map_err(of)?;
        }
        Ok(())
    }
}

/// About three years: far beyond any kernel, and finite.
const LARGEST_LN_NS: f64 = 39.0;
