//! A predictor from a file (or fresh from a fit), ready to predict.

use crate::measurement::Identity;
use crate::plainnet::{Kernel, KernelKind};
use crate::predictor::domain::Membership;
use crate::predictor::features::{Machine, Named, Quantities};
use crate::predictor::file::PredictorFile;
use crate::predictor::model::KernelModel;
use crate::predictor::{Estimate, KernelEstimate, LatencyPredictor, Support, Terms};
use crate::units::Latency;

/// Shorter than anything a clock can tell from nothing; no prediction falls below.
const FLOOR_NS: f64 = 1.0;

/// Kernels that are predicted side by side.
const BLOCK: usize = 512;
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
    /// Whether any of its models predicts many kernels quicker together.
    together: bool,
}

impl FittedPredictor {
    pub fn new(file: PredictorFile) -> FittedPredictor {
        let mut features: Vec<Named> = file.model.kinds.values().flat_map(KernelModel::features).collect();
        let domains = file.domain.values().flat_map(|domain| &domain.parts);
        features.extend(domains.flat_map(|part| part.ranges.iter().map(|range| range.feature)));
        let machine = Machine::new(&file.identity.precision, &file.model.roofline).for_features(&features);
        let together = file.model.kinds.values().any(KernelModel::together);
        FittedPredictor { file, machine, together }
    }

    /// Whether kernels cost so much that it is worth while to remember them, and to ask for many of them together.
    pub fn together(&self) -> bool {
        self.together
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
        let octave = |value: u32| value.checked_ilog2().unwrap_or(0);
        let how = [(octave(batch), 4), (size, 5), (stride, 3), (in_h, 11), (residual.into(), 1)];
        let channels = [(octave(in_c), 4), (out_c, 16), (in_c, 16)];
        // A larger value stands with the largest.
        let field =
            |word: u64, &(value, bits): &(u32, u32)| word << bits | u64::from(value.min((1 << bits) - 1));
        (how.iter().chain(&channels).fold(kind as u64, field), i as u32)
    };
    let mut keys: Vec<(u64, u32)> = kernels.iter().enumerate().map(key).collect();
    keys.sort_unstable();
    keys.into_iter().map(|(_, i)| i as usize).collect()
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
        if !self.together || kernels.len() < FEW {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::graph::Act;
    use crate::plainnet::published;
    use crate::predictor::any::AnyPredictor;
    use crate::predictor::remembered::Remembered;
    use std::path::Path;
    use std::sync::Arc;

    fn shipped(id: &str) -> FittedPredictor {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../predictors/{id}.json"));
        match AnyPredictor::parse(&std::fs::read(&path).unwrap(), &path).unwrap() {
            AnyPredictor::Kernels(predictor) => *predictor,
            AnyPredictor::Networks(_) => panic!("a predictor of whole networks"),
        }
    }

    #[test]
    fn kernels_have_the_same_bits_in_company() {
        let networks = published::names().map(|net| published::by_name(net).unwrap().kernels().unwrap());
        let mut kernels: Vec<Kernel> = networks.flatten().collect();
        let known = kernels.clone();
        // Some that lie between, beyond, and side by side with these.
        for (i, kernel) in known.iter().enumerate() {
            let wider = (8 * i as u32) % 1_000;
            let act = if i % 3 == 0 { Act::None } else { kernel.act };
            kernels.push(Kernel { in_c: kernel.in_c + wider, act, ..*kernel });
            kernels.push(Kernel { out_c: kernel.out_c + wider, in_h: 7 * (1 + i as u32 % 9), ..*kernel });
        }
        for id in [
            "v100@tensorrt@fp16",
            "v100@torch@fp16",
            "t4@torch2.1@fp32",
            "host@tract@fp32",
            "pixel2@tflite@fp32",
        ] {
            let predictor = shipped(id);
            let alone: Vec<KernelEstimate> = kernels.iter().map(|kernel| predictor.kernel(kernel)).collect();
            // Together, in parts of any size, and where some are remembered.
            assert_eq!(predictor.kernels(&kernels), alone, "{id}");
            for size in [1, 2, 3, 5, 23, 24, 64, 65, 256, 300] {
                let parts: Vec<KernelEstimate> =
                    kernels.chunks(size).take(12).flat_map(|part| predictor.kernels(part)).collect();
                assert_eq!(parts, alone[..parts.len()], "{id}, {size} at once");
            }
            let remembered = Remembered::new(Arc::new(predictor));
            for count in [10, 100, kernels.len(), kernels.len()] {
                assert_eq!(remembered.kernels(&kernels[..count]), alone[..count], "{id}");
            }
        }
    }
}
