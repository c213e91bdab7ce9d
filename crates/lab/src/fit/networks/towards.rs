//! Prices of sums from few networks of one device, towards the prices of other devices.

use super::design::Design;
use super::rows::percent;
use crate::fit::error::FitError;
use crate::fit::solvers::ridge::{Fitted, relative};
use crate::fit::transfer::caution::{BELIEFS, cautious};
use edgezen_core::predictor::network::NetworkPredictor;
use edgezen_core::stats;
use ndarray::{Array1, Array2};
use std::collections::BTreeMap;

/// Beliefs that are tried in equal shares of the sources, in networks. The weak ones let two devices tell that
/// a third is beyond one of them.
const ALIKE: [f64; 6] = [0.3, 0.1, 0.03, 0.01, 0.003, 0.001];

/// Pulls prices towards those of `sources`, each scaled as a whole. Also gives what the sources alone say of the rows,
/// with the scales that fit best. `families` gets the error of each, in percent.
///
/// # Errors
/// A source of another space, or one that predicts nothing positive.
pub(super) fn fit(
    design: &Design,
    measured: &[f64],
    sources: &[&NetworkPredictor],
    families: &mut BTreeMap<String, f64>,
) -> Result<(Fitted, Vec<f64>), FitError> {
    let count = sources.len();
    let mut scaled: Vec<Vec<f64>> = Vec::with_capacity(count);
    let mut values = Array2::zeros((measured.len(), count + design.width()));
    values.slice_mut(ndarray::s![.., count..]).assign(&design.values);
    let all = design.all();
    for (k, source) in sources.iter().enumerate() {
        let prices = Array1::from(design.prices_of(source)?);
        let predicted = all.dot(&prices);
        let ratios: Vec<f64> = measured.iter().zip(&predicted).map(|(m, p)| m / p).collect();
        let scale = stats::median(&ratios).filter(|scale| scale.is_finite() && *scale > 0.0);
        let scale = scale.ok_or_else(|| FitError::Subject {
            subject: source.id.clone(),
            reason: "predicts nothing positive for these networks".into(),
        })?;
        values.column_mut(k).assign(&(&predicted * scale));
        scaled.push((prices * scale).to_vec());
    }
    let share = 1.0 / count as f64;
    let mut prior = vec![0.0; values.ncols()];
    prior[..count].fill(share);
    let before: Vec<f64> =
        values.rows().into_iter().map(|row| row.iter().take(count).sum::<f64>() * share).collect();
    families.insert("sources alone".into(), percent(&before, measured));
    let solved = |alike: f64, strength: f64| {
        let mut belief = vec![strength; values.ncols()];
        belief[..count].fill(alike);
        relative(&values, measured, &belief, &prior)
    };
    // First how the sources share in it, then what differs from all of them.
    let alone = |alike: f64| Some((alike, solved(alike, BELIEFS[0])?.error(measured)));
    let shares = ALIKE.iter().filter_map(|&alike| alone(alike));
    let (alike, _) = shares.min_by(|a, b| a.1.total_cmp(&b.1)).ok_or_else(FitError::singular)?;
    let fits = BELIEFS.iter().filter_map(|&strength| solved(alike, strength));
    let fitted = cautious(fits, measured).ok_or_else(FitError::singular)?;
    families.insert("towards sources".into(), percent(&fitted.left_out, measured));
    // The sources' prices and the differences from them are prices of the same sums.
    let (weights, own) = fitted.coefficients.split_at(count);
    let of_sources = |j: usize| weights.iter().zip(&scaled).map(|(w, prices)| w * prices[j]).sum::<f64>();
    let own = own.iter().copied().chain(std::iter::repeat_n(0.0, design.details.len()));
    let prices = own.enumerate().map(|(j, own)| own + of_sources(j)).collect();
    Ok((Fitted { coefficients: prices, left_out: fitted.left_out }, before))
}
