//! From datasets to a predictor.
//!
//! [`fit`] makes a predictor of kernels. The steps are files, and each uses only those above it in this list:
//!
//! | file | what it does |
//! |---|---|
//! | [`error`], [`solvers`], [`baselines`], [`conformal`] | why a fit fails; least squares; what a predictor is compared with; intervals from errors |
//! | [`observation`], [`lender`], `training`, `data` | latencies as lists of kernels, of the device and of others to lean on; what every step knows of them |
//! | [`families`] | ways to fit kernels' latencies |
//! | `candidate`, `choice`, `competition` | cross-validation of each family; which one models which kind |
//! | `winners`, [`net_level`] | the winning families fitted to everything; the correction of whole networks |
//! | `grid`, `intervals`, `prior`, `report` | margins off the grid of the data; all margins; what lenders told; held-out errors |
//! | [`request`], [`datasets`] | what goes into a file beside the numbers; reading datasets |
//! | [`transfer`], [`eager`], [`refit`] | predictors from those of other devices, of other runtimes, and from further measurements |
//!
//! [`networks`] fits predictors of whole networks; [`siblings`] fits those of many devices that are alike, from few networks
//! of each; [`completion`] predicts the networks of a device that its sisters know.

pub mod baselines;
mod candidate;
mod choice;
mod competition;
pub mod completion;
pub mod conformal;
mod data;
pub mod datasets;
pub mod eager;
pub mod error;
pub mod families;
mod grid;
mod intervals;
pub mod lender;
pub mod net_level;
pub mod networks;
pub mod observation;
mod prior;
pub mod refit;
mod report;
pub mod request;
pub mod siblings;
pub mod solvers;
mod training;
pub mod transfer;
mod winners;

pub use self::datasets::Datasets;
pub use self::error::{DataError, FitError};
pub use self::observation::observations;
pub use self::request::Request;

use self::competition::Competition;
use self::data::Data;
use self::lender::Lender;
use self::observation::Observation;
use self::winners::Winners;
use edgezen_core::predictor::features;
use edgezen_core::predictor::file::{Content, Models, PredictorFile};
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::predictor::roofline::Roofline;

/// Fits a predictor of kernels: families compete by cross-validation, the winners are fitted to everything, and what was
/// held out says how far off they are.
///
/// # Errors
/// Too few observations, or a failure of the solver.
pub fn fit(observations: &[Observation], request: Request) -> Result<FittedPredictor, FitError> {
    fit_leaning(observations, &[], request)
}

/// As [`fit`]; prices that the observations cannot tell apart lean on those of `lenders`, networks on other runtimes or
/// devices.
///
/// # Errors
/// As [`fit`].
pub fn fit_leaning(
    observations: &[Observation],
    lenders: &[Lender],
    mut request: Request,
) -> Result<FittedPredictor, FitError> {
    let roofline = roofline(observations, &request);
    let data = Data::new(observations, &request.identity, &roofline).leaning_on(lenders);
    let competition = Competition::run(&data)?;
    let winners = Winners::fit(&data, &competition)?;
    let correction = net_level::correction(observations, &competition.held_out, winners.network_ns)?;
    let domain = winners.domains(&data);
    let calibration = intervals::calibrate(&data, &competition, &correction, &domain)?;
    let metrics = report::metrics(&data, &competition, &correction.left_out_ns, &calibration);
    let prior = prior::prior(&data, &competition, &calibration)?;
    request.notes.extend(prior.as_ref().map(|_| lender::note(lenders)));
    let content = Content {
        features: winners.units(),
        model: Models { kinds: winners.kinds, roofline },
        domain,
        calibration,
        net_level: correction.net_level,
        metrics,
        prior,
    };
    let file = PredictorFile::new(request.header(), request.provenance(observations), content);
    let file = file.as_written().map_err(|e| FitError::Unwritable(e.to_string()))?;
    Ok(FittedPredictor::new(file))
}

/// What the families that win say of each observation when it was left out, in nanoseconds for its batch.
///
/// # Errors
/// As [`fit`].
pub fn held_out_ns(observations: &[Observation], request: &Request) -> Result<Vec<f64>, FitError> {
    let roofline = roofline(observations, request);
    let held_out = Competition::run(&Data::new(observations, &request.identity, &roofline))?.held_out;
    Ok(held_out.iter().map(|terms| terms.latency.ns()).collect())
}

/// The device's own figures, or else the best rates in the data.
fn roofline(observations: &[Observation], request: &Request) -> Roofline {
    let bytes_per_element = features::bytes_per_element(&request.identity.precision);
    request.roofline.clone().unwrap_or_else(|| observation::roofline(observations, bytes_per_element))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Dataset;
    use edgezen_core::plainnet::KernelKind;
    use edgezen_core::predictor::LatencyPredictor;
    use edgezen_core::predictor::model::AnyModel;
    use std::path::Path;

    /// The dataset and the request that `edgezen fit` makes of it, with a made-up pace of the core.
    fn shipped(id: &str) -> (Dataset, Request) {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets").join(id);
        let dataset = Dataset::read(&dir).unwrap_or_else(|e| panic!("{e}"));
        let request = Request::of(&dataset);
        (dataset, Request { usual_probe_ns: Some(22_029), ..request })
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
        assert!(matches!(file.model.kinds[&KernelKind::Conv], AnyModel::Boosted(_)));
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
