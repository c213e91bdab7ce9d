//! Where a search can start, and how small a network of the space can get.

use super::budget::Accountant;
use super::mutation::Mutator;
use super::{Budgets, Constraint, Costs, Search, SearchError};
use crate::plainnet::{ShapeError, SuperBlock, relink};
use crate::space;
use crate::units::Latency;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::fmt;

/// Mutations tried on the way from a structure that is too large into the budgets.
const STEPS: usize = 20_000;

/// The budgets cannot be met, as far as a descent over the whole space could find out.
#[derive(Clone, Debug, PartialEq)]
pub struct Infeasible {
    pub constraint: Constraint,
    /// The budget and the smallest value reached, in the constraint's unit.
    pub budget: String,
    pub smallest: String,
    /// The smallest latency, where latency is what binds.
    pub smallest_latency: Option<Latency>,
    pub device: Option<String>,
}

impl fmt::Display for Infeasible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Infeasible { budget, smallest, .. } = self;
        match self.constraint {
            Constraint::Layers => {
                write!(f, "{budget} layers; the smallest network of the space has {smallest}")
            }
            Constraint::Params => write!(f, "{budget} parameters; the smallest reachable is {smallest}"),
            Constraint::Flops => write!(f, "{budget} FLOPs; the smallest reachable is {smallest}"),
            Constraint::Memory => write!(f, "{budget} of activations; the smallest reachable is {smallest}"),
            Constraint::Latency(_) => {
                let device = self.device.as_deref().unwrap_or("the device");
                write!(f, "{budget} on {device}; the smallest reachable latency is {smallest}")
            }
        }
    }
}

/// A structure inside the budgets: `initial` itself if it fits, else one that random mutations lead to,
/// else the smallest network of the space.
pub fn start(search: &Search<'_>, initial: Vec<SuperBlock>) -> Result<Vec<SuperBlock>, SearchError> {
    let mut accountant = Accountant::new(&search.budgets, search.resolution, search.classes);
    let violation = |costs: &Costs| search.budgets.violation(costs);
    let mut least = violation(&accountant.costs(&initial)?);
    if least <= 1.0 {
        return Ok(initial);
    }
    let mutator = search.mutator();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(search.seed);
    let (mut best, mut child) = (initial.clone(), Vec::new());
    for _ in 0..STEPS {
        mutator.mutate(&best, 1, &mut rng, &mut child);
        let now = violation(&accountant.costs(&child)?);
        if now < least {
            least = now;
            std::mem::swap(&mut best, &mut child);
            if least <= 1.0 {
                return Ok(best);
            }
        }
    }
    let smallest = smallest(&mutator, &initial, &mut accountant, &search.budgets)?;
    let costs = accountant.costs(&smallest)?;
    if violation(&costs) <= 1.0 {
        return Ok(smallest);
    }
    Err(SearchError::Infeasible(explain(&costs, &search.budgets)))
}

/// Every block as small as the space lets it become, the type chosen block by block.
fn smallest(
    mutator: &Mutator<'_>,
    initial: &[SuperBlock],
    accountant: &mut Accountant<'_>,
    budgets: &Budgets,
) -> Result<Vec<SuperBlock>, ShapeError> {
    let mut blocks = initial.to_vec();
    // Repeated steps lead from any width and depth to the least.
    for block in &mut blocks {
        loop {
            let choices = space::candidates(mutator.space, *block, mutator.weights, mutator.reach);
            let least = |values: &[i32], now: i32| values.iter().copied().min().map_or(now, |v| v.min(now));
            let smaller = SuperBlock {
                out_c: least(choices.out_c.as_slice(), block.out_c),
                sublayers: least(choices.sublayers.as_slice(), block.sublayers),
                bottleneck: least(choices.bottleneck.as_slice(), block.bottleneck),
                ..*block
            };
            if smaller == *block {
                break;
            }
            *block = smaller;
        }
    }
    relink(&mut blocks);
    let mut least = budgets.violation(&accountant.costs(&blocks)?);
    for i in 0..blocks.len() {
        let choices = space::candidates(mutator.space, blocks[i], mutator.weights, mutator.reach);
        for (kind, _) in choices.kinds() {
            let before = std::mem::replace(&mut blocks[i].kind, kind);
            let now = budgets.violation(&accountant.costs(&blocks)?);
            if now < least {
                least = now;
            } else {
                blocks[i].kind = before;
            }
        }
    }
    Ok(blocks)
}

/// The constraint that `costs` violate most.
fn explain(costs: &Costs, budgets: &Budgets) -> Infeasible {
    let mut worst = (0.0, Constraint::Layers, String::new(), String::new(), None);
    let mut consider = |ratio: f64, constraint, budget: String, smallest: String, latency| {
        if ratio > worst.0 {
            worst = (ratio, constraint, budget, smallest, latency);
        }
    };
    if let Some(limit) = budgets.layers {
        let ratio = costs.layers as f64 / f64::from(limit);
        consider(ratio, Constraint::Layers, limit.to_string(), costs.layers.to_string(), None);
    }
    if let Some(limit) = budgets.params {
        let ratio = costs.params.0 / limit.0;
        consider(ratio, Constraint::Params, limit.to_string(), costs.params.to_string(), None);
    }
    if let Some(limit) = budgets.flops {
        consider(
            costs.flops.0 / limit.0,
            Constraint::Flops,
            limit.to_string(),
            costs.flops.to_string(),
            None,
        );
    }
    if let Some((limit, memory)) = budgets.memory.zip(costs.memory) {
        consider(memory.0 / limit.0, Constraint::Memory, limit.to_string(), memory.to_string(), None);
    }
    for (i, (budget, estimate)) in budgets.latencies.iter().zip(&costs.latencies).enumerate() {
        if let Some(limit) = budget.limit {
            let latency = budgets.budgeted(estimate);
            let ratio = latency.ns() / limit.ns();
            consider(ratio, Constraint::Latency(i), limit.to_string(), latency.to_string(), Some(latency));
        }
    }
    let (_, constraint, budget, smallest, smallest_latency) = worst;
    let device = match constraint {
        Constraint::Latency(i) => budgets.latencies.get(i).map(|budget| budget.device.clone()),
        _ => None,
    };
    Infeasible { constraint, budget, smallest, smallest_latency, device }
}
