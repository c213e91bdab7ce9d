//! The default search: several small populations side by side, whose members climb.
//!
//! The loop of the paper keeps the best and drops the worst; its population soon consists of cousins
//! of one network, and more iterations change little. Here
//!
//! * an island takes one of its members, varies it a little at random
//!   ([`Mutator::vary`](crate::search::variation::Mutator::vary), or crossed with another member), and
//!   climbs from there (`climb.rs`); the result takes the place of the **parent** if it is no worse,
//!   not of the worst member, so that lines of descent stay apart. A structure that is on the island
//!   already does not enter;
//! * one climb in `FROM_FRONT` starts at a network on a front, at a cost drawn at random, and must not
//!   cost more, so that the fronts are good over their whole range;
//! * now and then the best network of each island comes to the next one;
//! * short runs have fewer islands, and climbs that look around less before each step.
//!
//! Islands do not see each other within a round, and their results are merged in their order, so that the number of
//! threads cannot change the result. See `docs/decisions/050-islands.md`.

use super::climb::{self, Climb, ClimbOrigin, Proposal};
use super::{Breeding, Optimiser, Rules};
use crate::plainnet::SuperBlock;
use crate::search::Search;
use crate::search::population::{self, Fronts, Individual, Judged, Population};
use crate::search::running::fate::{Appraisal, Tally};
use crate::search::running::state::{Island, SearchState};
use crate::search::running::worker::Worker;
use crate::search::variation::mutation;
use crate::space::{KindWeights, MutationReach};
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

/// A climb probes some edits before it tries any: the iterations of an island divided by `LOOKS`, and `FEWEST` at least. A
/// run that is too short to probe all edits must not spend all its iterations on probes.
const LOOKS: u64 = 32;
const FEWEST: u64 = 32;

/// A run has `ROUNDS` rounds, where that gives a round at least `SHORTEST` children and at most [`Rules::round`].
const ROUNDS: u64 = 100;
const SHORTEST: u64 = 64;

/// Most probes, or tries, that are scored together.
const TOGETHER: usize = 16;

/// Times during a run that the best network of each island comes to the next island.
const VISITS: u64 = 8;

/// What one island found in a round.
struct Harvest {
    tally: Tally,
    fronts: Fronts,
}

/// What all islands see during a round.
struct Round<'a> {
    search: &'a Search<'a>,
    start: &'a [SuperBlock],
    fronts: &'a Fronts,
    /// Members of each island.
    size: usize,
    patience: usize,
}

pub struct Islands;

impl Rules {
    /// The default: the paper's iterations, by climbs on islands.
    pub const ISLANDS: Rules = Rules {
        optimiser: &Islands,
        iterations: 96_000,
        population: 64,
        replaces: 1,
        weights: KindWeights::Uniform,
        reach: MutationReach::Reference,
        start_inside: true,
        reject_duplicates: true,
        round: 20_000,
        islands: 8,
    };
}

impl Optimiser for Islands {
    fn name(&self) -> &'static str {
        "islands"
    }
    fn rules(&self) -> Rules {
        Rules::ISLANDS
    }
    fn parallelism(&self, rules: &Rules) -> usize {
        rules.populations()
    }
    fn round(&self, breeding: &mut Breeding<'_>, state: &mut SearchState) {
        round(breeding, state);
    }
}

/// One round of all islands.
fn round(breeding: &mut Breeding<'_>, state: &mut SearchState) {
    let Breeding { search, start, workers, pool } = breeding;
    let (search, start) = (*search, *start);
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
        size: (rules.population / count).max(2),
        patience: (rules.iterations / count as u64 / LOOKS).max(FEWEST) as usize,
    };
    let first = state.iteration;
    // Each island has a consecutive range of the iterations of a round; the ranges are about equally long.
    let share = |i: usize| first + length * i as u64 / count as u64;
    let harvests: Vec<Harvest> = if let [worker] = &mut workers[..] {
        let islands = state.islands.iter_mut().enumerate();
        islands.map(|(i, island)| context.breed(island, share(i)..share(i + 1), worker)).collect()
    } else {
        // A free worker takes the next island. Workers remember only what can be computed again, so that it does not
        // matter which of them it is.
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

/// The best member of each island takes the place of the worst one of the next, if it is better.
fn visit(rules: &Rules, state: &mut SearchState) {
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
            let proposal = self.propose(island, &mut rng);
            let Island { population, climb } = island;
            let Some((climb, proposal)) = climb.as_mut().zip(proposal) else {
                self.seed(population, next, &mut rng, worker, &mut harvest);
                next += 1;
                continue;
            };
            // Proposals that do not depend on the result of this one are bred and scored together with it.
            let left = usize::try_from(iterations.end - next - 1).unwrap_or(usize::MAX);
            let mut proposals = vec![proposal];
            proposals.extend(climb.independent_of(proposal, left.min(TOGETHER - 1)));
            let end = next + proposals.len() as u64;
            let mut clock = worker.begin(next..end);
            let mut children = std::mem::take(&mut worker.children);
            children.resize_with(children.len().max(proposals.len()), Vec::new);
            for (proposal, child) in proposals.iter().zip(&mut children) {
                match *proposal {
                    Proposal::Probe(edit) => climb.child([edit; 2], child),
                    Proposal::Try(pair) => climb.child(pair, child),
                    Proposal::Kick | Proposal::End => {
                        self.kick(&climb.at.blocks, population, &mut rng, child)
                    }
                }
            }
            worker.children = children;
            worker.bred(&mut clock);
            let stream = |i: usize| search.rng(!(next + i as u64));
            let appraisals = worker.appraise(proposals.len(), clock, stream);
            self.learn(climb, &proposals, &worker.children, appraisals, &mut harvest);
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

    /// Takes in what became of children that were proposed together.
    fn learn(
        &self,
        climb: &mut Climb,
        proposals: &[Proposal],
        children: &[Vec<SuperBlock>],
        appraisals: Vec<Appraisal>,
        harvest: &mut Harvest,
    ) {
        let budgets = &self.search.budgets;
        let mut best: Option<([usize; 2], f64, Arc<Individual>)> = None;
        for ((&proposal, child), appraisal) in proposals.iter().zip(children).zip(appraisals) {
            // Most are forgotten again: a network of its own is only made of those that enter somewhere.
            let mut entered: Option<Arc<Individual>> = None;
            let found = match appraisal {
                Ok((found, exceeded)) => {
                    match exceeded {
                        Some(quantity) => harvest.tally.reject(quantity),
                        None => {
                            harvest.tally.scored += 1;
                            if harvest.fronts.is_new(&found, self.fronts) {
                                let individual = found.clone().of(child);
                                harvest.fronts.insert_if_new(&individual, self.fronts);
                                entered = Some(individual);
                            }
                        }
                    }
                    Some(found)
                }
                Err(fate) => {
                    harvest.tally.count(fate);
                    None
                }
            };
            if let Proposal::Probe(edit) = proposal {
                climb.probed(edit, found.as_ref(), budgets);
            }
            let fitting = found.filter(|found| climb::fits(budgets, &found.costs, climb.origin));
            match proposal {
                Proposal::Probe(_) => {}
                Proposal::Try(pair) => {
                    let better = |found: &Judged| best.as_ref().is_none_or(|best| found.score > best.1);
                    if let Some(found) = fitting.filter(better) {
                        best = Some((pair, found.score, entered.unwrap_or_else(|| found.of(child))));
                    }
                }
                Proposal::Kick | Proposal::End => {
                    climb.kicks = climb.kicks.saturating_sub(1);
                    if let Some(found) = fitting {
                        climb.kicked(&entered.unwrap_or_else(|| found.of(child)));
                    }
                }
            }
        }
        if let Some((pair, _, found)) = best {
            climb.tried(pair, &found, &self.search.mutator(), budgets);
        }
    }

    /// The next proposal of the island's climb; where the climb has ended, that of a new one. Nothing while the island
    /// is empty.
    fn propose(&self, island: &mut Island, rng: &mut Xoshiro256PlusPlus) -> Option<Proposal> {
        let mutator = self.search.mutator();
        if let Some(climb) = &mut island.climb {
            let proposal = climb.next(&mutator, &self.search.budgets);
            if proposal != Proposal::End {
                return Some(proposal);
            }
        }
        if let Some(climb) = island.climb.take() {
            self.settle(island, climb);
        }
        let climb = self.begin(island, rng)?;
        Some(island.climb.insert(climb).next(&mutator, &self.search.budgets))
    }

    /// A new climb.
    fn begin(&self, island: &Island, rng: &mut Xoshiro256PlusPlus) -> Option<Climb> {
        let population = &island.population;
        let kicks = rng.random_range(KICKS);
        if rng.random_ratio(1, FROM_FRONT) {
            let front = rng.random_range(0..self.fronts.count());
            if let Some(at) = self.fronts.get(front).at(rng.random()) {
                let origin = ClimbOrigin::Front { front, cap: population::cost(&at.costs, front)? };
                return Some(Climb::new(Arc::clone(at), origin, kicks, self.patience));
            }
        }
        if population.is_empty() {
            return None;
        }
        let place = rng.random_range(0..population.len());
        let at = Arc::clone(&population.members()[place]);
        Some(Climb::new(at, ClimbOrigin::Member(place), kicks, self.patience))
    }

    /// What a climb has reached takes its place on the island.
    fn settle(&self, island: &mut Island, climb: Climb) {
        let population = &mut island.population;
        let ClimbOrigin::Member(place) = climb.origin else { return };
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
