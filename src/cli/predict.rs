//! `edgezen predict`: milliseconds of networks, or of a table of kernels or networks.

use super::answers::{Answers, worst};
use super::failure::{Exit, Failure};
use super::force::{Force, has_ending};
use super::net::{self, NetOptions};
use super::predictors::{self, Which};
use super::{Global, breakdown, output, predict_table};
use clap::builder::PossibleValuesParser;
use edgezen_core::measurement::Identity;
use edgezen_core::predictor::any::AnyPredictor;
use edgezen_core::predictor::breakdown::{BlockShare, KernelShare};
use edgezen_core::predictor::extrapolation::Extrapolated;
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::predictor::network::NetworkPredictor;
use edgezen_core::predictor::{LatencyPredictor, Support};
use edgezen_core::search::Quantity;
use edgezen_core::space;
use edgezen_core::units::{Latency, Throughput, three_digits};
use edgezen_lab::dataset::Dataset;
use edgezen_lab::evaluation::same_identity;
use edgezen_lab::files::Destination;
use edgezen_lab::prediction::blocks::{self as table_of_blocks, BlockRow, Source};
use edgezen_lab::prediction::{self, INSIDE, Missing, PredictionError, TextError, network, table};
use edgezen_lab::report::{caveats, tables};
use serde::Serialize;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// Images that a run may have.
pub const BATCHES: RangeInclusive<u32> = 1..=65_536;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    #[arg(value_name = "NET", help = net::NET, required_unless_present_any = ["kernels", "networks", "blocks"],
        conflicts_with_all = ["kernels", "networks", "blocks"])]
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
    /// The same for identities that state throughputs: at least so many images per second, as 2000/s
    #[arg(long, value_name = "RATE", conflicts_with = "latency")]
    throughput: Option<Throughput>,
    /// Images per run [default: the predictor's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(i64::from(*BATCHES.start())..=i64::from(*BATCHES.end())))]
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
    /// The lookup table of this search space instead: what each of its blocks costs, measured or predicted
    #[arg(long, value_name = "SPACE", requires = "output", conflicts_with_all = ["kernels", "networks"],
        value_parser = PossibleValuesParser::new(space::registry().iter().map(|space| space.name())))]
    blocks: Option<String>,
    /// A dataset of this device whose blocks stand in that table as they were measured
    #[arg(long, value_name = "DIR", requires = "blocks")]
    data: Option<PathBuf>,
    /// Where the table goes, with predicted_ms, lower_ms, upper_ms (whole batch) and in_domain added
    #[arg(short, long, alias = "out", value_name = "TABLE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum By {
    Blocks,
    Kernels,
}

/// A network's latency as it is printed.
#[derive(Serialize)]
struct Row {
    net: String,
    device: String,
    /// Of the identity that is predicted.
    threads: u32,
    /// The identity for people.
    #[serde(skip)]
    identity: String,
    /// Present where the identity states throughputs: `ms` is then the time of an image while others are under way, and no
    /// latency.
    #[serde(skip_serializing_if = "Option::is_none")]
    images_per_s: Option<f64>,
    /// The ends of the 90 % interval, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    lower_images_per_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upper_images_per_s: Option<f64>,
    ms: f64,
    lower_ms: f64,
    upper_ms: f64,
    /// What a search holds against a budget: `ms`, with the upper end of the interval for kernels outside the
    /// predictor's domain.
    charged_ms: f64,
    /// Share of `charged_ms` inside the predictor's domain.
    coverage: f64,
    /// Share of the multiply-accumulates (of convolutions and matrix products) that are in `ms`; absent for
    /// predictors of whole networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    coverage_macs: Option<f64>,
    /// Names of the operators of a file that are not in `ms`, and of kinds of kernel that are only bounded from below
    /// because the predictor has no model for them.
    unknown: Vec<String>,
    /// The same with their numbers and MACs.
    missing: Vec<Missing>,
    /// Kernels outside the predictor's domain.
    extrapolated: Vec<Extrapolated>,
    /// Identities of the datasets of other runtimes or devices by which some of these kernels are priced.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lenders: Vec<String>,
    /// Whether `charged_ms` is inside the budget; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    inside_budget: Option<bool>,
    /// Probability, by the interval, that the latency is inside the budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    budget_probability: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    breakdown: Option<Vec<KernelRow>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocks: Option<Vec<BlockShare>>,
    /// Operators of a file were left out altogether.
    #[serde(skip)]
    incomplete: bool,
}

/// A kernel's share, per image and before the network-level correction.
#[derive(Serialize)]
struct KernelRow {
    kernel: String,
    ms: f64,
    support: &'static str,
}

impl Args {
    /// The quantity that is bounded.
    fn bounded(&self) -> Option<Quantity> {
        let latency = self.latency.map(|_| Quantity::Latency);
        latency.or(self.throughput.map(|_| Quantity::Throughput))
    }

    /// The budget as the time of an image.
    fn limit(&self) -> Option<Latency> {
        self.latency.or(self.throughput.map(Throughput::image))
    }

    /// Refuses options that say nothing of a table.
    fn refuse_options_of_single_networks(&self) -> Result<(), Failure> {
        let NetOptions { resolution, classes, se } = self.options;
        let columns =
            "the columns resolution, classes and se of a table of networks say this of each network";
        let none = "leave it out: the rows of a table are predicted as they are";
        let options = [
            ("--resolution", resolution.is_some(), columns),
            ("--classes", classes.is_some(), columns),
            ("--se", se, columns),
            ("--breakdown", self.breakdown.is_some(), none),
            ("--latency", self.latency.is_some(), none),
            ("--throughput", self.throughput.is_some(), none),
            ("--partial", self.partial, none),
        ];
        match options.into_iter().find(|(_, is_given, _)| *is_given) {
            Some((option, _, remedy)) => {
                Err(Failure::usage(format!("{option} has no effect on a table")).remedy(remedy))
            }
            None => Ok(()),
        }
    }

    /// The place of a table with predictions, which is none of the files that they are made of.
    fn place(&self, output: &Path, table: &Path) -> Result<Destination, Failure> {
        let others = [self.archs.as_deref(), self.which.predictor.as_deref()];
        let inputs: Vec<&Path> = others.into_iter().flatten().chain([table]).collect();
        self.force.table_place(output, &inputs)
    }
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    if args.kernels.is_some() || args.networks.is_some() {
        args.refuse_options_of_single_networks()?;
    }
    let mut loaded = args.which.load(global.output())?;
    let identity = loaded.identity().clone();
    predictors::check_budget(loaded.identity(), args.bounded())?;
    if let (AnyPredictor::Kernels(predictor), Some(batch)) = (&mut loaded, args.batch) {
        **predictor = predictor.with_batch(batch);
    }
    if let (Some(kernels), Some(output)) = (&args.kernels, &args.output) {
        let output = args.place(output, kernels)?;
        let table = table::of_kernels(&loaded, kernels)?;
        return predict_table::write(table, &loaded, kernels, &output, args.strict, global);
    }
    if let (Some(networks), Some(output)) = (&args.networks, &args.output) {
        let output = args.place(output, networks)?;
        let table = table::of_networks(&loaded, networks, args.archs.as_deref())?;
        return predict_table::write(table, &loaded, networks, &output, args.strict, global);
    }
    if let (Some(space), Some(output)) = (&args.blocks, &args.output) {
        return blocks(&loaded, space, output, &args, global);
    }
    if args.output.is_some() {
        return Err(Failure::usage("--output goes with a table: --kernels TABLE or --networks TABLE"));
    }
    let answers = Answers::each(&args.nets, |net| {
        let prediction = match &loaded {
            AnyPredictor::Kernels(predictor) => predict(predictor, net, &args)?,
            AnyPredictor::Networks(predictor) => predict_whole(predictor, net, &args)?,
        };
        Ok(row(prediction, &args, &identity))
    });
    let answers = answers.told_apart(|row| &mut row.net);
    let strict = answers.given().into_iter().find_map(|row| outside(row, &args));
    let refused = answers.print(global.output(), |rows| text(rows, &args))?;
    if let Some(strict) = &strict {
        global.output().failure(strict);
    }
    worst(refused.into_iter().chain(strict)).map_or(Ok(()), |worst| Err(Failure::said(worst.exit)))
}

#[derive(Serialize)]
struct LookupReport {
    device: String,
    blocks: usize,
    measured: usize,
    /// Predicted blocks of which less than 90 % lies inside the domain.
    outside: usize,
    output: String,
}

/// Writes the lookup table of a search space.
fn blocks(
    loaded: &AnyPredictor,
    name: &str,
    output: &Path,
    args: &Args,
    global: Global,
) -> Result<(), Failure> {
    let AnyPredictor::Kernels(predictor) = loaded else {
        return Err(Failure::usage(format!(
            "{} predicts whole networks only: it has no blocks",
            loaded.identity()
        ))
        .remedy("choose a predictor of kernels: edgezen predictors list"));
    };
    let unknown = || Failure::usage(format!("there is no search space {name}"));
    let space = space::by_name(name).ok_or_else(unknown)?;
    let dataset = args.data.as_deref().map(Dataset::read).transpose()?;
    if let Some(dataset) = &dataset {
        same_identity(predictor.identity(), &dataset.identity)?;
    }
    has_ending(output, &["csv"], "a table of comma-separated values")?;
    let inputs: Vec<&Path> = args.which.predictor.as_deref().into_iter().collect();
    let to = args.force.place(output, &inputs)?;
    let rows = table_of_blocks::table(space, predictor, dataset.as_ref())
        .map_err(|error| Failure::runtime(error.to_string()))?;
    to.write(&table_of_blocks::csv(&rows).map_err(|error| Failure::io(output, &error))?)?;
    let count = |is: &dyn Fn(&BlockRow) -> bool| rows.iter().filter(|row| is(row)).count();
    let report = LookupReport {
        device: loaded.identity().to_string(),
        blocks: rows.len(),
        measured: count(&|row| row.source == Source::Measured),
        outside: count(&|row| row.coverage < INSIDE),
        output: to.path().display().to_string(),
    };
    global.output().written(&to, &report, || {
        let LookupReport { blocks, measured, outside, output, .. } = &report;
        let device = loaded.identity().in_words();
        format!("{blocks} blocks on {device}, {measured} of them measured, {outside} outside the domain: {output}\n")
    })
}

/// Why `--strict` refuses a network.
fn outside(row: &Row, args: &Args) -> Option<Failure> {
    if !args.strict || (row.coverage >= INSIDE && !row.incomplete) {
        return None;
    }
    if row.incomplete {
        let message = format!("{}: its latency is without {}", row.net, names(&row.missing, true));
        let failure = Failure::new(Exit::OutsideDomain, message);
        return Some(failure.remedy("leave out --strict if what is missing takes no time that counts"));
    }
    let message = format!(
        "{}: only {:.0} % of its latency lies inside the domain of {}",
        row.net,
        100.0 * row.coverage,
        row.device
    );
    let failure = Failure::new(Exit::OutsideDomain, message);
    Some(failure.remedy("--breakdown=kernels shows which kernels; measure such networks and fit again"))
}

/// What was left out of the latencies, or what has only a bound.
fn names(unknown: &[Missing], left_out: bool) -> String {
    let named = unknown.iter().filter(|missing| missing.left_out == left_out);
    named.map(Missing::to_string).collect::<Vec<_>>().join(", ")
}

fn predict(predictor: &FittedPredictor, net: &str, args: &Args) -> Result<prediction::Prediction, Failure> {
    let found = net::any(net, args.options)?;
    Ok(network::by_kernels(predictor, &found, args.limit(), args.partial)?)
}

fn predict_whole(
    predictor: &NetworkPredictor,
    net: &str,
    args: &Args,
) -> Result<prediction::Prediction, Failure> {
    if let Some(asked) = args.batch {
        check_batch(predictor, asked)?;
    }
    if args.breakdown.is_some() {
        return Err(PredictionError::NoBreakdown { predictor: predictor.id.clone() }.into());
    }
    Ok(network::whole(predictor, net, args.options.into())?)
}

/// Refuses batches that a predictor of whole networks does not know.
pub fn check_batch(predictor: &NetworkPredictor, asked: u32) -> Result<(), Failure> {
    let batch = predictor.identity.batch;
    if asked == batch {
        return Ok(());
    }
    Err(PredictionError::OtherBatch { predictor: predictor.id.clone(), batch }.into())
}

fn row(prediction: prediction::Prediction, args: &Args, identity: &Identity) -> Row {
    let missing = prediction.unknown();
    let prediction::Prediction {
        net,
        device,
        estimate,
        left_out,
        coverage_macs,
        extrapolated,
        lenders,
        breakdown,
    } = prediction;
    let shown = breakdown.filter(|_| args.breakdown.is_some());
    let rate = |time: Latency| identity.is_throughput().then(|| Throughput::of(time).0);
    let kernel = |share: &KernelShare| KernelRow {
        kernel: share.kernel.to_string(),
        ms: share.latency.ms(),
        support: support(share.support),
    };
    Row {
        net,
        device,
        threads: identity.threads,
        identity: identity.in_words(),
        images_per_s: rate(estimate.latency),
        lower_images_per_s: rate(estimate.upper),
        upper_images_per_s: rate(estimate.lower),
        ms: estimate.latency.ms(),
        lower_ms: estimate.lower.ms(),
        upper_ms: estimate.upper.ms(),
        charged_ms: estimate.charged.ms(),
        coverage: estimate.coverage,
        coverage_macs,
        unknown: missing.iter().map(|missing| missing.name.clone()).collect(),
        missing,
        extrapolated,
        lenders,
        inside_budget: args.limit().map(|limit| estimate.charged <= limit),
        budget_probability: args.limit().map(|limit| estimate.probability_within(limit)),
        breakdown: shown.as_ref().map(|parts| parts.kernels.iter().map(kernel).collect()),
        blocks: shown.map(|parts| parts.blocks),
        incomplete: !left_out.is_empty(),
    }
}

fn support(support: Support) -> &'static str {
    match support {
        Support::Inside => "inside",
        Support::Lent => "lent",
        Support::Outside => "outside",
        Support::Bound => "bound",
    }
}

/// What a person is told of the domain that a kernel lies in.
fn in_words(support: &str) -> &str {
    match support {
        "lent" => "priced by other devices or runtimes",
        "bound" => "no model: at least this",
        other => other,
    }
}

fn text(rows: &[&Row], args: &Args) -> String {
    let mut out = String::new();
    for p in rows {
        let (value, lower, upper, unit) = match (p.images_per_s, p.lower_images_per_s, p.upper_images_per_s) {
            (Some(rate), Some(lower), Some(upper)) => (rate, lower, upper, "images/s"),
            _ => (p.ms, p.lower_ms, p.upper_ms, "ms"),
        };
        out += &format!(
            "{}\n  {} {unit} on {} (90 %: {} to {} {unit}), {:.0} % inside the domain\n",
            p.net,
            three_digits(value),
            p.identity,
            three_digits(lower),
            three_digits(upper),
            100.0 * p.coverage
        );
        if p.images_per_s.is_some() {
            out += &format!(
                "  a throughput: {} ms an image with several under way; no latency of one\n",
                three_digits(p.ms)
            );
        }
        if p.incomplete {
            let share = 100.0 * p.coverage_macs.unwrap_or(0.0);
            out += &format!("  {share:.1} % of the MACs; left out: {}\n", names(&p.missing, true));
        }
        if p.missing.iter().any(|missing| !missing.left_out) {
            out += &format!("  without a model: {}\n", names(&p.missing, false));
        }
        if !p.extrapolated.is_empty() {
            out += &output::of_table(&tables::extrapolated(&p.extrapolated));
            if !p.lenders.is_empty() {
                let lenders = p.lenders.join(", ");
                out += &output::paragraph(&format!(
                    "Prices from other runtimes or devices come from {lenders}."
                ));
            }
        }
        let printed = args.bounded().zip(args.limit()).map(|(quantity, limit)| quantity.print(limit.ns()));
        if let (Some(limit), Some(inside), Some(probability)) =
            (&printed, p.inside_budget, p.budget_probability)
        {
            let side = if inside { "inside" } else { "over" };
            out += &output::paragraph(&format!(
                "{side} the budget of {limit}, which is kept with a probability of {} by the interval",
                caveats::percent(probability)
            ));
        }
        match (args.breakdown, &p.blocks, &p.breakdown) {
            (Some(By::Blocks), Some(blocks), _) => {
                out += &breakdown::bars(blocks, printed.as_deref());
                let sum: f64 = blocks.iter().map(|block| block.ms).sum();
                if (sum / p.ms - 1.0).abs() > 0.005 {
                    out += &output::paragraph(&format!(
                        "The blocks take {} ms as single kernels; the predictor learnt from whole networks that such a \
                         network takes {} times as long.",
                        three_digits(sum),
                        three_digits(p.ms / sum)
                    ));
                }
            }
            (Some(By::Kernels), _, Some(rows)) => {
                let cells = |row: &KernelRow| {
                    vec![row.kernel.clone(), three_digits(row.ms), in_words(row.support).to_owned()]
                };
                let cells: Vec<Vec<String>> = rows.iter().map(cells).collect();
                out += &output::table(&["kernel", "ms", "domain"], &cells);
            }
            _ => {}
        }
    }
    out
}

impl From<TextError> for Failure {
    fn from(error: TextError) -> Failure {
        match error {
            TextError::Network(error) => error.into(),
            TextError::Prediction(error) => error.into(),
        }
    }
}

impl From<PredictionError> for Failure {
    fn from(error: PredictionError) -> Failure {
        let message = error.to_string();
        match error {
            PredictionError::Foreign { space, .. } => Failure::usage(message).remedy(format!(
                "give it a code like {}, or choose another predictor (edgezen predictors list)",
                space.example()
            )),
            PredictionError::OtherBatch { .. } => Failure::usage(message),
            PredictionError::NoCnn { .. } => {
                Failure::new(Exit::OutsideDomain, message).remedy("--partial prices what can be priced of it")
            }
            PredictionError::Incomplete { .. } => {
                Failure::new(Exit::OutsideDomain, message).remedy("--partial gives the latency of the rest")
            }
            PredictionError::NoBreakdown { .. } => Failure::usage(message).remedy("leave out --breakdown"),
            PredictionError::OtherRows { .. } => Failure::usage(message).remedy(
                "a predictor of that identity (edgezen predictors list), or a table without those columns",
            ),
            PredictionError::Shape(error) => error.into(),
            PredictionError::NoEstimate(_) => Failure::usage(message),
            PredictionError::Table(error) => error.into(),
            PredictionError::NetworkTable(error) => error.into(),
        }
    }
}
