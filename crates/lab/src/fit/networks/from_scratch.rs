//! Prices of sums from networks of one device alone.

use super::design::Design;
use super::rows::percent;
use crate::fit::error::FitError;
use crate::fit::solvers::ridge::{Fitted, best, relative};
use ndarray::Array2;
use std::collections::BTreeMap;

/// Penalties that are tried from scratch, in networks' worth of belief that a price is nothing.
const FROM_SCRATCH: [f64; 9] = [1e-5, 1e-4, 1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0];
/// How many of its standard errors the gain by details must be.
const SURE: f64 = 2.0;
/// Penalties of the details' prices. Those of the others are next to free beside them.
const OF_DETAILS: [f64; 7] = [0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];
/// Prices below nothing make sense as corrections of others only, and so do those of details: they must leave
/// this share of the error at most.
const CORRECTIONS: f64 = 0.98;

/// The plain fit, or that with details where they are clearly worth it. `families` gets the error of each fit that was
/// tried, in percent.
///
/// # Errors
/// A problem that is not solvable.
pub(super) fn fit(
    design: &Design,
    measured: &[f64],
    families: &mut BTreeMap<String, f64>,
) -> Result<Fitted, FitError> {
    let plain = plain(design, measured, families)?;
    let detailed = with_details(design, measured, families);
    let worth = |fine: &Fitted| {
        fine.advantage(&plain, measured).is_some_and(|sigmas| sigmas > SURE)
            && fine.error(measured) < CORRECTIONS * plain.error(measured)
    };
    Ok(detailed.filter(worth).unwrap_or(plain))
}

/// Prices of the few sums that tens of networks can tell.
fn plain(
    design: &Design,
    measured: &[f64],
    families: &mut BTreeMap<String, f64>,
) -> Result<Fitted, FitError> {
    let zero = vec![0.0; design.width()];
    let beliefs = FROM_SCRATCH.iter().map(|&strength| {
        let mut belief = vec![strength; design.width()];
        // The constant is next to free.
        belief[design.width() - 1] = 0.01 * strength;
        belief
    });
    let signed = beliefs.clone().filter_map(|belief| relative(&design.values, measured, &belief, &zero));
    let signed = best(signed, measured).ok_or_else(FitError::singular)?;
    families.insert("ridge".into(), percent(&signed.left_out, measured));
    let positive = beliefs.filter_map(|belief| not_negative(&design.values, measured, belief));
    let Some(positive) = best(positive, measured) else { return Ok(signed) };
    families.insert("ridge, no price below nothing".into(), percent(&positive.left_out, measured));
    let clearly = signed.error(measured) < CORRECTIONS * positive.error(measured);
    Ok(if clearly { signed } else { positive })
}

/// All prices of the design, where it has details.
fn with_details(design: &Design, measured: &[f64], families: &mut BTreeMap<String, f64>) -> Option<Fitted> {
    /// Belief in nothing of a price that is not of a detail, beside one that is.
    const PLAIN: f64 = 1e-3;
    if design.details.is_empty() {
        return None;
    }
    let values = design.all();
    let zero = vec![0.0; values.ncols()];
    let fits = OF_DETAILS.iter().filter_map(|&strength| {
        let mut belief = vec![strength; values.ncols()];
        belief[..design.width()].fill(PLAIN * strength);
        let details = belief.iter_mut().skip(design.width()).zip(&design.details);
        details.for_each(|(belief, sum)| *belief *= sum.fineness());
        relative(&values, measured, &belief, &zero)
    });
    let fitted = best(fits, measured)?;
    families.insert("ridge, with details".into(), percent(&fitted.left_out, measured));
    Some(fitted)
}

/// Prices that would be negative are held at nothing, one after another.
fn not_negative(values: &Array2<f64>, measured: &[f64], mut belief: Vec<f64>) -> Option<Fitted> {
    /// Nothing is believed more firmly.
    const FIXED: f64 = 1e12;
    let zero = vec![0.0; belief.len()];
    for _ in 0..belief.len() {
        let mut fitted = relative(values, measured, &belief, &zero)?;
        // What each would take off the networks' latencies.
        let worth = |j: usize| fitted.coefficients[j] * values.column(j).sum();
        let open = (0..belief.len()).filter(|&j| belief[j] < FIXED && worth(j) < 0.0);
        match open.min_by(|&i, &j| worth(i).total_cmp(&worth(j))) {
            Some(worst) => belief[worst] = FIXED,
            None => {
                fitted.coefficients.iter_mut().for_each(|price| *price = price.max(0.0));
                return Some(fitted);
            }
        }
    }
    None
}
