//! Fitted models of one kind of kernel: plain data that predicts. How they are fitted is no concern of this module.
//!
//! A new form of model is one file here with a [`KernelModel`] and one line in the list of [`AnyModel`].

pub mod boosted;
pub mod glm;
mod kernel_model;
pub mod kriging;
pub mod linear;
pub mod model_tree;

pub use boosted::Boosted;
pub use glm::Glm;
pub use kernel_model::KernelModel;
pub use kriging::Kriging;
pub use linear::Linear;
pub use model_tree::ModelTree;

use crate::predictor::features::{Named, Quantities};
use serde::{Deserialize, Serialize};

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
