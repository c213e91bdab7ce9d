//! Gradient-boosted regression trees on top of linear models. What they predict with is
//! [`edgezen_core::predictor::model::boosted`]; `growth` says how large they get, `binned` cuts features into bins,
//! `histogram` sums rows by bins, `cut` finds the best cut of a leaf, `tree` grows one tree, and `grow` all of them.

mod binned;
mod cut;
mod grow;
mod growth;
mod histogram;
mod tree;

use self::grow::grow;
use self::growth::Growth;
use super::family::{Family, Fit, Scope};
use super::refine::refined;
use crate::fit::error::FitError;
use crate::fit::training::Training;
use edgezen_core::predictor::model::AnyModel;

/// Boosted trees on top of linear models.
pub struct BoostedTrees;

/// Fewest kernels of a kind.
const MIN_ROWS: usize = 100;
/// Rows from which trees may be as deep as cliffs of many shapes need them.
const MANY: usize = 15_000;

impl Family for BoostedTrees {
    fn name(&self) -> &'static str {
        "boosted"
    }
    fn scope(&self) -> Scope {
        Scope::EachKind { rows: MIN_ROWS..=usize::MAX }
    }
    fn fit(&self, training: &Training) -> Result<Fit, FitError> {
        refined(training, &self.scope(), |kind, linear| {
            let growth = if training.count(kind) < MANY { Growth::few() } else { Growth::many() };
            Ok(linear.map(|base| AnyModel::Boosted(grow(training, kind, base.clone(), growth))))
        })
    }
}
