//! The head: the last convolution, whose width the mobilenet space fixes (docs/plainnet.md, section 4.2).
//!
//! The released set-ups leave its 2,048 channels alone. With a classifier of a thousand classes these take two million
//! parameters, which is most of a small budget, or more than all of it. There a search does better to vary the width, too:
//! **where the head and its classifier take more than half of a budget**, measured on the smallest network of the space.

use super::budget::CostError;
use super::smallest::smallest;
use super::variation::Mutator;
use super::{Budget, Search};
use crate::plainnet::SuperBlock;
use crate::space::{Narrowed, SearchSpace};

/// Part of a budget that a fixed head may take.
const MOST: f64 = 0.5;

/// A head of fixed width that takes most of a budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crowding {
    /// Its output channels.
    pub width: i32,
    pub budget: Budget,
    /// The part of the budget that it takes with its classifier; more than 1 where it does not fit at all.
    pub share: f64,
}

/// The width of the convolutions of `blocks` whose width `space` fixes; of several the greatest.
pub fn width(space: &dyn SearchSpace, blocks: &[SuperBlock]) -> Option<i32> {
    let fixed = |block: &&SuperBlock| block.kind.is_conv() && space.width_is_fixed(block.kind);
    blocks.iter().filter(fixed).map(|block| block.out_c).max()
}

/// The budget of which the fixed head of a search takes most, where that is more than half; nothing where it takes less, or
/// the space fixes no width.
///
/// # Errors
/// A structure that is no network, or has no latency.
pub fn crowding(search: &Search<'_>) -> Result<Option<Crowding>, CostError> {
    let mut initial = search.initial.clone();
    crate::plainnet::relink(&mut initial);
    let Some(width) = width(search.space, &initial) else { return Ok(None) };
    let mut accountant = search.accountant();
    let whole = smallest(&search.mutator(), &initial, &mut accountant, &search.budgets)?;
    let free = Narrowed::whole(search.space).with_varied_head(width);
    let mutator = Mutator { space: &free, ..search.mutator() };
    let least = smallest(&mutator, &initial, &mut accountant, &search.budgets)?;
    let (whole, least) = (accountant.costs(&whole)?, accountant.costs(&least)?);
    let crowded = search.budgets.iter().filter_map(|budget| {
        let value = |costs| search.budgets.value(budget, costs);
        let share = (value(&whole)? - value(&least)?) / budget.limit;
        (share > MOST).then_some(Crowding { width, budget: *budget, share })
    });
    Ok(crowded.reduce(|most, other| if other.share > most.share { other } else { most }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::{Quantity, SearchError};
    use crate::space;

    #[test]
    fn a_head_crowds_small_budgets_of_parameters_only() {
        let space = space::by_name("mobilenet").unwrap();
        let share = |quantity, limit| {
            let found = crowding(&Search::new(space).budget(quantity, limit)).unwrap();
            found.map(|found| (found.width, found.budget.quantity, found.share))
        };
        // 2,048 channels: 2,048,000 weights of the classifier, and those of the convolution.
        let (width, quantity, part) = share(Quantity::Params, 1e6).unwrap();
        assert_eq!((width, quantity), (2048, Quantity::Params));
        assert!((2.05..2.2).contains(&part), "{part}");
        assert!(share(Quantity::Params, 4e6).is_some_and(|(_, _, part)| part < 0.55));
        assert_eq!(share(Quantity::Params, 5e6), None);
        assert_eq!(share(Quantity::Flops, 4e8), None);
        let resnet = space::by_name("resnet").unwrap();
        assert_eq!(width_of(resnet), None);
        assert_eq!(crowding(&Search::new(resnet).budget(Quantity::Params, 1e5)).unwrap(), None);
    }

    fn width_of(space: &dyn SearchSpace) -> Option<i32> {
        width(space, &Search::new(space::by_name(space.name())?).initial)
    }

    #[test]
    fn a_budget_below_the_head_is_met_where_the_head_is_varied() {
        let space = space::by_name("mobilenet").unwrap();
        let fixed = Search::new(space).budget(Quantity::Params, 1e6).budget(Quantity::Layers, 14.0);
        let message = fixed.start().map_err(|error: SearchError| error.to_string()).unwrap_err();
        assert!(message.contains("keeps its 2048 channels"), "{message}");
        let free = Narrowed::whole(space).with_varied_head(2048);
        let found = Search { space: &free, ..fixed }.iterations(3_000).threads(2).run().unwrap();
        assert!(found.best.costs[Quantity::Params].unwrap() <= 1e6);
        let head = found.best.blocks.last().unwrap();
        assert!(head.kind.is_conv() && (8..2048).contains(&head.out_c), "{head:?}");
    }
}
