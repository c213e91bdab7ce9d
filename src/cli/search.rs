//! `edgezen search`: the best network that fits the budgets.

use super::output::Output;
use super::target::Reach;
use super::{Failure, Global, predictors, rescore, score, verify};
use crate::device::profile::{self, Profile};
use crate::plainnet::{Model, Network, SuperBlock, notation, relink};
use crate::proxy::{self, Mode, Setup};
use crate::runs::{self, BudgetTable, DeviceTable, Found, Manifest};
use crate::search::preset::{self, Preset};
use crate::search::{
    Budgets, LatencyBudget, Observer, Outcome, Phases, Progress, Rejected, RuleSet, Rules, Search,
};
use crate::space::{self, SearchSpace};
use crate::units::{Bytes, Latency, Macs, Params};
use indicatif::ProgressBar;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A published set-up, by the name of its released script; follows the released rules
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Search space [default: of the preset, the initial structure, or the device]
    #[arg(long, value_parser = ["resnet", "mobilenet"])]
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
    /// Budget of official FLOPs, as 400M
    #[arg(long, value_name = "N")]
    flops: Option<Macs>,
    /// Budget of official parameters, as 1M
    #[arg(long, value_name = "N")]
    params: Option<Params>,
    /// Most layers [default: of the preset or the device]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    layers: Option<u32>,
    /// Budget of peak activation memory, one image in fp32, as 8MB
    #[arg(long, value_name = "BYTES")]
    memory: Option<Bytes>,
    /// Side of the square input image [default: of the preset or the device, else 224]
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..=4096))]
    resolution: Option<u32>,
    /// Classes of the classifier [default: of the preset or the device, else 1000]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    classes: Option<u32>,
    /// What is maximised [default: of the preset, else zen]
    #[arg(long, value_name = "NAME")]
    proxy: Option<String>,
    /// Which Zen-Score [default: reference for presets, else paper]
    #[arg(long)]
    mode: Option<Mode>,
    /// [default: 480000 for presets, else 96000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    iterations: Option<u64>,
    /// [default: 512 for presets, else 256]
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
    /// Measure the K best networks on the device
    #[arg(long, value_name = "K", default_value_t = 0)]
    verify: usize,
    /// Score the best networks again with another engine, and print how far both orders agree
    #[arg(long, value_enum, value_name = "ENGINE")]
    rescore: Option<rescore::Engine>,
    /// How many networks --rescore looks at
    #[arg(long, value_name = "K", default_value_t = rescore::TOP, requires = "rescore",
        value_parser = clap::value_parser!(u16).range(2..=512))]
    rescore_top: u16,
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
        let limit = limit.parse().map_err(|e: crate::units::UnitError| e.to_string())?;
        Ok(LatencyArg { device, limit })
    }
}

/// What the command line asks for, checked; nothing past this point looks at names.
struct Plan {
    space: &'static dyn SearchSpace,
    initial: Vec<SuperBlock>,
    proxy: &'static proxy::Entry,
    mode: Mode,
    budgets: Budgets,
    rules: Rules,
    resolution: u32,
    classes: u32,
    threads: usize,
    preset: Option<&'static Preset>,
    /// Device of `--verify`.
    device: Option<String>,
    out: PathBuf,
}

#[derive(Serialize)]
struct Report {
    best: Found,
    front: Vec<Found>,
    proxy: String,
    mode: Mode,
    rules: RuleSet,
    iterations: u64,
    scored: u64,
    rejected: Rejected,
    seconds: f64,
    seconds_by_phase: Phases,
    seed: u64,
    run_dir: String,
    verified: Vec<verify::Verified>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rescored: Option<rescore::Rescored>,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let output = global.output();
    let verify_best = args.verify;
    let rescore_top = args.rescore.map(|rescore::Engine::Exact| usize::from(args.rescore_top));
    let reach = args.reach.clone();
    let plan = plan(args, global.seed, output)?;
    if rescore_top.is_some() {
        rescore::check(plan.proxy.name)?;
    }
    if verify_best > 0 {
        verify::check(plan.device.as_deref())?;
    }
    let proxy = (plan.proxy.make)(Setup { mode: plan.mode, resolution: plan.resolution });
    let search = Search {
        space: plan.space,
        initial: plan.initial.clone(),
        proxy: &*proxy,
        budgets: plan.budgets.clone(),
        rules: plan.rules,
        resolution: plan.resolution,
        classes: plan.classes,
        seed: global.seed,
        threads: plan.threads,
    };
    let watch = Watch { started: Instant::now(), bar: bar(output, plan.rules.iterations) };
    let outcome = search.run(&watch)?;
    watch.bar.finish_and_clear();
    let seconds = watch.started.elapsed().as_secs_f64();

    let model = |blocks: &[SuperBlock]| Model {
        name: None,
        network: Network::from(blocks),
        resolution: plan.resolution,
        classes: plan.classes,
        se: false,
    };
    runs::write(
        &plan.out,
        &manifest(&plan, global.seed),
        &outcome,
        &plan.budgets,
        &model(&outcome.best.blocks),
    )?;
    let verified = match &plan.device {
        Some(device) if verify_best > 0 => {
            let networks: Vec<Model> = best(&outcome, verify_best).iter().map(|b| model(b)).collect();
            match plan.budgets.latencies.iter().find(|b| &b.device == device) {
                Some(budget) => {
                    let usual = predictors::usual_probe_ns(device);
                    verify::measure(
                        device,
                        &reach,
                        &networks,
                        &*budget.predictor,
                        usual,
                        budget.limit,
                        output,
                    )?
                }
                None => Vec::new(),
            }
        }
        _ => Vec::new(),
    };
    let rescored = rescore_top
        .map(|top| rescore::run(&outcome.population, top, plan.mode, plan.resolution, global.seed));
    let report = Report {
        best: Found::of(&outcome.best, &plan.budgets),
        front: outcome.front.spread(runs::FRONT_SIZE).iter().map(|n| Found::of(n, &plan.budgets)).collect(),
        proxy: proxy.name().to_owned(),
        mode: plan.mode,
        rules: plan.rules.set,
        iterations: outcome.iterations,
        scored: outcome.scored,
        rejected: outcome.rejected,
        seconds,
        seconds_by_phase: outcome.phases,
        seed: global.seed,
        run_dir: plan.out.display().to_string(),
        verified,
        rescored,
    };
    output.result(&report, || text(&report, &plan))
}

/// The structures with the highest scores.
fn best(outcome: &Outcome, count: usize) -> Vec<Box<[SuperBlock]>> {
    let mut members: Vec<_> = outcome.population.iter().collect();
    members.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut chosen: Vec<Box<[SuperBlock]>> = Vec::new();
    for member in members {
        if chosen.len() == count {
            break;
        }
        if !chosen.contains(&member.blocks) {
            chosen.push(member.blocks.clone());
        }
    }
    chosen
}

fn plan(args: Args, seed: u64, output: Output) -> Result<Plan, Failure> {
    let preset = args.preset.as_deref().map(find_preset).transpose()?;
    let profile = args.device.as_deref().map(device_profile).transpose()?;
    let space = find_space(&args, preset, profile.as_ref())?;
    let initial = initial(args.init.as_deref(), preset, space)?;
    let defaults = profile.as_ref().map(|profile| &profile.search);
    let resolution =
        args.resolution.or(preset.map(|p| p.resolution)).or(defaults.map(|d| d.resolution)).unwrap_or(224);
    let classes = args.classes.or(preset.map(|p| p.classes)).or(defaults.map(|d| d.classes)).unwrap_or(1000);
    let budgets = budgets(&args, preset, profile.as_ref(), output)?;
    let mut rules = if preset.is_some() { Rules::REFERENCE } else { Rules::PAPER };
    rules.iterations = args.iterations.unwrap_or(rules.iterations);
    rules.population = args.population.map_or(rules.population, |n| n as usize);
    let threads = match args.threads {
        Some(threads) => usize::from(threads),
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    let proxy = score::find(args.proxy.as_deref().or(preset.map(|p| p.proxy)).unwrap_or("zen"))?;
    let mode = args.mode.unwrap_or(if preset.is_some() { Mode::Reference } else { Mode::Paper });
    let out = args.out.clone().unwrap_or_else(|| default_folder(&args, &budgets, seed));
    Ok(Plan {
        space,
        initial,
        proxy,
        mode,
        budgets,
        rules,
        resolution,
        classes,
        threads,
        preset,
        device: args.device,
        out,
    })
}

/// The profile of a device named in short (`pixel2`) or by its whole identity (`pixel2@tract`).
fn device_profile(name: &str) -> Result<Profile, Failure> {
    Ok(profile::by_name(name.split('@').next().unwrap_or(name))?)
}

fn find_preset(name: &str) -> Result<&'static Preset, Failure> {
    preset::by_name(name).ok_or_else(|| {
        let known: Vec<_> = preset::ALL.iter().map(|preset| preset.name).collect();
        Failure::usage(format!("unknown preset {name:?}"))
            .remedy(format!("known presets: {}", known.join(", ")))
    })
}

fn find_space(
    args: &Args,
    preset: Option<&Preset>,
    profile: Option<&Profile>,
) -> Result<&'static dyn SearchSpace, Failure> {
    let name = args
        .space
        .as_deref()
        .or(preset.map(|preset| preset.space))
        .or(profile.map(|profile| profile.search.space.as_str()))
        .unwrap_or("resnet");
    space::by_name(name).ok_or_else(|| Failure::usage(format!("unknown search space {name:?}")))
}

fn initial(
    given: Option<&str>,
    preset: Option<&Preset>,
    space: &dyn SearchSpace,
) -> Result<Vec<SuperBlock>, Failure> {
    let network = match given {
        Some(net) => super::net::structure(net)?,
        None => notation::parse(preset.map_or(space.default_structure(), |preset| preset.initial))?,
    };
    let mut blocks = network.super_blocks("a search varies")?;
    relink(&mut blocks);
    Ok(blocks)
}

/// The budgets of the command line, over those of the preset, over those of the device.
fn budgets(
    args: &Args,
    preset: Option<&Preset>,
    profile: Option<&Profile>,
    output: Output,
) -> Result<Budgets, Failure> {
    let mut budgets = Budgets {
        layers: args.layers.or(preset.map(|preset| preset.layers)),
        params: args.params,
        flops: args.flops,
        memory: args.memory,
        latencies: Vec::new(),
        confidence: args.confidence,
    };
    if args.confidence.is_some_and(|p| !(0.5..1.0).contains(&p)) {
        return Err(Failure::usage("--confidence is a probability from 0.5 up to, not including, 1"));
    }
    let mut limits: Vec<(String, Option<Latency>)> = Vec::new();
    for LatencyArg { device, limit } in &args.latency {
        let device = device.clone().or_else(|| args.device.clone()).ok_or_else(|| {
            Failure::usage(format!("--latency {limit} needs a device"))
                .remedy("name it: --device pixel2 --latency 80ms, or --latency pixel2=80ms")
        })?;
        if limits.iter().any(|(known, _)| *known == device) {
            return Err(Failure::usage(format!("two latency budgets for {device}; give one")));
        }
        limits.push((device, Some(*limit)));
    }
    match preset.map(|preset| preset.budget) {
        Some(preset::Budget::Params(limit)) => budgets.params = budgets.params.or(Some(Params(limit))),
        Some(preset::Budget::Flops(limit)) => budgets.flops = budgets.flops.or(Some(Macs(limit))),
        Some(preset::Budget::LatencyMs(ms)) if limits.is_empty() => {
            let device = args.device.clone().ok_or_else(|| {
                Failure::usage("this preset bounds a latency and needs a device").remedy("add --device v100")
            })?;
            limits.push((device, Some(Latency::from_ms(ms))));
        }
        _ => {}
    }
    // Without a budget of its own, the latency of --device is still predicted and reported.
    if let Some(device) = &args.device
        && !limits.iter().any(|(known, _)| known == device)
    {
        limits.push((device.clone(), None));
    }
    for (device, limit) in limits {
        let predictor = predictors::by_device(&device)?;
        budgets.latencies.push(LatencyBudget { device, predictor, limit });
    }
    if budgets.layers.is_none()
        && let Some(profile) = profile
    {
        let limit = budgets.latencies.iter().find_map(|budget| budget.limit);
        budgets.layers = profile.search.max_layers(limit);
        if let Some(layers) = budgets.layers {
            output.note(format!(
                "at most {layers} layers, as the profile of {} says (--layers changes it)",
                profile.id
            ));
        }
    }
    let bounded = budgets.layers.is_some()
        || budgets.params.is_some()
        || budgets.flops.is_some()
        || budgets.memory.is_some()
        || budgets.latencies.iter().any(|budget| budget.limit.is_some());
    if bounded {
        return Ok(budgets);
    }
    Err(Failure::usage("a search without any budget grows without end")
        .remedy("give at least one of --latency, --flops, --params, --layers, --memory, or a --preset"))
}

/// `runs/pixel2-80ms-seed0`, with a number if that exists.
fn default_folder(args: &Args, budgets: &Budgets, seed: u64) -> PathBuf {
    let mut parts: Vec<String> = args.preset.iter().cloned().collect();
    for budget in &budgets.latencies {
        let limit = budget.limit.map(|limit| format!("-{}ms", limit.ms())).unwrap_or_default();
        parts.push(format!("{}{limit}", budget.device.replace(['/', '@'], "_")));
    }
    if args.preset.is_none() {
        parts.extend(budgets.flops.map(|flops| format!("{flops}flops")));
        parts.extend(budgets.params.map(|params| format!("{params}params")));
        parts.extend(budgets.memory.map(|memory| memory.to_string()));
        parts.extend(args.space.clone());
    }
    parts.push(format!("seed{seed}"));
    let name = parts.join("-");
    let folder = |suffix: String| Path::new("runs").join(format!("{name}{suffix}"));
    let first = folder(String::new());
    if !first.exists() {
        return first;
    }
    (2_u64..).map(|n| folder(format!("-{n}"))).find(|path| !path.exists()).unwrap_or(first)
}

fn manifest(plan: &Plan, seed: u64) -> Manifest {
    let device = |budget: &LatencyBudget| DeviceTable {
        name: budget.device.clone(),
        predictor: budget.predictor.identity().to_string(),
        limit_ms: budget.limit.map(Latency::ms),
    };
    Manifest {
        schema_version: runs::SCHEMA,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        preset: plan.preset.map(|preset| preset.name.to_owned()),
        space: plan.space.name().to_owned(),
        initial: Network::from(&plan.initial[..]).to_string(),
        proxy: plan.proxy.name.to_owned(),
        mode: plan.mode,
        resolution: plan.resolution,
        classes: plan.classes,
        seed,
        rules: plan.rules,
        budget: BudgetTable::of(&plan.budgets),
        device: plan.budgets.latencies.iter().map(device).collect(),
    }
}

/// Tells the search the time, and the person how far it is.
struct Watch {
    started: Instant,
    bar: ProgressBar,
}

impl Observer for Watch {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn progress(&self, progress: Progress) {
        self.bar.set_position(progress.iteration);
        if let Some(best) = progress.best {
            let share = 100.0 * progress.scored as f64 / progress.iteration.max(1) as f64;
            self.bar.set_message(format!("best {best:.2}, {share:.0} % fit"));
        }
    }
}

fn bar(output: Output, iterations: u64) -> ProgressBar {
    output.progress(iterations, "{bar:30} {human_pos}/{human_len} {per_sec} {msg} eta {eta}")
}

fn text(report: &Report, plan: &Plan) -> String {
    let best = &report.best;
    let mut out = format!("{}\n\n", best.net);
    out += &format!(
        "{} {:.2} ({} mode), {} layers, {} parameters, {} FLOPs\n",
        if report.proxy == "zen" { "Zen-Score" } else { &report.proxy },
        best.score,
        report.mode,
        best.layers,
        Params(best.params),
        Macs(best.flops)
    );
    for budget in &plan.budgets.latencies {
        let Some(predicted) = best.latency.get(&budget.device) else { continue };
        let ms = |value: f64| Latency::from_ms(value).to_string();
        out += &format!(
            "{}: {} per image predicted, 90 % interval {} to {}",
            budget.device,
            ms(predicted.ms),
            ms(predicted.lower_ms),
            ms(predicted.upper_ms)
        );
        if let Some(limit) = budget.limit {
            out += &format!(", budget {limit}");
        }
        out += &format!(
            "\n  by {}, {:.0} % inside its domain\n",
            budget.predictor.identity(),
            100.0 * predicted.coverage
        );
    }
    out += &format!(
        "\n{} iterations in {:.1} s, {} networks scored; front of {} networks\n",
        report.iterations,
        report.seconds,
        report.scored,
        report.front.len()
    );
    if !report.verified.is_empty() {
        out += &format!("\n{}", verify::text(&report.verified));
    }
    if let Some(rescored) = &report.rescored {
        out += &format!("\n{}", rescore::text(rescored));
    }
    out += &format!(
        "\nwritten to {}: best.txt, best.onnx, front.json, run.toml, archive.parquet\n",
        report.run_dir
    );
    out
}

impl From<runs::RunError> for Failure {
    fn from(error: runs::RunError) -> Failure {
        use super::Exit;
        let message = error.to_string();
        match error {
            runs::RunError::Damaged { .. } | runs::RunError::TooNew { .. } => {
                Failure::new(Exit::BadFile, message)
            }
            runs::RunError::Io { path, error } => Failure::io(&path, &error),
            runs::RunError::Write(error) => error.into(),
            runs::RunError::Shape(error) => error.into(),
            runs::RunError::Onnx(_) => Failure::runtime(message),
        }
    }
}
