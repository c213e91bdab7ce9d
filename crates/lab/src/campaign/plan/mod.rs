//! The plan: which kernels, blocks and whole networks to measure for a search space, and its file. No
//! published network is ever in a drawn plan: they are what predictors are judged on.

mod choose;
mod draw;

pub use choose::{Judged, choose};

use crate::files;
use edgezen_core::digest::sha256;
use edgezen_core::files::{FileError, Format};
use edgezen_core::measurement::Subject;
use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Fewer configurations than this make no predictor.
pub const MIN_SAMPLES: usize = 10;
/// More than this is a typing mistake.
pub const MAX_SAMPLES: usize = 100_000;

/// What to measure, in no particular order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub version: u32,
    pub subjects: Vec<Subject>,
}

/// What can be read, and is written.
const FORMAT: Format = Format { name: "plan", field: "version", oldest: 1, newest: 1, most_bytes: 256 << 20 };

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{0} samples; use {MIN_SAMPLES} to {MAX_SAMPLES}")]
    Samples(usize),
    #[error("the search space gave {found} different configurations, {asked} were asked for")]
    TooFew { found: usize, asked: usize },
    #[error("the plan is empty")]
    Empty,
    #[error("configuration {}: {reason}", index + 1)]
    Subject { index: usize, reason: String },
}

impl Plan {
    /// Reads and checks the plan in a file.
    ///
    /// # Errors
    /// A file that cannot be read, or is no plan; what is wrong in it, by configuration.
    pub fn read(path: &Path) -> Result<Plan, PlanError> {
        Plan::parse(path, &files::read(&FORMAT, path)?)
    }

    /// Checks the bytes of a plan, as [`Plan::to_json`] writes them; `path` is for the messages.
    ///
    /// # Errors
    /// What is wrong, by configuration.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Plan, PlanError> {
        let plan: Plan = FORMAT.parse(path, bytes)?;
        if plan.subjects.is_empty() {
            return Err(PlanError::Empty);
        }
        if plan.subjects.len() > MAX_SAMPLES {
            return Err(PlanError::Samples(plan.subjects.len()));
        }
        let mut seen: FxHashSet<String> = FxHashSet::default();
        for (index, subject) in plan.subjects.iter().enumerate() {
            let bad = |reason: String| PlanError::Subject { index, reason };
            subject.graph().map_err(|e| bad(e.to_string()))?;
            if !seen.insert(serde_json::to_string(subject).map_err(|e| bad(e.to_string()))?) {
                return Err(bad(format!("{subject} stands in the plan twice")));
            }
        }
        Ok(plan)
    }

    pub fn to_json(&self) -> String {
        // One subject a line: a plan is read and edited by people.
        let lines: Vec<String> = self
            .subjects
            .iter()
            .map(|subject| serde_json::to_string(subject).unwrap_or_else(|_| "null".into()))
            .collect();
        format!("{{\"version\": {}, \"subjects\": [\n{}\n]}}\n", self.version, lines.join(",\n"))
    }

    /// SHA-256 over the configurations.
    pub fn hash(&self) -> String {
        sha256(self.to_json())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_core::plainnet::graph::Act;
    use edgezen_core::plainnet::lowering::Lowering;
    use edgezen_core::plainnet::{KernelKind, published};
    use edgezen_core::space;
    use edgezen_core::space::SearchSpace;

    fn plan(spaces: &[&str], samples: usize, seed: u64) -> Plan {
        let spaces: Vec<&dyn SearchSpace> = spaces.iter().map(|n| space::by_name(n).unwrap()).collect();
        Plan::draw(&spaces, samples, 1, Lowering::Fused, seed).unwrap()
    }

    fn count(plan: &Plan, name: &str) -> usize {
        plan.subjects.iter().filter(|s| s.type_name() == name).count()
    }

    #[test]
    fn a_plan_has_the_asked_number_and_all_kinds() {
        for spaces in [&["mobilenet"][..], &["resnet"], &["mobilenet", "resnet"]] {
            for samples in [10, 40, 200, 1000] {
                let plan = plan(spaces, samples, 1);
                assert_eq!(plan.subjects.len(), samples, "{spaces:?}");
                assert!(count(&plan, "network") >= 2 && count(&plan, "block") >= 2);
            }
        }
        let plan = plan(&["mobilenet"], 200, 1);
        assert!((16..=24).contains(&count(&plan, "network")));
        assert!((14..=18).contains(&count(&plan, "block")));
        for kind in ["conv", "dwconv", "linear", "maxpool", "pool", "scale"] {
            let with = |s: &&Subject| matches!(s, Subject::Kernel(k) if k.kind.name() == kind);
            assert!(plan.subjects.iter().filter(with).count() >= 2, "{kind}");
        }
    }

    #[test]
    fn squeeze_excite_is_measured_in_networks_and_slow_activations_on_large_maps() {
        let space = space::by_name("mobilenet").unwrap();
        let lowerings = [Lowering::Fused, Lowering::OnnxRuntime, Lowering::OnnxRuntimeInt8, Lowering::LiteRt];
        for lowering in lowerings {
            let plan = Plan::draw(&[space], 200, 1, lowering, 1).unwrap();
            let se = plan.subjects.iter().filter(|s| matches!(s, Subject::Network { se: true, .. })).count();
            assert_eq!((count(&plan, "network"), se), (20, 5));
            for act in [Act::Swish, Act::HardSwish] {
                let of = |s: &Subject| match s {
                    Subject::Kernel(k) if k.act == act && k.in_h > 1 => Some(k.kind),
                    _ => None,
                };
                let kinds: Vec<KernelKind> = plan.subjects.iter().filter_map(of).collect();
                let fused = lowering.fusion().unwrap().fuses(act, false);
                let expected: &[KernelKind] =
                    if fused { &[KernelKind::Conv, KernelKind::Dwconv] } else { &[KernelKind::Act] };
                for kind in expected {
                    assert!(kinds.contains(kind), "{lowering:?} {act:?} {kinds:?}");
                }
                assert!(kinds.iter().all(|kind| expected.contains(kind)), "{lowering:?} {act:?} {kinds:?}");
            }
        }
        // Few samples hold one of each.
        let few = Plan::draw(&[space], 40, 1, Lowering::Fused, 1).unwrap();
        let slow = |s: &&Subject| matches!(s, Subject::Kernel(k) if k.act == Act::HardSwish);
        assert_eq!(few.subjects.iter().filter(slow).count(), 2);
    }

    #[test]
    fn eager_plans_have_kernels_of_one_operation() {
        let space = space::by_name("mobilenet").unwrap();
        let plan = Plan::draw(&[space], 200, 4, Lowering::Eager, 1).unwrap();
        let kernels =
            || plan.subjects.iter().filter_map(|s| if let Subject::Kernel(k) = s { Some(k) } else { None });
        assert!(kernels().all(|k| !k.residual && (k.act == Act::None || k.kind == KernelKind::Act)));
        let count = |kind: KernelKind| kernels().filter(|k| k.kind == kind).count();
        assert!(count(KernelKind::Act) >= 15 && count(KernelKind::Add) >= 4, "{}", count(KernelKind::Act));
        assert!(kernels().all(|k| k.batch == 4));
    }

    #[test]
    fn plans_are_reproducible_and_hold_no_published_network() {
        let one = plan(&["mobilenet", "resnet"], 300, 7);
        assert_eq!(one, plan(&["mobilenet", "resnet"], 300, 7));
        assert_ne!(one, plan(&["mobilenet", "resnet"], 300, 8));
        let known: Vec<String> =
            published::names().filter_map(published::by_name).map(|m| m.network.to_string()).collect();
        for subject in &one.subjects {
            if let Subject::Network { structure, .. } = subject {
                assert!(!known.contains(structure));
            }
            subject.graph().unwrap();
        }
    }

    #[test]
    fn plans_survive_the_file() {
        let written = plan(&["mobilenet"], 50, 2);
        let parse = |text: &str| Plan::parse(Path::new("plan.json"), text.as_bytes());
        let read = parse(&written.to_json()).unwrap();
        assert_eq!(read, written);
        assert_eq!(read.hash(), written.hash());
        for bad in ["", "{}", "[]", r#"{"version":1,"subjects":[]}"#, r#"{"version":9,"subjects":[]}"#] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        let block = r#"{"type":"block","structure":"SuperResK3K3(8,16,3,8,1)","resolution":8}"#;
        let error = parse(&format!(r#"{{"version":1,"subjects":[{block}]}}"#)).unwrap_err();
        assert!(error.to_string().contains("stride 3"), "{error}");
        let good = block.replace(",3,8,1", ",2,8,1");
        let error = parse(&format!(r#"{{"version":1,"subjects":[{good},{good}]}}"#)).unwrap_err();
        assert!(error.to_string().contains("twice"), "{error}");
        assert!(matches!(
            Plan::draw(&[space::by_name("resnet").unwrap()], 3, 1, Lowering::Fused, 0),
            Err(PlanError::Samples(3))
        ));
    }
}
