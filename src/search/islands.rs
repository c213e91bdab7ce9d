//! The default search: several small populations side by side, whose members climb.
//!
//! The loop of the paper keeps the best and drops the worst; its population soon consists of cousins
//! of one network, and more iterations change little. Here
//!
//! * an island takes one of its members, varies it a little at random
//!   ([`Mutator::vary`](super::mutation::Mutator::vary), or crossed with another member), and
//!   climbs from there (`climb.rs`); the result takes the place of the **parent** if it is no worse,
//!   not of the worst member, so that lines of descent stay apart. A structure that is on the island
//!   already does not enter;
//! * one climb in `FROM_FRONT` starts at a network on a front, at a cost drawn at random, and must not
//!   cost more, so that the fronts are good over their whole range;
//! * now and then the best network of each island comes to the next one;
//! * short runs have fewer islands, and climbs that look around less before each step.
//!
//! Islands do not see each other within a round, and are merged in their order: threads cannot change
//! the result. See `docs/decisions/050-islands.md`.

use super::climb::{Bounds, Climb, Origin, Wish};
use super::judge::{Fate, Tally, Worker};
use super::state::{Island, State};
use super::{Fronts, Individual, Rules, Search, archive, mutation};
use crate::plainnet::SuperBlock;
use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// One climb in so many starts from a network on a front.
const FROM_FRONT: u32 = 4;

/// One variation in so many is crossed from two members.
const CROSSED: u32 = 8;

/// Variations that are tried before a climb; those outside the budgets are not followed.
const KICKS: std::ops::RangeInclusive<u32> = 1..=16;

/// A climb probes as many edits before it tries any as an island has iterations, divided by this; a run
/// too short for the whole neighbourhood must not spend itself on looking around.
const LOOKS: u64 = 32;
const FEWEST: u64 = 32;

/// Rounds of a run, as long as each has so many children at least, and [`Rules::round`] at most.
const ROUNDS: u64 = 100;
const SHORTEST: u64 = 64;

/// Times that the best networks travel during a run.
const VISITS: u64 = 8;

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
    bounds: Bounds<'a>,
    /// Members of each island.
    size: usize,
    patience: usize,
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
    let count = state.islands.len();
    let length = if search.is_slow() {
        count as u64
    } else {
        (rules.iterations / ROUNDS).clamp(SHORTEST, (rules.round as u64).max(SHORTEST))
    };
    let length = length.min(rules.iterations - state.iteration);
    let context = Round {
        search,
        start,
        fronts: &state.fronts,
        bounds: bounds(search),
        size: (rules.population / count).max(2),
        patience: (rules.iterations / count as u64 / LOOKS).max(FEWEST) as usize,
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
    let visits = |iteration: u64| iteration * VISITS / rules.iterations;
    if visits(state.iteration) > visits(first) && state.iteration < rules.iterations {
        visit(rules, state);
    }
}

/// What climbs keep to.
pub(super) fn bounds<'a>(search: &'a Search<'_>) -> Bounds<'a> {
    Bounds { budgets: &search.budgets, cost: archive::cost }
}

/// The best member of each island takes the place of the worst one of the next, if it is better.
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
        let population = &mut state.islands[(i + 1) % count].population;
        let (Some(visitor), Some(worst)) = (visitor, population.worst()) else { continue };
        if visitor.score > population.get(worst).score && !population.knows(&visitor.blocks) {
            population.replace(worst, visitor, rules);
        }
    }
}

impl Round<'_> {
    /// The iterations of one island.
    fn breed(&self, island: &mut Island, iterations: Range<u64>, worker: &mut Worker<'_>) -> Harvest {
        let Round { search, fronts, bounds, .. } = self;
        let mutator = search.mutator();
        let mut harvest = Harvest { tally: Tally::default(), fronts: Fronts::new(fronts.count()) };
        let mut child = std::mem::take(&mut worker.child);
        for iteration in iterations {
            let mut clock = worker.begin(iteration);
            let mut rng = search.rng(iteration);
            let wish = self.wish(island, &mut rng);
            let Island { population, climb } = island;
            let Some((climb, wish)) = climb.as_mut().zip(wish) else {
                // Nothing has a score yet.
                mutator.vary(self.start, &mut rng, &mut child);
                worker.bred(&mut clock);
                let fate = worker.judge(&child, clock, search.rng(!iteration));
                if let Some(individual) = harvest.tally.count(fate) {
                    harvest.fronts.insert_if_new(&individual, fronts);
                    population.push(individual, &search.rules);
                }
                continue;
            };
            match wish {
                Wish::Probe(edit) => climb.child([edit; 2], &mut child),
                Wish::Try(pair) => climb.child(pair, &mut child),
                Wish::Kick | Wish::End => {
                    let at = &climb.at.blocks;
                    let crossed = rng.random_ratio(1, CROSSED) && !population.is_empty() && {
                        let mate = population.get(rng.random_range(0..population.len()));
                        mutation::cross(at, &mate.blocks, &mut rng, &mut child)
                    };
                    if !crossed {
                        mutator.vary(at, &mut rng, &mut child);
                    }
                }
            }
            worker.bred(&mut clock);
            let (found, exceeded) = match worker.appraise(&child, clock, search.rng(!iteration)) {
                Ok((found, exceeded)) => (Some(found), exceeded),
                Err(fate) => {
                    harvest.tally.count(fate);
                    (None, None)
                }
            };
            if let Some(found) = &found {
                let fate = exceeded.map_or_else(|| Fate::Accepted(Arc::clone(found)), Fate::Rejected);
                if let Some(individual) = harvest.tally.count(fate) {
                    harvest.fronts.insert_if_new(&individual, fronts);
                }
            }
            let fitting = found.as_ref().filter(|found| bounds.fits(found, climb.origin));
            match wish {
                Wish::Probe(edit) => climb.probed(edit, found.as_deref(), bounds),
                Wish::Try(pair) => {
                    if let Some(found) = fitting {
                        climb.tried(pair, found, &mutator, bounds);
                    }
                }
                Wish::Kick | Wish::End => {
                    climb.kicks = climb.kicks.saturating_sub(1);
                    if let Some(found) = fitting {
                        climb.kicked(found, bounds);
                    }
                }
            }
        }
        worker.child = child;
        harvest
    }

    /// What the climb of the island wants next; a new one begins where the last has arrived. Nothing while
    /// the island is empty.
    fn wish(&self, island: &mut Island, rng: &mut Xoshiro256PlusPlus) -> Option<Wish> {
        let mutator = self.search.mutator();
        if let Some(climb) = &mut island.climb {
            let wish = climb.next(&mutator, &self.bounds);
            if wish != Wish::End {
                return Some(wish);
            }
        }
        if let Some(climb) = island.climb.take() {
            self.settle(island, climb);
        }
        let climb = self.begin(island, rng)?;
        Some(island.climb.insert(climb).next(&mutator, &self.bounds))
    }

    /// A new climb.
    fn begin(&self, island: &Island, rng: &mut Xoshiro256PlusPlus) -> Option<Climb> {
        let population = &island.population;
        let kicks = rng.random_range(KICKS);
        if rng.random_ratio(1, FROM_FRONT) {
            let front = rng.random_range(0..self.fronts.count());
            if let Some(at) = self.fronts.get(front).at(rng.random()) {
                let origin = Origin::Front { front, cap: archive::cost(at, front) };
                return Some(Climb::new(Arc::clone(at), origin, kicks, self.patience));
            }
        }
        if population.is_empty() {
            return None;
        }
        let place = rng.random_range(0..population.len());
        let at = Arc::clone(&population.members()[place]);
        Some(Climb::new(at, Origin::Member(place), kicks, self.patience))
    }

    /// What a climb has reached takes its place on the island.
    fn settle(&self, island: &mut Island, climb: Climb) {
        let population = &mut island.population;
        let Origin::Member(place) = climb.origin else { return };
        if population.knows(&climb.at.blocks) {
            return;
        }
        if population.len() < self.size {
            population.push(climb.at, &self.search.rules);
        } else if climb.at.score >= population.get(place).score {
            population.replace(place, climb.at, &self.search.rules);
        }
    }
}
