//! Fitted models of one kind of kernel: plain data that predicts. How they are fitted is no concern of this module.
//!
//! A new form of model is one file here with a [`KernelModel`] and one line in the list of [`AnyModel`].

pub mod boosted;
mod by_family;
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
use by_family::ByFamily;
use serde::{Deserialize, Deserializer, Serialize};

/// Declares [`AnyModel`]: an enum with one variant for each type that is listed, named like it, and what files call it in
/// the field `family`: its name in snake case.
macro_rules! models {
    ($($form:ident = $family:literal),* $(,)?) => {
        /// A fitted model of one kind of kernel.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(tag = "family", rename_all = "snake_case")]
        pub enum AnyModel {
            $($form($form)),*
        }

        impl ByFamily for AnyModel {
            const FAMILIES: &'static [&'static str] = &[$($family),*];

            fn read<'de, D: Deserializer<'de>>(family: &str, fields: D) -> Option<Result<Self, D::Error>> {
                Some(match family {
                    $($family => $form::deserialize(fields).map(AnyModel::$form),)*
                    _ => return None,
                })
            }
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
            fn together(&self) -> bool {
                match self { $(AnyModel::$form(model) => model.together()),* }
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

models!(Linear = "linear", Glm = "glm", ModelTree = "model_tree", Kriging = "kriging", Boosted = "boosted",);

impl<'de> Deserialize<'de> for AnyModel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<AnyModel, D::Error> {
        by_family::read(deserializer)
    }
}

impl AnyModel {
    /// The same model with every latency `factor` times as long.
    pub fn scaled(&self, factor: f64) -> AnyModel {
        let mut model = self.clone();
        model.scale(factor);
        model
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn refusal(value: Value) -> String {
        serde_json::from_value::<AnyModel>(value).unwrap_err().to_string()
    }

    #[test]
    fn files_name_the_family_wherever_it_stands() {
        let linear = json!({"terms": [{"feature": "launch", "ns": 2.0}]});
        let mut tagged = linear.clone();
        tagged["family"] = "linear".into();
        let written = serde_json::from_value::<AnyModel>(tagged);
        let Ok(model) = written else { panic!("{written:?}") };
        let text = serde_json::to_string(&model).unwrap();
        assert!(AnyModel::FAMILIES.iter().any(|family| text.contains(&format!("\"family\":\"{family}\""))));
        let Value::Object(fields) = serde_json::to_value(&model).unwrap() else { panic!("{text}") };
        let mut names: Vec<&String> = fields.keys().collect();
        // First, last and in between.
        for _ in 0..names.len() {
            names.rotate_left(1);
            let pairs: Vec<String> =
                names.iter().map(|&name| format!("{:?}:{}", name, fields[name])).collect();
            let text = format!("{{{}}}", pairs.join(","));
            assert_eq!(serde_json::from_str::<AnyModel>(&text).unwrap(), model, "{text}");
        }
        assert!(refusal(linear).contains("missing field `family`"));
        assert!(refusal(json!({"family": "spline"})).contains("unknown variant `spline`"));
        assert!(refusal(json!({"family": "linear", "term": []})).contains("unknown field `term`"));
        assert!(refusal(json!(3)).contains("a model with a field family"));
    }
}
