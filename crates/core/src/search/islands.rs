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
use super::judge::{Appraisal, Fate, Tally, Worker};
use super::state::{Island, State};
use super::{Fronts, Individual, Population, Rules, Search, archive, mutation};
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

/// Probes, or tries, that are scored together.
const TOGETHER: usize = 16;

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
        let search = self.search;
        let mut harvest = Harvest { tally: Tally::default(), fronts: Fronts::new(self.fronts.count()) };
        let mut next = iterations.start;
        while next < iterations.end {
            let mut rng = search.rng(next);
            let wish = self.wish(island, &mut rng);
            let Island { population, climb } = island;
            let Some((climb, wish)) = climb.as_mut().zip(wish) else {
                self.seed(population, next, &mut rng, worker, &mut harvest);
                next += 1;
                continue;
            };
            // What does not depend on what the one before finds is bred and scored together.
            let left = usize::try_from(iterations.end - next - 1).unwrap_or(usize::MAX);
            let mut wishes = vec![wish];
            wishes.extend(climb.also(wish, left.min(TOGETHER - 1)));
            let end = next + wishes.len() as u64;
            let mut clock = worker.begin(next..end);
            let mut children = std::mem::take(&mut worker.children);
            children.resize_with(children.len().max(wishes.len()), Vec::new);
            for (wish, child) in wishes.iter().zip(&mut children) {
                match *wish {
                    Wish::Probe(edit) => climb.child([edit; 2], child),
                    Wish::Try(pair) => climb.child(pair, child),
                    Wish::Kick | Wish::End => self.kick(&climb.at.blocks, population, &mut rng, child),
                }
            }
            worker.children = children;
            worker.bred(&mut clock);
            let stream = |i: usize| search.rng(!(next + i as u64));
            let appraisals = worker.appraise(wishes.len(), clock, stream);
            self.learn(climb, &wishes, appraisals, &mut harvest);
            next = end;
        }
        harvest
    }

    /// A variation of the start, while nothing has a score yet.
    fn seed(
        &self,
        population: &mut Population,
        iteration: u64,
        rng: &mut Xoshiro256PlusPlus,
        worker: &mut Worker<'_>,
        harvest: &mut Harvest,
    ) {
        let mut clock = worker.begin(iteration..iteration + 1);
        let mut child = std::mem::take(&mut worker.child);
        self.search.mutator().vary(self.start, rng, &mut child);
        worker.bred(&mut clock);
        let fate = worker.judge(&child, clock, self.search.rng(!iteration));
        worker.child = child;
        if let Some(individual) = harvest.tally.count(fate) {
            harvest.fronts.insert_if_new(&individual, self.fronts);
            population.push(individual, &self.search.rules);
        }
    }

    /// Writes a variation at random to `child`.
    fn kick(
        &self,
        at: &[SuperBlock],
        population: &Population,
        rng: &mut Xoshiro256PlusPlus,
        child: &mut Vec<SuperBlock>,
    ) {
        let crossed = rng.random_ratio(1, CROSSED) && !population.is_empty() && {
            let mate = population.get(rng.random_range(0..population.len()));
            mutation::cross(at, &mate.blocks, rng, child)
        };
        if !crossed {
            self.search.mutator().vary(at, rng, child);
        }
    }

    /// What became of the children that were wished for together.
    fn learn(&self, climb: &mut Climb, wishes: &[Wish], appraisals: Vec<Appraisal>, harvest: &mut Harvest) {
        let bounds = &self.bounds;
        let mut best: Option<([usize; 2], Arc<Individual>)> = None;
        for (&wish, appraisal) in wishes.iter().zip(appraisals) {
            let found = match appraisal {
                Ok((found, exceeded)) => {
                    let fate = exceeded.map_or_else(|| Fate::Accepted(Arc::clone(&found)), Fate::Rejected);
                    if let Some(individual) = harvest.tally.count(fate) {
                        harvest.fronts.insert_if_new(&individual, self.fronts);
                    }
                    Some(found)
                }
                Err(fate) => {
                    harvest.tally.count(fate);
                    None
                }
            };
            if let Wish::Probe(edit) = wish {
                climb.probed(edit, found.as_deref(), bounds);
            }
            let fitting = found.filter(|found| bounds.fits(found, climb.origin));
            match wish {
                Wish::Probe(_) => {}
                Wish::Try(pair) => {
                    let better = |found: &Arc<Individual>| {
                        best.as_ref().is_none_or(|(_, best)| found.score > best.score)
                    };
                    if let Some(found) = fitting.filter(better) {
                        best = Some((pair, found));
                    }
                }
                Wish::Kick | Wish::End => {
                    climb.kicks = climb.kicks.saturating_sub(1);
                    if let Some(found) = fitting {
                        climb.kicked(&found, bounds);
                    }
                }
            }
        }
        if let Some((pair, found)) = best {
            climb.tried(pair, &found, &self.search.mutator(), bounds);
        }
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
