//! `edgezen predict`: milliseconds of networks, or of a table of kernels.

use super::failure::{Exit, Failure};
use super::net::{self, NetOptions};
use super::predictors::Which;
use super::{Global, output};
use crate::dataset::KernelTable;
use crate::engine::onnx;
use crate::plainnet::{Kernel, KernelKind, kernel};
use crate::predictor::fitted::{Bounded, FittedPredictor};
use crate::predictor::{LatencyPredictor, Support, Terms};
use crate::units::{Latency, three_digits};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Least share of a network inside the domain that `--strict` lets pass.
const STRICT_COVERAGE: f64 = 0.9;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// Structure strings, files, .onnx files or published names
    #[arg(value_name = "NET", required_unless_present = "kernels", conflicts_with = "kernels")]
    nets: Vec<String>,
    #[command(flatten)]
    options: NetOptions,
    /// Show every kernel
    #[arg(long)]
    breakdown: bool,
    /// Fail (exit 5) if less than 90 % of a network's latency, or any kernel of a table, lies inside the
    /// predictor's domain
    #[arg(long)]
    strict: bool,
    /// Table of kernels to predict instead: .csv, .csv.gz or .parquet
    #[arg(long, value_name = "TABLE", requires = "output")]
    kernels: Option<PathBuf>,
    /// Where the table goes, with predicted_ms, lower_ms, upper_ms (whole batch) and in_domain added
    #[arg(short, long, value_name = "TABLE", requires = "kernels")]
    output: Option<PathBuf>,
}

#[derive(Serialize)]
struct Prediction {
    net: String,
    device: String,
    ms: f64,
    lower_ms: f64,
    upper_ms: f64,
    /// Share of the latency inside the predictor's domain.
    coverage: f64,
    /// Kernels, or operators of a file, that the predictor has no model for.
    unknown: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    breakdown: Option<Vec<KernelRow>>,
}

/// A kernel's share, per image and before the network-level correction.
#[derive(Serialize)]
struct KernelRow {
    kernel: String,
    ms: f64,
    support: &'static str,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let predictor = args.which.load()?;
    if let (Some(kernels), Some(output)) = (&args.kernels, &args.output) {
        return table(&predictor, kernels, output, args.strict, global);
    }
    let mut predictions = Vec::new();
    for net in &args.nets {
        predictions.push(predict(&predictor, net, &args)?);
    }
    global.output().result(&predictions, || text(&predictions))?;
    match predictions.iter().find(|p| args.strict && (p.coverage < STRICT_COVERAGE || has_foreign(p))) {
        None => Ok(()),
        Some(p) => {
            let message = format!(
                "{}: only {:.0} % of its latency lies inside the domain of {}",
                p.net,
                100.0 * p.coverage,
                p.device
            );
            Err(Failure::new(Exit::OutsideDomain, message)
                .remedy("--breakdown shows which kernels; measure such networks and fit again"))
        }
    }
}

/// Operators of an ONNX file that were left out altogether.
fn has_foreign(prediction: &Prediction) -> bool {
    prediction.unknown.iter().any(|unknown| unknown.starts_with(FOREIGN))
}

const FOREIGN: &str = "operator ";

/// Name, kernels and unknown operators of a NET argument.
fn kernels(net: &str, options: NetOptions) -> Result<(String, Vec<Kernel>, Vec<String>), Failure> {
    let path = Path::new(net);
    if path.extension().is_some_and(|extension| extension == "onnx") {
        let imported = onnx::read(path).map_err(|e| Failure::bad_file(path, e))?;
        let mut unknown: Vec<String> = imported.unknown.iter().map(|op| format!("{FOREIGN}{op}")).collect();
        unknown.sort();
        unknown.dedup();
        return Ok((net.to_owned(), kernel::fused(&imported.graph), unknown));
    }
    let model = net::model(net, options)?;
    let name = model.name.clone().unwrap_or_else(|| model.network.to_string());
    Ok((name, model.kernels()?, Vec::new()))
}

fn predict(predictor: &FittedPredictor, net: &str, args: &Args) -> Result<Prediction, Failure> {
    let (net, kernels, mut unknown) = kernels(net, args.options)?;
    let batch = f64::from(predictor.identity().batch);
    let mut terms = Terms::default();
    let mut rows = Vec::new();
    for kernel in &kernels {
        let estimate = predictor.kernel(kernel);
        terms = terms + Terms::of(estimate);
        if estimate.support == Support::Bound && !unknown.iter().any(|known| known == kernel.kind.name()) {
            unknown.push(kernel.kind.name().to_owned());
        }
        rows.push(KernelRow {
            kernel: kernel.to_string(),
            ms: (estimate.latency / batch).ms(),
            support: support(estimate.support),
        });
    }
    let estimate = predictor.network(&terms);
    Ok(Prediction {
        net,
        device: predictor.identity().to_string(),
        ms: estimate.latency.ms(),
        lower_ms: estimate.lower.ms(),
        upper_ms: estimate.upper.ms(),
        coverage: estimate.coverage,
        unknown,
        breakdown: args.breakdown.then_some(rows),
    })
}

fn support(support: Support) -> &'static str {
    match support {
        Support::Inside => "inside",
        Support::Outside => "outside",
        Support::Bound => "bound",
    }
}

fn text(predictions: &[Prediction]) -> String {
    let mut out = String::new();
    for p in predictions {
        out += &format!(
            "{}\n  {} ms on {} (90 %: {} to {} ms), {:.0} % inside the domain\n",
            p.net,
            three_digits(p.ms),
            p.device,
            three_digits(p.lower_ms),
            three_digits(p.upper_ms),
            100.0 * p.coverage
        );
        if !p.unknown.is_empty() {
            out += &format!("  without a model: {}\n", p.unknown.join(", "));
        }
        if let Some(rows) = &p.breakdown {
            let cells =
                |row: &KernelRow| vec![row.kernel.clone(), three_digits(row.ms), row.support.to_owned()];
            let cells: Vec<Vec<String>> = rows.iter().map(cells).collect();
            out += &output::table(&["kernel", "ms", "domain"], &cells);
        }
    }
    out
}

#[derive(Serialize)]
struct TableReport {
    device: String,
    rows: usize,
    inside: usize,
    /// Kinds of kernel that the predictor has no model for: their rows hold a bound.
    unknown: Vec<&'static str>,
    output: String,
}

fn table(
    predictor: &FittedPredictor,
    input: &Path,
    output: &Path,
    strict: bool,
    global: Global,
) -> Result<(), Failure> {
    let mut table = KernelTable::read(input)?;
    let kernels = table.kernels(&predictor.identity().precision)?;
    let bounded = predictor.bounded_many(&kernels);
    // Milliseconds to the nanosecond's thousandth: more digits would only look exact.
    let ms = |latency: Latency| format!("{:.9}", latency.ms());
    let inside = |support: Support| support == Support::Inside;
    table.set_column("predicted_ms", bounded.iter().map(|b| ms(b.estimate.latency)));
    table.set_column("lower_ms", bounded.iter().map(|b| ms(b.lower)));
    table.set_column("upper_ms", bounded.iter().map(|b| ms(b.upper)));
    table.set_column("in_domain", bounded.iter().map(|b| inside(b.estimate.support).to_string()));
    let count = bounded.iter().filter(|b| inside(b.estimate.support)).count();
    if strict && let Some(row) = bounded.iter().position(|b| !inside(b.estimate.support)) {
        let message =
            format!("{}: row {}: {} lies outside the domain", input.display(), row + 1, kernels[row]);
        return Err(
            Failure::new(Exit::OutsideDomain, message).remedy("leave out --strict to predict it anyway")
        );
    }
    table.write(output)?;
    let report = TableReport {
        device: predictor.identity().to_string(),
        rows: table.len(),
        inside: count,
        unknown: unknown(&kernels, &bounded),
        output: output.display().to_string(),
    };
    global.output().result(&report, || {
        let mut text = format!(
            "{} kernels, {} inside the domain of {}: {}",
            report.rows, report.inside, report.device, report.output
        );
        if !report.unknown.is_empty() {
            text += &format!("\nwithout a model, by a bound only: {}", report.unknown.join(", "));
        }
        text
    })
}

/// Names of the kinds that only a bound is known of.
fn unknown(kernels: &[Kernel], bounded: &[Bounded]) -> Vec<&'static str> {
    let bounds = kernels.iter().zip(bounded).filter(|(_, b)| b.estimate.support == Support::Bound);
    let kinds: BTreeSet<KernelKind> = bounds.map(|(kernel, _)| kernel.kind).collect();
    kinds.into_iter().map(KernelKind::name).collect()
}
