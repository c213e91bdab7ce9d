//! Families of models: how the latency of a kernel follows from its features, and how that is fitted.
//!
//! A new family is one file here with a [`Family`] and its line in [`registry`]. What it fits is one of the forms in
//! [`edgezen_core::predictor::model`]; a new form is one file there and one line in the list of that module.

mod boosted;
mod columns;
mod family;
mod glm;
mod kriging;
mod linear;
mod model_tree;
mod refine;

pub use self::family::{Family, Fit, Scope};

use self::boosted::BoostedTrees;
use self::glm::LogLink;
use self::kriging::Krige;
use self::linear::{Coarse, Physical, Shrunken};
use self::model_tree::Regimes;

/// All families, simplest first: of equally good ones the first is taken.
pub fn registry() -> &'static [&'static dyn Family] {
    &[&Coarse, &Shrunken, &Physical, &LogLink, &Regimes, &Krige, &BoostedTrees]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::observation::Observation;
    use crate::fit::training::{Shared, Training};
    use edgezen_core::plainnet::graph::Act;
    use edgezen_core::plainnet::{Kernel, KernelKind};
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
        let training =
            Training { observations: &rows, machine, roofline: &roofline, lenders: &[], shared: None };
        let shared = Shared::default();
        for family in registry() {
            let fit = family.fit(&training).unwrap();
            // What the families before it found is what it would have found.
            let after_others = family.fit(&Training { shared: Some(&shared), ..training }).unwrap();
            assert_eq!(fit, after_others, "{}", family.name());
            for (kind, model) in &fit.models {
                model.check().unwrap();
                let ns = |c, side| model.predict_ns(&Quantities::of(&kernel(*kind, c, side, 3), &machine));
                for side in [1, 7, 56, 480] {
                    let times = [1, 8, 64, 320, 4096].map(|c| ns(c, side));
                    assert!(times.iter().all(|t| t.is_finite() && *t > 0.0), "{}: {times:?}", family.name());
                    let monotone = times.windows(2).all(|pair| pair[0] <= pair[1]);
                    assert!(
                        monotone || family.scope() != Scope::AllKinds,
                        "{} {kind}: {times:?}",
                        family.name()
                    );
                }
            }
            assert!(!fit.models.contains_key(&KernelKind::Pool), "{}: a kind without data", family.name());
        }
    }
}
