//! How strongly to believe the prices of another device.

use crate::fit::solvers::ridge::Fitted;

/// Beliefs that are tried in the other device's prices, in measurements, the strongest first.
pub(in crate::fit) const BELIEFS: [f64; 10] = [1000.0, 300.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03];
/// A weaker belief must leave this share of the error at most: with ten measurements leaving one out says
/// little, and noise must not look like a difference between devices.
const ADVANTAGE: f64 = 0.75;
/// … and the gain must be so many of its standard errors: not one row alone may speak for it.
const SIGMAS: f64 = 1.5;

/// The strongest belief that no weaker one is clearly better than.
pub(in crate::fit) fn cautious(fits: impl Iterator<Item = Fitted>, measured: &[f64]) -> Option<Fitted> {
    let better = |fit: &Fitted, chosen: &Fitted| {
        fit.error(measured) < ADVANTAGE * chosen.error(measured)
            && fit.advantage(chosen, measured).is_none_or(|sigmas| sigmas > SIGMAS)
    };
    fits.reduce(|chosen, fit| if better(&fit, &chosen) { fit } else { chosen })
}
