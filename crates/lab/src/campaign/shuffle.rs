//! Random orders.

use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;

/// Brings `items` into a random order, each order as likely as any other (Fisher and Yates).
pub fn shuffle<T>(items: &mut [T], rng: &mut Xoshiro256PlusPlus) {
    for i in (1..items.len()).rev() {
        items.swap(i, rng.random_range(0..=i));
    }
}
