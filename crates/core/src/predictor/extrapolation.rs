//! What of a network lies outside a predictor's training domain: its kernels by kind and size, with their shares of the
//! latency and of the multiply-accumulates.

use super::{KernelEstimate, LatencyPredictor, Support};
use crate::plainnet::{Kernel, KernelKind};
use crate::units::Latency;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Kernels of one kind and size that lie outside the training domain. Shares are of the whole network, 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Extrapolated {
    /// `dwconv 7×7`.
    pub kernel: String,
    pub count: usize,
    pub why: Why,
    /// Share of the latency as charged: what is outside counts with the upper end of its interval. The shares of all
    /// rows and the coverage of the network add up to 1.
    pub latency_share: f64,
    /// Share of the multiply-accumulates.
    pub macs_share: f64,
}

/// Why kernels are outside the domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Only networks on other runtimes or devices, which the predictor leant on, have such kernels.
    Lent,
    /// No model of this kind: the latency is a bound from the device's rates.
    NoModel,
    /// No kernel of this size was measured.
    Size,
    /// Kernels of this size were measured, with other numbers of channels, maps, strides or groups.
    Shape,
}

impl Why {
    /// As part of a sentence about the kernels.
    pub fn phrase(self) -> &'static str {
        match self {
            Why::Lent => "priced by other runtimes or devices",
            Why::NoModel => "no model of this kind",
            Why::Size => "size never measured",
            Why::Shape => "other shapes than measured",
        }
    }
}

impl fmt::Display for Extrapolated {
    /// `24 × dwconv 7×7 (size never measured): 15.2 % of the latency, 4.1 % of the MACs`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Extrapolated { kernel, count, why, latency_share, macs_share } = self;
        let (latency, macs) = (100.0 * latency_share, 100.0 * macs_share);
        write!(
            f,
            "{count} × {kernel} ({}): {latency:.1} % of the latency, {macs:.1} % of the MACs",
            why.phrase()
        )
    }
}

/// What a group of kernels amounts to.
#[derive(Default)]
struct Sum {
    count: usize,
    charge: Latency,
    macs: f64,
}

/// The kernels outside the domain of `predictor` among `kernels`, those of the whole network; the greatest share of the
/// latency first.
pub fn of(predictor: &dyn LatencyPredictor, kernels: &[Kernel]) -> Vec<Extrapolated> {
    let (mut charge, mut macs) = (Latency::ZERO, 0.0);
    let mut outside: BTreeMap<(KernelKind, String, Why), Sum> = BTreeMap::new();
    let batch = predictor.identity().batch;
    for kernel in kernels {
        let KernelEstimate { charge: own, support, .. } = predictor.kernel(kernel);
        let work = kernel.with_batch(batch).macs();
        (charge, macs) = (charge + own, macs + work);
        let why = match support {
            Support::Inside => continue,
            Support::Lent => Why::Lent,
            Support::Bound => Why::NoModel,
            Support::Outside if predictor.knows(kernel.kind, kernel.kernel) => Why::Shape,
            Support::Outside => Why::Size,
        };
        let sum = outside.entry((kernel.kind, kernel.kind_and_size(), why)).or_default();
        sum.count += 1;
        sum.charge += own;
        sum.macs += work;
    }
    let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    let row = |((_, kernel, why), sum): ((KernelKind, String, Why), Sum)| Extrapolated {
        kernel,
        count: sum.count,
        why,
        latency_share: share(sum.charge.ns(), charge.ns()),
        macs_share: share(sum.macs, macs),
    };
    let mut rows: Vec<Extrapolated> = outside.into_iter().map(row).collect();
    rows.sort_by(|a, b| b.latency_share.total_cmp(&a.latency_share).then(a.kernel.cmp(&b.kernel)));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::{Model, notation};
    use crate::predictor::any::AnyPredictor;
    use crate::predictor::fitted::FittedPredictor;
    use std::path::Path;

    fn pixel2() -> FittedPredictor {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../predictors/pixel2@tflite@fp32.json");
        match AnyPredictor::parse(&std::fs::read(&path).unwrap(), &path).unwrap() {
            AnyPredictor::Kernels(predictor) => *predictor,
            AnyPredictor::Networks(_) => panic!("a predictor of whole networks"),
        }
    }

    fn kernels(side: u32) -> Vec<Kernel> {
        let net = format!(
            "SuperConvK3BNRELU(3,16,2,1)SuperResIDWE1K{side}(16,16,1,16,3)SuperResIDWE1K3(16,16,1,16,2)SuperConvK1BNRELU(16,64,1,1)"
        );
        let network = notation::parse(&net).unwrap();
        let model = Model { name: None, network, resolution: 224, classes: 1000, se: false };
        // The head has fewer channels than any that was measured.
        let head = [KernelKind::Pool, KernelKind::Linear];
        model.kernels().unwrap().into_iter().filter(|kernel| !head.contains(&kernel.kind)).collect()
    }

    #[test]
    fn what_was_never_measured_is_charged_and_named() {
        let predictor = pixel2();
        let (seen, unseen) = (predictor.predict(&kernels(3)), predictor.predict(&kernels(7)));
        // Inside the domain nothing is charged, to the bit.
        assert_eq!((seen.charged, seen.coverage), (seen.latency, 1.0));
        assert!(of(&predictor, &kernels(3)).is_empty());
        assert!(!predictor.knows(KernelKind::Dwconv, 7) && predictor.knows(KernelKind::Dwconv, 3));
        let rows = of(&predictor, &kernels(7));
        let row = rows.first().unwrap();
        assert_eq!((row.kernel.as_str(), row.why), ("dwconv 7×7", Why::Size), "{rows:?}");
        let all: f64 = rows.iter().map(|row| row.latency_share).sum();
        assert!((all + unseen.coverage - 1.0).abs() < 1e-9, "{all} and {}", unseen.coverage);
        // The charge is the upper end of each interval: twice the margin of kernels.
        let guessed: Latency = kernels(7)
            .iter()
            .map(|kernel| predictor.kernel(kernel))
            .filter(|estimate| estimate.support != Support::Inside)
            .map(|estimate| estimate.latency)
            .sum();
        let surcharge = unseen.charged - unseen.latency;
        let factor = 1.0 + surcharge.ns() / guessed.ns();
        let margin = predictor.file().calibration.other_kernels.upper_log;
        assert!((factor / (2.0 * margin.exp()) - 1.0).abs() < 1e-6, "{factor}");
        assert!(unseen.charged <= unseen.upper && unseen.latency < unseen.charged);
    }

    #[test]
    fn what_others_lent_is_charged_by_their_factor() {
        let predictor = pixel2();
        let prior = predictor.file().prior.clone().unwrap();
        assert!(prior.factor > 1.0 && prior.factor < 1.5, "{prior:?}");
        // A residual block of ResNet-50: 1×1 convolutions from 2048 channels are in Paddle Lite's networks alone.
        let model = Model {
            name: None,
            network: notation::parse("SuperConvK3BNRELU(3,32,2,1)SuperResK1K3K1(32,2048,2,512,2)").unwrap(),
            resolution: 28,
            classes: 1000,
            se: false,
        };
        let kernels = model.kernels().unwrap();
        let lent: Vec<KernelEstimate> = kernels.iter().map(|kernel| predictor.kernel(kernel)).collect();
        let lent: Vec<&KernelEstimate> = lent.iter().filter(|one| one.support == Support::Lent).collect();
        let margin = predictor.file().calibration.other_kernels.upper_log;
        assert!(!lent.is_empty());
        for estimate in lent {
            let factor = estimate.charge.ns() / estimate.latency.ns();
            assert!((factor / (prior.factor * margin.exp()) - 1.0).abs() < 1e-6, "{factor}");
        }
        let rows = of(&predictor, &kernels);
        assert!(rows.iter().any(|row| row.why == Why::Lent && row.kernel.starts_with("conv")), "{rows:?}");
    }

    #[test]
    fn the_sums_of_a_search_are_those_of_the_kernels() {
        let predictor = pixel2();
        let terms: crate::predictor::Terms = kernels(5).iter().map(|kernel| predictor.terms(kernel)).sum();
        let (summed, whole) = (predictor.network(&terms), predictor.predict(&kernels(5)));
        assert!((summed.charged.ns() / whole.charged.ns() - 1.0).abs() < 1e-12);
        assert!((terms.times(3).charged().latency.ns() / terms.charged().latency.ns() - 3.0).abs() < 1e-12);
    }

    #[test]
    fn probabilities_invert_the_ends_of_the_interval() {
        let estimate = pixel2().predict(&kernels(7));
        for confidence in [0.5, 0.7, 0.9, 0.95, 0.99] {
            let back = estimate.probability_within(estimate.upper_at(confidence));
            assert!((back - confidence).abs() < 1e-3, "{confidence}: {back}");
        }
        assert!(estimate.probability_within(estimate.lower) < 0.06);
    }
}
