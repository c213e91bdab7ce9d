//! `edgezen predict`: milliseconds of networks, or of a table of kernels or networks.

use super::breakdown::{self, BlockRow, Section};
use super::failure::{Exit, Failure};
use super::net::{self, NetOptions};
use super::predictors::{self, Which};
use super::{Global, output, predict_table};
use edgezen_core::plainnet::kernel::Lowering;
use edgezen_core::plainnet::{Kernel, published};
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::predictor::loaded::Loaded;
use edgezen_core::predictor::network::NetworkPredictor;
use edgezen_core::predictor::{Estimate, LatencyPredictor, Support, Terms};
use edgezen_core::units::{Latency, three_digits};
use edgezen_core::zoo::{Encoded, Named};
use edgezen_engine::onnx::{self, OnnxError};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Least share of a network inside the domain that `--strict` lets pass.
const STRICT_COVERAGE: f64 = 0.9;

/// Largest share of the multiply-accumulates that may be missing without `--partial`.
const MISSING: f64 = 0.05;

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
    /// Give a number although more than 5 % of a file's multiply-accumulates are missing from it, or it is no
    /// convolutional network
    #[arg(long)]
    partial: bool,
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
    /// Share of the multiply-accumulates (of convolutions and matrix products) that are in `ms`; absent for
    /// predictors of whole networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    coverage_macs: Option<f64>,
    /// Operators of a file that are not in `ms`, and kinds of kernel that are only bounded from below because
    /// the predictor has no model for them.
    unknown: Vec<Unknown>,
    /// Absent without a budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    inside_budget: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    breakdown: Option<Vec<KernelRow>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocks: Option<Vec<BlockRow>>,
}

/// What there is no model for.
#[derive(Clone, Serialize)]
struct Unknown {
    name: String,
    count: usize,
    /// Multiply-accumulates for one image; absent if they are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    macs: Option<f64>,
    /// Left out of the latency altogether: an operator of a file.
    left_out: bool,
}

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        if self.count > 1 {
            write!(f, " ×{}", self.count)?;
        }
        match self.macs {
            Some(macs) if macs > 0.0 => write!(f, " ({} MACs)", edgezen_core::units::Macs(macs)),
            Some(_) => Ok(()),
            None => f.write_str(" (MACs not known)"),
        }
    }
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
    if let (Loaded::Kernels(predictor), Some(batch)) = (&mut loaded, args.batch) {
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
            Loaded::Kernels(predictor) => predict(predictor, net, &args)?,
            Loaded::Networks(predictor) => predict_whole(predictor, net, &args)?,
        });
    }
    global.output().result(&predictions, || text(&predictions, &args))?;
    match predictions.iter().find(|p| args.strict && (p.coverage < STRICT_COVERAGE || leaves_out(p))) {
        None => Ok(()),
        Some(p) if leaves_out(p) => {
            let message = format!("{}: its latency is without {}", p.net, names(&p.unknown, true));
            Err(Failure::new(Exit::OutsideDomain, message)
                .remedy("leave out --strict if what is missing takes no time that counts"))
        }
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

/// Whether operators of an ONNX file were left out altogether.
fn leaves_out(prediction: &Prediction) -> bool {
    prediction.unknown.iter().any(|unknown| unknown.left_out)
}

fn names(unknown: &[Unknown], left_out: bool) -> String {
    let named = unknown.iter().filter(|unknown| unknown.left_out == left_out);
    named.map(Unknown::to_string).collect::<Vec<_>>().join(", ")
}

/// A NET argument, taken apart.
struct Taken {
    name: String,
    sections: Vec<Section>,
    /// Operators that have no counterpart.
    unknown: Vec<Unknown>,
    /// Multiply-accumulates of all of it, for one image.
    macs: Option<f64>,
}

/// A file, unless too much of it would be missing from the latency.
fn take_file(net: &str, args: &Args, lowering: Lowering) -> Result<Taken, Failure> {
    let path = Path::new(net);
    let imported = onnx::read_at(path, args.options.resolution).map_err(|error| match error {
        OnnxError::Io(error) => Failure::io(path, &error),
        OnnxError::Unknown(_) => Failure::new(Exit::OutsideDomain, format!("{net}: {error}")),
        OnnxError::Resolution(_) => Failure::usage(format!("{net}: {error}")),
        other => Failure::bad_file(path, other),
    })?;
    let of = |unknown: onnx::Unknown| {
        let onnx::Unknown { operator, count, macs } = unknown;
        Unknown { name: operator, count, macs, left_out: true }
    };
    let unknown: Vec<Unknown> = imported.unknown.into_iter().map(of).collect();
    let refused = |message: String, remedy: &str| {
        Err(Failure::new(Exit::OutsideDomain, format!("{net}: {message}")).remedy(remedy))
    };
    if !args.partial {
        if let Some(reason) = imported.no_cnn {
            let message = format!("not a convolutional network over images: {reason}");
            return refused(message, "--partial prices what can be priced of it");
        }
        let missing: Option<f64> = unknown.iter().map(|unknown| unknown.macs).sum();
        if missing.is_none_or(|missing| missing > MISSING * imported.macs) {
            let share = missing.map_or("an unknown share".to_owned(), |missing| {
                format!("{:.0} %", 100.0 * missing / imported.macs)
            });
            let multiplies = |unknown: &&Unknown| unknown.macs != Some(0.0);
            let what: Vec<Unknown> = unknown.iter().filter(multiplies).cloned().collect();
            let message =
                format!("{share} of its multiply-accumulates cannot be priced: {}", names(&what, true));
            return refused(message, "--partial gives the latency of the rest");
        }
    }
    let sections = breakdown::of_graph(&imported.graph, lowering);
    Ok(Taken { name: net.to_owned(), sections, unknown, macs: Some(imported.macs) })
}

fn take(net: &str, args: &Args, predictor: &FittedPredictor) -> Result<Taken, Failure> {
    let (options, lowering) = (args.options, predictor.lowering());
    if net::is_onnx(net) {
        return take_file(net, args, lowering);
    }
    if let Some(encoded) = encoded(net, options)? {
        let of = |part: edgezen_core::zoo::Part| breakdown::of_graph(&part.graph, lowering);
        let sections = encoded.parts().into_iter().flat_map(of).collect();
        return Ok(Taken { name: net.to_owned(), sections, unknown: Vec::new(), macs: None });
    }
    let model = net::model(net, options)?;
    let name = model.name.clone().unwrap_or_else(|| model.network.to_string());
    let graph = model.graph()?;
    let sections = breakdown::of_model(&model, &graph, lowering);
    Ok(Taken { name, sections, unknown: Vec::new(), macs: None })
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
    Ok(Named::new(net, options.side()?.unwrap_or(224)).ok().map(Encoded::Named))
}

fn predict(predictor: &FittedPredictor, net: &str, args: &Args) -> Result<Prediction, Failure> {
    let Taken { name, sections, mut unknown, macs } = take(net, args, predictor)?;
    let images = predictor.identity().batch;
    let batch = f64::from(images);
    let mut terms = Terms::default();
    let mut priced = 0.0;
    let (mut kernels, mut blocks) = (Vec::new(), Vec::new());
    for section in &sections {
        let mut parts = [Latency::ZERO; 3];
        for kernel in &section.kernels {
            let estimate = predictor.kernel(kernel);
            terms = terms + Terms::of(&kernel.with_batch(images), estimate);
            priced += kernel.macs();
            if estimate.support == Support::Bound {
                bounded(&mut unknown, kernel);
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
    // Where nothing is multiplied, nothing is covered.
    let all = macs.unwrap_or(priced);
    prediction.coverage_macs = Some(if all > 0.0 { (priced / all).min(1.0) } else { 0.0 });
    if args.breakdown.is_some() {
        prediction.breakdown = Some(kernels);
        prediction.blocks = Some(blocks);
    }
    Ok(prediction)
}

/// Enters a kernel of a kind without a model.
fn bounded(unknown: &mut Vec<Unknown>, kernel: &Kernel) {
    let name = kernel.kind.name();
    match unknown.iter_mut().find(|known| known.name == name) {
        Some(known) => {
            known.count += 1;
            known.macs = known.macs.map(|macs| macs + kernel.macs());
        }
        None => unknown.push(Unknown {
            name: name.to_owned(),
            count: 1,
            macs: Some(kernel.macs()),
            left_out: false,
        }),
    }
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
        coverage_macs: None,
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
        if leaves_out(p) {
            let share = 100.0 * p.coverage_macs.unwrap_or(0.0);
            out += &format!("  {share:.1} % of the MACs; left out: {}\n", names(&p.unknown, true));
        }
        if p.unknown.iter().any(|unknown| !unknown.left_out) {
            out += &format!("  without a model: {}\n", names(&p.unknown, false));
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
