//! Sums of features times prices: a time is a sum of non-negative costs.

use super::kernel_model::KernelModel;
use crate::predictor::features::{Named, Quantities};
use serde::{Deserialize, Serialize};

/// Eleven days for one unit of a feature: far beyond any device, and sums of it are finite.
const LARGEST_PRICE_NS: f64 = 1e15;

/// Sum of features times prices.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    pub terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    pub feature: Named,
    /// Nanoseconds for one unit of the feature; not negative.
    pub ns: f64,
}

impl KernelModel for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn scale(&mut self, factor: f64) {
        self.terms.iter_mut().for_each(|term| term.ns *= factor);
    }

    fn predict_ns(&self, quantities: &Quantities) -> f64 {
        self.terms.iter().map(|term| term.ns * term.feature.0.of(quantities)).sum()
    }

    fn features(&self) -> Vec<Named> {
        self.terms.iter().map(|term| term.feature).collect()
    }

    fn check(&self) -> Result<(), String> {
        if self.terms.is_empty() {
            return Err("a linear model without terms".into());
        }
        if self.terms.iter().all(|term| term.ns == 0.0) {
            return Err("a linear model in which nothing takes any time".into());
        }
        match self.terms.iter().find(|term| !(0.0..LARGEST_PRICE_NS).contains(&term.ns)) {
            Some(term) => Err(format!("the price of {} is {}", term.feature.0.name, term.ns)),
            None => Ok(()),
        }
    }
}
