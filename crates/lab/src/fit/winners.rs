//! The families that won, fitted to everything.

use crate::fit::competition::Competition;
use crate::fit::data::Data;
use crate::fit::error::FitError;
use crate::fit::families::Fit;
use crate::fit::observation::Observation;
use crate::fit::training::Shared;
use edgezen_core::plainnet::KernelKind;
use edgezen_core::predictor::domain::Domain;
use edgezen_core::predictor::model::{AnyModel, KernelModel};
use std::collections::{BTreeMap, BTreeSet};

/// The models of the finished predictor.
pub(super) struct Winners {
    pub kinds: BTreeMap<KernelKind, AnyModel>,
    /// Constant per run of a whole network, for the whole batch, in nanoseconds.
    pub network_ns: f64,
}

impl Winners {
    /// # Errors
    /// A failure of the solver.
    pub fn fit(data: &Data, competition: &Competition) -> Result<Winners, FitError> {
        let Competition { candidates, choice, .. } = competition;
        let everything: Vec<&Observation> = data.observations.iter().collect();
        let chosen: BTreeSet<usize> =
            KernelKind::ALL.into_iter().map(|kind| choice.of(kind)).chain([choice.base]).collect();
        let mut full: BTreeMap<usize, Fit> = BTreeMap::new();
        let shared = Shared::default();
        for i in chosen {
            full.insert(i, candidates[i].family.fit(&data.training(&everything, &shared))?);
        }
        let mut kinds: BTreeMap<KernelKind, AnyModel> = BTreeMap::new();
        for kind in KernelKind::ALL {
            if let Some(model) = full[&choice.of(kind)].models.get(&kind) {
                kinds.insert(kind, model.clone());
            }
        }
        Ok(Winners { kinds, network_ns: full[&choice.base].network_ns })
    }

    /// The domain of each model: that of all its kind's kernels, wherever they were measured.
    pub fn domains(&self, data: &Data) -> BTreeMap<KernelKind, Domain> {
        let domain = |kind: KernelKind| {
            let seen = data.observations.iter().flat_map(|o| &o.kernels).filter(|k| k.kind == kind);
            Domain::of(seen, &data.machine)
        };
        // Kernels of a kind that lenders alone have are in no domain of the device.
        let own =
            |kind: &KernelKind| data.observations.iter().flat_map(|o| &o.kernels).any(|k| k.kind == *kind);
        self.kinds.keys().filter(|kind| own(kind)).map(|&kind| (kind, domain(kind))).collect()
    }

    /// Units of the features that the models read.
    pub fn units(&self) -> BTreeMap<String, String> {
        self.kinds
            .values()
            .flat_map(KernelModel::features)
            .map(|feature| (feature.0.name.to_owned(), feature.0.unit.to_owned()))
            .collect()
    }
}
