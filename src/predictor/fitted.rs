//! A predictor from a file (or fresh from a fit), ready to predict.

use super::domain::Place;
use super::features::{Machine, Quantities};
use super::file::{FileError, PredictorFile};
use super::{Estimate, KernelEstimate, LatencyPredictor, Support, Terms};
use crate::dataset::Identity;
use crate::plainnet::{Kernel, KernelKind};
use crate::units::Latency;
use std::collections::BTreeMap;
use std::path::Path;

/// Shorter than anything a clock can tell from nothing; no prediction falls below.
const FLOOR_NS: f64 = 1.0;

/// Kernels that are predicted side by side.
const BLOCK: usize = 64;

/// An estimate with its 90 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounded {
    pub estimate: KernelEstimate,
    pub lower: Latency,
    pub upper: Latency,
}

#[derive(Clone, Debug)]
pub struct FittedPredictor {
    file: PredictorFile,
    machine: Machine,
    /// Interval factors of networks wholly inside the domain.
    lower: f64,
    upper: f64,
}

impl FittedPredictor {
    pub fn new(file: PredictorFile) -> FittedPredictor {
        let (lower, upper) = file.calibration.network.factors(1.0);
        let machine = Machine::new(&file.identity.precision, &file.model.roofline);
        FittedPredictor { file, machine, lower, upper }
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
        self.machine.bytes_per_element
    }

    /// Latency of one kernel with its *own* batch. Nothing is predicted to be quicker than the roofline
    /// allows: a linear model may have no price for what is too small to show in its data.
    pub fn estimate(&self, kernel: &Kernel) -> KernelEstimate {
        self.placed(kernel).0
    }

    /// The estimate of one kernel with its own batch, and its 90 % interval.
    pub fn bounded(&self, kernel: &Kernel) -> Bounded {
        let (estimate, place) = self.placed(kernel);
        self.with_interval(kernel, estimate, place)
    }

    /// As [`FittedPredictor::bounded`], for many kernels: several times as quick.
    pub fn bounded_many(&self, kernels: &[Kernel]) -> Vec<Bounded> {
        let mut out: Vec<Option<Bounded>> = vec![None; kernels.len()];
        let mut by_kind: BTreeMap<KernelKind, Vec<usize>> = BTreeMap::new();
        for (i, kernel) in kernels.iter().enumerate() {
            by_kind.entry(kernel.kind).or_default().push(i);
        }
        let mut quantities = Vec::with_capacity(BLOCK);
        let mut ns = [0.0; BLOCK];
        for (kind, indices) in by_kind {
            let (model, domain) = (self.file.model.kinds.get(&kind), self.file.domain.get(&kind));
            let (Some(model), Some(domain)) = (model, domain) else {
                indices.iter().for_each(|&i| out[i] = Some(self.bounded(&kernels[i])));
                continue;
            };
            for block in indices.chunks(BLOCK) {
                quantities.clear();
                quantities.extend(block.iter().map(|&i| Quantities::of(&kernels[i], &self.machine)));
                model.predict_many(&quantities, &mut ns[..block.len()]);
                for ((&i, q), &ns) in block.iter().zip(&quantities).zip(&ns) {
                    let place = domain.place(&kernels[i], q);
                    let estimate = self.floored(&kernels[i], ns, place);
                    out[i] = Some(self.with_interval(&kernels[i], estimate, place));
                }
            }
        }
        out.into_iter().flatten().collect()
    }

    fn with_interval(&self, kernel: &Kernel, estimate: KernelEstimate, place: Place) -> Bounded {
        let calibration = &self.file.calibration;
        let margin = match calibration.kernels.get(&kernel.kind) {
            Some(calibration) => calibration.margin_at(estimate.latency.ns(), place),
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
        Bounded { estimate, lower: estimate.latency * low, upper: estimate.latency * high }
    }

    fn floored(&self, kernel: &Kernel, ns: f64, place: Place) -> KernelEstimate {
        let floor = self.file.model.roofline.floor_ns(kernel, self.bytes_per_element());
        let support = if place == Place::Outside { Support::Outside } else { Support::Inside };
        KernelEstimate { latency: Latency::from_ns(ns.max(floor)), support }
    }

    /// Where the kernel lies in the predictor's domain.
    pub fn place(&self, kernel: &Kernel) -> Place {
        self.placed(kernel).1
    }

    fn placed(&self, kernel: &Kernel) -> (KernelEstimate, Place) {
        let roofline = &self.file.model.roofline;
        let bytes_per_element = self.bytes_per_element();
        let (Some(model), Some(domain)) =
            (self.file.model.kinds.get(&kernel.kind), self.file.domain.get(&kernel.kind))
        else {
            let bound = roofline.bound(kernel, bytes_per_element).ns().max(FLOOR_NS);
            let estimate = KernelEstimate { latency: Latency::from_ns(bound), support: Support::Bound };
            return (estimate, Place::Outside);
        };
        let quantities = Quantities::of(kernel, &self.machine);
        let place = domain.place(kernel, &quantities);
        (self.floored(kernel, model.predict_ns(&quantities), place), place)
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
