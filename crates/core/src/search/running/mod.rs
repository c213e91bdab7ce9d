//! A running search: its state from round to round, what judges its children, what observes it, and its checkpoints.

mod checkpoint;
pub(super) mod fate;
mod observer;
mod progress;
mod restore;
pub(super) mod state;
pub(super) mod worker;

pub use checkpoint::Checkpoint;
pub use observer::{Instruction, Observer, Silent};
pub use progress::{HistoryPoint, Phases, REPORT_EVERY, SearchProgress};

use super::optimiser::Breeding;
use super::population::Individual;
use super::{Search, SearchError, SearchOutcome};
use crate::plainnet::SuperBlock;
use crate::proxy::zen::ZenScore;
use crate::proxy::{Mode, Proxy};
use state::SearchState;
use std::sync::Arc;
use worker::Worker;

/// Iterations between two questions to the observer, where a round is shorter: a question costs tens of
/// nanoseconds, as much as a tenth of an iteration.
const ASK_EVERY: u64 = 8;

impl Search<'_> {
    /// Runs all iterations.
    ///
    /// # Errors
    /// No network fits the budgets, or none that fits has a score.
    pub fn run(&self) -> Result<SearchOutcome, SearchError> {
        self.observed(&Silent, None)
    }

    /// Runs while `observer` watches; from `checkpoint` on, if there is one. The outcome is the same.
    ///
    /// # Errors
    /// As [`Search::run`]; also a checkpoint of another search.
    pub fn observed(
        &self,
        observer: &dyn Observer,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<SearchOutcome, SearchError> {
        let start = self.start()?;
        let zen;
        let proxy: &dyn Proxy = match self.proxy {
            Some(proxy) => proxy,
            None => {
                zen = ZenScore::new(Mode::Paper, self.resolution);
                &zen
            }
        };
        let threads = self.threads.max(1);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|e| SearchError::Threads { threads, reason: e.to_string() })?;
        let optimiser = self.rules.optimiser;
        let busy = threads.min(optimiser.parallelism(&self.rules)).max(1);
        let workers = (0..busy).map(|_| Worker::new(self, proxy, observer)).collect();
        let mut breeding = Breeding { search: self, start: &start, workers, pool };
        let mut state = match checkpoint {
            Some(saved) => restore::restore(saved, self, proxy).map_err(SearchError::Checkpoint)?,
            None => SearchState::new(self.rules.populations(), self.budgets.devices().len()),
        };
        if state.is_new() {
            if self.is_slow() {
                // A search that is interrupted during its first score can go on from here.
                observer.save(&restore::save(&state));
            }
            if let Some(worker) = breeding.workers.first_mut() {
                self.begin(&start, worker, &mut state);
            }
        }
        while state.iteration < self.rules.iterations {
            let before = state.iteration;
            optimiser.round(&mut breeding, &mut state);
            let done = state.iteration == self.rules.iterations;
            if state.iteration / REPORT_EVERY > before / REPORT_EVERY || done {
                state.report(self.rules.iterations, observer);
            }
            let ask = done || self.is_slow() || state.iteration / ASK_EVERY > before / ASK_EVERY;
            let instruction = if ask { observer.instruction() } else { Instruction::GoOn };
            if instruction != Instruction::GoOn || done {
                state.collect(&mut breeding.workers);
                observer.save(&restore::save(&state));
            }
            if instruction == Instruction::Stop {
                break;
            }
        }
        state.collect(&mut breeding.workers);
        self.outcome(state, proxy)
    }

    /// What comes before the first iteration.
    fn begin(&self, start: &[SuperBlock], worker: &mut Worker<'_>, state: &mut SearchState) {
        if self.rules.start_inside {
            let clock = worker.begin(0..0);
            let fate = worker.judge(start, clock, self.rng(!u64::MAX));
            state.settle(fate, &self.rules);
            let first = state.islands[0].population.members().first().cloned();
            for island in &mut state.islands[1..] {
                if let Some(first) = &first {
                    island.population.push(Arc::clone(first), &self.rules);
                }
            }
        }
    }

    fn outcome(&self, state: SearchState, proxy: &dyn Proxy) -> Result<SearchOutcome, SearchError> {
        let Some(best) = state.best().map(|best| Individual::clone(best)) else {
            let name = proxy.name();
            let reason = state.tally.failed;
            return Err(SearchError::Unscored(
                reason
                    .unwrap_or_else(|| format!("no candidate fitted the budgets, none was given to {name}")),
            ));
        };
        let scale = if state.timed == 0 { 0.0 } else { state.iteration as f64 / state.timed as f64 };
        let Phases { mutate, budget, score } = state.phases;
        Ok(SearchOutcome {
            best,
            population: state.islands.iter().flat_map(|i| i.population.members()).cloned().collect(),
            fronts: state.fronts,
            history: state.history,
            iterations: state.iteration,
            scored: state.tally.scored,
            rejected: state.tally.rejected,
            phases: Phases { mutate: scale * mutate, budget: scale * budget, score: scale * score },
        })
    }
}
