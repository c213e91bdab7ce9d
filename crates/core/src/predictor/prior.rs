//! What a predictor of kernels took from other runtimes or devices, for kernels that its own data cannot price.

use crate::plainnet::{Kernel, KernelKind};
use crate::predictor::calibration::OUTSIDE_FACTOR;
use crate::predictor::domain::{Domain, Membership};
use crate::predictor::features::Quantities;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The datasets that a fit leant on beside those of the device itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prior {
    /// Their identities.
    pub from: Vec<String>,
    /// Networks in them.
    pub networks: u32,
    /// What all of them together count in the fit, where the device's own data count 1.
    pub weight: f64,
    /// Their kernels.
    pub domain: BTreeMap<KernelKind, Domain>,
    /// By what factor those kernels may be off that the device's own data do not hold; elsewhere outside the domain it is
    /// [`OUTSIDE_FACTOR`].
    pub factor: f64,
}

impl Prior {
    /// Whether `kernel` is among those of the other datasets.
    pub fn holds(&self, kernel: &Kernel, quantities: &Quantities) -> bool {
        let of_kind = self.domain.get(&kernel.kind);
        of_kind.is_some_and(|domain| domain.membership(kernel, quantities) != Membership::Outside)
    }

    /// What is wrong with one that was read from a file.
    ///
    /// # Errors
    /// A number that is out of range, no datasets, or a domain that is none.
    pub fn check(&self) -> Result<(), String> {
        if self.from.is_empty() {
            return Err("a prior without datasets".into());
        }
        if !(1.0..=OUTSIDE_FACTOR).contains(&self.factor) || !(0.0..=100.0).contains(&self.weight) {
            return Err("the factor or the weight of the prior is out of range".into());
        }
        self.domain.values().try_for_each(Domain::check)
    }
}
