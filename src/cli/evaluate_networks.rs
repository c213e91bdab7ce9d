//! `edgezen evaluate` on a table of networks: errors of whole networks, by batch and size.

use super::evaluate::scatter;
use super::failure::Failure;
use super::{Global, fit, predictors};
use edgezen_core::measurement::{Identity, Sample, Subject};
use edgezen_core::plainnet::Kernel;
use edgezen_core::plainnet::kernel::Lowering;
use edgezen_core::predictor::LatencyPredictor;
use edgezen_core::predictor::loaded::Loaded;
use edgezen_core::predictor::metrics::{Metrics, Pair};
use edgezen_core::stats;
use edgezen_lab::dataset::KernelTable;
use edgezen_lab::dataset::table::{NetworkTable, Select};
use edgezen_lab::evaluation::Part;
use edgezen_lab::fit::baselines::FlopsOnly;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Serialize)]
struct Report {
    predictor: String,
    data: String,
    rows: u32,
    /// Names that are not known here: their rows are left out.
    left_out: Vec<String>,
    metrics: Option<Metrics>,
    networks: Option<Metrics>,
    parts: Vec<Part>,
    /// Fitted to the table itself, which flatters it.
    baseline_flops: Option<Metrics>,
    /// With the scale that fits the table best; absent where the device's rates are not known.
    baseline_roofline: Option<Metrics>,
}

/// A measured network with what is said of it, for the whole batch in nanoseconds.
struct Judged {
    batch: u32,
    macs: f64,
    /// Sum of the kernels' bounds.
    bound: Option<f64>,
    pair: Pair,
}

/// A table.
pub fn table(
    loaded: &Loaded,
    table: KernelTable,
    archs: Option<&Path>,
    data: String,
    svg: Option<&Path>,
    global: Global,
) -> Result<(), Failure> {
    let table = NetworkTable::of(table, archs)?;
    let rows = table.rows(&select(loaded.identity()))?;
    let samples: Vec<Sample> = rows
        .into_iter()
        .map(|row| Sample::imported(Subject::encoded(row.network, row.batch), row.latency))
        .collect();
    samples_of(loaded, &samples, table.unknown, data, svg, global)
}

/// The networks of a table that belong to `identity`; batches may differ.
pub fn select(identity: &Identity) -> Select {
    let batched = identity.runtime.contains("-b");
    Select {
        device: Some(identity.device.clone()),
        runtime: Some(identity.runtime.split("-b").next().unwrap_or_default().to_owned()),
        precision: Some(identity.precision.clone()),
        batch: batched.then_some(identity.batch),
        threads: Some(identity.threads),
    }
}

/// The networks of a dataset.
pub fn samples_of(
    loaded: &Loaded,
    samples: &[Sample],
    left_out: Vec<String>,
    data: String,
    svg: Option<&Path>,
    global: Global,
) -> Result<(), Failure> {
    let judged: Vec<Judged> = samples.iter().map(|sample| judge(loaded, sample)).collect::<Result<_, _>>()?;
    let pairs: Vec<Pair> = judged.iter().map(|j| j.pair).collect();
    if let Some(path) = svg {
        scatter::write(path, loaded.identity(), &data, &pairs)?;
    }
    let metrics = Metrics::of(&pairs);
    let report = Report {
        predictor: loaded.identity().to_string(),
        data,
        rows: u32::try_from(judged.len()).unwrap_or(u32::MAX),
        left_out,
        metrics,
        networks: metrics,
        parts: parts(&judged),
        baseline_flops: flops(&judged),
        baseline_roofline: roofline(&judged),
    };
    global.output().result(&report, || text(&report))
}

fn judge(loaded: &Loaded, sample: &Sample) -> Result<Judged, Failure> {
    let measured = sample.median.ns();
    let identity = loaded.identity();
    let batch = sample.subject.batch().unwrap_or(identity.batch);
    let times = f64::from(batch);
    let lowering = match loaded {
        Loaded::Kernels(predictor) => predictor.lowering(),
        Loaded::Networks(_) => Lowering::Fused,
    };
    let kernels: Vec<Kernel> = sample
        .subject
        .kernels(lowering)
        .map_err(|e| Failure::runtime(format!("{}: {e}", sample.subject)))?
        .into_iter()
        .map(|kernel| kernel.with_batch(batch))
        .collect();
    let (estimate, bound) = match (loaded, &sample.subject) {
        (Loaded::Networks(predictor), Subject::Encoded { code, .. }) => {
            let estimate = predictor.predict(&code.0).filter(|_| batch == predictor.identity.batch);
            let foreign = || predictors::foreign(predictor, &format!("{} ×{batch} is none", sample.subject));
            (estimate.ok_or_else(foreign)?, None)
        }
        (Loaded::Networks(predictor), subject) => {
            return Err(predictors::foreign(predictor, &format!("{subject} is none")));
        }
        (Loaded::Kernels(predictor), _) => {
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

fn parts(judged: &[Judged]) -> Vec<Part> {
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
    let part = |((_, _, part), pairs): ((u8, u32, String), Vec<Pair>)| {
        Metrics::of(&pairs).map(|metrics| Part { part, metrics })
    };
    groups.into_iter().filter_map(part).collect()
}

fn flops(judged: &[Judged]) -> Option<Metrics> {
    let rows: Vec<(f64, f64)> = judged.iter().map(|j| (j.macs, j.pair.measured)).collect();
    let line = FlopsOnly::fit(&rows)?;
    let pair =
        |&(macs, measured): &(f64, f64)| Pair { predicted: line.predict_ns(macs), interval: None, measured };
    Metrics::of(&rows.iter().map(pair).collect::<Vec<_>>())
}

fn roofline(judged: &[Judged]) -> Option<Metrics> {
    let bounds: Vec<(f64, f64)> =
        judged.iter().map(|j| Some((j.bound?, j.pair.measured))).collect::<Option<_>>()?;
    let ratios: Vec<f64> = bounds.iter().map(|(bound, measured)| bound / measured).collect();
    let squares: f64 = ratios.iter().map(|ratio| ratio * ratio).sum();
    let scale = ratios.iter().sum::<f64>() / squares;
    let pair = |&(bound, measured): &(f64, f64)| Pair { predicted: scale * bound, interval: None, measured };
    Metrics::of(&bounds.iter().map(pair).collect::<Vec<_>>())
}

fn text(report: &Report) -> String {
    let mut rows: Vec<(String, &Metrics)> = Vec::new();
    rows.extend(report.networks.iter().map(|m| ("networks".to_owned(), m)));
    rows.extend(report.parts.iter().map(|part| (part.part.clone(), &part.metrics)));
    rows.extend(report.baseline_flops.iter().map(|m| ("FLOPs only".to_owned(), m)));
    rows.extend(report.baseline_roofline.iter().map(|m| ("roofline".to_owned(), m)));
    let mut out = format!("{} on {}\n{}", report.predictor, report.data, fit::table(&rows));
    if !report.left_out.is_empty() {
        out += &format!("left out, structure not known: {}\n", report.left_out.join(", "));
    }
    out
}
