//! `edgezen search`: the best network that fits the budgets.

mod limits;
mod plan;
mod text;
mod watch;

use super::net;
use super::output::Output;
use super::target::Reach;
use super::{Exit, Failure, Global, rescore, verify};
use crate::shipped;
use clap::builder::PossibleValuesParser;
use edgezen_core::plainnet::notation;
use edgezen_core::proxy::{Mode, Proxy};
use edgezen_core::search::{Checkpoint, Individual, Search, SearchOutcome, degeneracy, explain, optimiser};
use edgezen_core::space;
use edgezen_core::units::Latency;
use edgezen_lab::campaign::networks::LAUNCHES;
use edgezen_lab::rescoring;
use edgezen_lab::runs;
use edgezen_lab::runs::{
    Content, FoundNetwork, Manifest, Rescored, RunFolder, SavedSearch, SearchResult, Verification,
};
use edgezen_lab::verify::{OnDevice, Verify};
use limits::Limits;
use plan::{Earlier, Planned, SearchPlan};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
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
    /// Kernel sizes that blocks may have, as 3,5 [default: of a preset all; else those of the space that the predictors
    /// of the bounded latencies were fitted to]
    #[arg(long, value_name = "SIZES", value_delimiter = ',')]
    kernels: Vec<u32>,
    /// Build the networks with squeeze-excite: it counts in their costs and latencies, scores do not see it
    #[arg(long)]
    se: bool,
    /// Let the search visit networks of any shape and with all kernel sizes. Without it, stages have at most the depth,
    /// width and growth of published networks (presets have no such rules)
    #[arg(long)]
    any_shape: bool,
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
    #[arg(long, value_name = "R", value_parser = net::square_side)]
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
    /// [default: 480000 for presets and the released rules, else 96000]; with --resume, more of them prolong a run
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    iterations: Option<u64>,
    /// [default: 64 on islands, 256 with the paper's rules, 512 with the released ones]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    population: Option<u32>,
    /// Threads; the result does not depend on them [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Keep the latency budgets with this probability, as 0.9, by the predictor's 90 % interval: networks whose latency
    /// may well exceed the budget are left out, at some score [default: the predicted latency itself is compared, so that
    /// a network right at the budget keeps it with a probability of one half]
    #[arg(long, value_name = "P")]
    confidence: Option<f64>,
    /// Run folder [default: runs/<device or preset>-<budget>-seed<N>]
    #[arg(short = 'o', long, alias = "output", value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with an interrupted run: the one in --out, or the last one by these budgets. A finished one is shown again,
    /// measured again (--verify) or prolonged (--iterations)
    #[arg(long, conflicts_with = "force")]
    resume: bool,
    /// Replace the run in --out by a new one, as soon as that is whole
    #[arg(long)]
    force: bool,
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
    let Planned { plan, earlier } = plan::plan(args, global.seed, output)?;
    check(args, &plan)?;
    let proxy = plan.make_proxy();
    let search = plan.search(&*proxy);
    // Whether there is anything to find shows before anything is written.
    search.start()?;
    let job = Job { args, plan: &plan, proxy: &*proxy, search: &search, output };
    match earlier {
        None => {
            let mut folder = RunFolder::lock(&plan.out)?;
            folder.begin(&plan.manifest(), args.force)?;
            job.run(folder, None, None)
        }
        Some(earlier) => job.go_on(earlier),
    }
}

/// One search, with what it needs.
struct Job<'a> {
    args: &'a Args,
    plan: &'a SearchPlan,
    proxy: &'a dyn Proxy,
    search: &'a Search<'a>,
    output: Output,
}

impl Job<'_> {
    /// Goes on with a run. A finished one is shown again, unless something new is asked for.
    fn go_on(&self, earlier: Earlier) -> Result<(), Failure> {
        let Earlier { mut folder, manifest, saved } = earlier;
        let dir = &self.plan.out;
        let ours = self.plan.manifest();
        let is_prolonged = ours.rules.iterations > manifest.rules.iterations;
        let manifest = Manifest { rules: ours.rules, begun_with: ours.begun_with, ..manifest };
        if folder.content() == Content::Finished {
            let recorded = runs::read_result(dir)?;
            if !is_prolonged && self.args.verify == 0 {
                return self.show(&folder, recorded, saved);
            }
            let saved = saved.ok_or_else(|| {
                Failure::usage(format!("{} holds no checkpoint to go on from", dir.display()))
            })?;
            folder.renew(&manifest, &saved)?;
            return self.run(folder, Some(saved), Some(recorded));
        }
        if is_prolonged {
            runs::write_manifest(folder.home(), &manifest)?;
        }
        let recorded = if folder.is_same_run() { Some(runs::read_result(dir)?) } else { None };
        self.run(folder, saved, recorded)
    }

    /// Shows a finished run. Files that it lacks are written.
    fn show(
        &self,
        folder: &RunFolder,
        mut result: SearchResult,
        saved: Option<SavedSearch>,
    ) -> Result<(), Failure> {
        let (plan, home) = (self.plan, folder.home());
        result.run_dir = plan.out.display().to_string();
        if self.args.rescore.is_some() {
            let (outcome, _) = self.search(home, saved)?;
            result.rescored = self.rescored(&outcome);
            runs::write_result(home, &result)?;
        }
        if !home.join("best.onnx").exists() || !home.join("best.txt").exists() {
            let best = notation::parse(&result.best.net)?.super_blocks("a search finds")?;
            if let Some(reason) = runs::write_best(home, &plan.model(&best), plan.seed)? {
                self.output.note(format!("note: {reason}"));
            }
        }
        if !home.join("front.csv").exists() {
            runs::write_front(home, &result)?;
        }
        self.output.result(&result, || text::text(&result, plan))?;
        judge(&result, plan)
    }

    /// Searches, measures and writes. `recorded` is what is known of the same run, which is prolonged or measured again.
    fn run(
        &self,
        mut folder: RunFolder,
        saved: Option<SavedSearch>,
        recorded: Option<SearchResult>,
    ) -> Result<(), Failure> {
        let Job { plan, proxy, output, .. } = *self;
        if let Some(batch) = proxy.batch() {
            output.note(format!(
                "{} passes images through every network ({batch} of them), which takes up to seconds; --batch sets how many",
                proxy.name()
            ));
        }
        let home = folder.home().to_owned();
        let (outcome, seconds) = self.search(&home, saved)?;
        runs::write_outcome(&home, &outcome, &plan.budgets)?;
        // A finished run that goes on is measured again only where that is asked for now.
        let asked = if recorded.is_some() { self.args.verify } else { plan.verify };
        let mut notes = Vec::new();
        let mut failure = None;
        let (measured, best) = match self.verified(&outcome, asked) {
            Ok(verified) => verified,
            // What was found is written all the same.
            Err(reason) => {
                failure = Some(reason);
                (None, outcome.best.clone())
            }
        };
        let is_measured = measured.is_some();
        let earlier = recorded.and_then(|recorded| recorded.verification);
        if earlier.is_some() && !is_measured {
            notes.push(
                "what was measured before the run was prolonged is kept; --resume --verify measures again"
                    .into(),
            );
        }
        if let Some(reason) = runs::write_best(&home, &plan.model(&best.blocks), plan.seed)? {
            notes.push(reason.to_string());
        }
        if let Some(measured) = &measured {
            runs::write_verification(&home, measured)?;
        }
        let verification = measured.or(earlier);
        let extrapolated = degeneracy::extrapolated(self.search, &best.blocks)?;
        let result = SearchResult {
            best: FoundNetwork::of(&best, &plan.budgets),
            front: runs::front(&outcome, &plan.budgets),
            proxy: proxy.name().to_owned(),
            mode: plan.mode,
            rules: plan.rules.optimiser,
            iterations: outcome.iterations,
            scored: outcome.scored,
            rejected: outcome.rejected.clone(),
            seconds,
            seconds_by_phase: outcome.phases,
            seed: plan.seed,
            run_dir: plan.out.display().to_string(),
            verified: verification.iter().flat_map(|v| v.networks()).cloned().collect(),
            verification,
            rescored: self.rescored(&outcome),
            notes,
            degeneracies: degeneracy::of(self.search, &best.blocks, &extrapolated),
            extrapolated,
            explanation: explain::explain(self.search, proxy, &best.blocks)?,
        };
        result.notes.iter().for_each(|note| output.note(format!("note: {note}")));
        runs::write_front(&home, &result)?;
        runs::write_result(&home, &result)?;
        let page = plan.out.join("report.html");
        if home != plan.out && page.exists() {
            let (page, run) = (page.display(), plan.out.display());
            output.note(format!("note: {page} shows the run before; edgezen report {run} draws it anew"));
        }
        folder.finish()?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        output.result(&result, || text::text(&result, plan))?;
        if is_measured { judge(&result, plan) } else { Ok(()) }
    }

    fn rescored(&self, outcome: &SearchOutcome) -> Option<Rescored> {
        let Job { args, plan, .. } = *self;
        let top = args.rescore_top.into();
        args.rescore.map(|_| rescoring::run(outcome, top, plan.mode, plan.resolution, plan.seed))
    }

    /// Runs the search, from where it was saved. Gives the outcome and the seconds of all sessions.
    fn search(&self, home: &Path, saved: Option<SavedSearch>) -> Result<(SearchOutcome, f64), Failure> {
        let Job { args, plan, .. } = *self;
        let (spent, checkpoint) = match saved {
            Some(SavedSearch { seconds, search, .. }) => (seconds, Some(search)),
            None => (0.0, None),
        };
        let from = checkpoint.as_ref().map(Checkpoint::iteration);
        let iterations = plan.rules.iterations;
        let watch = Watch::new(home, &plan.out, iterations, spent, from, args.checkpoint_every, self.output)?;
        let outcome = self.search.observed(&watch, checkpoint.as_ref());
        let seconds = watch.finish()?;
        let outcome = outcome?;
        if outcome.iterations < iterations {
            return Err(watch::interrupted(&plan.out, Some(outcome.iterations), iterations));
        }
        Ok((outcome, seconds))
    }

    /// Measures the best networks of the front, if that was asked for. Gives the record and the best network: of those
    /// measured inside the budget, else the one that the search found.
    fn verified(
        &self,
        outcome: &SearchOutcome,
        asked: usize,
    ) -> Result<(Option<Verification>, Individual), Failure> {
        let Job { args, plan, .. } = *self;
        let Some(name) = plan.device.as_deref().filter(|_| asked > 0) else {
            return Ok((None, outcome.best.clone()));
        };
        let profiles = shipped::profiles();
        let device = OnDevice { profiles: &profiles, name, options: args.reach.options(name, LAUNCHES, 0) };
        let mut shown = verify::Shown::new(self.output);
        let finding = Verify { search: self.search, device, asked }.run(outcome, &mut |event| {
            shown.show(event);
            if watch::stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok((Some(finding.verification), finding.best.unwrap_or_else(|| outcome.best.clone())))
    }
}

/// Refuses what cannot be done after the search.
fn check(args: &Args, plan: &SearchPlan) -> Result<(), Failure> {
    if plan.verify > 0 {
        verify::check(plan.device.as_deref())?;
    }
    if args.rescore.is_some() {
        rescoring::check(plan.proxy.name)?;
    }
    Ok(())
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
        // A network that was measured badly is not known to be inside.
        Some(v) if v.networks().all(|row| row.quality.is_doubtful()) && v.networks().next().is_some() => {
            Err(Failure::new(Exit::Quality, format!("no network could be measured well on {}", v.device))
                .remedy(
                    "close other programs, then measure again: edgezen search --resume --verify K --out RUN",
                ))
        }
        _ => Ok(()),
    }
}

impl From<runs::RunError> for Failure {
    fn from(error: runs::RunError) -> Failure {
        let message = error.to_string();
        match error {
            runs::RunError::File(error) => error.into(),
            runs::RunError::Finished { .. } => Failure::usage(message).remedy(
                "another --out; --resume shows it again, --resume --iterations MORE prolongs it, --force replaces it \
                 when the new run is whole",
            ),
            runs::RunError::Unfinished { dir } => Failure::usage(message).remedy(format!(
                "edgezen search --resume --out {} goes on with it, --force begins anew; or another --out",
                dir.display()
            )),
            runs::RunError::Foreign { .. } => {
                Failure::usage(message).remedy("another --out, or --force to replace that file")
            }
        }
    }
}
