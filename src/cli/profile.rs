//! `edgezen profile`: measure a plan on a device; a dataset and a lookup table of blocks come out.

use super::target::Target;
use super::{Exit, Failure, Global, output};
use crate::dataset::{LookupRow, Quality};
use crate::measure::{Campaign, CampaignError, Event, Outcome, Plan, PlanError, Start};
use crate::space::{self, SearchSpace};
use crate::units::three_digits;
use serde::Serialize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// Search space whose kernels, blocks and networks are measured
    #[arg(long, value_enum, default_value_t = Spaces::Mobilenet)]
    space: Spaces,
    /// Configurations to measure
    #[arg(long, value_name = "N", default_value_t = 200)]
    samples: usize,
    /// Measure what this file lists instead of drawing a plan (JSON, as in a dataset's plan.json)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["space", "samples"])]
    plan: Option<PathBuf>,
    /// Passes over the plan, minutes apart, so that no median is that of one slow moment
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Go on with an unfinished profile; nothing is measured twice
    #[arg(long)]
    resume: bool,
    /// Folder of the dataset [default: datasets/<device>@<runtime>]
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Spaces {
    Resnet,
    Mobilenet,
    Both,
}

impl Spaces {
    fn list(self) -> Vec<&'static dyn SearchSpace> {
        let wanted = |name: &str| match self {
            Spaces::Resnet => name == "resnet",
            Spaces::Mobilenet => name == "mobilenet",
            Spaces::Both => true,
        };
        space::registry().iter().copied().filter(|space| wanted(space.name())).collect()
    }
}

#[derive(Serialize)]
struct Profile {
    dataset: String,
    identity: String,
    configurations: usize,
    kernels: usize,
    blocks: usize,
    networks: usize,
    failed: Vec<FailedConfiguration>,
    noisy: usize,
    drifted: usize,
    seconds: f64,
    lookup_table: String,
    next: String,
}

#[derive(Serialize)]
struct FailedConfiguration {
    configuration: String,
    reason: String,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let out = global.output();
    let start = Instant::now();
    let mut device = args.target.open(args.rounds, global.seed)?;
    let identity = device.identity().clone();
    let plan = match &args.plan {
        Some(path) => Plan::read(path).map_err(|e| plan_failure(path, &e))?,
        None => Plan::draw(&args.space.list(), args.samples, identity.batch, global.seed)
            .map_err(|e| Failure::usage(format!("--samples: {e}")))?,
    };
    let dir = args
        .output
        .clone()
        .unwrap_or_else(|| Path::new("datasets").join(format!("{}@{}", identity.device, identity.runtime)));
    static STOP: AtomicBool = AtomicBool::new(false);
    ctrlc::set_handler(|| {
        // The second time nobody wants to wait for the measurement in flight; the journal is whole.
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(Exit::Interrupted as i32);
        }
    })
    .map_err(|e| Failure::runtime(format!("cannot listen for Ctrl-C: {e}")))?;

    let total = plan.subjects.len() as u64 * u64::from(args.rounds);
    let bar = out.progress(total, "{bar:30} {pos}/{len} {elapsed} ETA {eta}  {wide_msg}");
    let mut progress = |event: Event<'_>| {
        match event {
            Event::Begin { finished, total } => {
                if finished > 0 {
                    out.note(format!("{finished} of {total} measurements are in the journal already"));
                }
                bar.set_position(finished as u64);
                bar.reset_eta();
            }
            Event::Measured { subject, summary, finished } => {
                bar.set_position(finished as u64);
                bar.set_message(format!("{} {}", summary.median, shortened(&subject.to_string())));
            }
            Event::Failed { subject, reason, finished } => {
                bar.set_position(finished as u64);
                bar.suspend(|| out.note(format!("cannot measure {subject}: {reason}")));
            }
            Event::Sentinel { drift } => bar.set_message(format!("sentinel {:+.1} %", drift * 100.0)),
        }
        if STOP.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let campaign = Campaign {
        plan: &plan,
        dir: &dir,
        start: if args.resume { Start::Resume } else { Start::Fresh },
        rounds: args.rounds,
        seed: global.seed,
        now: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
    };
    let outcome = campaign.run(device.as_mut(), &mut progress);
    bar.finish_and_clear();
    let outcome = outcome.map_err(|e| failure(e, &dir))?;
    let report = report(&outcome, &dir, start.elapsed().as_secs_f64());
    if report.drifted > 0 {
        out.note(format!(
            "warning: the device slowed down by up to {:.0} % now and then; {} configurations are flagged; \
             close other programs and profile again for better data",
            outcome.worst_drift * 100.0,
            report.drifted
        ));
    }
    out.result(&report, || text(&report, &outcome.lookup))
}

fn report(outcome: &Outcome, dir: &Path, seconds: f64) -> Profile {
    let samples = &outcome.dataset.samples;
    let of_type = |name: &str| samples.iter().filter(|s| s.subject.type_name() == name).count();
    let of_quality = |quality: Quality| samples.iter().filter(|s| s.quality == quality).count();
    Profile {
        dataset: dir.display().to_string(),
        identity: outcome.dataset.identity.to_string(),
        configurations: samples.len(),
        kernels: of_type("kernel"),
        blocks: of_type("block"),
        networks: of_type("network"),
        failed: outcome
            .failed
            .iter()
            .map(|(subject, reason)| FailedConfiguration {
                configuration: subject.to_string(),
                reason: reason.clone(),
            })
            .collect(),
        noisy: of_quality(Quality::Noisy),
        drifted: of_quality(Quality::Drifted),
        seconds,
        lookup_table: dir.join(crate::measure::campaign::LOOKUP_TABLE).display().to_string(),
        next: format!("edgezen fit --data {}", dir.display()),
    }
}

fn text(report: &Profile, lookup: &[LookupRow]) -> String {
    let rows: Vec<Vec<String>> = lookup
        .iter()
        .map(|row| vec![row.block.clone(), row.resolution.to_string(), three_digits(row.median_ms)])
        .collect();
    let mut out = output::table(&["block", "side", "ms"], &rows);
    out += &format!(
        "\n{} kernels, {} blocks and {} networks of {} in {:.0} s",
        report.kernels, report.blocks, report.networks, report.identity, report.seconds
    );
    let flagged = [(report.noisy, "noisy"), (report.drifted, "drifted"), (report.failed.len(), "failed")];
    for (count, what) in flagged.into_iter().filter(|(count, _)| *count > 0) {
        out += &format!(", {count} {what}");
    }
    out + &format!("\nin {}\nnext: {}\n", report.dataset, report.next)
}

/// The first part of a long name.
fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(48).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn plan_failure(path: &Path, error: &PlanError) -> Failure {
    if path.exists() {
        Failure::bad_file(path, error)
    } else {
        Failure::usage(format!("{}: {error}", path.display()))
    }
}

fn failure(error: CampaignError, dir: &Path) -> Failure {
    let resume = "the same command with --resume goes on from here";
    let message = error.to_string();
    match error {
        CampaignError::Unfinished { .. } => Failure::usage(message).remedy(format!(
            "--resume to go on with it, another folder (-o DIR), or delete {}",
            dir.display()
        )),
        CampaignError::Foreign { .. } => Failure::usage(message).remedy("another folder: -o DIR"),
        CampaignError::OtherPlan { .. } => Failure::usage(message).remedy(format!(
            "the options of the first run (--space, --samples, --rounds, --seed), or --plan {}",
            dir.join(crate::measure::campaign::PLAN).display()
        )),
        CampaignError::OtherIdentity { .. } => Failure::usage(message).remedy("another folder: -o DIR"),
        CampaignError::Interrupted { .. } => Failure::new(Exit::Interrupted, message).remedy(resume),
        CampaignError::NothingMeasured(_) => Failure::runtime(message),
        CampaignError::Journal(error) => error.into(),
        CampaignError::Device(error) => Failure::from(error).remedy(resume),
        CampaignError::Dataset(error) => error.into(),
    }
}
