//! Random networks as the paper draws them: "The width of the layer varies in range [4, 512], and the depth of each stage
//! varies in range [1, 10]. If the network size is larger than 1 M, we shrink its width by factor 0.75 each time until it
//! satisfies the budget." (section 5.1)
//!
//! What the paper leaves open: the blocks and strides are those of the structure that the searches begin with, a block's
//! kind is any of the space's with equal probability, widths and depths are uniform, and the depth of a stage is that of
//! its block (the third stage has two). A width that shrinks is rounded down and stays in the range, at 4 or more; a
//! network that is too large even then is drawn again.

use super::plan::{SPACE, START};
use edgezen_core::plainnet::{Model, Network, SuperBlock, SuperKind, Variant, notation, relink};
use edgezen_core::space;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::ops::RangeInclusive;

const WIDTHS: RangeInclusive<i32> = 4..=512;
const DEPTHS: RangeInclusive<i32> = 1..=10;
const SHRINK: f64 = 0.75;

/// Draws after which a budget counts as too small.
const DRAWS: u32 = 1_000;

/// The random network with this number, for images of `resolution` and so many classes, with at most `params`
/// parameters. `None` where no network is found that has so few.
pub fn network(seed: u64, number: u32, params: u64, resolution: u32, classes: u32) -> Option<Model> {
    let start = notation::parse(START).ok()?.super_blocks("random networks are drawn as").ok()?;
    let kinds: Vec<SuperKind> = space::by_name(SPACE)?.kinds().iter().map(|(kind, _)| *kind).collect();
    // Odd multiples of the golden ratio keep neighbouring numbers apart.
    let mixed = seed ^ u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(mixed);
    (0..DRAWS).find_map(|_| {
        let mut blocks = drawn(start.clone(), &kinds, &mut rng);
        loop {
            relink(&mut blocks);
            let network = Network::from(&blocks[..]);
            let model = Model { name: None, network, resolution, classes, se: false };
            if model.official(Variant::BUILT).ok()?.0.0 <= params as f64 {
                return Some(model);
            }
            if !shrink(&mut blocks) {
                return None;
            }
        }
    })
}

/// `blocks` with random kinds, widths and depths.
fn drawn(mut blocks: Vec<SuperBlock>, kinds: &[SuperKind], rng: &mut Xoshiro256PlusPlus) -> Vec<SuperBlock> {
    for block in &mut blocks {
        block.out_c = rng.random_range(WIDTHS);
        if !block.kind.is_conv() {
            block.kind = kinds[rng.random_range(0..kinds.len())];
            block.sublayers = rng.random_range(DEPTHS);
            block.bottleneck = rng.random_range(WIDTHS);
        }
    }
    blocks
}

/// Makes the blocks narrower; false where nothing can be.
fn shrink(blocks: &mut [SuperBlock]) -> bool {
    let mut changed = false;
    for block in blocks {
        for width in [&mut block.out_c, &mut block.bottleneck] {
            // A convolution has no bottleneck: zero stays.
            let narrower = ((f64::from(*width) * SHRINK) as i32).max((*width).min(*WIDTHS.start()));
            changed |= narrower != *width;
            *width = narrower;
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_core::search::budget::Accountant;
    use edgezen_core::search::{Budgets, Quantity};

    fn networks(params: u64) -> Vec<Model> {
        (0..32).map(|number| network(3, number, params, 16, 10).unwrap()).collect()
    }

    #[test]
    fn networks_keep_the_budget_as_searches_count_it_and_nearly_use_it() {
        let budgets = Budgets::default();
        let mut accountant = Accountant::new(&budgets, 16, 10);
        for model in networks(1_000_000) {
            let blocks = model.network.super_blocks("the test counts").unwrap();
            let params = accountant.costs(&blocks).unwrap()[Quantity::Params].unwrap();
            assert!(params <= 1e6, "{params}: {}", model.network);
            // One step of 0.75 in all widths takes at most some 0.56 of the parameters, and rounding some more.
            assert!(params > 0.35e6 || blocks.iter().all(|block| block.out_c <= 512), "{params}");
            assert!(model.validate().is_ok());
        }
    }

    #[test]
    fn they_are_as_the_paper_says() {
        // Without a budget nothing is shrunk.
        let all: Vec<SuperBlock> = networks(u64::MAX)
            .iter()
            .flat_map(|model| model.network.super_blocks("the test counts").unwrap())
            .collect();
        let residual: Vec<&SuperBlock> = all.iter().filter(|block| !block.kind.is_conv()).collect();
        assert_eq!((all.len(), residual.len()), (6 * 32, 4 * 32));
        assert!(all.iter().all(|block| (4..=512).contains(&block.out_c)));
        let small = networks(50_000);
        let narrow = |model: &Model| model.network.super_blocks("the test counts").unwrap();
        assert!(small.iter().flat_map(narrow).all(|block| block.out_c >= 4));
        let depths: Vec<i32> = residual.iter().map(|block| block.sublayers).collect();
        assert_eq!((depths.iter().min(), depths.iter().max()), (Some(&1), Some(&10)));
        assert!(all.iter().any(|block| block.out_c < 40) && all.iter().any(|block| block.out_c > 480));
        let kinds: std::collections::BTreeSet<SuperKind> = residual.iter().map(|block| block.kind).collect();
        assert_eq!(kinds.len(), 6);
    }

    #[test]
    fn a_number_gives_one_network_and_too_small_a_budget_gives_none() {
        assert_eq!(network(1, 5, 50_000, 16, 10), network(1, 5, 50_000, 16, 10));
        assert_ne!(network(1, 5, 50_000, 16, 10), network(1, 6, 50_000, 16, 10));
        assert_ne!(network(1, 5, 50_000, 16, 10), network(2, 5, 50_000, 16, 10));
        assert_eq!(network(1, 5, 10, 16, 10), None);
    }
}
