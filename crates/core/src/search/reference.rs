//! Reference networks of a search: what scores are ranked among, where several of them are combined
//! ([`Ensemble`](crate::proxy::ensemble::Ensemble)).
//!
//! A walk at random through the networks that keep the budgets and the rules of shape: a step is one variation, taken where
//! it stays inside, and every sixteenth step is a reference network. The seed of the search fixes them.

use super::budget::CostError;
use super::{Search, SearchError};
use crate::plainnet::SuperBlock;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

/// Networks that are drawn where nothing else is said.
pub const NETWORKS: usize = 256;
/// Steps inside from one reference network to the next.
const STEPS: usize = 16;
/// Most variations that are tried for one step inside.
const TRIED: usize = 64;

/// Draws `count` networks.
///
/// # Errors
/// No network fits the budgets; a network has no latency.
pub fn networks(search: &Search<'_>, count: usize) -> Result<Vec<Vec<SuperBlock>>, SearchError> {
    let (mut at, mut child) = (search.start()?, Vec::new());
    let (mutator, mut accountant) = (search.mutator(), search.accountant());
    // Another stream than that of any iteration.
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(search.seed ^ 0x7265_6665_7265_6e63);
    let mut drawn = Vec::with_capacity(count);
    while drawn.len() < count {
        let mut steps = 0;
        for _ in 0..STEPS * TRIED {
            mutator.vary(&at, &mut rng, &mut child);
            let fits = search.shape_load(&child) <= 1.0
                && match accountant.costs(&child) {
                    Ok(costs) => search.budgets.violation(&costs) <= 1.0,
                    Err(CostError::Shape(_)) => false,
                    Err(CostError::Estimate(error)) => return Err(error.into()),
                };
            if fits {
                std::mem::swap(&mut at, &mut child);
                steps += 1;
            }
            if steps == STEPS {
                break;
            }
        }
        drawn.push(at.clone());
    }
    Ok(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::Quantity;
    use crate::space;

    #[test]
    fn reference_networks_differ_and_stay_inside() {
        for space in space::registry() {
            let search = Search::new(*space).budget(Quantity::Flops, 4e8).with_depth_limit().unwrap();
            let drawn = networks(&search, 20).unwrap();
            let mut accountant = search.accountant();
            for blocks in &drawn {
                assert_eq!(search.budgets.exceeded(&accountant.costs(blocks).unwrap()), None);
                assert!(search.shape_load(blocks) <= 1.0);
            }
            let distinct: std::collections::BTreeSet<String> =
                drawn.iter().map(|blocks| format!("{blocks:?}")).collect();
            assert!(distinct.len() > 15, "{}", distinct.len());
            assert_eq!(networks(&search, 5).unwrap(), drawn[..5]);
            assert_ne!(networks(&search.seed(1), 5).unwrap(), drawn[..5]);
        }
    }
}
