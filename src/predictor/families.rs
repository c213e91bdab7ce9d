//! Families of models: how the latency of a kernel follows from its features.

use super::boosted::{Boosted, BoostedTrees};
use super::features::{Named, Quantities};
use super::linear::{Coarse, Linear, Physical};
use super::training::Training;
use crate::plainnet::KernelKind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A way to fit kernels' latencies. A new one is one file and one line in [`registry`].
pub trait Family: Sync {
    fn name(&self) -> &'static str;

    /// Kernels of one kind, measured on their own, that it takes to try this family on the kind.
    fn min_rows(&self) -> usize {
        0
    }

    /// Fits all kinds that the data can tell about.
    ///
    /// # Errors
    /// No data, or a failure of the solver.
    fn fit(&self, training: &Training) -> Result<Fit, FitError>;
}

/// All families, simplest first: of equally good ones the first is taken.
pub fn registry() -> &'static [&'static dyn Family] {
    &[&Coarse, &Physical, &BoostedTrees]
}

/// What a family makes of the data.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    pub models: BTreeMap<KernelKind, Model>,
    /// Constant per run of a whole network, for the whole batch, in nanoseconds.
    pub network_ns: f64,
}

/// A fitted model of one kind: plain data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "family", rename_all = "snake_case")]
pub enum Model {
    Linear(Linear),
    Boosted(Boosted),
}

impl Model {
    /// Latency for the whole batch in nanoseconds, without the floor that callers apply.
    pub fn predict_ns(&self, quantities: &Quantities) -> f64 {
        match self {
            Model::Linear(model) => model.predict_ns(quantities),
            Model::Boosted(model) => model.predict_ns(quantities),
        }
    }

    /// All features that it reads.
    pub fn features(&self) -> Vec<Named> {
        let terms = |linear: &Linear| linear.terms.iter().map(|term| term.feature).collect::<Vec<_>>();
        match self {
            Model::Linear(model) => terms(model),
            Model::Boosted(model) => [terms(&model.base), model.features.clone()].concat(),
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Model::Linear(_) => "linear",
            Model::Boosted(_) => "boosted",
        }
    }

    /// What is wrong with a model that was read from a file.
    pub fn check(&self) -> Result<(), String> {
        let (linear, boosted) = match self {
            Model::Linear(model) => (model, None),
            Model::Boosted(model) => (&model.base, Some(model)),
        };
        if linear.terms.is_empty() {
            return Err("a linear model without terms".into());
        }
        for term in &linear.terms {
            if !(term.ns.is_finite() && term.ns >= 0.0) {
                return Err(format!("the price of {} is {}", term.feature.0.name, term.ns));
            }
        }
        boosted.map_or(Ok(()), Boosted::check)
    }
}

/// Why nothing could be fitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    #[error("there is nothing to fit: no usable rows")]
    NoData,
    #[error("too few rows to fit and to judge the fit: {found}, at least {needed} are needed")]
    TooFew { found: usize, needed: usize },
    #[error("the least-squares solver failed: {0}")]
    Solver(String),
    #[error("the datasets describe different things: {0} and {1}; fit them apart")]
    MixedIdentities(String, String),
    #[error("{subject}: {reason}")]
    Subject { subject: String, reason: String },
}
