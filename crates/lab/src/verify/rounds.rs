//! Verifying a search: the best networks of its front are measured on the device, what they show corrects the
//! predictor, and the next networks are chosen by the corrected predictor, until enough of them keep the budget.

use super::{Event, OnDevice, Predicted, VerifyError};
use crate::runs::{Verification, Verified, VerifyRound};
use edgezen_core::plainnet::{Model, Network, SuperBlock};
use edgezen_core::predictor::LatencyPredictor;
use edgezen_core::predictor::corrected::{Corrected, refit};
use edgezen_core::search::{Individual, Search, SearchError, SearchOutcome, TrackedDevice};
use edgezen_core::units::Latency;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Networks that are measured at most: so many for each one that was asked for, …
const ATTEMPTS: usize = 4;
/// … and so many in addition.
const FURTHER_ATTEMPTS: usize = 8;

/// Two corrections whose logarithms differ by no more than this count as the same.
const SAME: f64 = 0.005;

/// What to verify, and where.
pub struct Verify<'a> {
    /// The search that was run. It must track the latency on the device.
    pub search: &'a Search<'a>,
    pub device: OnDevice<'a>,
    /// The winner of the search, which is measured first and stays the best if it is inside the budget.
    pub winner: &'a Individual,
    /// Networks that are to be measured inside the budget.
    pub asked: usize,
}

/// What verifying found.
#[derive(Clone, Debug)]
pub struct Finding {
    pub verification: Verification,
    /// The winner if it was measured inside the budget, else the network with the highest score of those that were, with its
    /// costs as the uncorrected predictors see them. Absent if there was none.
    pub best: Option<Individual>,
}

impl Verify<'_> {
    /// Measures networks of `outcome`, which the search gave, until as many as were asked for are inside the budget,
    /// nothing is left to try, or the device has another speed than usual. Without a limit for the device, every network counts as inside. `progress` may break off
    /// between two rounds.
    ///
    /// # Errors
    /// No predictor for the device, what the device says, a search with the corrected predictor that finds nothing
    /// while nothing else is left, and an interruption.
    pub fn run(
        &self,
        outcome: &SearchOutcome,
        progress: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<Finding, VerifyError> {
        let mut course = Course::new(self, outcome)?;
        let most = ATTEMPTS * self.asked + FURTHER_ATTEMPTS;
        while course.missing() > 0 && course.measured.len() < most {
            let measured = course.measured.len();
            if progress(Event::Round { measured }).is_break() {
                return Err(VerifyError::Interrupted { measured });
            }
            // The round itself cannot be broken off.
            let mut heard = |event: Event<'_>| {
                let _ = progress(event);
            };
            if course.round(&mut heard)?.is_break() {
                break;
            }
        }
        Ok(Finding { verification: course.record, best: course.best })
    }

    /// A structure as a network of this search.
    fn model(&self, blocks: &[SuperBlock]) -> Model {
        Model {
            name: None,
            network: Network::from(blocks),
            resolution: self.search.resolution,
            classes: self.search.classes,
            se: self.search.se,
        }
    }
}

/// Verifying, between two rounds.
struct Course<'a> {
    verify: &'a Verify<'a>,
    /// Place of the device among those that the search tracks.
    index: usize,
    tracked: &'a TrackedDevice,
    /// The latency budget on the device; absent where the latency is only reported.
    limit: Option<Latency>,
    /// Networks that may be measured, the highest score first.
    pool: Vec<Individual>,
    /// Latencies of the networks so far: as predicted without a correction, and as measured.
    measured: Vec<(Latency, Latency)>,
    /// The correction: the factor on the predictor's latencies.
    factor: f64,
    /// The correction with which the last search was run.
    searched_at: f64,
    record: Verification,
    best: Option<Individual>,
}

impl<'a> Course<'a> {
    fn new(verify: &'a Verify<'a>, outcome: &SearchOutcome) -> Result<Course<'a>, VerifyError> {
        let (device, budgets) = (verify.device.name, &verify.search.budgets);
        let index = budgets.device(device).ok_or_else(|| VerifyError::NoPredictor(device.to_owned()))?;
        let record = Verification {
            device: device.to_owned(),
            asked: verify.asked,
            inside_budget: 0,
            rounds: Vec::new(),
        };
        Ok(Course {
            verify,
            index,
            tracked: &budgets.devices()[index],
            limit: budgets.time_limit(index),
            pool: winner_first(verify.winner, front(outcome, index)),
            measured: Vec::new(),
            factor: 1.0,
            searched_at: 1.0,
            record,
            best: None,
        })
    }

    /// Networks that are still to be measured inside the budget.
    fn missing(&self) -> usize {
        self.verify.asked.saturating_sub(self.record.inside_budget)
    }

    /// Chooses networks, measures them and corrects the predictor by them. Breaks off where none is left.
    fn round(&mut self, progress: &mut dyn FnMut(Event<'_>)) -> Result<ControlFlow<()>, VerifyError> {
        let missing = self.missing();
        let corrected = self.corrected()?;
        let mut chosen = self.choose(&corrected, missing)?;
        let again = chosen.len() < missing && (self.factor / self.searched_at).ln().abs() > SAME;
        if again {
            // The front of the last search holds too little below the corrected budget.
            self.search_again(&corrected, &chosen)?;
            chosen.extend(self.choose(&corrected, missing - chosen.len())?);
        }
        if chosen.is_empty() {
            return Ok(ControlFlow::Break(()));
        }
        let networks = self.measure(&chosen, &corrected, progress)?;
        // What was measured while the device had another speed corrects nothing, and is not known to be inside.
        let lost = networks.iter().all(|row| row.quality.is_of_another_speed());
        let usual = |row: &&Verified| !row.quality.is_of_another_speed();
        for (network, row) in chosen.iter().zip(&networks).filter(|(_, row)| usual(row)) {
            let predicted = Latency::from_ms(row.predicted_ms / self.factor);
            self.measured.push((predicted, Latency::from_ms(row.measured_ms)));
            if row.inside_budget != Some(false) {
                self.record.inside_budget += 1;
                let wins = |network: &Individual| network.blocks == self.verify.winner.blocks;
                let better = |best: &Individual| !wins(best) && (wins(network) || network.score > best.score);
                if self.best.as_ref().is_none_or(better) {
                    self.best = Some(self.with_costs(network)?);
                }
            }
        }
        let refitted = refit(&self.measured);
        let correction = self.factor;
        self.record.rounds.push(VerifyRound { correction, searched_again: again, networks, refitted });
        self.factor = refitted;
        Ok(if lost { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    /// The device with the corrected predictor.
    fn corrected(&self) -> Result<TrackedDevice, VerifyError> {
        let inner = Arc::clone(of_kernels(self.tracked)?);
        let predictor = Arc::new(Corrected { inner, factor: self.factor }).into();
        Ok(TrackedDevice { predictor, ..self.tracked.clone() })
    }

    /// Takes the `count` best networks that keep the budget by the predictor of `device` out of the pool. The others
    /// stay, since the next correction may be smaller.
    fn choose(&mut self, device: &TrackedDevice, count: usize) -> Result<Vec<Individual>, VerifyError> {
        let mut chosen = Vec::new();
        let mut i = 0;
        while chosen.len() < count && i < self.pool.len() {
            let model = self.verify.model(&self.pool[i].blocks);
            let predictor = of_kernels(device)?;
            let estimate = predictor.predict(&model.lowered(predictor.lowering())?);
            let latency = self.verify.search.budgets.budgeted(&estimate);
            if self.limit.is_none_or(|limit| latency <= limit) {
                chosen.push(self.pool.remove(i));
            } else {
                i += 1;
            }
        }
        Ok(chosen)
    }

    /// Runs the search once more with the corrected predictor. The pool becomes its front, without networks that were
    /// measured or are `chosen`; it stays as it was if the search finds nothing.
    fn search_again(&mut self, corrected: &TrackedDevice, chosen: &[Individual]) -> Result<(), VerifyError> {
        self.searched_at = self.factor;
        let mut search = self.verify.search.clone();
        search.budgets.track(corrected.clone());
        let known = |network: &Individual| {
            let net = Network::from(&network.blocks[..]).to_string();
            self.record.networks().any(|row| row.net == net)
                || chosen.iter().any(|other| other.blocks == network.blocks)
        };
        match search.run() {
            Ok(outcome) => {
                self.pool = front(&outcome, self.index).into_iter().filter(|n| !known(n)).collect();
            }
            Err(error) if chosen.is_empty() => return Err(error.into()),
            Err(_) => {}
        }
        Ok(())
    }

    fn measure(
        &self,
        networks: &[Individual],
        device: &TrackedDevice,
        progress: &mut dyn FnMut(Event<'_>),
    ) -> Result<Vec<Verified>, VerifyError> {
        let predictor = &**of_kernels(device)?;
        let predicted =
            networks.iter().map(|n| Predicted::of_model(&self.verify.model(&n.blocks), predictor));
        let predicted = predicted.collect::<Result<Vec<_>, _>>()?;
        let mut rows = self.verify.device.compare(&predicted, predictor, self.limit, progress)?;
        for (row, network) in rows.iter_mut().zip(networks) {
            row.score = Some(network.score);
        }
        Ok(rows)
    }

    /// `network` with its costs as the uncorrected predictors see them.
    fn with_costs(&self, network: &Individual) -> Result<Individual, VerifyError> {
        let costs = self.verify.search.accountant().costs(&network.blocks).map_err(SearchError::from)?;
        Ok(Individual { costs, ..network.clone() })
    }
}

/// What predicts the kernels of the device's networks.
fn of_kernels(device: &TrackedDevice) -> Result<&Arc<dyn LatencyPredictor>, VerifyError> {
    device.predictor.of_kernels().ok_or_else(|| VerifyError::NoKernels(device.name.clone()))
}

/// The networks that may be measured, the winner before all others.
fn winner_first(winner: &Individual, mut pool: Vec<Individual>) -> Vec<Individual> {
    pool.retain(|network| network.blocks != winner.blocks);
    pool.insert(0, winner.clone());
    pool
}

/// The front of the tracked device with this index, the highest score first.
fn front(outcome: &SearchOutcome, index: usize) -> Vec<Individual> {
    outcome.fronts.iter().nth(index).into_iter().flat_map(|front| front.iter().rev()).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;
    use crate::device::simulated::{self, Simulation};
    use crate::device::{DriverOptions, Options};
    use edgezen_core::measurement::Identity;
    use edgezen_core::plainnet::Kernel;
    use edgezen_core::predictor::{Estimate, KernelEstimate, LatencyPredictor, Terms};
    use edgezen_core::search::Quantity;
    use edgezen_core::space;

    struct Formula(Identity);

    impl LatencyPredictor for Formula {
        fn identity(&self) -> &Identity {
            &self.0
        }
        fn kernel(&self, kernel: &Kernel) -> KernelEstimate {
            KernelEstimate::inside(simulated::formula(kernel))
        }
        fn network(&self, Terms { latency, .. }: &Terms) -> Estimate {
            let (lower, upper) = (*latency * 0.9, *latency * 1.1);
            Estimate { latency: *latency, lower, upper, charged: *latency, coverage: 1.0 }
        }
    }

    #[test]
    fn a_device_slower_than_predicted_is_corrected_for() {
        let predictor = Formula("simulated@formula@fp32".parse().unwrap());
        let search = Search::new(space::by_name("mobilenet").unwrap())
            .latency("simulated", predictor, Latency::from_ms(4.0))
            .budget(Quantity::Layers, 14.0)
            .iterations(1_000)
            .threads(1);
        let outcome = search.run().unwrap();
        let profiles = catalogue::of_repository().profiles;
        let slow: Simulation = "slow_after=0".parse().unwrap();
        let on = |name| {
            let driver = DriverOptions::default().with(slow.clone());
            let options = Options { driver, ..Options::default() };
            let device = OnDevice { profiles: &profiles, name, options };
            Verify { search: &search, device, winner: &outcome.best, asked: 2 }
        };
        let go_on = &mut |_: Event<'_>| ControlFlow::Continue(());
        let Finding { verification, best } = on("simulated").run(&outcome, go_on).unwrap();
        assert_eq!(verification.inside_budget, 2);
        let (first, last) = (&verification.rounds[0], verification.rounds.last().unwrap());
        assert_eq!((first.correction, first.networks[0].inside_budget), (1.0, Some(false)));
        assert!((last.refitted - 1.5).abs() < 0.1, "{}", last.refitted);
        // The costs of the best network are those without the correction.
        let best = best.unwrap();
        let row = verification.networks().find(|row| row.score == Some(best.score)).unwrap();
        let measured = row.measured_ms / best.costs.latencies[0].latency.ms();
        assert!((measured - 1.5).abs() < 0.05, "{measured}");

        let stop = &mut |_: Event<'_>| ControlFlow::Break(());
        let stopped = on("simulated").run(&outcome, stop);
        assert!(matches!(stopped, Err(VerifyError::Interrupted { measured: 0 })));
        assert!(matches!(on("host").run(&outcome, go_on), Err(VerifyError::NoPredictor(_))));
    }
}
