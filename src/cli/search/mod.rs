//! `edgezen search`: the best network that fits the budgets.

mod job;
mod limits;
mod plan;
mod text;
mod watch;

use super::caller::Caller;
use super::net;
use super::target::Reach;
use super::{Exit, Failure, Global, rescore, verify};
use clap::builder::PossibleValuesParser;
use edgezen_core::digest::sha256;
use edgezen_core::files::FileError;
use edgezen_core::proxy::Mode;
use edgezen_core::search::{Quantity, optimiser};
use edgezen_core::space;
use edgezen_core::units::{Latency, Throughput, UnitError};
use edgezen_lab::rescoring;
use edgezen_lab::runs;
use edgezen_lab::runs::{Manifest, RunFolder};
use job::Job;
use limits::Limits;
use plan::{Planned, SearchPlan};
use std::path::{Path, PathBuf};
use std::str::FromStr;

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
    /// Device whose latency, or throughput, is predicted
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Latency budget per image: 80ms, or NAME=80ms for a device by name; repeatable
    #[arg(long, value_name = "[NAME=]TIME")]
    latency: Vec<OnDevice<Latency>>,
    /// Throughput budget, for identities that state throughputs: at least 2000/s, or NAME=2000/s; repeatable
    #[arg(long, value_name = "[NAME=]RATE")]
    throughput: Vec<OnDevice<Throughput>>,
    #[command(flatten)]
    limits: Limits,
    /// Side of the square input image [default: of the preset or the device, else 224]
    #[arg(long, value_name = "R", value_parser = net::square_side)]
    resolution: Option<u32>,
    /// Classes of the classifier [default: of the preset or the device, else 1000]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    classes: Option<u32>,
    /// What is maximised [default: of the preset, else zen]. Several closed forms with + between them, as zen+params+macs:
    /// the sum of the logarithms of a network's ranks among 256 networks that the seed draws inside the budgets
    #[arg(long, value_name = "NAME")]
    proxy: Option<String>,
    /// Closed forms that choose the winner, by ranks as those of --proxy, among networks with at least 95 % of the greatest
    /// score, for which a quarter of the iterations is searched further; `score`: the greatest score wins [default:
    /// zen+stage-params where the Zen-Score is maximised; of presets, other proxies and the paper's and the released
    /// rules: score]
    #[arg(long, value_name = "NAMES")]
    winner: Option<String>,
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
    /// Score the best networks again with another engine, and print how far both orders agree; a run that goes on does so too
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

/// A budget on a device: `80ms` or `pixel2=80ms`, `2000/s` or `hailo8=2000/s`.
#[derive(Clone, Debug)]
struct OnDevice<T> {
    device: Option<String>,
    limit: T,
}

impl<T: FromStr<Err = UnitError>> FromStr for OnDevice<T> {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (device, limit) = match text.split_once('=') {
            Some((device, limit)) => (Some(device.to_owned()), limit),
            None => (None, text),
        };
        let limit = limit.parse().map_err(|e: UnitError| e.to_string())?;
        Ok(OnDevice { device, limit })
    }
}

impl Args {
    /// Refuses what belongs to one computer, or to one run: searches on many computers have places and results of their own.
    pub fn is_portable(&self) -> Result<(), Failure> {
        let refused = [
            (self.out.is_some(), "--out"),
            (self.resume, "--resume"),
            (self.force, "--force"),
            (self.verify > 0, "--verify"),
        ];
        match refused.iter().find(|(given, _)| *given) {
            Some((_, option)) => Err(Failure::usage(format!("{option} is not for searches that are cut into jobs"))
                .remedy(format!("leave out {option}; each search gets a folder of its own, and edgezen search --resume --out works on it later"))),
            None => Ok(()),
        }
    }
}

/// Searches. `caller` is the program that does so in its own process, and is absent for the command line.
pub fn run(args: &Args, global: Global, caller: Option<&dyn Caller>) -> Result<(), Failure> {
    let output = global.output();
    let Planned { plan, earlier } = plan::plan(args, global, output, caller)?;
    check(args, &plan)?;
    if caller.is_some() && plan.verify > 0 {
        return Err(Failure::measures("search --verify"));
    }
    // Whether there is anything to find shows before anything is written.
    let proxy = plan.make_proxy()?;
    let search = plan.search(&*proxy);
    search.start()?;
    let ensemble = plan.make_winner()?;
    let job = Job {
        args,
        plan: &plan,
        proxy: &*proxy,
        search: &search,
        ensemble: ensemble.as_ref(),
        output,
        caller,
    };
    match earlier {
        None => {
            let mut folder = RunFolder::lock(&plan.out)?;
            folder.begin(&plan.manifest(), args.force)?;
            job.run(folder, None, None)
        }
        Some(earlier) => job.go_on(earlier),
    }
}

/// Refuses what a search by these options would refuse, before anything is searched or written.
///
/// # Errors
/// Options that make no sense, or by which nothing can be found.
pub fn rehearse(args: &Args, global: Global) -> Result<(), Failure> {
    let plan = plan::plan(args, global, global.output(), None)?.plan;
    check(args, &plan)?;
    let proxy = plan.make_proxy()?;
    plan.search(&*proxy).start()?;
    plan.make_winner().map(|_| ())
}

/// Checksum of all that these options stand for, predictors included, but for the seed: where it is the same, the same seed finds the
/// same networks.
///
/// # Errors
/// Options that make no sense.
pub fn meaning(args: &Args, global: Global) -> Result<String, Failure> {
    let manifest = Manifest {
        seed: 0,
        rescore: None,
        ..plan::plan(args, global, global.output(), None)?.plan.manifest()
    };
    let text = serde_json::to_string(&manifest)
        .map_err(|error| Failure::runtime(format!("cannot write what is searched: {error}")))?;
    Ok(sha256(text))
}

/// Refuses what cannot be done after the search.
fn check(args: &Args, plan: &SearchPlan) -> Result<(), Failure> {
    if plan.verify > 0 {
        let index = plan.device.as_deref().and_then(|name| plan.budgets.device(name));
        let tracked = index.and_then(|index| plan.budgets.devices().get(index));
        if let Some(tracked) = tracked.filter(|tracked| tracked.quantity() == Quantity::Throughput) {
            return Err(Failure::usage(format!(
                "--verify measures latencies, and {} states throughputs",
                tracked.predictor.identity()
            ))
            .remedy("search without --verify"));
        }
        verify::check(plan.device.as_deref())?;
        plan.device.as_deref().map_or(Ok(()), |device| args.reach.check(device))?;
    } else if let Some(option) = args.reach.given() {
        return Err(Failure::usage(format!(
            "{option} says how a device is reached, and nothing is measured"
        ))
        .remedy(format!("--verify K measures the best networks; or leave out {option}")));
    }
    if plan.rescore.is_some() {
        rescoring::check(&plan.proxy_name())?;
    }
    Ok(())
}

/// The failure of a file in a run. What the checkpoint holds can be written anew, and the checkpoint cannot.
fn damaged(error: FileError) -> Failure {
    let path = match &error {
        FileError::NotOurs { path, .. } | FileError::Damaged { path, .. } | FileError::Checksum { path } => {
            path.clone()
        }
        _ => return error.into(),
    };
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (file, out) = (path.display(), dir.display());
    let remedy = match path.file_name().and_then(|name| name.to_str()) {
        Some("result.json") => {
            format!("delete {file}, then edgezen search --resume --out {out} writes it anew")
        }
        Some("checkpoint") if dir.join("result.json").exists() => {
            format!("delete {file}: the finished run in {out} stays as it is, and can no longer be prolonged")
        }
        Some("checkpoint") => {
            format!("delete {file}, then edgezen search --resume --out {out} starts the run anew")
        }
        _ => return error.into(),
    };
    Failure::from(error).remedy(remedy)
}

impl From<runs::RunError> for Failure {
    fn from(error: runs::RunError) -> Failure {
        let message = error.to_string();
        match error {
            runs::RunError::File(error) => damaged(error),
            runs::RunError::Finished { .. } => Failure::usage(message).remedy(
                "another --out; --resume shows it again, --resume --iterations MORE prolongs it, --force replaces it \
                 when the new run is whole",
            ),
            runs::RunError::Unfinished { dir } => Failure::usage(message).remedy(format!(
                "edgezen search --resume --out {} goes on with it, --force begins anew; or another --out",
                dir.display()
            )),
            runs::RunError::OtherBest { path } => {
                let dir = path.parent().unwrap_or(Path::new(".")).display();
                Failure::new(Exit::BadFile, message).remedy(format!(
                    "delete {}, then edgezen search --resume --out {dir} writes it anew from the result",
                    path.display()
                ))
            }
            runs::RunError::Foreign { .. } => {
                Failure::usage(message).remedy("another --out, or --force to replace that file")
            }
        }
    }
}
