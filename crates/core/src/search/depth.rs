//! A limit on the number of layers, derived from the other budgets.
//!
//! The score grows with every layer, and no budget but that of the layers themselves bounds their number well: a
//! network under a budget of FLOPs can always be made thinner and deeper. Algorithm 2 of the paper therefore takes a
//! most depth. Where nobody gives one, the rule is: **as many layers as the published networks of the space that cost as
//! much as the budget allows**. Between two of them the number is interpolated on the logarithm of the cost, rounded;
//! below the cheapest and above the dearest it is theirs. Of several budgets the one that allows the fewest counts.
//! Published networks for images of about the search's size are taken, and their costs are those at the search's size.

use super::budget::{Accountant, Budget, Budgets, CostError, Quantity};
use crate::plainnet::chain::Chain;
use crate::plainnet::{Network, SuperBlock, Variant, layers, published, relink};
use crate::space::SearchSpace;

/// A derived limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DepthLimit {
    pub layers: u32,
    /// The budget that it follows from; absent where none of the budgets says anything of depth, and the limit is that
    /// of the deepest published network.
    pub from: Option<Budget>,
}

/// The limit that follows from `budgets` for networks of `space`; nothing where no network of the space is published.
///
/// # Errors
/// An input that published networks cannot read; a published network without a latency.
pub fn derived(
    space: &dyn SearchSpace,
    budgets: &Budgets,
    resolution: u32,
    classes: u32,
) -> Result<Option<DepthLimit>, CostError> {
    let mut accountant = Accountant::new(budgets, resolution, classes);
    let mut networks = Vec::new();
    for blocks in published_for(space, resolution) {
        networks.push((accountant.costs(&blocks)?, layers(&blocks)));
    }
    let Some(deepest) = networks.iter().map(|(_, layers)| *layers).max() else { return Ok(None) };
    let mut limit = DepthLimit { layers: u32::try_from(deepest).unwrap_or(u32::MAX), from: None };
    for budget in budgets.iter().filter(|budget| grows_with_depth(budget.quantity)) {
        let cost_and_layers = networks
            .iter()
            .filter_map(|(costs, layers)| Some((budgets.value(budget, costs)?, *layers as f64)));
        let allowed = interpolated(cost_and_layers.collect(), budget.limit);
        if let Some(allowed) = allowed.filter(|allowed| limit.from.is_none() || *allowed < limit.layers) {
            limit = DepthLimit { layers: allowed, from: Some(*budget) };
        }
    }
    Ok(Some(limit))
}

/// The fewest convolutions on the main path of the published networks of `space` from which limits are derived: no budget
/// gives a limit below. Nothing where no network of the space is published.
pub fn fewest_convolutions(space: &dyn SearchSpace, resolution: u32) -> Option<usize> {
    let convolutions = |blocks: &Vec<SuperBlock>| {
        let links = Chain::links(&Network::from(&blocks[..]).blocks, resolution, Variant::SCORED).ok()?;
        Some(links.iter().filter(|link| !link.pool).count())
    };
    published_for(space, resolution).iter().filter_map(convolutions).min()
}

/// Whether deeper networks have more of it. The peak of activations is that of the widest map.
fn grows_with_depth(quantity: Quantity) -> bool {
    match quantity {
        Quantity::Layers | Quantity::Memory => false,
        Quantity::Params | Quantity::Flops | Quantity::Weights | Quantity::Latency | Quantity::Throughput => {
            true
        }
    }
}

/// The published networks of super blocks of `space` whose images are nearest in size to `resolution`.
fn published_for(space: &dyn SearchSpace, resolution: u32) -> Vec<Vec<SuperBlock>> {
    let of_space = |blocks: &[SuperBlock]| {
        let mut kinds = blocks.iter().map(|block| block.kind).filter(|kind| !kind.is_conv());
        let known =
            |kind| crate::space::by_name(space.name()).is_some_and(|s| s.kinds().iter().any(|k| k.0 == kind));
        kinds.all(known)
    };
    let networks: Vec<(u32, Vec<SuperBlock>)> = published::names()
        .filter_map(published::by_name)
        .filter_map(|model| Some((model.resolution, model.network.super_blocks("a search varies").ok()?)))
        .filter(|(_, blocks)| of_space(blocks))
        .collect();
    let distance = |other: u32| (f64::from(other) / f64::from(resolution.max(1))).ln().abs();
    let nearest = networks.iter().map(|(side, _)| *side).min_by(|a, b| distance(*a).total_cmp(&distance(*b)));
    let chosen = networks.into_iter().filter(|(side, _)| Some(*side) == nearest);
    chosen
        .map(|(_, mut blocks)| {
            relink(&mut blocks);
            blocks
        })
        .collect()
}

/// The number of layers at the cost `limit`, from pairs of a cost and a number of layers.
fn interpolated(mut points: Vec<(f64, f64)>, limit: f64) -> Option<u32> {
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    // A dearer network may have as many layers as any cheaper one.
    let mut most = 0.0_f64;
    for (_, layers) in &mut points {
        most = most.max(*layers);
        *layers = most;
    }
    let above = points.partition_point(|(cost, _)| *cost < limit);
    let layers = match (above.checked_sub(1).map(|below| points[below]), points.get(above)) {
        (None, None) => return None,
        (None, Some(&(_, layers))) | (Some((_, layers)), None) => layers,
        (Some((low, few)), Some(&(high, many))) => {
            few + (many - few) * (limit / low).ln() / (high / low).ln()
        }
    };
    Some(layers.round() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::preset;
    use crate::space;

    #[test]
    fn published_set_ups_get_about_the_layers_that_they_have() {
        for preset in preset::ALL.iter().filter(|preset| !preset.budget.0.is_per_device()) {
            let space = space::by_name(preset.space).unwrap();
            let mut budgets = Budgets::default();
            budgets.bound(preset.budget.0, preset.budget.1);
            let derived = derived(space, &budgets, preset.resolution, preset.classes).unwrap().unwrap();
            assert!(derived.layers.abs_diff(preset.layers) <= 2, "{}: {derived:?}", preset.name);
            assert_eq!(derived.from.map(|budget| budget.quantity), Some(preset.budget.0));
        }
    }

    #[test]
    fn a_layer_of_the_mobilenet_space_is_six_convolutions() {
        let mobilenet = space::by_name("mobilenet").unwrap();
        // ZenNet-400M: twelve layers of six, a stem and a head.
        assert_eq!(fewest_convolutions(mobilenet, 224), Some(74));
    }

    #[test]
    fn the_tightest_budget_counts_and_memory_says_nothing() {
        let space = space::by_name("resnet").unwrap();
        let limit = |bounds: &[(Quantity, f64)]| {
            let mut budgets = Budgets::default();
            bounds.iter().for_each(|&(quantity, limit)| budgets.bound(quantity, limit));
            derived(space, &budgets, 224, 1000).unwrap().unwrap()
        };
        let (few, many) = (limit(&[(Quantity::Params, 1e6)]), limit(&[(Quantity::Params, 1e9)]));
        assert_eq!((few.layers, many.layers), (10, 30));
        assert_eq!(limit(&[(Quantity::Params, 1e9), (Quantity::Flops, 1e8)]).layers, 10);
        let memory = limit(&[(Quantity::Memory, 1e6)]);
        assert_eq!((memory.layers, memory.from), (30, None));
        assert_eq!(interpolated(vec![(1.0, 10.0), (100.0, 20.0)], 10.0), Some(15));
    }
}
