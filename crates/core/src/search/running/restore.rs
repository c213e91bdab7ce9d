//! Takes a checkpoint of a running search, and restores the search from one.

use super::checkpoint::{Checkpoint, FloatBits, SavedClimb, SavedIsland, SavedNetwork, SavedOrigin};
use super::fate::Tally;
use super::progress::{HistoryPoint, Phases};
use super::state::{Island, SearchState};
use crate::plainnet::{Network, SuperBlock, notation, shape};
use crate::predictor::Estimate;
use crate::proxy::{Candidate, Proxy, ScoreError};
use crate::search::Search;
use crate::search::budget::{Accountant, Costs, Quantity};
use crate::search::optimiser::climb::{Climb, ClimbOrigin, Known};
use crate::search::population::{self, Front, Fronts, Individual, Population};
use crate::units::Latency;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// The networks of a checkpoint under numbers, each once.
#[derive(Default)]
struct NetworkTable {
    networks: Vec<SavedNetwork>,
    known: FxHashMap<*const Individual, u32>,
}

impl NetworkTable {
    fn index(&mut self, individual: &Arc<Individual>) -> u32 {
        *self.known.entry(Arc::as_ptr(individual)).or_insert_with(|| {
            self.networks.push(save_network(individual));
            self.networks.len() as u32 - 1
        })
    }
}

fn save_network(individual: &Individual) -> SavedNetwork {
    let latency = |e: &Estimate| {
        [e.latency.ns(), e.lower.ns(), e.upper.ns(), e.coverage, e.charged.ns()].map(FloatBits::of)
    };
    SavedNetwork {
        net: Network::from(&individual.blocks[..]).to_string(),
        score: FloatBits::of(individual.score),
        amounts: individual.costs.amounts,
        latencies: individual.costs.latencies.iter().map(latency).collect(),
    }
}

/// How far a cost or a score in a checkpoint may be from the one that is computed anew, as a share: less than anything that
/// could matter, and more than a compiler's other order of additions.
const TOLERANCE: f64 = 1e-9;

/// The network of a checkpoint, after its costs, and its score where it can be, were computed once more.
fn restore_network(
    saved: &SavedNetwork,
    accountant: &mut Accountant<'_>,
    search: &Search<'_>,
    proxy: &dyn Proxy,
) -> Result<Individual, String> {
    let wrong = |reason: String| format!("{reason} (of its network {})", saved.net);
    let network = notation::parse(&saved.net).map_err(|e| wrong(e.to_string()))?;
    let blocks = network.super_blocks("a search varies").map_err(|e| wrong(e.to_string()))?;
    shape::validate(&network.blocks, search.resolution).map_err(|e| wrong(e.to_string()))?;
    if !saved.score.value().is_finite() {
        return Err(wrong(format!("a score of {}", saved.score.value())));
    }
    let latency = |bits: &[FloatBits; 5]| {
        let [latency, lower, upper, coverage, charged] = bits.map(FloatBits::value);
        Estimate {
            latency: Latency::from_ns(latency),
            lower: Latency::from_ns(lower),
            upper: Latency::from_ns(upper),
            charged: Latency::from_ns(charged),
            coverage,
        }
    };
    let costs = Costs { amounts: saved.amounts, latencies: saved.latencies.iter().map(latency).collect() };
    let computed = accountant.costs(&blocks).map_err(|e| wrong(e.to_string()))?;
    differs(&costs, &computed).map_or(Ok(()), |reason| Err(wrong(reason)))?;
    if let Some(score) = recomputed(proxy, &blocks, search).map_err(|e| wrong(e.to_string()))?
        && !close(saved.score.value(), score)
    {
        return Err(wrong(format!("a score of {}, where it has {score}", saved.score.value())));
    }
    Ok(Individual { blocks: blocks.into(), score: saved.score.value(), costs })
}

/// The score of a network; nothing where it may take seconds, because images pass through the network or somebody's function gives it, or depends on
/// random numbers, because their generator was that of the iteration in which the network was found.
fn recomputed(
    proxy: &dyn Proxy,
    blocks: &[SuperBlock],
    search: &Search<'_>,
) -> Result<Option<f64>, ScoreError> {
    if proxy.batch().is_some() || proxy.is_foreign() {
        return Ok(None);
    }
    let untouched = search.rng(0);
    let mut rng = untouched.clone();
    let Search { resolution, classes, .. } = *search;
    let score = proxy.score(Candidate { blocks, resolution, classes }, &mut rng);
    // A proxy that draws leaves the generator in another state.
    if rng == untouched { score.map(Some) } else { Ok(None) }
}

/// Whether two numbers are the same but for roundings. NaN is close to nothing.
fn close(saved: f64, computed: f64) -> bool {
    (saved - computed).abs() <= TOLERANCE * computed.abs()
}

/// What costs in a checkpoint have other than those that were computed anew.
fn differs(saved: &Costs, computed: &Costs) -> Option<String> {
    for quantity in Quantity::of_networks() {
        match (saved.amounts[quantity], computed.amounts[quantity]) {
            (Some(saved), Some(computed)) if close(saved, computed) => {}
            (None, None) => {}
            (saved, computed) => {
                let (name, saved) = (quantity.name(), saved.map_or("no".into(), |saved| saved.to_string()));
                let computed = computed.map_or("none".into(), |computed| computed.to_string());
                return Some(format!("{saved} {name}, where there are {computed}"));
            }
        }
    }
    if saved.latencies.len() != computed.latencies.len() {
        return Some(format!("{} latencies on {} devices", saved.latencies.len(), computed.latencies.len()));
    }
    let numbers = |e: &Estimate| [e.latency.ns(), e.lower.ns(), e.upper.ns(), e.coverage, e.charged.ns()];
    for (saved, computed) in saved.latencies.iter().zip(&computed.latencies) {
        let mut pairs = numbers(saved).into_iter().zip(numbers(computed));
        if !pairs.all(|(saved, computed)| close(saved, computed)) {
            return Some(format!("a latency of {}, where {} is predicted", saved.latency, computed.latency));
        }
    }
    None
}

/// Counts and times that no search of so many iterations gives. A search that is prolonged has more iterations than when
/// it was saved, never fewer.
fn impossible(checkpoint: &Checkpoint, iterations: u64) -> Option<String> {
    if checkpoint.iteration > iterations {
        return Some(format!("{} of {iterations} iterations are done", checkpoint.iteration));
    }
    let rejected = checkpoint.rejected.reasons().map(|(_, count)| count).fold(0, u64::saturating_add);
    let candidates = checkpoint.scored.saturating_add(rejected);
    // An iteration gives one candidate; the start gives one, too.
    if candidates > checkpoint.iteration.saturating_add(1) {
        return Some(format!("{candidates} candidates in {} iterations", checkpoint.iteration));
    }
    if checkpoint.timed > checkpoint.iteration.saturating_add(1) {
        return Some(format!("{} timed of {} iterations", checkpoint.timed, checkpoint.iteration));
    }
    if let Some(time) =
        checkpoint.phases.iter().map(|time| time.value()).find(|time| !(*time >= 0.0 && time.is_finite()))
    {
        return Some(format!("a time of {time} seconds"));
    }
    let numbers =
        |&(_, best, mean): &(u64, FloatBits, FloatBits)| best.value().is_finite() && mean.value().is_finite();
    let ordered = checkpoint.history.is_sorted_by(|a, b| a.0 < b.0);
    let inside = checkpoint.history.last().is_none_or(|last| last.0 <= checkpoint.iteration);
    (!(ordered && inside && checkpoint.history.iter().all(numbers)))
        .then(|| "a history that no search has".into())
}

fn save_climb(climb: &Climb, table: &mut NetworkTable) -> SavedClimb {
    SavedClimb {
        at: table.index(&climb.at),
        origin: match climb.origin {
            ClimbOrigin::Member(member) => SavedOrigin::Member(member),
            ClimbOrigin::Front { front, cap } => SavedOrigin::Front(front, FloatBits::of(cap)),
        },
        kicks: climb.kicks,
        patience: climb.patience,
        known: climb.known.iter().map(|&known| known as u8).collect(),
        effects: climb.effects.iter().map(|effect| effect.to_bits()).collect(),
        probed: climb.probed,
        fresh: climb.fresh,
        tried: climb.tried,
    }
}

fn restore_climb(
    saved: &SavedClimb,
    at: Arc<Individual>,
    search: &Search<'_>,
    members: usize,
) -> Result<Climb, String> {
    let origin = match saved.origin {
        SavedOrigin::Member(member) if member < members => ClimbOrigin::Member(member),
        SavedOrigin::Front(front, cap)
            if front < search.fronts() && cap.value().is_finite() && cap.value() > 0.0 =>
        {
            ClimbOrigin::Front { front, cap: cap.value() }
        }
        _ => return Err("a climb comes from nowhere".into()),
    };
    let known = |&known: &u8| match known {
        0 => Ok(Known::Nothing),
        1 => Ok(Known::Useless),
        2 => Ok(Known::Effect),
        _ => Err(format!("{known} is no state of a probe")),
    };
    let mut climb = Climb::new(at, origin, saved.kicks, saved.patience);
    climb.known = saved.known.iter().map(known).collect::<Result<_, _>>()?;
    climb.effects = saved.effects.iter().map(|&bits| f32::from_bits(bits)).collect();
    (climb.probed, climb.fresh, climb.tried) = (saved.probed, saved.fresh, saved.tried);
    if climb.restore(&search.mutator(), &search.budgets) {
        Ok(climb)
    } else {
        Err("a climb belongs to a search with other rules".into())
    }
}

/// The checkpoint of `state`.
pub(super) fn save(state: &SearchState) -> Checkpoint {
    let mut table = NetworkTable::default();
    let island = |island: &Island, table: &mut NetworkTable| SavedIsland {
        members: island.population.members().iter().map(|member| table.index(member)).collect(),
        climb: island.climb.as_ref().map(|climb| save_climb(climb, table)),
    };
    let islands = state.islands.iter().map(|i| island(i, &mut table)).collect();
    let front = |front: &Front, table: &mut NetworkTable| {
        front.points().iter().map(|(cost, network)| (table.index(network), FloatBits::of(*cost))).collect()
    };
    let fronts = state.fronts.iter().map(|f| front(f, &mut table)).collect();
    let point = |p: &HistoryPoint| (p.iteration, FloatBits::of(p.best), FloatBits::of(p.mean));
    Checkpoint {
        iteration: state.iteration,
        networks: table.networks,
        islands,
        fronts,
        history: state.history.iter().map(point).collect(),
        scored: state.tally.scored,
        rejected: state.tally.rejected.clone(),
        failed: state.tally.failed.clone(),
        phases: [state.phases.mutate, state.phases.budget, state.phases.score].map(FloatBits::of),
        timed: state.timed,
    }
}

/// The state in `checkpoint`, for `search`.
///
/// # Errors
/// What does not fit together, or to `proxy`, which is what `search` maximises.
pub(super) fn restore(
    checkpoint: &Checkpoint,
    search: &Search<'_>,
    proxy: &dyn Proxy,
) -> Result<SearchState, String> {
    impossible(checkpoint, search.rules.iterations).map_or(Ok(()), Err)?;
    let mut accountant = search.accountant();
    let networks: Vec<Arc<Individual>> = checkpoint
        .networks
        .iter()
        .map(|saved| restore_network(saved, &mut accountant, search, proxy).map(Arc::new))
        .collect::<Result<_, _>>()?;
    let network = |index: u32| {
        networks.get(index as usize).cloned().ok_or_else(|| format!("there is no network {index}"))
    };
    let rules = &search.rules;
    if checkpoint.islands.len() != rules.populations() || checkpoint.fronts.len() != search.fronts() {
        return Err("it belongs to a search with other rules".into());
    }
    let mut islands = Vec::new();
    for saved in &checkpoint.islands {
        let mut population = Population::default();
        for &member in &saved.members {
            population.push(network(member)?, rules);
        }
        let climb = |climb: &SavedClimb| restore_climb(climb, network(climb.at)?, search, population.len());
        let climb = saved.climb.as_ref().map(climb).transpose()?;
        islands.push(Island { population, climb });
    }
    let mut fronts = Vec::new();
    for saved in &checkpoint.fronts {
        let mut front = Front::default();
        for &(index, cost) in saved {
            let individual = network(index)?;
            let known = population::cost(&individual.costs, fronts.len());
            if known.is_none_or(|known| {
                (known - cost.value()).abs() > TOLERANCE * known || !cost.value().is_finite()
            }) {
                return Err(format!("a front has a network at {}, which costs something else", cost.value()));
            }
            front.insert(&individual, cost.value());
        }
        fronts.push(front);
    }
    let point = |&(iteration, best, mean): &(u64, FloatBits, FloatBits)| HistoryPoint {
        iteration,
        best: best.value(),
        mean: mean.value(),
    };
    let [mutate, budget, score] = checkpoint.phases.map(FloatBits::value);
    Ok(SearchState {
        iteration: checkpoint.iteration,
        islands,
        fronts: Fronts::of(fronts),
        tally: Tally {
            scored: checkpoint.scored,
            rejected: checkpoint.rejected.clone(),
            failed: checkpoint.failed.clone(),
        },
        history: checkpoint.history.iter().map(point).collect(),
        phases: Phases { mutate, budget, score },
        timed: checkpoint.timed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::{Mode, cost::Random, zen::ZenScore};
    use crate::search::{Instruction, Observer, SearchError, SearchProgress};
    use crate::space;
    use std::sync::Mutex;
    use std::time::Duration;

    /// Keeps the last checkpoint.
    #[derive(Default)]
    struct Keeper(Mutex<Option<Checkpoint>>);

    impl Observer for Keeper {
        fn now(&self) -> Duration {
            Duration::ZERO
        }
        fn progress(&self, _: SearchProgress) {}
        fn instruction(&self) -> Instruction {
            Instruction::GoOn
        }
        fn save(&self, checkpoint: &Checkpoint) {
            *self.0.lock().unwrap() = Some(checkpoint.clone());
        }
    }

    fn search() -> Search<'static> {
        Search::new(space::by_name("mobilenet").unwrap())
            .budget(Quantity::Params, 4e6)
            .budget(Quantity::Layers, 14.0)
            .iterations(300)
            .threads(1)
    }

    fn saved(search: &Search<'_>) -> Checkpoint {
        let keeper = Keeper::default();
        search.observed(&keeper, None).unwrap();
        keeper.0.into_inner().unwrap().unwrap()
    }

    fn refusal(search: &Search<'_>, checkpoint: &Checkpoint) -> String {
        match search.observed(&Keeper::default(), Some(checkpoint)) {
            Err(SearchError::Checkpoint(reason)) => reason,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("a forged checkpoint was accepted"),
        }
    }

    fn with_score(checkpoint: &Checkpoint, change: impl Fn(f64) -> f64) -> Checkpoint {
        let mut forged = checkpoint.clone();
        let network = forged.networks.last_mut().unwrap();
        network.score = FloatBits::of(change(network.score.value()));
        forged
    }

    #[test]
    fn a_score_that_the_network_does_not_have_is_refused() {
        let zen = ZenScore::new(Mode::Reference, 224);
        let flops = crate::proxy::cost::Flops;
        let (default, reference, flops) = (search(), search().proxy(&zen), search().proxy(&flops));
        for search in [&default, &reference, &flops] {
            let checkpoint = saved(search);
            search.observed(&Keeper::default(), Some(&checkpoint)).unwrap();
            let reason = refusal(search, &with_score(&checkpoint, |_| 1e9));
            assert!(reason.starts_with("a score of 1000000000, where it has "), "{reason}");
            assert!(reason.contains("(of its network SuperConv"), "{reason}");
            refusal(search, &with_score(&checkpoint, |score| score * (1.0 + 1e-8)));
            let rounded = with_score(&checkpoint, |score| score * (1.0 + 1e-12));
            search.observed(&Keeper::default(), Some(&rounded)).unwrap();
        }
        // A score of another mode is none of this search.
        refusal(&reference, &saved(&default));
    }

    #[test]
    fn a_random_score_is_not_computed_once_more() {
        let search = search().proxy(&Random);
        search.observed(&Keeper::default(), Some(&saved(&search))).unwrap();
    }

    #[test]
    fn more_iterations_than_the_search_has_are_refused_until_it_is_prolonged() {
        let search = search();
        let checkpoint = saved(&search);
        assert_eq!(checkpoint.iteration, 300);
        let forged = Checkpoint { iteration: 1_000_000_000_000_000, ..checkpoint.clone() };
        assert_eq!(refusal(&search, &forged), "1000000000000000 of 300 iterations are done");
        refusal(&search.clone().iterations(299), &checkpoint);
        let outcome = search.iterations(400).observed(&Keeper::default(), Some(&checkpoint)).unwrap();
        assert_eq!(outcome.iterations, 400);
    }
}
