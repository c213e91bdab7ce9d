//! Latency predictors: kernels in, milliseconds with an interval out.
//!
//! A predictor of kernels estimates each kernel and corrects the sum for the whole network. Both steps are separate here
//! because the search adds up kernels per block and caches the sums: see [`Terms`]. A predictor of whole networks
//! ([`network`]) knows networks of one search space only.
//!
//! This file says what every predictor of kernels does ([`LatencyPredictor`]). The others, from the bottom up, each of
//! which uses only this one and those before it:
//!
//! * `ranges`, what the numbers of files may be; [`metrics`], how good predictions are; [`layout`], the version numbers of predictor files; [`roofline`], a bound from
//!   the device's rates;
//! * [`features`], quantities of a kernel; [`model`], models that read them; [`domain`], where models were trained;
//! * [`calibration`], intervals; [`net_level`], from the sum over kernels to the network; [`prior`], what other runtimes lend;
//! * [`file`](mod@file), all of this as a file; [`fitted`], a predictor from such a file; [`breakdown`], where a latency
//!   goes; [`extrapolation`], what of a network lies outside the training domain;
//! * [`network`], predictors of whole networks; [`any`], a predictor of either kind;
//! * [`corrected`], a predictor times a factor; [`remembered`], one that several threads ask for the same kernels;
//! * [`pricing`], a predictor of kernels or a function of whole networks, as a search takes either.

pub mod any;
pub mod breakdown;
pub mod calibration;
pub mod corrected;
#[cfg(test)]
mod damaged_files;
pub mod domain;
pub mod extrapolation;
pub mod features;
pub mod file;
pub mod fitted;
pub mod layout;
pub mod metrics;
pub mod model;
pub mod net_level;
pub mod network;
pub mod pricing;
pub mod prior;
mod ranges;
pub mod remembered;
pub mod roofline;

use crate::measurement::Identity;
use crate::plainnet::lowering::Lowering;
use crate::plainnet::{Kernel, KernelKind};
use crate::stats;
use crate::units::Latency;

/// What is known of one kernel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KernelEstimate {
    /// For the whole batch of the predictor's identity.
    pub latency: Latency,
    /// What a budget is charged for the kernel: `latency` inside the training domain, and the upper end of the 90 %
    /// interval elsewhere. A guess that happens to be cheap must not attract a search.
    pub charge: Latency,
    pub support: Support,
}

impl KernelEstimate {
    /// The estimate of a kernel inside the training domain.
    pub fn inside(latency: Latency) -> KernelEstimate {
        KernelEstimate { latency, charge: latency, support: Support::Inside }
    }
}

/// How well the training data support an estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// Inside the training domain.
    Inside,
    /// The device's own data do not hold such a kernel; other runtimes or devices, whose networks the fit leant on, do.
    Lent,
    /// A model of this kind exists, and the kernel lies outside its training domain.
    Outside,
    /// No model of this kind: the estimate is a bound from the device's roofline.
    Bound,
}

/// The additive part of a network's prediction: sums over its kernels, for the whole batch. The network-level
/// correction ([`net_level`]) is linear in these terms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Terms {
    pub latency: Latency,
    /// The part of `latency` with [`Support::Inside`].
    pub inside: Latency,
    /// The part of `latency` that depthwise convolutions take.
    pub depthwise: Latency,
    /// The part of `latency` that products with a gate take, as of squeeze-excite.
    pub gated: Latency,
    /// What a budget is charged beyond `latency`, for kernels outside the training domain; zero where there are none.
    pub surcharge: Latency,
    /// The part of `surcharge` for depthwise convolutions.
    pub depthwise_surcharge: Latency,
    /// Elements that the kernels write.
    pub outputs: f64,
    pub kernels: u32,
}

impl Terms {
    /// Of `kernel`, with the batch that the estimate is for.
    pub fn of(kernel: &Kernel, estimate: KernelEstimate) -> Terms {
        let inside = match estimate.support {
            Support::Inside => estimate.latency,
            Support::Lent | Support::Outside | Support::Bound => Latency::ZERO,
        };
        let surcharge = match estimate.support {
            Support::Inside => Latency::ZERO,
            Support::Lent | Support::Outside | Support::Bound => estimate.charge - estimate.latency,
        };
        let of_kind =
            |kind: KernelKind, latency: Latency| if kernel.kind == kind { latency } else { Latency::ZERO };
        Terms {
            latency: estimate.latency,
            inside,
            depthwise: of_kind(KernelKind::Dwconv, estimate.latency),
            gated: of_kind(KernelKind::Scale, estimate.latency),
            surcharge,
            depthwise_surcharge: of_kind(KernelKind::Dwconv, surcharge),
            outputs: kernel.output_elements(),
            kernels: 1,
        }
    }

    /// The same sums with what a budget is charged in the place of the latencies.
    pub fn charged(&self) -> Terms {
        Terms {
            latency: self.latency + self.surcharge,
            depthwise: self.depthwise + self.depthwise_surcharge,
            ..*self
        }
    }

    /// Share of the charged latency that lies inside the training domain, 0 to 1. A cheap guess for what was never
    /// seen does not raise it.
    pub fn coverage(&self) -> f64 {
        let charged = (self.latency + self.surcharge).ns();
        if charged > 0.0 { (self.inside.ns() / charged).clamp(0.0, 1.0) } else { 1.0 }
    }

    /// The sums over `count` copies.
    pub fn times(self, count: u32) -> Terms {
        let n = f64::from(count);
        Terms {
            latency: self.latency * n,
            inside: self.inside * n,
            depthwise: self.depthwise * n,
            gated: self.gated * n,
            surcharge: self.surcharge * n,
            depthwise_surcharge: self.depthwise_surcharge * n,
            outputs: self.outputs * n,
            kernels: self.kernels * count,
        }
    }
}

impl std::ops::Add for Terms {
    type Output = Terms;
    fn add(self, other: Terms) -> Terms {
        Terms {
            latency: self.latency + other.latency,
            inside: self.inside + other.inside,
            depthwise: self.depthwise + other.depthwise,
            gated: self.gated + other.gated,
            surcharge: self.surcharge + other.surcharge,
            depthwise_surcharge: self.depthwise_surcharge + other.depthwise_surcharge,
            outputs: self.outputs + other.outputs,
            kernels: self.kernels + other.kernels,
        }
    }
}

impl std::iter::Sum for Terms {
    fn sum<I: Iterator<Item = Terms>>(terms: I) -> Terms {
        terms.fold(Terms::default(), |sum, term| sum + term)
    }
}

/// A network's latency **per image**, with the 90 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub latency: Latency,
    pub lower: Latency,
    pub upper: Latency,
    /// What is held against a budget: `latency`, with the upper end of the interval for every kernel outside the
    /// predictor's training domain. At most `upper`.
    pub charged: Latency,
    /// Share of `charged` that lies inside the predictor's training domain, 0 to 1.
    pub coverage: f64,
}

impl Estimate {
    /// The probability, by the interval, that the latency is at most `limit`: one half where `limit` is the predicted
    /// latency. It is the inverse of [`Estimate::upper_at`].
    pub fn probability_within(&self, limit: Latency) -> f64 {
        let ratio =
            |end: Latency| (end.ns().max(f64::MIN_POSITIVE) / self.latency.ns().max(f64::MIN_POSITIVE)).ln();
        let spread = ratio(self.upper);
        if spread > 0.0 {
            stats::normal_probability(ratio(limit) / spread * stats::normal_quantile(0.95))
        } else if limit >= self.latency {
            1.0
        } else {
            0.0
        }
    }

    /// The latency that holds with this probability, one-sided: the upper end of the 90 % interval is that of
    /// 0.95. The logarithm of the error is taken to be normal between the ends.
    pub fn upper_at(&self, confidence: f64) -> Latency {
        let spread = self.upper.ns() / self.latency.ns().max(f64::MIN_POSITIVE);
        self.latency * spread.powf(stats::normal_quantile(confidence) / stats::normal_quantile(0.95))
    }
}

/// Predicts latencies for one identity.
pub trait LatencyPredictor: Send + Sync {
    fn identity(&self) -> &Identity;

    /// Which kernels the identity's runtime makes of a graph.
    fn lowering(&self) -> Lowering {
        self.identity().lowering()
    }

    /// Whether kernels of this kind and size were among those that the predictor was fitted to.
    fn knows(&self, _kind: KernelKind, _size: u32) -> bool {
        true
    }

    /// Latency of one kernel; its own `batch` is replaced by the identity's.
    fn kernel(&self, kernel: &Kernel) -> KernelEstimate;

    /// As [`LatencyPredictor::kernel`], for several kernels and in their order: many are quicker together.
    fn kernels(&self, kernels: &[Kernel]) -> Vec<KernelEstimate> {
        kernels.iter().map(|kernel| self.kernel(kernel)).collect()
    }

    /// What a kernel adds to a network; its own `batch` is replaced by the identity's.
    fn terms(&self, kernel: &Kernel) -> Terms {
        Terms::of(&kernel.with_batch(self.identity().batch), self.kernel(kernel))
    }

    /// The network-level correction and the interval, from the sums over its kernels.
    fn network(&self, terms: &Terms) -> Estimate;

    /// Both steps for a list of kernels.
    fn predict(&self, kernels: &[Kernel]) -> Estimate {
        self.network(&kernels.iter().map(|kernel| self.terms(kernel)).sum())
    }
}
