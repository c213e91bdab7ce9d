//! Predictors of whole networks, adapted to another device of the same table.

use super::error::TransferError;
use super::outcome::{Transferred, others};
use crate::dataset::Dataset;
use crate::fit::networks::rows::pairs;
use crate::fit::networks::{Design, MeasuredNetwork, fit};
use crate::fit::transfer::choose;
use crate::fit::{FitError, Request};
use edgezen_core::digest::sha256;
use edgezen_core::measurement::Identity;
use edgezen_core::predictor::metrics::Metrics;
use edgezen_core::predictor::network::NetworkPredictor;
use edgezen_core::zoo::Encoded;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::path::Path;

/// Adapts `sources`, all of one space, to `count` networks of `dataset`, which came from `place`; its other networks judge
/// the result.
///
/// # Errors
/// Too few networks of that space, or sources of several.
pub fn from_data(
    sources: &[&NetworkPredictor],
    dataset: &Dataset,
    place: &Path,
    count: usize,
    seed: u64,
) -> Result<Transferred<NetworkPredictor>, TransferError> {
    let first = *sources.first().ok_or(FitError::NoData)?;
    let mut rows = MeasuredNetwork::all_of(&dataset.samples);
    rows.retain(|row| row.network.space() == first.space());
    if rows.len() < count {
        let what = format!("networks of {}", first.space());
        return Err(TransferError::TooFew { path: place.to_owned(), found: rows.len(), what, wanted: count });
    }
    let mut request = Request::of(dataset);
    let networks: Vec<&Encoded> = rows.iter().map(|row| &row.network).collect();
    let pool = Pool::new(sources, &networks, &request.identity)?;
    let chosen = pool.choose(count, &mut Xoshiro256PlusPlus::seed_from_u64(seed));
    let taken: Vec<MeasuredNetwork> = chosen.iter().map(|&row| rows[row].clone()).collect();
    request.notes.push(format!("Adapted from {count} networks, chosen by what the sources say of them."));
    request.dataset_sha256 = hash(&taken);
    let predictor = fit(&taken, request, sources)?;
    let unseen = others(&chosen, rows.len()).map(|row| &rows[row]);
    Ok(Transferred {
        chosen: taken.iter().map(|row| row.network.to_string()).collect(),
        before: Metrics::of(&pairs(first, &taken)),
        scaled: predictor.metrics.before,
        after: predictor.metrics.networks,
        unseen: Metrics::of(&pairs(&predictor, unseen)),
        predictor,
    })
}

/// Networks to choose among.
pub struct Pool {
    design: Design,
    /// What the sources say of each network, in nanoseconds.
    predicted: Vec<f64>,
}

impl Pool {
    /// # Errors
    /// Networks of several spaces.
    pub fn new(
        sources: &[&NetworkPredictor],
        networks: &[&Encoded],
        identity: &Identity,
    ) -> Result<Pool, FitError> {
        let design = Design::of(networks, identity.batch, &identity.precision)?;
        let predicted = networks.iter().map(|network| mean_ns(sources, network)).collect();
        Ok(Pool { design, predicted })
    }

    /// The networks that tell most, as far as the sources know, ascending. No latency is looked at.
    pub fn choose(&self, count: usize, rng: &mut Xoshiro256PlusPlus) -> Vec<usize> {
        choose(&self.design.values, &self.predicted, count, rng)
    }
}

/// The geometric mean of what the sources say of a network.
fn mean_ns(sources: &[&NetworkPredictor], network: &Encoded) -> f64 {
    let each = sources.iter().filter_map(|source| source.predict(network));
    let sum = each.map(|estimate| estimate.latency.ns().ln()).sum::<f64>();
    (sum / sources.len() as f64).exp()
}

/// SHA-256 of networks with their latencies, a line for each.
fn hash(rows: &[MeasuredNetwork]) -> String {
    let lines: Vec<String> = rows.iter().map(|row| format!("{} {}", row.network, row.latency.ns())).collect();
    sha256(lines.join("\n"))
}
