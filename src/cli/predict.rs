//! `edgezen predict`: milliseconds of networks, or of a table of kernels or networks.

use super::breakdown::{self, BlockRow, Section};
use super::failure::{Exit, Failure};
use super::net::{self, NetOptions};
use super::predictors::{self, Which};
use super::{Global, output, predict_table};
use edgezen_core::plainnet::{Kernel, published};
use edgezen_core::predictor::any::AnyPredictor;
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::predictor::network::NetworkPredictor;
use edgezen_core::predictor::{Estimate, LatencyPredictor, Support, Terms};
use edgezen_core::units::{Latency, three_digits};
use edgezen_core::zoo::{Encoded, Named};
use edgezen_engine::onnx;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Least share of a network inside the domain that `--strict` lets pass.
const STRICT_COVERAGE: f64 = 0.9;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// Structure strings, files, .onnx files, published names or codes of other search spaces
    #[arg(value_name = "NET", required_unless_present_any = ["kernels", "networks"],
        conflicts_with_all = ["kernels", "networks"])]
    nets: Vec<String>,
    #[command(flatten)]
    options: NetOptions,
    /// Show where the time goes, block by block or kernel by kernel
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "blocks",
        value_name = "BY")]
    breakdown: Option<By>,
    /// Budget per image: the breakdown marks the block with which it is used up
    #[arg(long, value_name = "TIME")]
    latency: Option<Latency>,
    /// Images per run [default: the predictor's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: Option<u32>,
    /// Fail (exit 5) if less than 90 % of a network's latency, or any kernel of a table, lies inside the
    /// predictor's domain
    #[arg(long)]
    strict: bool,
    /// Table of kernels to predict instead: .csv, .csv.gz or .parquet
    #[arg(long, value_name = "TABLE", requires = "output")]
    kernels: Option<PathBuf>,
    /// Table of networks to predict instead, as `dataset import` takes them
    #[arg(long, value_name = "TABLE", requires = "output", conflicts_with = "kernels")]
    networks: Option<PathBuf>,
    /// Architectures of a table of networks that has only arch_id [default: archs.csv.gz beside it]
    #[arg(long, value_name = "TABLE", requires = "networks")]
    archs: Option<PathBuf>,
    /// Where the table goes, with predicted_ms, lower_ms, upper_ms (whole batch) and in_domain added
    #[arg(short, long, value_name = "TABLE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum By {
    Blocks,
    Kernels,
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
    /// Absent without a budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    inside_budget: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    breakdown: Option<Vec<KernelRow>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocks: Option<Vec<BlockRow>>,
}

/// A kernel's share, per image and before the network-level correction.
#[derive(Serialize)]
struct KernelRow {
    kernel: String,
    ms: f64,
    support: &'static str,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let mut loaded = args.which.load(global.output())?;
    if let (AnyPredictor::Kernels(predictor), Some(batch)) = (&mut loaded, args.batch) {
        **predictor = predictor.with_batch(batch);
    }
    if let (Some(kernels), Some(output)) = (&args.kernels, &args.output) {
        return predict_table::kernels(&loaded, kernels, output, args.strict, global);
    }
    if let (Some(networks), Some(output)) = (&args.networks, &args.output) {
        return predict_table::networks(
            &loaded,
            networks,
            args.archs.as_deref(),
            output,
            args.strict,
            global,
        );
    }
    if args.output.is_some() {
        return Err(Failure::usage("--output goes with a table: --kernels TABLE or --networks TABLE"));
    }
    let mut predictions = Vec::new();
    for net in &args.nets {
        predictions.push(match &loaded {
            AnyPredictor::Kernels(predictor) => predict(predictor, net, &args)?,
            AnyPredictor::Networks(predictor) => predict_whole(predictor, net, &args)?,
        });
    }
    global.output().result(&predictions, || text(&predictions, &args))?;
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
                .remedy("--breakdown=kernels shows which kernels; measure such networks and fit again"))
        }
    }
}

/// Operators of an ONNX file that were left out altogether.
fn has_foreign(prediction: &Prediction) -> bool {
    prediction.unknown.iter().any(|unknown| unknown.starts_with(FOREIGN))
}

const FOREIGN: &str = "operator ";

/// A NET argument, taken apart.
struct Taken {
    name: String,
    sections: Vec<Section>,
    /// Operators that have no counterpart.
    unknown: Vec<String>,
}

fn take(net: &str, options: NetOptions, predictor: &FittedPredictor) -> Result<Taken, Failure> {
    let lowering = predictor.lowering();
    let path = Path::new(net);
    if net::is_onnx(net) {
        let imported = onnx::read(path).map_err(|error| match error {
            onnx::OnnxError::Io(error) => Failure::io(path, &error),
            other => Failure::bad_file(path, other),
        })?;
        let mut unknown: Vec<String> = imported.unknown.iter().map(|op| format!("{FOREIGN}{op}")).collect();
        unknown.sort();
        unknown.dedup();
        let sections = breakdown::of_graph(&imported.graph, lowering);
        return Ok(Taken { name: net.to_owned(), sections, unknown });
    }
    if let Some(encoded) = encoded(net, options)? {
        let of = |part: edgezen_core::zoo::Part| breakdown::of_graph(&part.graph, lowering);
        let sections = encoded.parts().into_iter().flat_map(of).collect();
        return Ok(Taken { name: net.to_owned(), sections, unknown: Vec::new() });
    }
    let model = net::model(net, options)?;
    let name = model.name.clone().unwrap_or_else(|| model.network.to_string());
    let graph = model.graph()?;
    Ok(Taken { name, sections: breakdown::of_model(&model, &graph, lowering), unknown: Vec::new() })
}

/// A code, or a name of the zoo that is no name here.
fn encoded(net: &str, options: NetOptions) -> Result<Option<Encoded>, Failure> {
    if Encoded::is_code(net) {
        let code = net.parse::<Encoded>().map_err(|e| Failure::usage(e.to_string()))?;
        return Ok(Some(code));
    }
    if published::by_name(net).is_some() {
        return Ok(None);
    }
    Ok(Named::new(net, options.resolution.unwrap_or(224)).ok().map(Encoded::Named))
}

fn predict(predictor: &FittedPredictor, net: &str, args: &Args) -> Result<Prediction, Failure> {
    let Taken { name, sections, mut unknown } = take(net, args.options, predictor)?;
    let images = predictor.identity().batch;
    let batch = f64::from(images);
    let mut terms = Terms::default();
    let (mut kernels, mut blocks) = (Vec::new(), Vec::new());
    for section in &sections {
        let mut parts = [Latency::ZERO; 3];
        for kernel in &section.kernels {
            let estimate = predictor.kernel(kernel);
            terms = terms + Terms::of(&kernel.with_batch(images), estimate);
            if estimate.support == Support::Bound && !unknown.iter().any(|known| known == kernel.kind.name())
            {
                unknown.push(kernel.kind.name().to_owned());
            }
            let shares = split(predictor, kernel, estimate.latency);
            parts.iter_mut().zip(shares).for_each(|(part, share)| *part += share / batch);
            kernels.push(KernelRow {
                kernel: kernel.to_string(),
                ms: (estimate.latency / batch).ms(),
                support: support(estimate.support),
            });
        }
        let [compute_ms, memory_ms, overhead_ms] = parts.map(Latency::ms);
        blocks.push(BlockRow {
            block: section.label.clone(),
            kernels: section.kernels.len(),
            ms: compute_ms + memory_ms + overhead_ms,
            compute_ms,
            memory_ms,
            overhead_ms,
            breaks_budget: None,
        });
    }
    let estimate = predictor.network(&terms);
    if let Some(limit) = args.latency {
        let sum: f64 = blocks.iter().map(|row| row.ms).sum();
        breakdown::mark(&mut blocks, estimate.latency.ms() / sum.max(f64::MIN_POSITIVE), limit);
    }
    let mut prediction = prediction(name, predictor.identity().to_string(), &estimate, args);
    prediction.unknown = unknown;
    if args.breakdown.is_some() {
        prediction.breakdown = Some(kernels);
        prediction.blocks = Some(blocks);
    }
    Ok(prediction)
}

fn split(predictor: &FittedPredictor, kernel: &Kernel, latency: Latency) -> [Latency; 3] {
    let kernel = kernel.with_batch(predictor.identity().batch);
    breakdown::split(&kernel, latency, &predictor.file().model.roofline, predictor.bytes_per_element())
}

fn predict_whole(predictor: &NetworkPredictor, net: &str, args: &Args) -> Result<Prediction, Failure> {
    if args.batch.is_some_and(|batch| batch != predictor.identity.batch) {
        let message = format!("{} knows batches of {} images only", predictor.id, predictor.identity.batch);
        return Err(Failure::usage(message));
    }
    if args.breakdown.is_some() {
        return Err(Failure::usage(format!("{} knows whole networks only: no breakdown", predictor.id))
            .remedy("leave out --breakdown"));
    }
    let estimate = match encoded(net, args.options)? {
        Some(code) => predictor.predict(&code),
        None => None,
    };
    let estimate = estimate.ok_or_else(|| predictors::foreign(predictor, &format!("{net:?} is none")))?;
    Ok(prediction(net.to_owned(), predictor.id.clone(), &estimate, args))
}

fn prediction(net: String, device: String, estimate: &Estimate, args: &Args) -> Prediction {
    Prediction {
        net,
        device,
        ms: estimate.latency.ms(),
        lower_ms: estimate.lower.ms(),
        upper_ms: estimate.upper.ms(),
        coverage: estimate.coverage,
        unknown: Vec::new(),
        inside_budget: args.latency.map(|limit| estimate.latency <= limit),
        breakdown: None,
        blocks: None,
    }
}

fn support(support: Support) -> &'static str {
    match support {
        Support::Inside => "inside",
        Support::Outside => "outside",
        Support::Bound => "bound",
    }
}

fn text(predictions: &[Prediction], args: &Args) -> String {
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
        if let (Some(limit), Some(inside)) = (args.latency, p.inside_budget) {
            out += &format!("  {} the budget of {limit}\n", if inside { "inside" } else { "over" });
        }
        match (args.breakdown, &p.blocks, &p.breakdown) {
            (Some(By::Blocks), Some(blocks), _) => out += &breakdown::bars(blocks, args.latency),
            (Some(By::Kernels), _, Some(rows)) => {
                let cells =
                    |row: &KernelRow| vec![row.kernel.clone(), three_digits(row.ms), row.support.to_owned()];
                let cells: Vec<Vec<String>> = rows.iter().map(cells).collect();
                out += &output::table(&["kernel", "ms", "domain"], &cells);
            }
            _ => {}
        }
    }
    out
}
