//! What a transfer gives.

use edgezen_core::predictor::metrics::Metrics;

/// A predictor for the new device, and how good it is.
pub struct Transferred<P> {
    pub predictor: P,
    /// Names of what was measured, or taken from the data.
    pub chosen: Vec<String>,
    /// The source as it is, on the samples.
    pub before: Option<Metrics>,
    /// The source with the one scale that fits the samples best.
    pub scaled: Option<Metrics>,
    /// Expected now: each sample by a fit to all others.
    pub after: Option<Metrics>,
    /// The new predictor on the rows of the data that it did not see; absent without any.
    pub unseen: Option<Metrics>,
}

/// The positions below `count` that are not in `chosen`, which is ascending.
pub(super) fn others(chosen: &[usize], count: usize) -> impl Iterator<Item = usize> {
    (0..count).filter(|i| chosen.binary_search(i).is_err())
}
