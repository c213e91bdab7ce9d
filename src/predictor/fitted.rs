//! A predictor from a file (or fresh from a fit), ready to predict.

use super::features::{self, Quantities};
use super::file::{FileError, PredictorFile};
use super::{Estimate, KernelEstimate, LatencyPredictor, Support, Terms};
use crate::dataset::Identity;
use crate::plainnet::Kernel;
use crate::units::Latency;
use std::path::Path;

/// Shorter than anything a clock can tell from nothing; no prediction falls below.
const FLOOR_NS: f64 = 1.0;

#[derive(Clone, Debug)]
pub struct FittedPredictor {
    file: PredictorFile,
    bytes_per_element: f64,
    /// Interval factors of networks wholly inside the domain.
    lower: f64,
    upper: f64,
}

impl FittedPredictor {
    pub fn new(file: PredictorFile) -> FittedPredictor {
        let (lower, upper) = file.calibration.network.factors(1.0);
        let bytes_per_element = features::bytes_per_element(&file.identity.precision);
        FittedPredictor { file, bytes_per_element, lower, upper }
    }

    /// Reads and checks a predictor file.
    ///
    /// # Errors
    /// See [`PredictorFile::read`].
    pub fn read(path: &Path) -> Result<FittedPredictor, FileError> {
        PredictorFile::read(path).map(FittedPredictor::new)
    }

    pub fn file(&self) -> &PredictorFile {
        &self.file
    }

    /// The same predictor for another number of images per run.
    pub fn with_batch(&self, batch: u32) -> FittedPredictor {
        let mut other = self.clone();
        other.file.identity.batch = batch.max(1);
        other
    }

    pub fn bytes_per_element(&self) -> f64 {
        self.bytes_per_element
    }

    /// Latency of one kernel with its *own* batch. Nothing is predicted to be quicker than the roofline
    /// allows: a linear model may have no price for what is too small to show in its data.
    pub fn estimate(&self, kernel: &Kernel) -> KernelEstimate {
        let roofline = &self.file.model.roofline;
        let Some(model) = self.file.model.kinds.get(&kernel.kind) else {
            let bound = roofline.bound(kernel, self.bytes_per_element).ns().max(FLOOR_NS);
            return KernelEstimate { latency: Latency::from_ns(bound), support: Support::Bound };
        };
        let floor = roofline.floor_ns(kernel, self.bytes_per_element);
        let quantities = Quantities::of(kernel, self.bytes_per_element);
        let latency = Latency::from_ns(model.predict_ns(&quantities).max(floor));
        let inside = self.file.domain.get(&kernel.kind).is_some_and(|d| d.contains(kernel, &quantities));
        KernelEstimate { latency, support: if inside { Support::Inside } else { Support::Outside } }
    }

    /// The 90 % interval of one kernel's estimate.
    pub fn interval(&self, kernel: &Kernel, estimate: &KernelEstimate) -> (Latency, Latency) {
        let calibration = &self.file.calibration;
        let margin = match calibration.kernels.get(&kernel.kind) {
            Some(calibration) => calibration.margin(estimate.latency.ns()),
            None => calibration.other_kernels,
        };
        let (mut low, mut high) = ((-margin.lower_log).exp(), margin.upper_log.exp());
        let outside = calibration.network.outside_factor;
        match estimate.support {
            Support::Inside => {}
            Support::Outside => (low, high) = (low / outside, high * outside),
            // A bound from below: nothing is quicker.
            Support::Bound => (low, high) = (1.0, high * outside * outside),
        }
        (estimate.latency * low, estimate.latency * high)
    }
}

impl LatencyPredictor for FittedPredictor {
    fn identity(&self) -> &Identity {
        &self.file.identity
    }

    fn kernel(&self, kernel: &Kernel) -> KernelEstimate {
        self.estimate(&kernel.with_batch(self.file.identity.batch))
    }

    fn network(&self, terms: &Terms) -> Estimate {
        let sum = terms.latency.ns();
        let batch = f64::from(self.file.identity.batch);
        let total = self.file.net_level.apply_ns(sum, f64::from(terms.kernels)).max(FLOOR_NS);
        let latency = Latency::from_ns(total / batch);
        let coverage = if sum > 0.0 { (terms.inside.ns() / sum).clamp(0.0, 1.0) } else { 1.0 };
        let outside = 1.0 + (1.0 - coverage) * (self.file.calibration.network.outside_factor - 1.0);
        Estimate {
            latency,
            lower: latency * (self.lower / outside),
            upper: latency * (self.upper * outside),
            coverage,
        }
    }
}
