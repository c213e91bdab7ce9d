//! The loops of the paper and of the released code (docs/plainnet.md, section 6.2). Both have one
//! population, which children enter in order.

use super::judge::{Fate, Worker};
use super::state::State;
use super::{Population, RuleSet, Rules, Search};
use crate::plainnet::SuperBlock;
use rand::RngExt;
use rayon::prelude::*;

/// Children of a round where a score takes seconds: what an interruption may lose.
const SHORT: usize = 8;

/// One round: all children are drawn from the population as it was before, and enter in order.
pub(super) fn round(
    search: &Search<'_>,
    start: &[SuperBlock],
    state: &mut State,
    workers: &mut [Worker<'_>],
    pool: &rayon::ThreadPool,
) {
    let rules = &search.rules;
    let iteration = state.iteration;
    let Some(island) = state.islands.first_mut() else { return };
    if rules.set == RuleSet::Reference {
        island.population.shrink_to(rules.population);
    }
    let most = if search.is_slow() { rules.round.min(SHORT) } else { rules.round };
    let round = (rules.iterations - iteration).min(most as u64) as usize;
    let population = &island.population;
    let child = |iteration, worker: &mut Worker<'_>| child(search, start, population, iteration, worker);
    let fates: Vec<Fate> = match workers {
        [worker, ..] if round == 1 => {
            let fate = child(iteration, worker);
            state.iteration += 1;
            return settle(fate, rules, state);
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
        settle(fate, rules, state);
    }
    if rules.set == RuleSet::Paper
        && let Some(island) = state.islands.first_mut()
    {
        island.population.shrink_to(rules.population);
    }
    state.iteration += round as u64;
}

/// Enters what got a score.
pub(super) fn settle(fate: Fate, rules: &Rules, state: &mut State) {
    let Some(island) = state.islands.first_mut() else { return };
    let fate = match fate {
        // A sibling of the same round may have brought the same structure in.
        Fate::Accepted(individual) if island.population.knows(&individual.blocks) => Fate::Duplicate,
        other => other,
    };
    if let Some(individual) = state.tally.count(fate) {
        state.fronts.insert(&individual);
        island.population.push(individual, rules);
    }
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
