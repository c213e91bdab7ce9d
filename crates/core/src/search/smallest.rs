//! The smallest network of a space.

use super::budget::{Accountant, Budgets, CostError};
use super::variation::Mutator;
use crate::plainnet::{SuperBlock, relink};
use crate::space;

/// A network whose blocks are as small as the space allows; the type of each block is the one that costs least.
pub(super) fn smallest(
    mutator: &Mutator<'_>,
    initial: &[SuperBlock],
    accountant: &mut Accountant<'_>,
    budgets: &Budgets,
) -> Result<Vec<SuperBlock>, CostError> {
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
