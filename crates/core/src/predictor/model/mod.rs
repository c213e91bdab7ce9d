//! Fitted models of one kind of kernel: plain data that predicts. How they are fitted is no concern of this module.
//!
//! A new form of model is a file here with a [`KernelModel`] and its line in the list of [`AnyModel`].

pub mod boosted;
pub mod glm;
pub mod kriging;
pub mod linear;
pub mod model_tree;

pub use boosted::Boosted;
pub use glm::Glm;
pub use kriging::Kriging;
pub use linear::Linear;
pub use model_tree::ModelTree;

use crate::predictor::features::{Named, Quantities};
use crate::predictor::layout;
use serde::{Deserialize, Serialize};

/// What every form of model can do.
pub trait KernelModel {
    fn name(&self) -> &'static str;

    /// Latency for the whole batch in nanoseconds, without the floor that callers apply.
    fn predict_ns(&self, quantities: &Quantities) -> f64;

    /// As [`KernelModel::predict_ns`], one result for each of `quantities`.
    fn predict_many(&self, quantities: &[Quantities], ns: &mut [f64]) {
        ns.iter_mut().zip(quantities).for_each(|(ns, q)| *ns = self.predict_ns(q));
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

/// Declares [`AnyModel`]: an enum with one variant for each type that is listed, named like it. Files name a variant
/// in snake case, in the field `family`.
macro_rules! models {
    ($($form:ident),* $(,)?) => {
        /// A fitted model of one kind of kernel.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "family", rename_all = "snake_case")]
        pub enum AnyModel {
            $($form($form)),*
        }

        impl KernelModel for AnyModel {
            fn name(&self) -> &'static str {
                match self { $(AnyModel::$form(model) => model.name()),* }
            }
            fn predict_ns(&self, quantities: &Quantities) -> f64 {
                match self { $(AnyModel::$form(model) => model.predict_ns(quantities)),* }
            }
            fn predict_many(&self, quantities: &[Quantities], ns: &mut [f64]) {
                match self { $(AnyModel::$form(model) => model.predict_many(quantities, ns)),* }
            }
            fn scale(&mut self, factor: f64) {
                match self { $(AnyModel::$form(model) => model.scale(factor)),* }
            }
            fn features(&self) -> Vec<Named> {
                match self { $(AnyModel::$form(model) => model.features()),* }
            }
            fn check(&self) -> Result<(), String> {
                match self { $(AnyModel::$form(model) => model.check()),* }
            }
            fn layout(&self) -> u32 {
                match self { $(AnyModel::$form(model) => model.layout()),* }
            }
        }
    };
}

models!(Linear, Glm, ModelTree, Kriging, Boosted);

impl AnyModel {
    /// The same model with every latency `factor` times as long.
    pub fn scaled(&self, factor: f64) -> AnyModel {
        let mut model = self.clone();
        model.scale(factor);
        model
    }
}
