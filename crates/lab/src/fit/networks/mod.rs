//! Fits predictors of whole networks, from scratch or towards those of other devices.
//!
//! Errors are relative, so each row is divided by its latency. Prices are pulled towards a prior; how
//! strongly, leaving out each row in turn decides. From scratch the prior is nothing; in a transfer it is the
//! other devices' prices, each scaled as a whole, and it stays strong: with ten networks leaving one out says
//! little.
//!
//! Hundreds of networks can tell more prices than ten can: a fit from scratch also tries the details of a
//! space. In a transfer they come from the sources; the few rows of the new device change the others only.

mod design;
mod flops;
mod from_scratch;
pub mod rows;
mod towards;

pub use self::design::Design;
pub use self::rows::MeasuredNetwork;

use self::design::Priced;
use crate::fit::conformal;
use crate::fit::error::FitError;
use crate::fit::request::Request;
use edgezen_core::predictor::calibration;
use edgezen_core::predictor::metrics::{Metrics, Pair};
use edgezen_core::predictor::network::NetworkPredictor;
use edgezen_core::predictor::network::file::{
    Calibration, Content, FitMetrics, NetLevel, NetworkModel, Provenance,
};
use edgezen_core::zoo::Encoded;
use std::collections::BTreeMap;

/// Fewest networks that can be fitted and judged.
const MIN_ROWS: usize = 5;
/// No prediction falls below this share of the shortest latency seen.
const FLOOR: f64 = 0.5;

/// Fits a predictor to `rows`; with `sources`, towards those predictors.
///
/// # Errors
/// Too few rows, several spaces, or sources of another space.
pub fn fit(
    rows: &[MeasuredNetwork],
    request: Request,
    sources: &[&NetworkPredictor],
) -> Result<NetworkPredictor, FitError> {
    if rows.len() < MIN_ROWS {
        return Err(FitError::TooFew { found: rows.len(), needed: MIN_ROWS });
    }
    let networks: Vec<&Encoded> = rows.iter().map(|row| &row.network).collect();
    let design = Design::of(&networks, request.identity.batch, &request.identity.precision)?;
    let measured: Vec<f64> = rows.iter().map(|row| row.latency.ns()).collect();
    let mut families = BTreeMap::new();
    let (fitted, before) = if sources.is_empty() {
        (from_scratch::fit(&design, &measured, &mut families)?, None)
    } else {
        let (fitted, before) = towards::fit(&design, &measured, sources, &mut families)?;
        (fitted, Some(before))
    };
    let logs: Vec<f64> =
        fitted.left_out.iter().zip(&measured).map(|(p, m)| (m / p.max(0.05 * m)).ln()).collect();
    let network = conformal::networks(&logs, &[]);
    let (lower, upper) = network.factors(1.0);
    let pairs = |predicted: &[f64], interval: bool| -> Vec<Pair> {
        let pair = |(&predicted, &measured): (&f64, &f64)| Pair {
            predicted,
            interval: interval.then_some((predicted * lower, predicted * upper)),
            measured,
        };
        predicted.iter().zip(&measured).map(pair).collect()
    };
    let shortest = measured.iter().copied().fold(f64::INFINITY, f64::min);
    let Priced { terms, domain, constant } = design.priced(&fitted.coefficients, sources);
    let provenance = Provenance {
        sources: request.sources.clone(),
        networks: u32::try_from(rows.len()).unwrap_or(u32::MAX),
        notes: request.notes.clone(),
        adapted_from: sources.iter().map(|source| source.id.clone()).collect(),
    };
    let content = Content {
        model: NetworkModel { space: design.space, terms },
        domain,
        calibration: Calibration { level: calibration::LEVEL, network },
        net_level: NetLevel { constant_ns: constant, floor_ns: FLOOR * shortest },
        metrics: FitMetrics {
            networks: Metrics::of(&pairs(&fitted.left_out, true)),
            families,
            baseline_flops: flops::left_out(&design, &measured).and_then(|p| Metrics::of(&pairs(&p, false))),
            before: before.and_then(|p| Metrics::of(&pairs(&p, false))),
        },
    };
    Ok(NetworkPredictor::new(request.header(), provenance, content))
}
