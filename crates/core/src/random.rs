//! Random orders that a seed fixes.

use rand::{Rng, RngExt};

/// Shuffles `items` (Fisher and Yates, from the last item down). The order depends on the generator and the number of
/// items alone; recorded plans and results rely on it.
pub fn shuffle<T>(items: &mut [T], rng: &mut impl Rng) {
    for i in (1..items.len()).rev() {
        items.swap(i, rng.random_range(0..=i));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    #[test]
    fn a_seed_gives_one_order() {
        let order = |seed| {
            let mut items = [0, 1, 2, 3, 4, 5, 6, 7];
            shuffle(&mut items, &mut Xoshiro256PlusPlus::seed_from_u64(seed));
            items
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        let mut sorted = order(3);
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
