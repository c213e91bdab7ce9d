//! The costs that linear families price, and kernels as sums of them.

use super::family::Fit;
use crate::fit::observation::{Level, Observation};
use crate::fit::training::Training;
use edgezen_core::plainnet::{Kernel, KernelKind};
use edgezen_core::predictor::features::{self, Machine, Named, Quantities};
use edgezen_core::predictor::model::linear::{Linear, Term};
use edgezen_core::predictor::model::{AnyModel, KernelModel};
use std::collections::BTreeMap;

/// Kernels of a kind on their own, or else networks with it, that it takes to price a kind.
const MIN_ROWS: usize = 4;
/// What MACs of convolutions are divided into where networks elsewhere tell their prices.
const BY_WINDOW: [&str; 3] = ["pointwise_mmacs", "spatial_mmacs", "grouped_mmacs"];

/// One column for each price, and a last one for the constant of networks where there are any.
pub(super) struct Columns {
    priced: Vec<(KernelKind, Named)>,
    /// Light kinds, of which too few are known: they are taken at the memory's speed.
    assumed: BTreeMap<KernelKind, Linear>,
    pub has_networks: bool,
    machine: Machine,
}

impl Columns {
    /// The columns that `rows` of the training and its lenders can price, of those that `costs` names for each kind.
    pub fn of(
        training: &Training,
        rows: &[&Observation],
        costs: fn(KernelKind) -> &'static [&'static str],
    ) -> Columns {
        let lent: Vec<&Observation> = training.lenders.iter().flat_map(|lender| &lender.rows).collect();
        let with = |rows: &[&Observation], kind: KernelKind| {
            rows.iter().filter(|row| row.kernels.iter().any(|k| k.kind == kind)).count()
        };
        let by_window = |names: &[&'static str]| -> Vec<&'static str> {
            let split = |&name: &&'static str| {
                if name == "mmacs" && !lent.is_empty() { BY_WINDOW.to_vec() } else { vec![name] }
            };
            names.iter().flat_map(split).collect()
        };
        let mut priced: Vec<(KernelKind, Named)> = Vec::new();
        let mut assumed: BTreeMap<KernelKind, Linear> = BTreeMap::new();
        for kind in KernelKind::ALL {
            let seen = with(rows, kind) + with(&lent, kind);
            let heavy = matches!(kind, KernelKind::Conv | KernelKind::Dwconv);
            let alone = training.count(kind);
            if alone >= MIN_ROWS || (heavy && seen >= MIN_ROWS) {
                let names =
                    if kind == KernelKind::Conv { by_window(costs(kind)) } else { costs(kind).to_vec() };
                let has = |feature: &Named| {
                    let kernels = rows.iter().chain(&lent).flat_map(|row| &row.kernels);
                    let mut of_kind = kernels.filter(|kernel| kernel.kind == kind);
                    of_kind.any(|kernel| feature.0.of(&Quantities::of(kernel, &training.machine)) > 0.0)
                };
                let kept = |feature: &Named| !features::RARE.contains(&feature.0.name) || has(feature);
                priced
                    .extend(features::named(&names).into_iter().filter(kept).map(|feature| (kind, feature)));
            } else if alone > 0 {
                let few = features::named(features::coarse_costs(kind));
                priced.extend(few.into_iter().map(|feature| (kind, feature)));
            } else if seen > 0 {
                // Too few to price: a light kind inside networks is taken at the memory's speed.
                let feature = features::named(&["bytes_mb"])[0];
                let ns = 1e6 / training.roofline.gbytes_per_s;
                assumed.insert(kind, Linear { terms: vec![Term { feature, ns }] });
            }
        }
        let has_networks = rows.iter().any(|row| row.level == Level::Network);
        Columns { priced, assumed, has_networks, machine: training.machine }
    }

    pub fn width(&self) -> usize {
        self.priced.len() + usize::from(self.has_networks)
    }

    /// What kinds without a price take of `row`, in nanoseconds.
    pub fn assumed_ns(&self, row: &Observation) -> f64 {
        let of = |kernel: &Kernel| {
            Some(self.assumed.get(&kernel.kind)?.predict_ns(&Quantities::of(kernel, &self.machine)))
        };
        row.kernels.iter().filter_map(of).sum()
    }

    /// Adds the costs of `row`, each divided by `ns`, to `sums`.
    pub fn add(&self, row: &Observation, ns: f64, mut sums: ndarray::ArrayViewMut1<f64>) {
        for kernel in &row.kernels {
            let q = Quantities::of(kernel, &self.machine);
            for (j, (kind, feature)) in self.priced.iter().enumerate() {
                if *kind == kernel.kind {
                    sums[j] += feature.0.of(&q) / ns;
                }
            }
        }
        if row.level == Level::Network && self.has_networks {
            sums[self.priced.len()] = 1.0 / ns;
        }
    }

    /// What `prices` say of `row`, in nanoseconds.
    pub fn predicted_ns(&self, row: &Observation, prices: &[f64]) -> f64 {
        let mut sums = ndarray::Array1::zeros(self.width());
        self.add(row, 1.0, sums.view_mut());
        self.assumed_ns(row) + sums.iter().zip(prices).map(|(sum, price)| sum * price).sum::<f64>()
    }

    /// The models that `prices` make.
    pub fn fit(&self, prices: &[f64]) -> Fit {
        let mut models = self.assumed.clone();
        for ((kind, feature), &ns) in self.priced.iter().zip(prices) {
            if ns > 0.0 {
                models.entry(*kind).or_default().terms.push(Term { feature: *feature, ns });
            }
        }
        let models = models.into_iter().map(|(kind, model)| (kind, AnyModel::Linear(model))).collect();
        let constant = prices.get(self.priced.len()).filter(|_| self.has_networks);
        Fit { models, network_ns: constant.copied().unwrap_or_default() }
    }
}
