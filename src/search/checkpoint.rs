//! The state of a search between two rounds, in a form that can be written down.
//!
//! Numbers are kept as the bits of their 64-bit floats: a search that goes on from a checkpoint must not
//! differ by a rounding from one that was never interrupted.

use super::archive::{Front, Fronts};
use super::budget::{Costs, Rejected};
use super::judge::Tally;
use super::observer::{Phases, Point};
use super::population::{Individual, Population, Rules};
use super::state::{Island, State};
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
    unit: Exact,
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
            unit: Exact::of(island.unit),
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

    /// The state, for a search by `rules` with `fronts` fronts.
    ///
    /// # Errors
    /// What does not fit together.
    pub(super) fn restore(&self, rules: &Rules, fronts: usize) -> Result<State, String> {
        let networks: Vec<Arc<Individual>> =
            self.networks.iter().map(|saved| saved.restore().map(Arc::new)).collect::<Result<_, _>>()?;
        let network = |index: u32| {
            networks.get(index as usize).cloned().ok_or_else(|| format!("there is no network {index}"))
        };
        if self.islands.len() != rules.islands.max(1) || self.fronts.len() != fronts {
            return Err("it belongs to a search with other rules".into());
        }
        let mut islands = Vec::new();
        for saved in &self.islands {
            let mut population = Population::default();
            for &member in &saved.members {
                population.push(network(member)?, rules);
            }
            islands.push(Island { population, unit: saved.unit.value() });
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
