//! `edgezen search`: the best network that fits the budgets.

mod limits;
mod plan;
mod text;
mod watch;

use super::output::Output;
use super::target::Reach;
use super::{Exit, Failure, Global, rescore, verify};
use crate::shipped;
use clap::builder::PossibleValuesParser;
use edgezen_core::proxy::Mode;
use edgezen_core::search::{Checkpoint, Individual, Search, SearchOutcome, explain, optimiser};
use edgezen_core::space;
use edgezen_core::units::Latency;
use edgezen_lab::campaign::networks::ROUNDS;
use edgezen_lab::rescoring;
use edgezen_lab::runs;
use edgezen_lab::runs::{FoundNetwork, SavedSearch, SearchResult, Verification};
use edgezen_lab::verify::{OnDevice, Verify};
use limits::Limits;
use plan::SearchPlan;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::str::FromStr;
use watch::Watch;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A published set-up, by the name of its released script; follows the released rules
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Search space [default: of the preset, the initial structure, or the device]
    #[arg(long, value_parser = PossibleValuesParser::new(space::registry().iter().map(|space| space.name())))]
    space: Option<String>,
    /// Structure to start from [default: of the preset or the space]
    #[arg(long, value_name = "NET")]
    init: Option<String>,
    /// Device whose latency is predicted
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Latency budget per image: 80ms, or NAME=80ms for a device by name; repeatable
    #[arg(long, value_name = "[NAME=]TIME")]
    latency: Vec<LatencyArg>,
    #[command(flatten)]
    limits: Limits,
    /// Side of the square input image [default: of the preset or the device, else 224]
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..=4096))]
    resolution: Option<u32>,
    /// Classes of the classifier [default: of the preset or the device, else 1000]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    classes: Option<u32>,
    /// What is maximised [default: of the preset, else zen]
    #[arg(long, value_name = "NAME")]
    proxy: Option<String>,
    /// Maximise the accuracy that this file of `calibrate` foretells, instead of a proxy
    #[arg(long, value_name = "FILE", conflicts_with_all = ["proxy", "batch", "mode", "rescore"])]
    objective: Option<PathBuf>,
    /// Images of one pass, for proxies that pass images through networks [default: of the proxy, as `score` says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    batch: Option<u32>,
    /// Which Zen-Score [default: reference for presets, else paper]
    #[arg(long)]
    mode: Option<Mode>,
    /// Rules of the evolution: the improved ones, those of the paper, or those of the released code
    /// [default: reference for presets, else islands]
    #[arg(long, value_name = "NAME",
        value_parser = PossibleValuesParser::new(optimiser::registry().iter().map(|optimiser| optimiser.name())))]
    optimiser: Option<String>,
    /// [default: 480000 for presets and the released rules, else 96000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    iterations: Option<u64>,
    /// [default: 64 on islands, 256 with the paper's rules, 512 with the released ones]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    population: Option<u32>,
    /// Threads; the result does not depend on them [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Hold the latency budgets with this probability, by the predictor's interval
    #[arg(long, value_name = "P")]
    confidence: Option<f64>,
    /// Run folder [default: runs/<device or preset>-<budget>-seed<N>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with an interrupted run: the one in --out, or the last one by these budgets
    #[arg(long)]
    resume: bool,
    /// Measure the best networks of the front on the device, until K are measured inside the budget
    #[arg(long, value_name = "K", default_value_t = 0)]
    verify: usize,
    /// Score the best networks again with another engine, and print how far both orders agree
    #[arg(long, value_enum, value_name = "ENGINE")]
    rescore: Option<rescore::Engine>,
    /// How many networks --rescore looks at
    #[arg(long, value_name = "K", default_value_t = rescore::TOP, requires = "rescore",
        value_parser = clap::value_parser!(u16).range(2..=512))]
    rescore_top: u16,
    /// Least time between two checkpoints
    #[arg(long, value_name = "TIME", hide = true, default_value = "1s")]
    checkpoint_every: Latency,
    #[command(flatten)]
    reach: Reach,
}

/// `80ms` or `pixel2=80ms`.
#[derive(Clone, Debug)]
struct LatencyArg {
    device: Option<String>,
    limit: Latency,
}

impl FromStr for LatencyArg {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (device, limit) = match text.split_once('=') {
            Some((device, limit)) => (Some(device.to_owned()), limit),
            None => (None, text),
        };
        let limit = limit.parse().map_err(|e: edgezen_core::units::UnitError| e.to_string())?;
        Ok(LatencyArg { device, limit })
    }
}

pub fn run(args: &Args, global: Global) -> Result<(), Failure> {
    let output = global.output();
    let (plan, saved) = plan::plan(args, global.seed, output)?;
    check(args, &plan)?;
    let proxy = plan.make_proxy();
    let search = plan.search(&*proxy);
    // Whether there is anything to find shows before anything is written.
    search.start()?;
    if saved.is_none() {
        runs::begin(&plan.out, &plan.manifest())?;
    }
    if let Some(batch) = proxy.batch() {
        output.note(format!(
            "{} passes images through every network ({batch} of them), which takes up to seconds; --batch sets how many",
            proxy.name()
        ));
    }
    let (outcome, seconds) = search_on(args, &plan, &search, saved, output)?;
    runs::write_outcome(&plan.out, &outcome, &plan.budgets)?;
    runs::write_best(&plan.out, &plan.model(&outcome.best.blocks), plan.seed)?;
    let (verification, best) = verified(args, &plan, &search, &outcome, output)?;
    let rescored = args
        .rescore
        .map(|_| rescoring::run(&outcome, args.rescore_top.into(), plan.mode, plan.resolution, plan.seed));
    let result = SearchResult {
        best: FoundNetwork::of(&best, &plan.budgets),
        front: runs::front(&outcome, &plan.budgets),
        proxy: proxy.name().to_owned(),
        mode: plan.mode,
        rules: plan.rules.optimiser,
        iterations: outcome.iterations,
        scored: outcome.scored,
        rejected: outcome.rejected,
        seconds,
        seconds_by_phase: outcome.phases,
        seed: plan.seed,
        run_dir: plan.out.display().to_string(),
        verified: verification.iter().flat_map(|v| v.networks()).cloned().collect(),
        verification,
        rescored,
        explanation: explain::explain(&search, &*proxy, &best.blocks)?,
    };
    runs::write_result(&plan.out, &result)?;
    output.result(&result, || text::text(&result, &plan))?;
    judge(&result, &plan)
}

/// Refuses what cannot be done after the search.
fn check(args: &Args, plan: &SearchPlan) -> Result<(), Failure> {
    if args.verify > 0 {
        verify::check(plan.device.as_deref())?;
    }
    if args.rescore.is_some() {
        rescoring::check(plan.proxy.name)?;
    }
    Ok(())
}

/// Runs the search, from where it was saved. Gives the outcome and the seconds of all sessions.
fn search_on(
    args: &Args,
    plan: &SearchPlan,
    search: &Search<'_>,
    saved: Option<SavedSearch>,
    output: Output,
) -> Result<(SearchOutcome, f64), Failure> {
    let (spent, checkpoint) = match saved {
        Some(SavedSearch { seconds, search, .. }) => (seconds, Some(search)),
        None => (0.0, None),
    };
    let from = checkpoint.as_ref().map(Checkpoint::iteration);
    let watch = Watch::new(&plan.out, plan.rules.iterations, spent, from, args.checkpoint_every, output)?;
    let outcome = search.observed(&watch, checkpoint.as_ref());
    let seconds = watch.finish()?;
    let outcome = outcome?;
    if outcome.iterations < plan.rules.iterations {
        return Err(watch::interrupted(&plan.out, Some(outcome.iterations), plan.rules.iterations));
    }
    Ok((outcome, seconds))
}

/// Measures the best networks of the front, if that was asked for. Gives the record and the best network: of those
/// measured inside the budget, else the one that the search found.
fn verified(
    args: &Args,
    plan: &SearchPlan,
    search: &Search<'_>,
    outcome: &SearchOutcome,
    output: Output,
) -> Result<(Option<Verification>, Individual), Failure> {
    let Some(name) = plan.device.as_deref().filter(|_| args.verify > 0) else {
        return Ok((None, outcome.best.clone()));
    };
    let profiles = shipped::profiles();
    let device = OnDevice { profiles: &profiles, name, options: args.reach.options(name, ROUNDS, 0) };
    let mut shown = verify::Shown::new(output);
    let finding = Verify { search, device, asked: args.verify }.run(outcome, &mut |event| {
        shown.show(event);
        if watch::stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if let Some(best) = &finding.best {
        runs::write_best(&plan.out, &plan.model(&best.blocks), plan.seed)?;
    }
    runs::write_verification(&plan.out, &finding.verification)?;
    Ok((Some(finding.verification), finding.best.unwrap_or_else(|| outcome.best.clone())))
}

/// Fails where too few networks were measured inside the budget.
fn judge(result: &SearchResult, plan: &SearchPlan) -> Result<(), Failure> {
    match &result.verification {
        Some(v) if v.inside_budget < v.asked && plan.limit(&v.device).is_some() => {
            let message = format!(
                "{} of {} networks were measured inside the budget on {}",
                v.inside_budget, v.asked, v.device
            );
            Err(Failure::new(Exit::Infeasible, message)
                .remedy("more --iterations, a larger budget, or a predictor of more samples"))
        }
        _ => Ok(()),
    }
}

impl From<runs::RunError> for Failure {
    fn from(error: runs::RunError) -> Failure {
        let message = error.to_string();
        match error {
            runs::RunError::File(error) => error.into(),
            runs::RunError::Shape(error) => error.into(),
            runs::RunError::Onnx(_) => Failure::runtime(message),
        }
    }
}
