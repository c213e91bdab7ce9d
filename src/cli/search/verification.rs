//! `--verify K`: measure the best of the front, correct the predictor, choose again; until K networks are
//! measured inside the budget.

use super::plan::SearchPlan;
use super::watch;
use crate::cli::output::Output;
use crate::cli::target::Reach;
use crate::cli::{Exit, Failure, predictors, verify};
use edgezen_core::plainnet::Model;
use edgezen_core::predictor::corrected::{Corrected, refit};
use edgezen_core::search::budget::Accountant;
use edgezen_core::search::{Individual, Search, SearchOutcome, TrackedDevice};
use edgezen_core::units::Latency;
use edgezen_lab::runs::{Verification, Verified, VerifyRound};
use std::sync::Arc;

/// Networks measured at most, for each one that was asked for, and in addition.
const ATTEMPTS: usize = 4;
const FURTHER_ATTEMPTS: usize = 8;

/// A correction that changed by less is the same.
const SAME: f64 = 0.005;

pub struct Loop<'a> {
    pub plan: &'a SearchPlan,
    pub search: &'a Search<'a>,
    pub device: &'a str,
    pub reach: &'a Reach,
    pub output: Output,
}

impl Loop<'_> {
    /// Measures until `asked` networks are inside the budget, or nothing is left to try. Gives the record
    /// and the network with the highest score of those inside.
    pub fn run(
        &self,
        outcome: &SearchOutcome,
        asked: usize,
    ) -> Result<(Verification, Option<Individual>), Failure> {
        let budgets = &self.plan.budgets;
        let index = budgets
            .device(self.device)
            .ok_or_else(|| Failure::usage(format!("nothing predicts the latency on {}", self.device)))?;
        let (tracked, limit) = (&budgets.devices()[index], budgets.latency_limit(index));
        let mut record =
            Verification { device: self.device.to_owned(), asked, inside_budget: 0, rounds: Vec::new() };
        let mut pool = front(outcome, index);
        let mut measured: Vec<(Latency, Latency)> = Vec::new();
        let mut winner: Option<Individual> = None;
        let (mut factor, mut searched_at) = (1.0_f64, 1.0_f64);
        while record.inside_budget < asked && measured.len() < ATTEMPTS * asked + FURTHER_ATTEMPTS {
            if watch::stopped() {
                let message = format!("interrupted after {} measured networks", measured.len());
                let remedy = "the search itself is finished; the same command with --resume measures again";
                return Err(Failure::new(Exit::Interrupted, message).remedy(remedy));
            }
            let wanted = asked - record.inside_budget;
            let corrected = TrackedDevice {
                predictor: Arc::new(Corrected { inner: Arc::clone(&tracked.predictor), factor }),
                ..tracked.clone()
            };
            let mut chosen = self.choose(&mut pool, &corrected, limit, wanted)?;
            let again = chosen.len() < wanted && (factor / searched_at).ln().abs() > SAME;
            if again {
                // The front of the first search has too little below the corrected budget.
                searched_at = factor;
                let mut search = self.search.clone();
                search.budgets.track(corrected.clone());
                let known = |network: &Individual| {
                    record.rounds.iter().flat_map(|r| &r.networks).any(|v| v.net == net(network))
                        || chosen.iter().any(|c| c.blocks == network.blocks)
                };
                match search.run() {
                    Ok(outcome) => {
                        pool = front(&outcome, index).into_iter().filter(|n| !known(n)).collect();
                    }
                    Err(error) if chosen.is_empty() => return Err(error.into()),
                    Err(_) => {}
                }
                let missing = wanted - chosen.len();
                chosen.extend(self.choose(&mut pool, &corrected, limit, missing)?);
            }
            if chosen.is_empty() {
                break;
            }
            let rows = self.measure(&chosen, &corrected, limit)?;
            for (network, row) in chosen.iter().zip(&rows) {
                let predicted = Latency::from_ms(row.predicted_ms / factor);
                measured.push((predicted, Latency::from_ms(row.measured_ms)));
                if row.inside_budget != Some(false) {
                    record.inside_budget += 1;
                    if winner.as_ref().is_none_or(|best| network.score > best.score) {
                        winner = Some(self.weighed(network)?);
                    }
                }
            }
            let refitted = refit(&measured);
            record.rounds.push(VerifyRound {
                correction: factor,
                searched_again: again,
                networks: rows,
                refitted,
            });
            factor = refitted;
        }
        Ok((record, winner))
    }

    /// Takes the `count` best networks out of `pool` that fit the corrected budget; those that do not fit
    /// stay, since the next correction may be smaller.
    fn choose(
        &self,
        pool: &mut Vec<Individual>,
        device: &TrackedDevice,
        limit: Option<Latency>,
        count: usize,
    ) -> Result<Vec<Individual>, Failure> {
        let mut chosen = Vec::new();
        let mut i = 0;
        while chosen.len() < count && i < pool.len() {
            let predictor = &device.predictor;
            let estimate =
                predictor.predict(&self.plan.model(&pool[i].blocks).lowered(predictor.lowering())?);
            let latency = self.plan.budgets.budgeted(&estimate);
            if limit.is_none_or(|limit| latency <= limit) {
                chosen.push(pool.remove(i));
            } else {
                i += 1;
            }
        }
        Ok(chosen)
    }

    fn measure(
        &self,
        networks: &[Individual],
        device: &TrackedDevice,
        limit: Option<Latency>,
    ) -> Result<Vec<Verified>, Failure> {
        let models: Vec<Model> = networks.iter().map(|n| self.plan.model(&n.blocks)).collect();
        let usual = predictors::usual_probe_ns(self.device);
        let mut rows =
            verify::measure(self.device, self.reach, &models, &*device.predictor, usual, limit, self.output)?;
        for (row, network) in rows.iter_mut().zip(networks) {
            row.score = Some(network.score);
        }
        Ok(rows)
    }

    /// `network` with its costs as the uncorrected predictors see them.
    fn weighed(&self, network: &Individual) -> Result<Individual, Failure> {
        let mut accountant = Accountant::new(&self.plan.budgets, self.plan.resolution, self.plan.classes);
        Ok(Individual { costs: accountant.costs(&network.blocks)?, ..network.clone() })
    }
}

fn net(network: &Individual) -> String {
    edgezen_core::plainnet::Network::from(&network.blocks[..]).to_string()
}

/// The front of one device, the highest score first.
fn front(outcome: &SearchOutcome, index: usize) -> Vec<Individual> {
    outcome.fronts.iter().nth(index).into_iter().flat_map(|front| front.iter().rev()).cloned().collect()
}
