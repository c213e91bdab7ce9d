//! The state of a search between two rounds, in a form that can be written down.
//!
//! Numbers are kept as the bits of their 64-bit floats: a search that goes on from a checkpoint must not
//! differ by a rounding from one that was never interrupted.

use super::archive::{Front, Fronts};
use super::budget::{Costs, Rejected};
use super::climb::{Climb, Known, Origin};
use super::judge::Tally;
use super::observer::{Phases, Point};
use super::population::{Individual, Population};
use super::state::{Island, State};
use super::{Search, islands};
use crate::plainnet::{Network, notation};
use crate::predictor::Estimate;
use crate::units::{Bytes, Latency, Macs, Params};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A float by its bits.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(transparent)]
struct Exact(u64);

impl Exact {
    fn of(value: f64) -> Exact {
        Exact(value.to_bits())
    }
    fn value(self) -> f64 {
        f64::from_bits(self.0)
    }
}

/// What a search needs to go on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    iteration: u64,
    networks: Vec<Saved>,
    islands: Vec<SavedIsland>,
    /// Of each front, the indices of its networks with their costs.
    fronts: Vec<Vec<(u32, Exact)>>,
    history: Vec<(u64, Exact, Exact)>,
    scored: u64,
    rejected: Rejected,
    failed: Option<String>,
    phases: [Exact; 3],
    timed: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedIsland {
    /// Indices of its members, in their order.
    members: Vec<u32>,
    climb: Option<SavedClimb>,
}

/// A climb that is under way. Floats of single precision by their bits.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedClimb {
    at: u32,
    origin: SavedOrigin,
    kicks: u32,
    patience: usize,
    /// For each edit: 0 not probed, 1 of no use, 2 probed.
    known: Vec<u8>,
    effects: Vec<u32>,
    probed: usize,
    fresh: bool,
    tried: Option<usize>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SavedOrigin {
    Member(usize),
    Front(usize, Exact),
}

impl SavedClimb {
    fn of(climb: &Climb, pool: &mut Pool) -> SavedClimb {
        SavedClimb {
            at: pool.index(&climb.at),
            origin: match climb.origin {
                Origin::Member(place) => SavedOrigin::Member(place),
                Origin::Front { front, cap } => SavedOrigin::Front(front, Exact::of(cap)),
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

    fn restore(&self, at: Arc<Individual>, search: &Search<'_>, members: usize) -> Result<Climb, String> {
        let origin = match self.origin {
            SavedOrigin::Member(place) if place < members => Origin::Member(place),
            SavedOrigin::Front(front, cap) if front < search.fronts() => {
                Origin::Front { front, cap: cap.value() }
            }
            _ => return Err("a climb comes from nowhere".into()),
        };
        let known = |&known: &u8| match known {
            0 => Ok(Known::Nothing),
            1 => Ok(Known::Useless),
            2 => Ok(Known::Effect),
            _ => Err(format!("{known} is no state of a probe")),
        };
        let mut climb = Climb::new(at, origin, self.kicks, self.patience);
        climb.known = self.known.iter().map(known).collect::<Result<_, _>>()?;
        climb.effects = self.effects.iter().map(|&bits| f32::from_bits(bits)).collect();
        (climb.probed, climb.fresh, climb.tried) = (self.probed, self.fresh, self.tried);
        if climb.restore(&search.mutator(), &islands::bounds(search)) {
            Ok(climb)
        } else {
            Err("a climb belongs to a search with other rules".into())
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    net: String,
    score: Exact,
    layers: i64,
    params: Exact,
    flops: Exact,
    memory: Option<Exact>,
    /// Latency, bounds and coverage on each device.
    latencies: Vec<[Exact; 4]>,
}

impl Saved {
    fn of(individual: &Individual) -> Saved {
        let costs = &individual.costs;
        let latency = |e: &Estimate| [e.latency.ns(), e.lower.ns(), e.upper.ns(), e.coverage].map(Exact::of);
        Saved {
            net: Network::from(&individual.blocks[..]).to_string(),
            score: Exact::of(individual.score),
            layers: costs.layers,
            params: Exact::of(costs.params.0),
            flops: Exact::of(costs.flops.0),
            memory: costs.memory.map(|m| Exact::of(m.0)),
            latencies: costs.latencies.iter().map(latency).collect(),
        }
    }

    fn restore(&self) -> Result<Individual, String> {
        let network = notation::parse(&self.net).map_err(|e| format!("{}: {e}", self.net))?;
        let blocks = network.super_blocks("a search varies").map_err(|e| e.to_string())?;
        let latency = |bits: &[Exact; 4]| {
            let [latency, lower, upper, coverage] = bits.map(Exact::value);
            Estimate {
                latency: Latency::from_ns(latency),
                lower: Latency::from_ns(lower),
                upper: Latency::from_ns(upper),
                coverage,
            }
        };
        let costs = Costs {
            layers: self.layers,
            params: Params(self.params.value()),
            flops: Macs(self.flops.value()),
            memory: self.memory.map(|m| Bytes(m.value())),
            latencies: self.latencies.iter().map(latency).collect(),
        };
        Ok(Individual { blocks: blocks.into(), score: self.score.value(), costs })
    }
}

/// Networks under numbers, each once.
#[derive(Default)]
struct Pool {
    networks: Vec<Saved>,
    known: FxHashMap<*const Individual, u32>,
}

impl Pool {
    fn index(&mut self, individual: &Arc<Individual>) -> u32 {
        *self.known.entry(Arc::as_ptr(individual)).or_insert_with(|| {
            self.networks.push(Saved::of(individual));
            self.networks.len() as u32 - 1
        })
    }
}

impl Checkpoint {
    pub(super) fn of(state: &State) -> Checkpoint {
        let mut pool = Pool::default();
        let island = |island: &Island, pool: &mut Pool| SavedIsland {
            members: island.population.members().iter().map(|member| pool.index(member)).collect(),
            climb: island.climb.as_ref().map(|climb| SavedClimb::of(climb, pool)),
        };
        let islands = state.islands.iter().map(|i| island(i, &mut pool)).collect();
        let front = |front: &Front, pool: &mut Pool| {
            front.points().iter().map(|(cost, network)| (pool.index(network), Exact::of(*cost))).collect()
        };
        let fronts = state.fronts.iter().map(|f| front(f, &mut pool)).collect();
        let point = |p: &Point| (p.iteration, Exact::of(p.best), Exact::of(p.mean));
        Checkpoint {
            iteration: state.iteration,
            networks: pool.networks,
            islands,
            fronts,
            history: state.history.iter().map(point).collect(),
            scored: state.tally.scored,
            rejected: state.tally.rejected.clone(),
            failed: state.tally.failed.clone(),
            phases: [state.phases.mutate, state.phases.budget, state.phases.score].map(Exact::of),
            timed: state.timed,
        }
    }

    /// The state, for `search`.
    ///
    /// # Errors
    /// What does not fit together.
    pub(super) fn restore(&self, search: &Search<'_>) -> Result<State, String> {
        let networks: Vec<Arc<Individual>> =
            self.networks.iter().map(|saved| saved.restore().map(Arc::new)).collect::<Result<_, _>>()?;
        let network = |index: u32| {
            networks.get(index as usize).cloned().ok_or_else(|| format!("there is no network {index}"))
        };
        let rules = &search.rules;
        if self.islands.len() != rules.populations() || self.fronts.len() != search.fronts() {
            return Err("it belongs to a search with other rules".into());
        }
        let mut islands = Vec::new();
        for saved in &self.islands {
            let mut population = Population::default();
            for &member in &saved.members {
                population.push(network(member)?, rules);
            }
            let restore = |climb: &SavedClimb| climb.restore(network(climb.at)?, search, population.len());
            let climb = saved.climb.as_ref().map(restore).transpose()?;
            islands.push(Island { population, climb });
        }
        let mut restored = Vec::new();
        for saved in &self.fronts {
            let mut front = Front::default();
            for &(index, cost) in saved {
                front.insert(&network(index)?, cost.value());
            }
            restored.push(front);
        }
        let point = |&(iteration, best, mean): &(u64, Exact, Exact)| Point {
            iteration,
            best: best.value(),
            mean: mean.value(),
        };
        let [mutate, budget, score] = self.phases.map(Exact::value);
        Ok(State {
            iteration: self.iteration,
            islands,
            fronts: Fronts::of(restored),
            tally: Tally {
                scored: self.scored,
                rejected: self.rejected.clone(),
                failed: self.failed.clone(),
            },
            history: self.history.iter().map(point).collect(),
            phases: Phases { mutate, budget, score },
            timed: self.timed,
        })
    }

    /// Iterations that are done.
    pub fn iteration(&self) -> u64 {
        self.iteration
    }
}
