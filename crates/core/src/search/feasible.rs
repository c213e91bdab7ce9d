//! Where a search can start, and how small a network of the space can get.

use super::budget::{Accountant, Budget, Budgets, Costs, Quantity};
use super::variation::Mutator;
use super::{Search, SearchError, head};
use crate::plainnet::{ShapeError, SuperBlock, relink};
use crate::space;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::fmt;

/// Mutations tried on the way from a structure that is too large into the budgets.
const STEPS: usize = 20_000;

/// The budgets cannot be met, as far as a descent over the whole space could find out.
#[derive(Clone, Debug, PartialEq)]
pub struct Infeasible {
    /// What is exceeded most.
    pub quantity: Quantity,
    /// A number, bytes, or nanoseconds.
    pub limit: f64,
    /// The smallest value that was reached, in the unit of the limit.
    pub smallest: f64,
    /// Where each device has a value of its own.
    pub device: Option<String>,
    /// Width of the last convolution, where the space fixes it and it takes most of that budget.
    pub fixed: Option<i32>,
}

impl fmt::Display for Infeasible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Infeasible { quantity, limit, smallest, device, fixed } = self;
        let (limit, smallest) = quantity.print_apart(*limit, *smallest);
        write!(f, "{}", quantity.with_noun(&limit))?;
        match device {
            Some(device) => write!(f, " on {device}; the smallest reachable {quantity} is {smallest}"),
            None => write!(f, "; the smallest reachable is {smallest}"),
        }?;
        match fixed {
            Some(width) => write!(f, " (the last convolution keeps its {width} channels)"),
            None => Ok(()),
        }
    }
}

/// A structure inside the budgets and the rules of shape: `initial` itself if it fits, else one that random mutations lead to,
/// else the smallest network of the space.
pub fn start(search: &Search<'_>, initial: Vec<SuperBlock>) -> Result<Vec<SuperBlock>, SearchError> {
    let mut accountant = search.accountant();
    let violation =
        |blocks: &[SuperBlock], costs: &Costs| search.budgets.violation(costs).max(search.shape_load(blocks));
    let mut least = violation(&initial, &accountant.costs(&initial)?);
    if least <= 1.0 {
        return Ok(initial);
    }
    let mutator = search.mutator();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(search.seed);
    let (mut best, mut child) = (initial.clone(), Vec::new());
    for _ in 0..STEPS {
        mutator.mutate(&best, 1, &mut rng, &mut child);
        let now = violation(&child, &accountant.costs(&child)?);
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
    match most_exceeded(&costs, &search.budgets) {
        None => match search.shape.and_then(|rules| rules.fullest(&smallest)) {
            Some(broken) if broken.share() > 1.0 => Err(SearchError::Misshapen(broken.sentence())),
            _ => Ok(smallest),
        },
        Some((budget, value)) => Err(SearchError::Infeasible(Infeasible {
            quantity: budget.quantity,
            limit: budget.limit,
            smallest: value,
            device: budget.device.map(|index| search.budgets.devices()[index].name.clone()),
            fixed: head::crowding(search)?.filter(|head| head.budget == *budget).map(|head| head.width),
        })),
    }
}

/// A network whose blocks are as small as the space allows; the type of each block is the one that costs least.
pub(super) fn smallest(
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

/// The budget that `costs` exceed most, if they exceed any, and the value of its quantity.
fn most_exceeded<'a>(costs: &Costs, budgets: &'a Budgets) -> Option<(&'a Budget, f64)> {
    let mut most: Option<(&Budget, f64)> = None;
    for budget in budgets.iter() {
        let Some(value) = budgets.value(budget, costs) else { continue };
        let least = most.map_or(1.0, |(budget, value)| value / budget.limit);
        if value / budget.limit > least {
            most = Some((budget, value));
        }
    }
    most
}
