//! Families of models: how the latency of a kernel follows from its features, and how that is fitted.

mod boosted;
mod glm;
mod kriging;
mod linear;
mod model_tree;

use self::boosted::BoostedTrees;
use self::glm::LogLink;
use self::kriging::Krige;
use self::linear::{Coarse, Physical, Shrunken};
use self::model_tree::Regimes;
use crate::fit::observation::Training;
use edgezen_core::plainnet::KernelKind;
use edgezen_core::predictor::model::Model;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// A way to fit kernels' latencies. A new one is one file and one line in [`registry`].
pub trait Family: Sync {
    fn name(&self) -> &'static str;

    /// How many kernels of one kind, measured on their own, there must be to try this family on the kind. A family that
    /// begins with none is for all kinds at once.
    fn rows(&self) -> RangeInclusive<usize> {
        0..=usize::MAX
    }

    /// Fits all kinds that the data can tell about.
    ///
    /// # Errors
    /// No data, or a failure of the solver.
    fn fit(&self, training: &Training) -> Result<Fit, FitError>;
}

/// All families, simplest first: of equally good ones the first is taken.
pub fn registry() -> &'static [&'static dyn Family] {
    &[&Coarse, &Shrunken, &Physical, &LogLink, &Regimes, &Krige, &BoostedTrees]
}

/// What a family makes of the data.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    pub models: BTreeMap<KernelKind, Model>,
    /// Constant per run of a whole network, for the whole batch, in nanoseconds.
    pub network_ns: f64,
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
    #[error("the fitted model cannot be written down: {0}")]
    Unwritable(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::observation::Observation;
    use edgezen_core::plainnet::Kernel;
    use edgezen_core::plainnet::graph::Act;
    use edgezen_core::predictor::features::Machine;
    use edgezen_core::predictor::features::Quantities;
    use edgezen_core::predictor::model::KernelModel;
    use edgezen_core::units::Latency;

    #[test]
    fn every_family_gives_positive_finite_times_that_grow_with_the_work() {
        let kernel = |kind: KernelKind, c: u32, side: u32, k: u32| Kernel {
            kind,
            batch: 1,
            in_c: c,
            out_c: c,
            in_h: side,
            in_w: side,
            kernel: k,
            stride: 1,
            groups: if kind == KernelKind::Dwconv { c } else { 1 },
            act: Act::Relu,
            residual: false,
            window: None,
        };
        let mut observations = Vec::new();
        for kind in [KernelKind::Conv, KernelKind::Dwconv] {
            for c in 1..=40 {
                for side in [7, 14, 28, 56, 112] {
                    for k in [1, 3, 5] {
                        let kernel = kernel(kind, 8 * c, side, k);
                        let ns = 900.0 + 0.04 * kernel.macs() + 0.3 * kernel.bytes(4.0);
                        observations.push(Observation::kernel(kernel, Latency::from_ns(ns)));
                    }
                }
            }
        }
        let rows: Vec<&Observation> = observations.iter().collect();
        let roofline = crate::fit::observation::roofline(&observations, 4.0);
        let machine = Machine::new("fp32", &roofline);
        let training = Training { observations: &rows, machine, roofline: &roofline };
        for family in registry() {
            let fit = family.fit(&training).unwrap();
            for (kind, model) in &fit.models {
                model.check().unwrap();
                let ns = |c, side| model.predict_ns(&Quantities::of(&kernel(*kind, c, side, 3), &machine));
                for side in [1, 7, 56, 480] {
                    let times = [1, 8, 64, 320, 4096].map(|c| ns(c, side));
                    assert!(times.iter().all(|t| t.is_finite() && *t > 0.0), "{}: {times:?}", family.name());
                    let monotone = times.windows(2).all(|pair| pair[0] <= pair[1]);
                    assert!(monotone || *family.rows().start() > 0, "{} {kind}: {times:?}", family.name());
                }
            }
            assert!(!fit.models.contains_key(&KernelKind::Pool), "{}: a kind without data", family.name());
        }
    }
}
