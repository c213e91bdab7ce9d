//! Where a search can start, and how small a network of the space can get.

use super::budget::{Budget, Budgets, Costs, Quantity};
use super::smallest::smallest;
use super::{Search, SearchError, head};
use crate::plainnet::SuperBlock;
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
        let most = if quantity.is_at_least() { "greatest" } else { "smallest" };
        match device {
            Some(device) => write!(f, " on {device}; the {most} reachable {quantity} is {smallest}"),
            None => write!(f, "; the {most} reachable is {smallest}"),
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
