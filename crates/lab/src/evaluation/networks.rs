//! Judging a predictor of either kind on whole networks, by batch and size.

use super::error::EvaluationError;
use super::part::{PartMetrics, plain};
use crate::fit::baselines::FlopsOnly;
use edgezen_core::measurement::{Sample, Subject};
use edgezen_core::plainnet::Kernel;
use edgezen_core::plainnet::lowering::Lowering;
use edgezen_core::predictor::LatencyPredictor;
use edgezen_core::predictor::any::AnyPredictor;
use edgezen_core::predictor::metrics::{Metrics, Pair};
use edgezen_core::stats;
use std::collections::BTreeMap;

/// How good a predictor is on whole networks.
pub struct NetworkEvaluation {
    pub rows: u32,
    /// Names that are not known here: their rows are left out.
    pub left_out: Vec<String>,
    pub networks: Option<Metrics>,
    pub parts: Vec<PartMetrics>,
    /// A line in the MACs, fitted to the networks themselves, which flatters it.
    pub baseline_flops: Option<Metrics>,
    /// The sum of the kernels' bounds with the scale that fits best; absent where the device's rates are not known.
    pub baseline_roofline: Option<Metrics>,
    pub pairs: Vec<Pair>,
}

/// A measured network with what is said of it, for the whole batch in nanoseconds.
struct Judged {
    batch: u32,
    macs: f64,
    /// Sum of the kernels' bounds.
    bound: Option<f64>,
    pair: Pair,
}

/// Judges `predictor` by networks; `left_out` names those that could not be taken.
///
/// # Errors
/// A network that cannot be built, or that the predictor does not predict.
pub fn evaluate(
    predictor: &AnyPredictor,
    samples: &[Sample],
    left_out: Vec<String>,
) -> Result<NetworkEvaluation, EvaluationError> {
    let judged: Vec<Judged> =
        samples.iter().map(|sample| judge(predictor, sample)).collect::<Result<_, _>>()?;
    let pairs: Vec<Pair> = judged.iter().map(|j| j.pair).collect();
    Ok(NetworkEvaluation {
        rows: u32::try_from(judged.len()).unwrap_or(u32::MAX),
        left_out,
        networks: Metrics::of(&pairs),
        parts: parts(&judged),
        baseline_flops: flops(&judged),
        baseline_roofline: roofline(&judged),
        pairs,
    })
}

fn judge(predictor: &AnyPredictor, sample: &Sample) -> Result<Judged, EvaluationError> {
    let measured = sample.median.ns();
    let identity = predictor.identity();
    let batch = sample.subject.batch().unwrap_or(identity.batch);
    let times = f64::from(batch);
    let lowering = match predictor {
        AnyPredictor::Kernels(predictor) => predictor.lowering(),
        AnyPredictor::Networks(_) => Lowering::Fused,
    };
    let kernels: Vec<Kernel> = sample
        .subject
        .kernels(lowering)
        .map_err(|error| EvaluationError::Subject { subject: sample.subject.to_string(), error })?
        .into_iter()
        .map(|kernel| kernel.with_batch(batch))
        .collect();
    let (estimate, bound) = match (predictor, &sample.subject) {
        (AnyPredictor::Networks(predictor), Subject::Encoded { code, .. }) => {
            let estimate = predictor.predict(&code.0).filter(|_| batch == predictor.identity.batch);
            let foreign =
                || EvaluationError::foreign(predictor, format!("{} ×{batch} is none", sample.subject));
            (estimate.ok_or_else(foreign)?, None)
        }
        (AnyPredictor::Networks(predictor), subject) => {
            return Err(EvaluationError::foreign(predictor, format!("{subject} is none")));
        }
        (AnyPredictor::Kernels(predictor), _) => {
            let roofline = &predictor.file().model.roofline;
            let bytes = predictor.bytes_per_element();
            let bound = kernels.iter().map(|kernel| roofline.bound(kernel, bytes).ns()).sum();
            (predictor.with_batch(batch).predict(&kernels), Some(bound))
        }
    };
    let interval = Some((estimate.lower.ns() * times, estimate.upper.ns() * times));
    Ok(Judged {
        batch,
        macs: kernels.iter().map(Kernel::macs).sum(),
        bound,
        pair: Pair { predicted: estimate.latency.ns() * times, interval, measured },
    })
}

/// By batch and by decile of the measured latency.
fn parts(judged: &[Judged]) -> Vec<PartMetrics> {
    let mut groups: BTreeMap<(u8, u32, String), Vec<Pair>> = BTreeMap::new();
    let sorted = stats::sorted(&judged.iter().map(|j| j.pair.measured).collect::<Vec<_>>());
    let edges: Vec<f64> =
        (1..10).map(|decile| stats::quantile(&sorted, f64::from(decile) / 10.0).unwrap_or(0.0)).collect();
    for j in judged {
        groups.entry((0, j.batch, format!("batch {}", j.batch))).or_default().push(j.pair);
        let decile = edges.partition_point(|&edge| edge <= j.pair.measured);
        let to = edges.get(decile).or(sorted.last()).copied().unwrap_or(0.0);
        let name = format!("decile {} (to {:.3} ms)", decile + 1, to / 1e6);
        groups.entry((1, decile as u32, name)).or_default().push(j.pair);
    }
    groups.into_iter().filter_map(|((_, _, part), pairs)| PartMetrics::of(part, &pairs)).collect()
}

/// A line in the MACs.
fn flops(judged: &[Judged]) -> Option<Metrics> {
    let rows: Vec<(f64, f64)> = judged.iter().map(|j| (j.macs, j.pair.measured)).collect();
    let line = FlopsOnly::fit(&rows)?;
    plain(rows.iter().map(|&(macs, measured)| (line.predict_ns(macs), measured)))
}

/// The roofline with one scale.
fn roofline(judged: &[Judged]) -> Option<Metrics> {
    let bounds: Vec<(f64, f64)> =
        judged.iter().map(|j| Some((j.bound?, j.pair.measured))).collect::<Option<_>>()?;
    let ratios: Vec<f64> = bounds.iter().map(|(bound, measured)| bound / measured).collect();
    let squares: f64 = ratios.iter().map(|ratio| ratio * ratio).sum();
    let scale = ratios.iter().sum::<f64>() / squares;
    plain(bounds.iter().map(|&(bound, measured)| (scale * bound, measured)))
}
