//! Model trees: a decision tree tells regimes of kernels apart, a linear model prices each of them.

use super::kernel_model::KernelModel;
use super::linear::Linear;
use crate::predictor::features::{Named, Quantities};
use crate::predictor::ranges::{QUANTITIES, within};
use serde::{Deserialize, Serialize};

/// A tree with linear models at its leaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelTree {
    pub root: Node,
}

impl Node {
    /// Makes every latency `factor` times as long.
    pub fn scale(&mut self, factor: f64) {
        match self {
            Node::Split { below, above, .. } => {
                below.scale(factor);
                above.scale(factor);
            }
            Node::Leaf(linear) => linear.scale(factor),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Node {
    Split {
        feature: Named,
        /// Values up to this one go to `below`.
        at: f64,
        below: Box<Node>,
        above: Box<Node>,
    },
    Leaf(Linear),
}

/// Deepest tree that a file may hold.
const MAX_DEPTH: usize = 12;

impl KernelModel for ModelTree {
    fn name(&self) -> &'static str {
        "model tree"
    }

    fn scale(&mut self, factor: f64) {
        self.root.scale(factor);
    }

    fn predict_ns(&self, quantities: &Quantities) -> f64 {
        self.root.predict_ns(quantities)
    }

    fn features(&self) -> Vec<Named> {
        self.root.features()
    }

    fn check(&self) -> Result<(), String> {
        self.root.check(0)
    }
}

impl Node {
    fn predict_ns(&self, quantities: &Quantities) -> f64 {
        match self {
            Node::Leaf(linear) => linear.predict_ns(quantities),
            Node::Split { feature, at, below, above } => {
                let side = if feature.0.of(quantities) <= *at { below } else { above };
                side.predict_ns(quantities)
            }
        }
    }

    fn features(&self) -> Vec<Named> {
        match self {
            Node::Leaf(linear) => linear.terms.iter().map(|term| term.feature).collect(),
            Node::Split { feature, below, above, .. } => {
                [vec![*feature], below.features(), above.features()].concat()
            }
        }
    }

    fn check(&self, depth: usize) -> Result<(), String> {
        match self {
            Node::Leaf(linear) => linear.check(),
            Node::Split { .. } if depth >= MAX_DEPTH => Err("a tree is too deep".into()),
            Node::Split { feature, at, below, above } => {
                within(&format!("a split of {}", feature.0.name), *at, &QUANTITIES)?;
                below.check(depth + 1)?;
                above.check(depth + 1)
            }
        }
    }
}
