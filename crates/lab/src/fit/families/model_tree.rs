//! Model trees: a decision tree tells regimes of kernels apart, a linear model prices each of them.
//!
//! The tree is a classifier of linfa-trees. As in GUIDE (Loh, Regression trees with unbiased variable
//! selection and interaction detection, 2002) it learns the *sign* of what one linear model for all
//! leaves over: where kernels of a kind take longer than their costs explain, and where less, another
//! algorithm is at work. With two classes the fit does not depend on the order in which a hash map is
//! walked, so it can be repeated.

use super::family::{Family, Fit, Scope};
use super::linear;
use super::refine::refined;
use crate::fit::error::FitError;
use crate::fit::observation::Observation;
use crate::fit::solvers::nnls::NONE;
use crate::fit::training::Training;
use edgezen_core::plainnet::KernelKind;
use edgezen_core::predictor::features::{self, Named, Quantities};
use edgezen_core::predictor::model::model_tree::{ModelTree, Node};
use edgezen_core::predictor::model::{AnyModel, KernelModel, Linear};
use linfa::traits::Fit as _;
use linfa_trees::{DecisionTree, SplitQuality, TreeNode};
use ndarray::{Array1, Array2};
use std::cell::OnceCell;

const DEPTH: usize = 6;
/// Fewest kernels of a regime.
const MIN_LEAF: usize = 80;
/// Weight of a kernel that takes longer, beside one that does not. Which of two equally frequent classes a leaf
/// stands for, and with it what is pruned, would otherwise follow the order of a hash map.
const TIE_BREAK: f32 = 1.0 + 1.0 / 4096.0;
/// Rows beyond this many do not help to find the borders.
const MAX_ROWS: usize = 20_000;

/// Linear models in the regimes of a decision tree.
pub struct Regimes;

impl Family for Regimes {
    fn name(&self) -> &'static str {
        "model_tree"
    }
    fn scope(&self) -> Scope {
        Scope::EachKind { rows: 4 * MIN_LEAF..=usize::MAX }
    }
    fn fit(&self, training: &Training) -> Result<Fit, FitError> {
        refined(training, &self.scope(), |kind, linear| {
            linear.map(|all| Ok(AnyModel::ModelTree(grow(training, kind, all)?))).transpose()
        })
    }
}

fn grow(training: &Training, kind: KernelKind, all: &Linear) -> Result<ModelTree, FitError> {
    let rows: Vec<(&Observation, Quantities)> = training
        .observations
        .iter()
        .filter_map(|o| {
            let kernel = o.single().filter(|kernel| kernel.kind == kind)?;
            Some((*o, Quantities::of(kernel, &training.machine)))
        })
        .collect();
    let step = rows.len().div_ceil(MAX_ROWS).max(1);
    let sample: Vec<&(&Observation, Quantities)> = rows.iter().step_by(step).collect();
    let features = features::named(features::shapes(kind));
    let records =
        Array2::from_shape_fn((sample.len(), features.len()), |(i, j)| features[j].0.of(&sample[i].1));
    let longer: Vec<bool> = sample.iter().map(|(o, q)| o.latency.ns() > all.predict_ns(q)).collect();
    let weights = longer.iter().map(|&longer| if longer { TIE_BREAK } else { 1.0 }).collect();
    let min_leaf = (MIN_LEAF as f32 / step as f32).max(8.0);
    let tree = DecisionTree::<f64, bool>::params()
        .split_quality(SplitQuality::Gini)
        .max_depth(Some(DEPTH))
        .min_weight_split(2.0 * min_leaf)
        .min_weight_leaf(min_leaf)
        .fit(&linfa::Dataset::new(records, Array1::from(longer)).with_weights(weights))
        .map_err(|e| FitError::Solver(e.to_string()))?;
    let rows: Vec<&(&Observation, Quantities)> = rows.iter().collect();
    Ok(ModelTree { root: regime(tree.root_node(), &features, rows, training, kind, &|| Ok(all.clone()))? })
}

/// The part of the tree below `node`, for the rows that fall there. `outer` gives the prices of the regime around it: those of
/// a regime that is split again are asked for only where a part of it is too small for its own.
fn regime(
    node: &TreeNode<f64, bool>,
    features: &[Named],
    rows: Vec<&(&Observation, Quantities)>,
    training: &Training,
    kind: KernelKind,
    outer: &dyn Fn() -> Result<Linear, FitError>,
) -> Result<Node, FitError> {
    let found = OnceCell::new();
    let own = || match found.get() {
        Some(known) => Ok(Linear::clone(known)),
        None => {
            let own = prices(&rows, training, kind)?.map_or_else(outer, Ok)?;
            Ok(found.get_or_init(|| own).clone())
        }
    };
    let children = node.children();
    let (Some(Some(left)), Some(Some(right))) = (children.first(), children.get(1)) else {
        return Ok(Node::Leaf(own()?));
    };
    let (at_feature, at, _) = node.split();
    let feature = features[at_feature];
    let (low, high): (Vec<_>, Vec<_>) = rows.iter().copied().partition(|(_, q)| feature.0.of(q) <= at);
    Ok(Node::Split {
        feature,
        at,
        below: Box::new(regime(left, features, low, training, kind, &own)?),
        above: Box::new(regime(right, features, high, training, kind, &own)?),
    })
}

/// Prices of the costs in one regime; nothing where it is too small to tell.
fn prices(
    rows: &[&(&Observation, Quantities)],
    training: &Training,
    kind: KernelKind,
) -> Result<Option<Linear>, FitError> {
    if rows.len() < MIN_LEAF / 2 {
        return Ok(None);
    }
    let observations: Vec<&Observation> = rows.iter().map(|(o, _)| *o).collect();
    let part = Training { observations: &observations, lenders: &[], shared: None, ..*training };
    let mut fit = linear::fit(&part, features::costs, NONE)?;
    Ok(match fit.models.remove(&kind) {
        Some(AnyModel::Linear(linear)) if !linear.terms.is_empty() => Some(linear),
        _ => None,
    })
}
