//! What every form of model can do.

use crate::predictor::features::{Named, Quantities};
use crate::predictor::layout;

/// A fitted model of one kind of kernel: plain data.
pub trait KernelModel {
    fn name(&self) -> &'static str;

    /// Latency for the whole batch in nanoseconds, without the floor that callers apply.
    fn predict_ns(&self, quantities: &Quantities) -> f64;

    /// As [`KernelModel::predict_ns`], one result for each of `quantities`.
    fn predict_many(&self, quantities: &[Quantities], ns: &mut [f64]) {
        ns.iter_mut().zip(quantities).for_each(|(ns, q)| *ns = self.predict_ns(q));
    }

    /// Whether [`KernelModel::predict_many`] is much quicker than one by one.
    fn together(&self) -> bool {
        false
    }

    /// Makes every latency `factor` times as long.
    fn scale(&mut self, factor: f64);

    /// All features that it reads.
    fn features(&self) -> Vec<Named>;

    /// What is wrong with a model that was read from a file.
    ///
    /// # Errors
    /// The reason, as a fragment of a sentence.
    fn check(&self) -> Result<(), String>;

    /// The oldest layout of predictor files that can hold it.
    fn layout(&self) -> u32 {
        layout::SIMPLE_SCHEMA
    }
}
