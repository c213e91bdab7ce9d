//! What lenders have told a fit, as its file states it. How far lent prices may be off is what networks of the lenders say
//! that are left out of all of them.

use crate::fit::competition::Competition;
use crate::fit::conformal;
use crate::fit::data::Data;
use crate::fit::error::FitError;
use crate::fit::families::Fit;
use crate::fit::lender::{Lender, WEIGHT};
use crate::fit::observation::{Level, Observation};
use crate::fit::training::Shared;
use edgezen_core::plainnet::{Kernel, KernelKind};
use edgezen_core::predictor::calibration::OUTSIDE_FACTOR;
use edgezen_core::predictor::domain::Domain;
use edgezen_core::predictor::file::Calibration;
use edgezen_core::predictor::prior::Prior;
use edgezen_core::stats;
use std::collections::BTreeSet;

/// What goes into the file of a predictor that leant on lenders; `None` if it had none.
///
/// # Errors
/// A failure of the solver.
pub(super) fn prior(
    data: &Data,
    competition: &Competition,
    calibration: &Calibration,
) -> Result<Option<Prior>, FitError> {
    if data.lenders.is_empty() {
        return Ok(None);
    }
    let rows: Vec<&Observation> = data.lenders.iter().flat_map(|lender| &lender.rows).collect();
    let of_kind = |kind: KernelKind| -> Vec<&Kernel> {
        rows.iter().flat_map(|row| &row.kernels).filter(|kernel| kernel.kind == kind).collect()
    };
    let kinds = KernelKind::ALL.into_iter().map(|kind| (kind, of_kind(kind)));
    let domain = kinds
        .filter(|(_, kernels)| !kernels.is_empty())
        .map(|(kind, kernels)| (kind, Domain::of(kernels.into_iter(), &data.machine)))
        .collect();
    let own = calibration.other_kernels.upper_log;
    let lent = margin(&left_out(data, competition)?);
    let factor = lent.map_or(OUTSIDE_FACTOR, |lent| (own.hypot(lent) - own).exp().min(OUTSIDE_FACTOR));
    Ok(Some(Prior {
        from: data.lenders.iter().map(|lender| lender.id.clone()).collect(),
        networks: rows.len() as u32,
        weight: WEIGHT,
        domain,
        factor,
    }))
}

/// The margin, as a logarithm, that holds networks of the lenders; `None` where they are too few to tell.
fn margin(logs: &[f64]) -> Option<f64> {
    const FEWEST: usize = 3;
    (logs.len() >= FEWEST).then(|| conformal::networks(logs, &[]).margin.upper_log)
}

/// By how much (logarithm of measured over predicted, the mean over the lenders) each network is off that is left out of all
/// lenders. A lender's scale comes from its other networks.
fn left_out(data: &Data, competition: &Competition) -> Result<Vec<f64>, FitError> {
    let family = competition.candidates[competition.choice.base].family;
    let own: Vec<&Observation> = data.observations.iter().collect();
    let networks: BTreeSet<u64> =
        data.lenders.iter().flat_map(|lender| &lender.rows).map(|row| row.group).collect();
    let mut logs = Vec::with_capacity(networks.len());
    for network in networks {
        let kept: Vec<Lender> = data.lenders.iter().map(|lender| lender.without(network)).collect();
        let shared = Shared::default();
        let fit = family.fit(&Data { lenders: &kept, ..*data }.training(&own, &shared))?;
        let predicted = |row: &Observation| predicted_ns(data, &fit, row);
        let of_lender = |(lender, kept): (&Lender, &Lender)| {
            let scale = kept.scale(predicted)?;
            let row = lender.rows.iter().find(|row| row.group == network)?;
            Some((scale * row.latency.ns() / predicted(row)).ln())
        };
        let errors: Vec<f64> = data.lenders.iter().zip(&kept).filter_map(of_lender).collect();
        logs.extend(stats::mean(&errors));
    }
    Ok(logs)
}

fn predicted_ns(data: &Data, fit: &Fit, row: &Observation) -> f64 {
    let sum: f64 = row.kernels.iter().map(|k| data.kernel_ns(fit.models.get(&k.kind), k)).sum();
    if row.level == Level::Network { sum + fit.network_ns } else { sum }
}
