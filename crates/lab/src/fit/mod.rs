//! From datasets to a predictor: families compete by cross-validation, held-out errors become
//! intervals, and the winners are fitted to everything.

pub mod baselines;
mod candidates;
pub mod conformal;
pub mod families;
#[cfg(test)]
mod files_of_fits;
mod grid;
pub mod net_level;
pub mod networks;
pub mod observation;
mod report;
pub mod solvers;
pub mod transfer;

use self::candidates::{Candidate, Choice, choose};
use self::report::metrics;
use crate::dataset::Dataset;
use crate::fit::families::{Fit, FitError};
use crate::fit::net_level::NetworkSum;
use crate::fit::observation::{Level, Observation, Training, folds, group_of};
use edgezen_core::measurement::{Identity, Subject};
use edgezen_core::plainnet::{Kernel, KernelKind};
use edgezen_core::predictor::Terms;
use edgezen_core::predictor::calibration::{self, KernelCalibration};
use edgezen_core::predictor::domain::Domain;
use edgezen_core::predictor::features;
use edgezen_core::predictor::features::{Machine, Quantities};
use edgezen_core::predictor::file::{Calibration, Models, PredictorFile, Provenance};
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::predictor::layout::SCHEMA;
use edgezen_core::predictor::model::KernelModel;
use edgezen_core::predictor::model::Model;
use edgezen_core::predictor::net_level::NetLevel;
use edgezen_core::predictor::roofline::Roofline;
use edgezen_core::zoo::Encoded;
use std::collections::{BTreeMap, BTreeSet};

/// Fewest observations that can be fitted and judged.
const MIN_OBSERVATIONS: usize = 8;
/// Folds of tables large enough not to care, and of small ones.
const FOLDS: (usize, usize) = (5, 10);
const LARGE: usize = 5_000;
/// Weight of measurements that the stopwatch itself did not trust.
const DOUBTFUL: f64 = 0.3;

/// What goes into a predictor file beside the numbers.
#[derive(Clone, Debug)]
pub struct Request {
    pub identity: Identity,
    /// The device's own figures, where they are known.
    pub roofline: Option<Roofline>,
    pub created: String,
    pub licence: String,
    pub sources: Vec<String>,
    pub notes: Vec<String>,
    /// See [`Provenance::usual_probe_ns`].
    pub usual_probe_ns: Option<u64>,
    /// See [`Provenance::cpu`].
    pub cpu: Option<String>,
    pub dataset_sha256: String,
}

impl Request {
    /// What a file fitted to `observations` says of where its numbers come from.
    pub(super) fn provenance(&self, observations: &[Observation]) -> Provenance {
        let level = |level: Level| observations.iter().filter(|o| o.level == level).count() as u32;
        Provenance {
            sources: self.sources.clone(),
            kernels: level(Level::Kernel),
            blocks: level(Level::Block),
            networks: level(Level::Network),
            notes: self.notes.clone(),
            usual_probe_ns: self.usual_probe_ns,
            cpu: self.cpu.clone(),
        }
    }
}

/// The samples of a dataset as observations.
///
/// # Errors
/// A block or network that cannot be built.
pub fn observations(dataset: &Dataset) -> Result<Vec<Observation>, FitError> {
    dataset
        .samples
        .iter()
        .map(|sample| {
            let failed = |reason: String| FitError::Subject { subject: sample.subject.to_string(), reason };
            let mut observation = match &sample.subject {
                Subject::Kernel(kernel) => Observation::kernel(*kernel, sample.median),
                subject => {
                    let kernels =
                        subject.kernels(dataset.identity.lowering()).map_err(|e| failed(e.to_string()))?;
                    let batch = subject.batch().unwrap_or(dataset.identity.batch);
                    let kernels = kernels.into_iter().map(|k| k.with_batch(batch)).collect();
                    let (level, group) = match subject {
                        Subject::Network { structure, .. } => (Level::Network, structure.clone()),
                        Subject::Encoded { code, .. } => (Level::Network, family(&code.0)),
                        Subject::Block { structure, .. } => (Level::Block, structure.clone()),
                        Subject::Kernel(_) => return Err(failed("is a kernel".into())),
                    };
                    Observation {
                        level,
                        kernels,
                        latency: sample.median,
                        group: group_of(&group),
                        weight: 1.0,
                    }
                }
            };
            if sample.quality.is_doubtful() {
                observation.weight = DOUBTFUL;
            }
            Ok(observation)
        })
        .collect()
}

/// What stands for a network outside PlainNet in cross-validation: its name, whatever the resolution.
fn family(network: &Encoded) -> String {
    match network {
        Encoded::Named(named) => named.name().to_owned(),
        other => other.to_string(),
    }
}

/// Fits a predictor.
///
/// # Errors
/// Too few observations, or a failure of the solver.
pub fn fit(observations: &[Observation], request: Request) -> Result<FittedPredictor, FitError> {
    let roofline = roofline(observations, &request);
    let data = Data::new(observations, &request.identity, &roofline);
    let Competition { fold, candidates, choice, held_out } = compete(&data)?;

    // The winners on everything.
    let everything: Vec<&Observation> = observations.iter().collect();
    let chosen: BTreeSet<usize> =
        KernelKind::ALL.into_iter().map(|kind| choice.of(kind)).chain([choice.base]).collect();
    let mut full: BTreeMap<usize, Fit> = BTreeMap::new();
    for i in chosen {
        full.insert(i, candidates[i].family.fit(&data.training(&everything))?);
    }
    let mut kinds: BTreeMap<KernelKind, Model> = BTreeMap::new();
    for kind in KernelKind::ALL {
        if let Some(model) = full[&choice.of(kind)].models.get(&kind) {
            kinds.insert(kind, model.clone());
        }
    }
    let network_ns = full[&choice.base].network_ns;

    // Networks: the correction, and what it leaves over when each in turn is left out.
    let composed = observations.iter().zip(&held_out).filter(|(o, _)| o.level == Level::Network);
    let networks: Vec<NetworkSum> =
        composed.map(|(o, &terms)| NetworkSum { terms, measured_ns: o.latency.ns() }).collect();
    // Prices that come from networks alone need no correction on networks.
    let correct = networks.len() < observations.len();
    let net_level = net_level::fit(if correct { &networks } else { &[] }, network_ns)?;
    let left_out = if correct {
        leave_one_out(&networks, network_ns)?
    } else {
        networks.iter().map(|n| net_level.apply_ns(&n.terms)).collect()
    };

    let kernel_pairs = |kind: Option<KernelKind>| -> Vec<(f64, f64)> {
        let of_kind = |o: &Observation| o.single().is_some_and(|k| kind.is_none_or(|kind| k.kind == kind));
        observations
            .iter()
            .zip(&held_out)
            .filter(|(o, _)| of_kind(o))
            .map(|(o, predicted)| (predicted.latency.ns(), o.latency.ns()))
            .collect()
    };
    let calibrated = KernelKind::ALL.into_iter().filter_map(|kind| {
        let pairs = kernel_pairs(Some(kind));
        let enough = pairs.len() >= 10 && kinds.contains_key(&kind);
        Some((kind, conformal::kernels(&pairs).filter(|_| enough)?))
    });
    let mut kernels: BTreeMap<KernelKind, KernelCalibration> = calibrated.collect();
    let domain: BTreeMap<KernelKind, Domain> = kinds
        .keys()
        .map(|&kind| {
            let seen = observations.iter().flat_map(|o| &o.kernels).filter(|k| k.kind == kind);
            (kind, Domain::of(seen, &data.machine))
        })
        .collect();
    grid::stretch(&data, &candidates, &choice, &domain, &mut kernels)?;
    let logs: Vec<f64> = left_out.iter().zip(&networks).map(|(p, n)| (n.measured_ns / p).ln()).collect();
    let all_pairs = kernel_pairs(None);
    let network = conformal::networks(&logs, &all_pairs);
    let other_kernels =
        conformal::kernels(&all_pairs).map_or(network.margin, |c| calibration::widest(&c.margins));
    let calibration = Calibration { level: calibration::LEVEL, kernels, other_kernels, network };

    let metrics = metrics(&data, &candidates, &fold, &held_out, &left_out, &calibration);
    let provenance = request.provenance(observations);
    let file = PredictorFile {
        schema_version: SCHEMA,
        id: request.identity.to_string(),
        created: request.created,
        tool_version: env!("CARGO_PKG_VERSION").into(),
        licence: request.licence,
        provenance,
        device: request.identity.device.clone(),
        identity: request.identity,
        dataset_sha256: request.dataset_sha256,
        features: units(&kinds),
        model: Models { kinds, roofline },
        domain,
        calibration,
        net_level,
        metrics,
    };
    let file = file.in_its_schema().as_written().map_err(|e| FitError::Unwritable(e.to_string()))?;
    Ok(FittedPredictor::new(file))
}

/// What the families that win say of each observation when it was left out, in nanoseconds for its batch.
///
/// # Errors
/// As [`fit`].
pub fn held_out_ns(observations: &[Observation], request: &Request) -> Result<Vec<f64>, FitError> {
    let roofline = roofline(observations, request);
    let held_out = compete(&Data::new(observations, &request.identity, &roofline))?.held_out;
    Ok(held_out.iter().map(|terms| terms.latency.ns()).collect())
}

fn roofline(observations: &[Observation], request: &Request) -> Roofline {
    let bytes_per_element = features::bytes_per_element(&request.identity.precision);
    request.roofline.clone().unwrap_or_else(|| observation::roofline(observations, bytes_per_element))
}

/// All families, the winners, and what they say of what they have not seen.
struct Competition {
    fold: Vec<usize>,
    candidates: Vec<Candidate>,
    choice: Choice,
    held_out: Vec<Terms>,
}

/// Every family on every fold.
fn compete(data: &Data) -> Result<Competition, FitError> {
    let observations = data.observations;
    if observations.len() < MIN_OBSERVATIONS {
        return Err(FitError::TooFew { found: observations.len(), needed: MIN_OBSERVATIONS });
    }
    let folds_wanted = if observations.len() < LARGE { FOLDS.1 } else { FOLDS.0 };
    let fold = folds(observations, folds_wanted);
    let mut candidates = Vec::new();
    for &family in families::registry() {
        if !KernelKind::ALL.iter().any(|&kind| family.rows().contains(&data.count(kind))) {
            continue;
        }
        candidates.push(Candidate::cross_validate(family, data, &fold, folds_wanted)?);
    }
    let choice = choose(data, &candidates);
    let held_out = observations
        .iter()
        .enumerate()
        .map(|(i, o)| choice.held_out(data, &candidates, &fold, i, o))
        .collect();
    Ok(Competition { fold, candidates, choice, held_out })
}

/// The observations with what every step needs.
struct Data<'a> {
    observations: &'a [Observation],
    machine: Machine,
    roofline: &'a Roofline,
}

impl<'a> Data<'a> {
    fn new(observations: &'a [Observation], identity: &Identity, roofline: &'a Roofline) -> Data<'a> {
        Data { observations, machine: Machine::new(&identity.precision, roofline), roofline }
    }

    fn training<'b>(&'b self, observations: &'b [&'b Observation]) -> Training<'b> {
        Training { observations, machine: self.machine, roofline: self.roofline }
    }

    fn count(&self, kind: KernelKind) -> usize {
        self.observations.iter().filter_map(Observation::single).filter(|k| k.kind == kind).count()
    }

    /// As the finished predictor does it.
    fn kernel_ns(&self, model: Option<&Model>, kernel: &Kernel) -> f64 {
        match model {
            Some(model) => {
                let quantities = Quantities::of(kernel, &self.machine);
                model
                    .predict_ns(&quantities)
                    .max(self.roofline.floor_ns(kernel, self.machine.bytes_per_element))
            }
            None => self.roofline.bound(kernel, self.machine.bytes_per_element).ns().max(1.0),
        }
    }
}

/// Each network as the others correct it.
fn leave_one_out(networks: &[NetworkSum], network_ns: f64) -> Result<Vec<f64>, FitError> {
    (0..networks.len())
        .map(|left_out| {
            let others: Vec<NetworkSum> = [&networks[..left_out], &networks[left_out + 1..]].concat();
            let level: NetLevel = net_level::fit(&others, network_ns)?;
            Ok(level.apply_ns(&networks[left_out].terms))
        })
        .collect()
}

fn units(kinds: &BTreeMap<KernelKind, Model>) -> BTreeMap<String, String> {
    kinds
        .values()
        .flat_map(KernelModel::features)
        .map(|feature| (feature.0.name.to_owned(), feature.0.unit.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_core::predictor::LatencyPredictor;
    use std::path::Path;

    /// The dataset and the request that `edgezen fit` makes of it.
    fn shipped(id: &str) -> (Dataset, Request) {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets").join(id);
        let dataset = Dataset::read(&dir).unwrap_or_else(|e| panic!("{e}"));
        let request = Request {
            identity: dataset.identity.clone(),
            roofline: dataset.environment.roofline.clone(),
            created: dataset.provenance.created.clone(),
            licence: dataset.provenance.licence.clone(),
            sources: vec![dataset.provenance.source.clone()],
            notes: vec![],
            usual_probe_ns: Some(22_029),
            cpu: None,
            dataset_sha256: String::new(),
        };
        (dataset, request)
    }

    #[test]
    fn fitting_twice_gives_the_same_bytes_and_few_networks_do() {
        let (mut dataset, request) = shipped("pixel2@tflite@fp32");
        dataset.samples.retain(|sample| !sample.subject.to_string().starts_with("zoo:resnet"));
        let observations = observations(&dataset).unwrap();
        let predictor = fit(&observations, request.clone()).unwrap();
        let again = fit(&observations, request).unwrap();
        assert_eq!(predictor.file().text().unwrap(), again.file().text().unwrap());
        // Ten MobileNets: within 8 % of what they are fitted to, and honest about how few they are.
        for observation in &observations {
            let estimate = predictor.predict(&observation.kernels);
            let error = estimate.latency.ns() / observation.latency.ns() - 1.0;
            assert!(error.abs() < 0.08, "{error}");
            assert!(estimate.lower < observation.latency && observation.latency < estimate.upper);
            assert!(estimate.upper.ns() > 1.1 * estimate.latency.ns() && estimate.coverage > 0.99);
        }
    }

    #[test]
    fn every_shipped_dataset_is_readable() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets");
        for entry in std::fs::read_dir(root).unwrap() {
            let path = entry.unwrap().path();
            // Tables of whole networks are kept as published, and profiles of one's own are not shipped.
            let name = path.file_name().unwrap().to_str().unwrap();
            if name.split('@').count() == 3 {
                let dataset = Dataset::read(&path).unwrap_or_else(|e| panic!("{e}"));
                assert!(!dataset.provenance.licence.is_empty() && path.join("README.md").is_file());
                assert_eq!(path.file_name().unwrap().to_str().unwrap(), dataset.identity.to_string());
                assert!(!observations(&dataset).unwrap().is_empty());
            }
        }
    }

    #[test]
    fn trees_are_chosen_where_they_are_better() {
        let (dataset, request) = shipped("v100@tensorrt@fp16");
        // A tenth of the table is enough to see it, and quick.
        let all = observations(&dataset).unwrap();
        let tenth: Vec<Observation> = all.iter().step_by(10).cloned().collect();
        let predictor = fit(&tenth, request).unwrap();
        let file = predictor.file();
        assert!(matches!(file.model.kinds[&KernelKind::Conv], Model::Boosted(_)));
        let kernels = file.metrics.kernels.unwrap();
        assert!(kernels.mape_percent < 20.0, "{kernels:?}");
        assert!(kernels.mape_percent < 0.6 * file.metrics.baseline_flops.unwrap().mape_percent);
        assert!((80.0..=97.0).contains(&kernels.coverage_percent.unwrap()), "{kernels:?}");
        // Unseen rows, outside the tenth.
        let unseen = all.iter().enumerate().filter(|(i, _)| i % 10 == 5).map(|(_, o)| o);
        let errors: Vec<f64> = unseen
            .map(|o| (predictor.estimate(&o.kernels[0]).latency.ns() / o.latency.ns() - 1.0).abs())
            .collect();
        assert!(edgezen_core::stats::mean(&errors).unwrap() < 0.2);
    }

    #[test]
    fn too_few_rows_are_refused() {
        let (dataset, request) = shipped("pixel2@tflite@fp32");
        let observations = observations(&dataset).unwrap();
        assert!(matches!(fit(&observations[..3], request), Err(FitError::TooFew { found: 3, .. })));
    }
}
