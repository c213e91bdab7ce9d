//! One round of a single population: what the loops of the paper and of the released code share (docs/plainnet.md,
//! section 6.2).

use super::{Breeding, Rules};
use crate::plainnet::SuperBlock;
use crate::search::Search;
use crate::search::population::Population;
use crate::search::running::fate::Fate;
use crate::search::running::state::SearchState;
use crate::search::running::worker::Worker;
use rand::RngExt;
use rayon::prelude::*;

/// Most children of a round where a score takes seconds: an interruption loses as many.
const SHORT: usize = 8;

/// One round: all children are drawn from the population as it was before, and enter in order.
pub fn round(breeding: &mut Breeding<'_>, state: &mut SearchState) {
    let Breeding { search, start, workers, pool } = breeding;
    let (search, start) = (*search, *start);
    let rules = &search.rules;
    let iteration = state.iteration;
    let Some(island) = state.islands.first() else { return };
    let most = if search.is_slow() { rules.round.min(SHORT) } else { rules.round };
    let round = (rules.iterations - iteration).min(most as u64) as usize;
    let population = &island.population;
    let child = |iteration, worker: &mut Worker<'_>| child(search, start, population, iteration, worker);
    let fates: Vec<Fate> = match &mut workers[..] {
        [worker, ..] if round == 1 => {
            let fate = child(iteration, worker);
            state.iteration += 1;
            return state.settle(fate, rules);
        }
        [worker] => (0..round as u64).map(|k| child(iteration + k, worker)).collect(),
        workers => {
            let share = round.div_ceil(workers.len().max(1));
            let mut fates: Vec<Option<Fate>> = Vec::new();
            fates.resize_with(round, || None);
            pool.install(|| {
                workers.par_iter_mut().zip(fates.par_chunks_mut(share)).enumerate().for_each(
                    |(w, (worker, fates))| {
                        for (k, fate) in fates.iter_mut().enumerate() {
                            *fate = Some(child(iteration + (w * share + k) as u64, worker));
                        }
                    },
                );
            });
            fates.into_iter().flatten().collect()
        }
    };
    for fate in fates {
        state.settle(fate, rules);
    }
    state.iteration += round as u64;
}

/// Breeds and judges the child of one iteration.
fn child(
    search: &Search<'_>,
    start: &[SuperBlock],
    population: &Population,
    iteration: u64,
    worker: &mut Worker<'_>,
) -> Fate {
    let mut clock = worker.begin(iteration..iteration + 1);
    let mut rng = search.rng(iteration);
    let (parent, replaces) = if population.len() <= Rules::SEEDLING {
        (start, 1)
    } else {
        (&*population.get(rng.random_range(0..population.len())).blocks, search.rules.replaces)
    };
    let mut child = std::mem::take(&mut worker.child);
    search.mutator().mutate(parent, replaces, &mut rng, &mut child);
    worker.bred(&mut clock);
    let fate = if population.knows(&child) {
        Fate::Duplicate
    } else {
        worker.judge(&child, clock, search.rng(!iteration))
    };
    worker.child = child;
    fate
}
