//! A predictor from a file (or fresh from a fit), ready to predict.

use crate::measurement::Identity;
use crate::plainnet::{Kernel, KernelKind};
use crate::predictor::domain::Membership;
use crate::predictor::features::{Machine, Quantities};
use crate::predictor::file::PredictorFile;
use crate::predictor::model::KernelModel;
use crate::predictor::{Estimate, KernelEstimate, LatencyPredictor, Support, Terms};
use crate::units::Latency;

/// Shorter than anything a clock can tell from nothing; no prediction falls below.
const FLOOR_NS: f64 = 1.0;

/// Kernels that are predicted side by side.
const BLOCK: usize = 256;
/// Fewer than this are quicker one by one.
const FEW: usize = 4;

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
}

impl FittedPredictor {
    pub fn new(file: PredictorFile) -> FittedPredictor {
        let machine = Machine::new(&file.identity.precision, &file.model.roofline);
        FittedPredictor { file, machine }
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
        let (estimate, membership) = self.placed(kernel);
        self.with_interval(kernel, estimate, membership)
    }

    /// As [`FittedPredictor::bounded`], for many kernels: several times as quick.
    pub fn bounded_many(&self, kernels: &[Kernel]) -> Vec<Bounded> {
        let mut out: Vec<Option<Bounded>> = vec![None; kernels.len()];
        self.each(kernels, None, &by_likeness(kernels), |i, estimate, membership| {
            out[i] = Some(self.with_interval(&kernels[i], estimate, membership));
        });
        out.into_iter().flatten().collect()
    }

    /// Estimates `kernels` side by side, as far as those of one kind follow each other in `order`; equal ones that do
    /// are estimated once. Their batch is their own, or another one. `seen` gets the position of each.
    fn each(
        &self,
        kernels: &[Kernel],
        batch: Option<u32>,
        order: &[usize],
        mut seen: impl FnMut(usize, KernelEstimate, Membership),
    ) {
        let asked = |i: usize| batch.map_or(kernels[i], |batch| kernels[i].with_batch(batch));
        let mut quantities = Vec::with_capacity(BLOCK.min(order.len()));
        let mut ns = [0.0; BLOCK];
        for of_kind in order.chunk_by(|&a, &b| kernels[a].kind == kernels[b].kind) {
            let kind = kernels[of_kind[0]].kind;
            let (model, domain) = (self.file.model.kinds.get(&kind), self.file.domain.get(&kind));
            let (Some(model), Some(domain)) = (model, domain) else {
                for &i in of_kind {
                    let (estimate, membership) = self.placed(&asked(i));
                    seen(i, estimate, membership);
                }
                continue;
            };
            let equal = || of_kind.chunk_by(|&a, &b| kernels[a] == kernels[b]);
            let (mut ahead, mut behind) = (equal(), equal());
            loop {
                quantities.clear();
                let block = ahead.by_ref().take(BLOCK);
                quantities.extend(block.map(|same| Quantities::of(&asked(same[0]), &self.machine)));
                if quantities.is_empty() {
                    break;
                }
                model.predict_many(&quantities, &mut ns[..quantities.len()]);
                for ((q, &ns), same) in quantities.iter().zip(&ns).zip(behind.by_ref()) {
                    let kernel = &asked(same[0]);
                    let membership = domain.membership(kernel, q);
                    let estimate = self.floored(kernel, q, ns, membership);
                    same.iter().for_each(|&i| seen(i, estimate, membership));
                }
            }
        }
    }

    fn with_interval(&self, kernel: &Kernel, estimate: KernelEstimate, membership: Membership) -> Bounded {
        let KernelEstimate { latency, support, .. } = estimate;
        let (low, high) = self.factors(kernel.kind, latency, support, membership);
        Bounded { estimate, lower: latency * low, upper: latency * high }
    }

    /// The ends of the interval around `latency`, as factors on it.
    fn factors(
        &self,
        kind: KernelKind,
        latency: Latency,
        support: Support,
        membership: Membership,
    ) -> (f64, f64) {
        let calibration = &self.file.calibration;
        let margin = match calibration.kernels.get(&kind) {
            Some(calibration) => calibration.margin_at(latency.ns(), membership),
            None => calibration.other_kernels,
        };
        let (low, high) = ((-margin.lower_log).exp(), margin.upper_log.exp());
        let outside = calibration.network.outside_factor;
        match support {
            Support::Inside => (low, high),
            Support::Lent => {
                let factor = self.file.prior.as_ref().map_or(outside, |prior| prior.factor);
                (low / factor, high * factor)
            }
            Support::Outside => (low / outside, high * outside),
            // A bound from below: nothing is quicker.
            Support::Bound => (1.0, high * outside * outside),
        }
    }

    /// An estimate with what a budget is charged for it.
    fn charged(&self, kind: KernelKind, latency: Latency, support: Support) -> KernelEstimate {
        let charge = match support {
            Support::Inside => latency,
            Support::Lent | Support::Outside | Support::Bound => {
                latency * self.factors(kind, latency, support, Membership::Outside).1
            }
        };
        KernelEstimate { latency, charge, support }
    }

    /// The estimate of a kernel that its model predicts to take `ns`.
    fn floored(&self, kernel: &Kernel, q: &Quantities, ns: f64, membership: Membership) -> KernelEstimate {
        let floor = self.file.model.roofline.floor_ns(kernel, self.bytes_per_element());
        let support = match (membership, &self.file.prior) {
            (Membership::Inside { .. }, _) => Support::Inside,
            (Membership::Outside, Some(prior)) if prior.holds(kernel, q) => Support::Lent,
            (Membership::Outside, _) => Support::Outside,
        };
        self.charged(kernel.kind, Latency::from_ns(ns.max(floor)), support)
    }

    /// By what factor the share of a network outside the domain may be off: less where other datasets hold it.
    fn outside_factor(&self, terms: &Terms) -> f64 {
        let most = self.file.calibration.network.outside_factor;
        let outside = terms.latency - terms.inside;
        if self.file.prior.is_none() || outside <= Latency::ZERO {
            return most;
        }
        // What they are charged holds the factor beside the margin.
        let charge = (outside + terms.surcharge).ns() / outside.ns();
        (charge / self.file.calibration.other_kernels.upper_log.exp()).clamp(1.0, most)
    }

    /// Whether the kernel lies in the predictor's domain.
    pub fn membership(&self, kernel: &Kernel) -> Membership {
        self.placed(kernel).1
    }

    fn placed(&self, kernel: &Kernel) -> (KernelEstimate, Membership) {
        let roofline = &self.file.model.roofline;
        let bytes_per_element = self.bytes_per_element();
        let Some(model) = self.file.model.kinds.get(&kernel.kind) else {
            let bound = roofline.bound(kernel, bytes_per_element).ns().max(FLOOR_NS);
            let estimate = self.charged(kernel.kind, Latency::from_ns(bound), Support::Bound);
            return (estimate, Membership::Outside);
        };
        let quantities = Quantities::of(kernel, &self.machine);
        // A kind without a domain is one that other datasets alone hold.
        let domain = self.file.domain.get(&kernel.kind);
        let membership = domain.map_or(Membership::Outside, |domain| domain.membership(kernel, &quantities));
        let ns = model.predict_ns(&quantities);
        (self.floored(kernel, &quantities, ns, membership), membership)
    }
}

/// The positions of `kernels`, those of one kind after each other, and among them such that neighbours are alike: models find the same
/// ways for most of them.
fn by_likeness(kernels: &[Kernel]) -> Vec<usize> {
    let key = |(i, kernel): (usize, &Kernel)| {
        let &Kernel { kind, batch, in_c, out_c, in_h, kernel: size, stride, residual, .. } = kernel;
        let octave = in_c.checked_ilog2().unwrap_or(0);
        let fields = [
            (batch, 17),
            (size, 12),
            (stride, 12),
            (in_h, 20),
            (residual.into(), 1),
            (octave, 5),
            (out_c, 20),
            (in_c, 20),
        ];
        let packed =
            fields.iter().fold(kind as u128, |word, &(value, bits)| word << bits | u128::from(value));
        (packed, i)
    };
    let mut keys: Vec<(u128, usize)> = kernels.iter().enumerate().map(key).collect();
    keys.sort_unstable();
    keys.into_iter().map(|(_, i)| i).collect()
}

impl LatencyPredictor for FittedPredictor {
    fn identity(&self) -> &Identity {
        &self.file.identity
    }

    fn knows(&self, kind: KernelKind, size: u32) -> bool {
        self.file.domain.get(&kind).is_some_and(|domain| domain.knows(size))
    }

    fn kernel(&self, kernel: &Kernel) -> KernelEstimate {
        self.estimate(&kernel.with_batch(self.file.identity.batch))
    }

    fn kernels(&self, kernels: &[Kernel]) -> Vec<KernelEstimate> {
        if kernels.len() < FEW {
            return kernels.iter().map(|kernel| self.kernel(kernel)).collect();
        }
        let batch = Some(self.file.identity.batch);
        let mut out: Vec<Option<KernelEstimate>> = vec![None; kernels.len()];
        self.each(kernels, batch, &by_likeness(kernels), |i, estimate, _| out[i] = Some(estimate));
        out.into_iter().flatten().collect()
    }

    fn network(&self, terms: &Terms) -> Estimate {
        let batch = f64::from(self.file.identity.batch);
        let total =
            |terms: &Terms| Latency::from_ns(self.file.net_level.apply_ns(terms).max(FLOOR_NS) / batch);
        let latency = total(terms);
        let charged = if terms.surcharge > Latency::ZERO { total(&terms.charged()) } else { latency };
        let coverage = terms.coverage();
        let outside = 1.0 + (1.0 - coverage) * (self.outside_factor(terms) - 1.0);
        let (lower, upper) = self.file.calibration.network.factors_of(terms);
        let upper = latency * (upper * outside);
        Estimate {
            latency,
            lower: latency * (lower / outside),
            // What lies outside may be a bound, which is wider than the share of it says.
            upper: if upper < charged { charged } else { upper },
            charged,
            coverage,
        }
    }

    fn predict(&self, kernels: &[Kernel]) -> Estimate {
        let batch = self.file.identity.batch;
        let kernels: Vec<Kernel> = kernels.iter().map(|kernel| kernel.with_batch(batch)).collect();
        // Networks repeat themselves.
        let mut order: Vec<usize> = (0..kernels.len()).collect();
        order.sort_unstable_by_key(|&i| kernels[i]);
        let mut terms = vec![Terms::default(); kernels.len()];
        self.each(&kernels, None, &order, |i, estimate, _| terms[i] = Terms::of(&kernels[i], estimate));
        self.network(&terms.into_iter().sum())
    }
}
