//! The way that families for single kinds share: prices for all kinds first, then a better model where there is data.

use super::family::{Family, Fit, Scope};
use super::linear::Physical;
use crate::fit::error::FitError;
use crate::fit::training::Training;
use edgezen_core::plainnet::KernelKind;
use edgezen_core::predictor::model::{AnyModel, Linear};

/// Fits [`Physical`] to all kinds. Then `better` makes another model of each kind that `scope` suits, given the linear one
/// that it refines; where it makes none, the linear one stays.
///
/// # Errors
/// No data, or a failure of the solver.
pub(super) fn refined(
    training: &Training,
    scope: &Scope,
    better: impl Fn(KernelKind, Option<&Linear>) -> Result<Option<AnyModel>, FitError>,
) -> Result<Fit, FitError> {
    let mut fit = Physical.fit(training)?;
    for kind in KernelKind::ALL {
        if !scope.suits(training.count(kind)) {
            continue;
        }
        let linear = match fit.models.get(&kind) {
            Some(AnyModel::Linear(linear)) => Some(linear),
            _ => None,
        };
        if let Some(model) = better(kind, linear)? {
            fit.models.insert(kind, model);
        }
    }
    Ok(fit)
}
