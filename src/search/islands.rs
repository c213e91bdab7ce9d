//! The default search: several small populations, annealed side by side.
//!
//! The loop of the paper keeps the best and drops the worst; its population soon consists of cousins
//! of one network, and more iterations change little. Here
//!
//! * a child takes the place of its **parent**, not of the worst member, so that lines of descent stay
//!   apart; a structure that is on the island already is rejected;
//! * it may be a little worse than the parent. How much, in units of the typical difference between
//!   parents and children, falls from `HOT` to `COLD` over the run, whatever its length: longer runs
//!   look around for longer;
//! * the sizes of the steps are mixed ([`Mutator::vary`](super::mutation::Mutator::vary)), and some
//!   children are crossed from two members;
//! * between rounds each island loses its worst members, whose room is filled by children of the
//!   others, and gets the best network of its neighbour;
//! * one child in `FROM_FRONT` descends from a network on a front, at a cost drawn at random, so that
//!   the fronts are good over their whole range.
//!
//! Islands do not see each other within a round, and are merged in their order: threads cannot change
//! the result. See `docs/decisions/050-islands.md`.

use super::judge::{Fate, Tally, Worker};
use super::state::{Island, State};
use super::{Fronts, Individual, Rules, Search, mutation};
use crate::plainnet::SuperBlock;
use crate::stats;
use rand::RngExt;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Threshold of acceptance at the start and at the end of a run, in typical differences.
const HOT: f64 = 0.3;
const COLD: f64 = 0.003;

/// One child in so many descends from a network on a front.
const FROM_FRONT: u32 = 8;

/// One child in so many is crossed from two members.
const CROSSED: u32 = 5;

/// One member in so many makes room between rounds.
const CULLED: usize = 8;

/// Rounds of a run, as long as each has so many children at least, and [`Rules::round`] at most.
const ROUNDS: u64 = 100;
const SHORTEST: u64 = 500;

/// Fewest differences that say what is typical.
const ENOUGH: usize = 16;

/// What an island brings home from a round.
struct Harvest {
    tally: Tally,
    fronts: Fronts,
}

/// What all islands see during a round.
struct Round<'a> {
    search: &'a Search<'a>,
    start: &'a [SuperBlock],
    fronts: &'a Fronts,
    heat: f64,
    /// Members of each island.
    size: usize,
}

/// One round of all islands.
pub(super) fn round<'a>(
    search: &'a Search<'a>,
    start: &[SuperBlock],
    state: &mut State,
    workers: &mut Vec<Worker<'a>>,
    pool: &rayon::ThreadPool,
) {
    let rules = &search.rules;
    let longest = (rules.round as u64).max(SHORTEST);
    let length = (rules.iterations / ROUNDS).clamp(SHORTEST, longest).min(rules.iterations - state.iteration);
    let progress = state.iteration as f64 / rules.iterations as f64;
    let count = state.islands.len();
    let context = Round {
        search,
        start,
        fronts: &state.fronts,
        heat: HOT * (COLD / HOT).powf(progress),
        size: (rules.population / count).max(2),
    };
    let first = state.iteration;
    // The iterations of a round are dealt out in runs, as evenly as they can.
    let share = |i: usize| first + length * i as u64 / count as u64;
    let harvests: Vec<Harvest> = if let [worker] = &mut workers[..] {
        let islands = state.islands.iter_mut().enumerate();
        islands.map(|(i, island)| context.breed(island, share(i)..share(i + 1), worker)).collect()
    } else {
        // Whoever is free takes the next island; workers only remember what can be computed again.
        let idle = Mutex::new(std::mem::take(workers));
        let lock = || idle.lock().unwrap_or_else(PoisonError::into_inner);
        let harvests = pool.install(|| {
            let islands = state.islands.par_iter_mut().enumerate().with_max_len(1);
            islands
                .filter_map(|(i, island)| {
                    let mut worker = lock().pop()?;
                    let harvest = context.breed(island, share(i)..share(i + 1), &mut worker);
                    lock().push(worker);
                    Some(harvest)
                })
                .collect()
        });
        *workers = idle.into_inner().unwrap_or_else(PoisonError::into_inner);
        harvests
    };
    for harvest in harvests {
        state.tally.add(harvest.tally);
        state.fronts.absorb(&harvest.fronts);
    }
    state.iteration += length;
    if state.iteration < rules.iterations {
        make_room(rules, state);
        visit(rules, state);
    }
}

/// The worst members leave; never the last two.
fn make_room(rules: &Rules, state: &mut State) {
    let size = (rules.population / state.islands.len()).max(2);
    for island in &mut state.islands {
        if island.population.len() >= size {
            island.population.shrink_to((size - size / CULLED).max(2));
        }
    }
}

/// The best member of each island also comes to the next one.
fn visit(rules: &Rules, state: &mut State) {
    let best: Vec<Option<Arc<Individual>>> = state
        .islands
        .iter()
        .map(|island| {
            let members = island.population.members().iter();
            members.reduce(|best, other| if other.score > best.score { other } else { best }).cloned()
        })
        .collect();
    let count = state.islands.len();
    for (i, visitor) in best.into_iter().enumerate() {
        let island = &mut state.islands[(i + 1) % count];
        if let Some(visitor) = visitor.filter(|visitor| !island.population.knows(&visitor.blocks)) {
            island.population.push(visitor, rules);
        }
    }
}

impl Round<'_> {
    /// The iterations of one island.
    fn breed(&self, island: &mut Island, iterations: Range<u64>, worker: &mut Worker<'_>) -> Harvest {
        let Round { search, fronts, .. } = self;
        let mut harvest = Harvest { tally: Tally::default(), fronts: Fronts::new(fronts.count()) };
        let mut differences = Vec::new();
        let mut child = std::mem::take(&mut worker.child);
        for iteration in iterations {
            let mut clock = worker.begin(iteration);
            let mut rng = search.rng(iteration);
            let slot = self.bred(island, &mut rng, &mut child);
            worker.bred(&mut clock);
            let fate = if island.population.knows(&child) {
                Fate::Duplicate
            } else {
                worker.judge(&child, clock, search.rng(!iteration))
            };
            let Some(individual) = harvest.tally.count(fate) else { continue };
            harvest.fronts.insert_if_new(&individual, fronts);
            let Some(slot) = slot else {
                if island.population.len() < self.size {
                    island.population.push(individual, &search.rules);
                }
                continue;
            };
            let gain = individual.score - island.population.get(slot).score;
            if gain != 0.0 {
                differences.push(gain.abs());
            }
            let chance: f64 = rng.random();
            if island.population.len() < self.size {
                island.population.push(individual, &search.rules);
            } else if gain >= self.heat * island.unit * chance.ln() {
                island.population.replace(slot, individual, &search.rules);
            }
        }
        worker.child = child;
        if differences.len() >= ENOUGH
            && let Some(unit) = stats::median(&differences)
        {
            island.unit = unit;
        }
        harvest
    }

    /// Breeds a child; gives the place of its parent, if that is a member of the island.
    fn bred(&self, island: &Island, rng: &mut impl rand::Rng, child: &mut Vec<SuperBlock>) -> Option<usize> {
        let mutator = self.search.mutator();
        let population = &island.population;
        if rng.random_ratio(1, FROM_FRONT) {
            let front = self.fronts.get(rng.random_range(0..self.fronts.count()));
            if let Some(parent) = front.at(rng.random()) {
                mutator.vary(&parent.blocks, rng, child);
                return None;
            }
        }
        if population.is_empty() {
            mutator.vary(self.start, rng, child);
            return None;
        }
        let slot = rng.random_range(0..population.len());
        let parent = &population.get(slot).blocks;
        if rng.random_ratio(1, CROSSED) {
            let mate = &population.get(rng.random_range(0..population.len())).blocks;
            if mutation::cross(parent, mate, rng, child) {
                return Some(slot);
            }
        }
        mutator.vary(parent, rng, child);
        Some(slot)
    }
}
