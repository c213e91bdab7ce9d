//! What families of models are fitted to.

use crate::fit::lender::Lender;
use crate::fit::observation::Observation;
use edgezen_core::plainnet::KernelKind;
use edgezen_core::predictor::features::{Machine, Quantities};
use edgezen_core::predictor::model::AnyModel;
use edgezen_core::predictor::roofline::Roofline;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// All that a family gets to see.
#[derive(Clone, Copy)]
pub struct Training<'a> {
    pub observations: &'a [&'a Observation],
    pub machine: Machine,
    pub roofline: &'a Roofline,
    /// Networks elsewhere, to lean on.
    pub lenders: &'a [Lender],
    /// What other families found out of the same data, where several are fitted to them.
    pub shared: Option<&'a Shared>,
}

/// What several families need of the same data, found once.
#[derive(Debug, Default)]
pub struct Shared {
    /// Prices of all known costs: a linear model of each kind, and the constant of networks in nanoseconds.
    pub prices: OnceLock<(BTreeMap<KernelKind, AnyModel>, f64)>,
}

impl Training<'_> {
    /// Kernels of `kind` measured on their own.
    pub fn count(&self, kind: KernelKind) -> usize {
        self.observations.iter().filter_map(|o| o.single()).filter(|k| k.kind == kind).count()
    }

    /// Those kernels, with their latencies in nanoseconds.
    pub fn singles(&self, kind: KernelKind) -> Vec<(Quantities, f64)> {
        let kernels = self.observations.iter().filter_map(|o| Some((o.single()?, o.latency.ns())));
        let of_kind = kernels.filter(|(kernel, _)| kernel.kind == kind);
        of_kind.map(|(kernel, ns)| (Quantities::of(kernel, &self.machine), ns)).collect()
    }
}
