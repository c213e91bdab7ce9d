//! Predicted against measured: what `search --verify` and `validate` share.

use super::output::{self, Output};
use super::target::{self, Reach};
use super::{Failure, predictors};
use crate::shipped;
use edgezen_core::measurement::Subject;
use edgezen_core::plainnet::Model;
use edgezen_core::predictor::LatencyPredictor;
use edgezen_core::predictor::metrics::{Metrics, Pair};
use edgezen_core::units::Latency;
use edgezen_lab::campaign::networks;
use edgezen_lab::device;
use edgezen_lab::device::{Options, Workload};
use edgezen_lab::runs::Verified;
use edgezen_runner::pace;

/// Refuses a device that nothing here can measure on.
pub fn check(device: Option<&str>) -> Result<(), Failure> {
    match device {
        Some(device) => Ok(device::find(&shipped::profiles(), device).map(|_| ())?),
        None => Err(Failure::usage("measuring needs --device")),
    }
}

/// Measures `models` on the device called `name` beside what `predictor` says of them;
/// `usual_probe_ns` is the pace of the core that its data stand for.
pub fn measure(
    name: &str,
    reach: &Reach,
    models: &[Model],
    predictor: &dyn LatencyPredictor,
    usual_probe_ns: Option<u64>,
    limit: Option<Latency>,
    output: Output,
) -> Result<Vec<Verified>, Failure> {
    let options = Options { usual_probe_ns, ..reach.options(name, networks::ROUNDS, 0) };
    let mut device = device::open(&shipped::profiles(), name, &options)?;
    target::notes(&mut *device, output);
    predictors::same_identity(predictor.identity(), device.identity())?;
    let batch = device.identity().batch;
    let subjects: Vec<Subject> = models.iter().map(|model| Subject::network(model, batch)).collect();
    let workloads: Vec<Workload<'_>> = subjects.iter().map(Workload::Subject).collect();
    let total = models.len() as u64 * u64::from(networks::ROUNDS);
    let bar = output.progress(total, "measuring {bar:30} {pos}/{len} eta {eta}");
    let summaries = networks::measure(&mut *device, &workloads, &mut |_| bar.inc(1))?;
    bar.finish_and_clear();
    device.finished();
    target::notes(&mut *device, output);
    if let Some((known, now)) = usual_probe_ns.zip(device.usual_probe_ns())
        && !pace::undisturbed(known, now)
    {
        output.note(
            "the core is quicker now than while the predictor's data were taken: it predicts too much; profile again",
        );
    }
    let mut rows = Vec::new();
    for (model, summary) in models.iter().zip(summaries) {
        let estimate = predictor.predict(&model.lowered(predictor.lowering())?);
        let net = model.name.clone().unwrap_or_else(|| model.network.to_string());
        let (summary, quality) =
            summary.ok_or_else(|| Failure::runtime(format!("{net}: no samples came back")))?;
        let latency = summary.median / f64::from(batch);
        rows.push(Verified {
            device: name.to_owned(),
            net,
            score: None,
            predicted_ms: estimate.latency.ms(),
            lower_ms: estimate.lower.ms(),
            upper_ms: estimate.upper.ms(),
            measured_ms: latency.ms(),
            inside_interval: estimate.lower <= latency && latency <= estimate.upper,
            inside_budget: limit.map(|limit| latency <= limit),
            quality,
        });
    }
    Ok(rows)
}

/// How well the predictions held.
pub fn metrics(rows: &[Verified]) -> Option<Metrics> {
    let pairs: Vec<Pair> = rows
        .iter()
        .map(|row| Pair {
            predicted: row.predicted_ms,
            interval: Some((row.lower_ms, row.upper_ms)),
            measured: row.measured_ms,
        })
        .collect();
    Metrics::of(&pairs)
}

/// The rows as a table, and the metrics below it.
pub fn text(rows: &[Verified]) -> String {
    let ms = |value: f64| Latency::from_ms(value).to_string();
    let short = |net: &str| match net.char_indices().nth(40) {
        Some((cut, _)) => format!("{}…", &net[..cut]),
        None => net.to_owned(),
    };
    let yes = |inside: bool| if inside { "yes" } else { "no" }.to_owned();
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.score.map_or_else(|| short(&row.net), |score| format!("score {score:.2}")),
                ms(row.predicted_ms),
                ms(row.measured_ms),
                format!("{:+.1} %", 100.0 * (row.predicted_ms / row.measured_ms - 1.0)),
                yes(row.inside_interval),
                row.inside_budget.map_or("-".to_owned(), yes),
                row.quality.name().to_owned(),
            ]
        })
        .collect();
    let header = ["network", "predicted", "measured", "error", "in interval", "in budget", "quality"];
    let mut out = output::table(&header, &cells);
    if let Some(metrics) = metrics(rows).filter(|_| rows.len() > 1) {
        let correlation = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.3}"));
        out += &format!(
            "\nMAPE {:.1} %, median {:.1} %, within 10 %: {:.0} %, Spearman {}, Kendall {},\n  in the 90 % interval: {:.0} %\n",
            metrics.mape_percent,
            metrics.median_percent,
            metrics.within_10_percent,
            correlation(metrics.spearman),
            correlation(metrics.kendall),
            metrics.coverage_percent.unwrap_or(0.0),
        );
    }
    out
}
