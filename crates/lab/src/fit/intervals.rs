//! The intervals of a fitted predictor, from the errors of what was held out.

use crate::fit::competition::Competition;
use crate::fit::conformal;
use crate::fit::data::Data;
use crate::fit::error::FitError;
use crate::fit::grid;
use crate::fit::net_level::Correction;
use edgezen_core::plainnet::KernelKind;
use edgezen_core::predictor::calibration::{self, KernelCalibration};
use edgezen_core::predictor::domain::Domain;
use edgezen_core::predictor::file::Calibration;
use std::collections::BTreeMap;

/// Fewest held-out kernels of a kind that give it margins of its own.
const MIN_ROWS: usize = 10;

/// Margins of each kind that has a model and so a `domain`, and of networks.
///
/// # Errors
/// A failure of the solver in the fits that [`grid`] makes.
pub(super) fn calibrate(
    data: &Data,
    competition: &Competition,
    correction: &Correction,
    domain: &BTreeMap<KernelKind, Domain>,
) -> Result<Calibration, FitError> {
    let pairs = |kind: Option<KernelKind>| kernel_pairs(data, competition, kind);
    let calibrated = KernelKind::ALL.into_iter().filter_map(|kind| {
        let pairs = pairs(Some(kind));
        let enough = pairs.len() >= MIN_ROWS && domain.contains_key(&kind);
        Some((kind, conformal::kernels(&pairs).filter(|_| enough)?))
    });
    let mut kernels: BTreeMap<KernelKind, KernelCalibration> = calibrated.collect();
    grid::stretch(data, competition, domain, &mut kernels)?;
    let networks = correction.left_out_ns.iter().zip(&correction.networks);
    let logs: Vec<f64> = networks.map(|(p, n)| (n.measured_ns / p).ln()).collect();
    let all = pairs(None);
    let network = conformal::networks(&logs, &all);
    let other_kernels = conformal::kernels(&all).map_or(network.margin, |c| calibration::widest(&c.margins));
    Ok(Calibration { level: calibration::LEVEL, kernels, other_kernels, network })
}

/// (predicted, measured) in nanoseconds of the kernels that were measured on their own, each held out; of one kind, or
/// of all.
fn kernel_pairs(data: &Data, competition: &Competition, kind: Option<KernelKind>) -> Vec<(f64, f64)> {
    data.observations
        .iter()
        .zip(&competition.held_out)
        .filter(|(o, _)| o.single().is_some_and(|k| kind.is_none_or(|kind| k.kind == kind)))
        .map(|(o, predicted)| (predicted.latency.ns(), o.latency.ns()))
        .collect()
}
