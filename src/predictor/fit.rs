//! From datasets to a predictor: families compete by cross-validation, held-out errors become
//! intervals, and the winners are fitted to everything.

use super::conformal::{self, KernelCalibration, NetworkCalibration};
use super::domain::Domain;
use super::evaluate::{FlopsOnly, Metrics, Pair, roofline_scale};
use super::families::{self, Family, Fit, FitError, Model};
use super::features::{self, Quantities};
use super::file::{Calibration, FitMetrics, Models, PredictorFile, Provenance, SCHEMA};
use super::fitted::FittedPredictor;
use super::net_level::{self, NetLevel, NetworkSum};
use super::training::{Level, Observation, Roofline, Training, folds, group_of};
use crate::dataset::{Dataset, Identity, Subject};
use crate::plainnet::{Kernel, KernelKind, kernel};
use std::collections::BTreeMap;

/// Fewest observations that can be fitted and judged.
const MIN_OBSERVATIONS: usize = 8;
/// Folds of tables large enough not to care, and of small ones.
const FOLDS: (usize, usize) = (5, 10);
const LARGE: usize = 5_000;
/// How much better (relative) trees must be to be taken over a simpler family.
const ADVANTAGE: f64 = 0.98;
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
    pub dataset_sha256: String,
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
                    let graph = subject.graph().map_err(|e| failed(e.to_string()))?;
                    let batch = subject.batch().unwrap_or(dataset.identity.batch);
                    let kernels = kernel::fused(&graph).into_iter().map(|k| k.with_batch(batch)).collect();
                    let (level, group) = match subject {
                        Subject::Network { structure, .. } => (Level::Network, structure),
                        Subject::Block { structure, .. } => (Level::Block, structure),
                        Subject::Kernel(_) => return Err(failed("is a kernel".into())),
                    };
                    Observation {
                        level,
                        kernels,
                        latency: sample.median,
                        group: group_of(group),
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

/// Fits a predictor.
///
/// # Errors
/// Too few observations, or a failure of the solver.
pub fn fit(observations: &[Observation], request: Request) -> Result<FittedPredictor, FitError> {
    if observations.len() < MIN_OBSERVATIONS {
        return Err(FitError::TooFew { found: observations.len(), needed: MIN_OBSERVATIONS });
    }
    let bytes_per_element = features::bytes_per_element(&request.identity.precision);
    let roofline = match request.roofline {
        Some(roofline) => roofline,
        None => Roofline::from_data(observations, bytes_per_element),
    };
    let data = Data { observations, bytes_per_element, roofline: &roofline };
    let folds_wanted = if observations.len() < LARGE { FOLDS.1 } else { FOLDS.0 };
    let fold = folds(observations, folds_wanted);

    // Every family on every fold.
    let mut candidates = Vec::new();
    for &family in families::registry() {
        if family.min_rows() > 0 && !KernelKind::ALL.iter().any(|&kind| data.count(kind) >= family.min_rows())
        {
            continue;
        }
        candidates.push(Candidate::cross_validate(family, &data, &fold, folds_wanted)?);
    }
    let choice = choose(&data, &candidates);
    let held_out: Vec<f64> = observations
        .iter()
        .enumerate()
        .map(|(i, o)| choice.held_out_ns(&data, &candidates, &fold, i, o))
        .collect();

    // The winners on everything.
    let everything: Vec<&Observation> = observations.iter().collect();
    let full: Vec<Fit> =
        candidates.iter().map(|c| c.family.fit(&data.training(&everything))).collect::<Result<_, _>>()?;
    let mut kinds: BTreeMap<KernelKind, Model> = BTreeMap::new();
    for kind in KernelKind::ALL {
        if let Some(model) = full[choice.of(kind)].models.get(&kind) {
            kinds.insert(kind, model.clone());
        }
    }
    let network_ns = full[choice.base].network_ns;

    // Networks: the correction, and what it leaves over when each in turn is left out.
    let networks: Vec<NetworkSum> = observations
        .iter()
        .zip(&held_out)
        .filter(|(o, _)| o.level == Level::Network)
        .map(|(o, &sum_ns)| NetworkSum {
            sum_ns,
            kernels: o.kernels.len() as f64,
            measured_ns: o.latency.ns(),
        })
        .collect();
    // Prices that come from networks alone need no correction on networks.
    let correct = networks.len() < observations.len();
    let net_level = net_level::fit(if correct { &networks } else { &[] }, network_ns)?;
    let left_out = if correct {
        leave_one_out(&networks, network_ns)?
    } else {
        networks.iter().map(|n| net_level.apply_ns(n.sum_ns, n.kernels)).collect()
    };

    let kernel_pairs = |kind: Option<KernelKind>| -> Vec<(f64, f64)> {
        let of_kind = |o: &Observation| o.single().is_some_and(|k| kind.is_none_or(|kind| k.kind == kind));
        observations
            .iter()
            .zip(&held_out)
            .filter(|(o, _)| of_kind(o))
            .map(|(o, &predicted)| (predicted, o.latency.ns()))
            .collect()
    };
    let calibrated = KernelKind::ALL.into_iter().filter_map(|kind| {
        let pairs = kernel_pairs(Some(kind));
        let enough = pairs.len() >= 10 && kinds.contains_key(&kind);
        Some((kind, KernelCalibration::of(&pairs).filter(|_| enough)?))
    });
    let kernels: BTreeMap<KernelKind, KernelCalibration> = calibrated.collect();
    let logs: Vec<f64> = left_out.iter().zip(&networks).map(|(p, n)| (n.measured_ns / p).ln()).collect();
    let all_pairs = kernel_pairs(None);
    let network = NetworkCalibration::of(&logs, &all_pairs);
    let other_kernels =
        KernelCalibration::of(&all_pairs).map_or(network.margin, |c| conformal::widest(&c.margins));
    let calibration = Calibration { level: conformal::LEVEL, kernels, other_kernels, network };

    let domain = kinds
        .keys()
        .map(|&kind| {
            let seen = observations.iter().flat_map(|o| &o.kernels).filter(|k| k.kind == kind);
            (kind, Domain::of(seen, bytes_per_element))
        })
        .collect();
    let metrics = metrics(&data, &candidates, &fold, &held_out, &left_out, &calibration);
    let level = |level: Level| observations.iter().filter(|o| o.level == level).count() as u32;
    let file = PredictorFile {
        schema_version: SCHEMA,
        id: request.identity.to_string(),
        created: request.created,
        tool_version: env!("CARGO_PKG_VERSION").into(),
        licence: request.licence,
        provenance: Provenance {
            sources: request.sources,
            kernels: level(Level::Kernel),
            blocks: level(Level::Block),
            networks: level(Level::Network),
            notes: request.notes,
            usual_probe_ns: request.usual_probe_ns,
        },
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
    Ok(FittedPredictor::new(file))
}

/// The observations with what every step needs.
struct Data<'a> {
    observations: &'a [Observation],
    bytes_per_element: f64,
    roofline: &'a Roofline,
}

impl Data<'_> {
    fn training<'b>(&'b self, observations: &'b [&'b Observation]) -> Training<'b> {
        Training { observations, bytes_per_element: self.bytes_per_element, roofline: self.roofline }
    }

    fn count(&self, kind: KernelKind) -> usize {
        self.observations.iter().filter_map(Observation::single).filter(|k| k.kind == kind).count()
    }

    /// As the finished predictor does it.
    fn kernel_ns(&self, model: Option<&Model>, kernel: &Kernel) -> f64 {
        match model {
            Some(model) => {
                let quantities = Quantities::of(kernel, self.bytes_per_element);
                model.predict_ns(&quantities).max(self.roofline.floor_ns(kernel, self.bytes_per_element))
            }
            None => self.roofline.bound(kernel, self.bytes_per_element).ns().max(1.0),
        }
    }
}

/// A family with its fits, one for each fold left out.
struct Candidate {
    family: &'static dyn Family,
    fits: Vec<Fit>,
    /// Held-out prediction of each observation by this family alone.
    held_out: Vec<f64>,
}

impl Candidate {
    fn cross_validate(
        family: &'static dyn Family,
        data: &Data,
        fold: &[usize],
        folds: usize,
    ) -> Result<Candidate, FitError> {
        let mut fits = Vec::new();
        for left_out in 0..folds {
            let rows: Vec<&Observation> =
                data.observations.iter().zip(fold).filter(|(_, f)| **f != left_out).map(|(o, _)| o).collect();
            fits.push(family.fit(&data.training(&rows))?);
        }
        let predict = |(o, &f): (&Observation, &usize)| {
            let fit = &fits[f];
            let sum: f64 = o.kernels.iter().map(|k| data.kernel_ns(fit.models.get(&k.kind), k)).sum();
            if o.level == Level::Network { sum + fit.network_ns } else { sum }
        };
        let held_out = data.observations.iter().zip(fold).map(predict).collect();
        Ok(Candidate { family, fits, held_out })
    }

    fn mean_error(&self, data: &Data, keep: impl Fn(&Observation) -> bool) -> Option<f64> {
        let errors: Vec<f64> = data
            .observations
            .iter()
            .zip(&self.held_out)
            .filter(|(o, _)| keep(o))
            .map(|(o, p)| (p / o.latency.ns() - 1.0).abs())
            .collect();
        crate::stats::mean(&errors)
    }

    /// The figure that simple families compete by: networks count double.
    fn score(&self, data: &Data) -> f64 {
        let levels = [(Level::Kernel, 1.0), (Level::Block, 1.0), (Level::Network, 2.0)];
        let (mut sum, mut weights) = (0.0, 0.0);
        for (level, weight) in levels {
            if let Some(error) = self.mean_error(data, |o| o.level == level) {
                sum += weight * error;
                weights += weight;
            }
        }
        sum / weights
    }
}

/// Which candidate models which kind.
struct Choice {
    /// For all kinds without a choice of their own, and for the constant of networks.
    base: usize,
    by_kind: BTreeMap<KernelKind, usize>,
}

impl Choice {
    fn of(&self, kind: KernelKind) -> usize {
        self.by_kind.get(&kind).copied().unwrap_or(self.base)
    }

    fn held_out_ns(
        &self,
        data: &Data,
        candidates: &[Candidate],
        fold: &[usize],
        i: usize,
        o: &Observation,
    ) -> f64 {
        let fit = |kind| &candidates[self.of(kind)].fits[fold[i]];
        o.kernels.iter().map(|k| data.kernel_ns(fit(k.kind).models.get(&k.kind), k)).sum()
    }
}

fn choose(data: &Data, candidates: &[Candidate]) -> Choice {
    let simple = |c: &Candidate| c.family.min_rows() == 0;
    let mut choice = Choice { base: 0, by_kind: BTreeMap::new() };
    for (i, candidate) in candidates.iter().enumerate().filter(|(_, c)| simple(c)) {
        if candidate.score(data) < candidates[choice.base].score(data) {
            choice.base = i;
        }
    }
    for kind in KernelKind::ALL {
        let error = |c: &Candidate| c.mean_error(data, |o| o.single().is_some_and(|k| k.kind == kind));
        for (i, candidate) in candidates.iter().enumerate().filter(|(_, c)| !simple(c)) {
            let current = error(&candidates[choice.of(kind)]);
            let better =
                matches!((error(candidate), current), (Some(new), Some(old)) if new < ADVANTAGE * old);
            if better && data.count(kind) >= candidate.family.min_rows() {
                choice.by_kind.insert(kind, i);
            }
        }
    }
    choice
}

/// Each network as the others correct it.
fn leave_one_out(networks: &[NetworkSum], network_ns: f64) -> Result<Vec<f64>, FitError> {
    (0..networks.len())
        .map(|left_out| {
            let others: Vec<NetworkSum> =
                networks.iter().enumerate().filter(|(i, _)| *i != left_out).map(|(_, n)| *n).collect();
            let level: NetLevel = net_level::fit(&others, network_ns)?;
            Ok(level.apply_ns(networks[left_out].sum_ns, networks[left_out].kernels))
        })
        .collect()
}

fn metrics(
    data: &Data,
    candidates: &[Candidate],
    fold: &[usize],
    held_out: &[f64],
    left_out: &[f64],
    calibration: &Calibration,
) -> FitMetrics {
    let folds = fold.iter().max().map_or(0, |last| last + 1);
    let mut next_network = left_out.iter();
    let pairs: Vec<(&Observation, Pair)> = data
        .observations
        .iter()
        .zip(held_out)
        .map(|(o, &sum)| {
            let predicted = match o.level {
                Level::Network => next_network.next().copied().unwrap_or(sum),
                _ => sum,
            };
            let margin = match (o.level, o.single()) {
                (Level::Network, _) => Some(calibration.network.margin),
                (_, Some(kernel)) => calibration.kernels.get(&kernel.kind).map(|c| c.margin(predicted)),
                _ => None,
            };
            let interval = margin.map(|m| (predicted * (-m.lower_log).exp(), predicted * m.upper_log.exp()));
            (o, Pair { predicted, interval, measured: o.latency.ns() })
        })
        .collect();
    let of = |keep: &dyn Fn(&Observation) -> bool| {
        Metrics::of(&pairs.iter().filter(|(o, _)| keep(o)).map(|(_, pair)| *pair).collect::<Vec<_>>())
    };
    let is_kind = |o: &Observation, kind: KernelKind| o.single().is_some_and(|k| k.kind == kind);
    let by_kind = KernelKind::ALL.into_iter().filter_map(|kind| Some((kind, of(&|o| is_kind(o, kind))?)));
    let tried = |candidate: &Candidate| {
        let mut errors = BTreeMap::new();
        let levels = [("kernels", Level::Kernel), ("blocks", Level::Block), ("networks", Level::Network)];
        for (name, level) in levels {
            let error = candidate.mean_error(data, |o| o.level == level);
            errors.extend(error.map(|e| (name.to_owned(), 100.0 * e)));
        }
        (candidate.family.name().to_owned(), errors)
    };
    // The baselines on what there is most of.
    let level = if of(&|o| o.level == Level::Kernel).is_some() { Level::Kernel } else { Level::Network };
    FitMetrics {
        folds: folds as u32,
        kernels: of(&|o| o.level == Level::Kernel),
        blocks: of(&|o| o.level == Level::Block),
        networks: of(&|o| o.level == Level::Network),
        by_kind: by_kind.collect(),
        families: candidates.iter().map(tried).collect(),
        baseline_flops: baseline_flops(data, fold, folds, level),
        baseline_roofline: baseline_roofline(data, fold, folds),
    }
}

fn baseline_flops(data: &Data, fold: &[usize], folds: usize, level: Level) -> Option<Metrics> {
    let rows: Vec<(usize, f64, f64)> = data
        .observations
        .iter()
        .zip(fold)
        .filter(|(o, _)| o.level == level)
        .map(|(o, &f)| (f, o.kernels.iter().map(Kernel::macs).sum(), o.latency.ns()))
        .collect();
    let mut pairs = Vec::new();
    for left_out in 0..folds {
        let kept: Vec<(f64, f64)> =
            rows.iter().filter(|(f, ..)| *f != left_out).map(|&(_, macs, ns)| (macs, ns)).collect();
        let line = FlopsOnly::fit(&kept)?;
        let held_out = rows.iter().filter(|(f, ..)| *f == left_out);
        pairs.extend(held_out.map(|&(_, macs, measured)| Pair {
            predicted: line.predict_ns(macs),
            interval: None,
            measured,
        }));
    }
    Metrics::of(&pairs)
}

fn baseline_roofline(data: &Data, fold: &[usize], folds: usize) -> Option<Metrics> {
    let rows: Vec<(usize, Kernel, f64)> = data
        .observations
        .iter()
        .zip(fold)
        .filter_map(|(o, &f)| Some((f, *o.single()?, o.latency.ns())))
        .collect();
    let mut pairs = Vec::new();
    for left_out in 0..folds {
        let kept: Vec<(Kernel, f64)> =
            rows.iter().filter(|(f, ..)| *f != left_out).map(|&(_, k, ns)| (k, ns)).collect();
        let scale = roofline_scale(data.roofline, &kept, data.bytes_per_element)?;
        let held_out = rows.iter().filter(|(f, ..)| *f == left_out);
        pairs.extend(held_out.map(|&(_, kernel, measured)| Pair {
            predicted: scale * data.roofline.bound(&kernel, data.bytes_per_element).ns(),
            interval: None,
            measured,
        }));
    }
    Metrics::of(&pairs)
}

fn units(kinds: &BTreeMap<KernelKind, Model>) -> BTreeMap<String, String> {
    kinds
        .values()
        .flat_map(Model::features)
        .map(|feature| (feature.0.name.to_owned(), feature.0.unit.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predictor::LatencyPredictor;
    use std::path::Path;

    /// The dataset and the request that `edgezen fit` makes of it.
    fn shipped(id: &str) -> (Dataset, Request) {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets").join(id);
        let dataset = Dataset::read(&dir).unwrap_or_else(|e| panic!("{e}"));
        let roofline = dataset.environment.get("roofline").cloned();
        let request = Request {
            identity: dataset.identity.clone(),
            roofline: roofline.map(|value| serde_json::from_value(value).unwrap()),
            created: dataset.provenance.created.clone(),
            licence: dataset.provenance.licence.clone(),
            sources: vec![dataset.provenance.source.clone()],
            notes: vec![],
            usual_probe_ns: Some(22_029),
            dataset_sha256: String::new(),
        };
        (dataset, request)
    }

    #[test]
    fn fitting_twice_gives_the_same_bytes_and_few_networks_do() {
        let (mut dataset, request) = shipped("pixel2@tflite@fp32");
        dataset.samples.retain(|sample| !sample.subject.to_string().starts_with("resnet"));
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
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets");
        for entry in std::fs::read_dir(root).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
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
        assert!(crate::stats::mean(&errors).unwrap() < 0.2);
    }

    #[test]
    fn too_few_rows_are_refused() {
        let (dataset, request) = shipped("pixel2@tflite@fp32");
        let observations = observations(&dataset).unwrap();
        assert!(matches!(fit(&observations[..3], request), Err(FitError::TooFew { found: 3, .. })));
    }
}
