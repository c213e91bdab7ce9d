//! What a family of models is.

use crate::fit::error::FitError;
use crate::fit::training::Training;
use edgezen_core::plainnet::KernelKind;
use edgezen_core::predictor::model::AnyModel;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// A way to fit kernels' latencies.
pub trait Family: Sync {
    /// Its name in predictor files and tables.
    fn name(&self) -> &'static str;

    /// Where it competes.
    fn scope(&self) -> Scope;

    /// Fits all kinds that the data can tell about.
    ///
    /// # Errors
    /// No data, or a failure of the solver.
    fn fit(&self, training: &Training) -> Result<Fit, FitError>;
}

/// Where a family competes with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// For all kinds of kernels together, whatever the data: one such family is the base of every predictor. A latency
    /// that it predicts must not fall as the work grows.
    AllKinds,
    /// For each kind on its own, where so many kernels of the kind were measured on their own.
    EachKind { rows: RangeInclusive<usize> },
}

impl Scope {
    /// Whether a kind with so many `rows` is one to compete for.
    pub fn suits(&self, rows: usize) -> bool {
        match self {
            Scope::AllKinds => true,
            Scope::EachKind { rows: wanted } => wanted.contains(&rows),
        }
    }
}

/// What a family makes of the data.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    pub models: BTreeMap<KernelKind, AnyModel>,
    /// Constant per run of a whole network, for the whole batch, in nanoseconds.
    pub network_ns: f64,
}
