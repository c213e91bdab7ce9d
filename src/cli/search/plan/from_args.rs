//! The plan of the command line. What an option does not say comes from the preset, then from the profile of the device,
//! then from the defaults.

use super::{SearchPlan, budgets, folder, verified_on};
use crate::cli::caller::Caller;
use crate::cli::output::Output;
use crate::cli::search::Args;
use crate::cli::{Failure, net, score};
use crate::shipped;
use edgezen_core::plainnet::{SuperBlock, notation, relink};
use edgezen_core::proxy::ensemble::EnsembleError;
use edgezen_core::proxy::{self, Mode};
use edgezen_core::search::head::{self, Crowding};
use edgezen_core::search::preset::{self, Preset};
use edgezen_core::search::{Budgets, Rules, degeneracy, optimiser};
use edgezen_core::space;
use edgezen_core::space::{Narrowed, SearchSpace, narrowed};
use edgezen_lab::device::profile::Profile;
use edgezen_lab::spelling;

/// What `--winner` takes where the greatest score wins.
const GREATEST: &str = "score";
/// What chooses among the finalists of a search by default.
const BY_DEFAULT: &str = "zen+stage-params";

pub fn from_args(
    args: &Args,
    seed: u64,
    output: Output,
    caller: Option<&dyn Caller>,
) -> Result<SearchPlan, Failure> {
    let preset = args.preset.as_deref().map(find_preset).transpose()?;
    // The profile is that of the device, or of the first one with a budget.
    let named = || {
        let latencies = args.latency.iter().map(|latency| latency.device.as_deref());
        latencies.chain(args.throughput.iter().map(|throughput| throughput.device.as_deref())).find_map(|d| d)
    };
    budgets::check(args, preset)?;
    let device = args.device.as_deref().or_else(named);
    let is_own = |name: &str| caller.is_some_and(|caller| caller.predictor(name).is_some());
    let known = device.filter(|device| !is_own(device));
    let profile = known.map(|device| shipped::catalogue().profile(device)).transpose()?.flatten();
    if let (Some(device), None) = (known, &profile) {
        output.note(format!(
            "{device} has a predictor and no profile: space, image and classes are the usual ones (--space, \
             --resolution, --classes change them)"
        ));
    }
    let space = find_space(args, preset, profile.as_ref())?;
    let defaults = profile.as_ref().map(|profile| &profile.search);
    let resolution =
        args.resolution.or(preset.map(|p| p.resolution)).or(defaults.map(|d| d.resolution)).unwrap_or(224);
    let classes = args.classes.or(preset.map(|p| p.classes)).or(defaults.map(|d| d.classes)).unwrap_or(1000);
    let (mut budgets, predictors) = budgets::budgets(args, preset, profile.as_ref(), output, caller)?;
    if preset.is_none() {
        budgets::limit_depth(&mut budgets, space, resolution, classes, output)?;
    }
    // The published set-ups stay as they were released.
    let shape = (preset.is_none() && !args.any_shape).then(|| space.shape_rules());
    let kernels = kernel_sizes(args, space, &budgets, shape.is_some(), output);
    let space = match &kernels {
        Some(sizes) => Narrowed::new(space, sizes).map_err(|error| {
            let known: Vec<String> = error.known.iter().map(u32::to_string).collect();
            Failure::usage(error.to_string()).remedy(format!("--kernels with some of {}", known.join(", ")))
        })?,
        None => Narrowed::whole(space),
    };
    let initial = initial(args.init.as_deref(), preset, &space)?;
    let rules = rules(args, preset.is_some());
    let own = caller.and_then(|caller| caller.proxy(args.se));
    let proxies = score::find_all(args.proxy.as_deref().or(preset.map(|p| p.proxy)).unwrap_or("zen"))?;
    if let [_, _, ..] = &proxies[..]
        && let Some(slow) = proxies.iter().find(|proxy| proxy.with_batch.is_some())
    {
        return Err(EnsembleError::OnImages(slow.name).into());
    }
    if args.batch.is_some() && proxies.iter().all(|proxy| proxy.with_batch.is_none()) {
        let names: Vec<&str> = proxies.iter().map(|proxy| proxy.name).collect();
        return Err(Failure::usage(format!(
            "{} passes no images through networks, so that --batch has no meaning",
            names.join("+")
        ))
        .remedy("leave out --batch; search --rescore exact runs the best networks on images"));
    }
    // A choice among finalists would ask the functions of a caller for some ten thousand further networks.
    let asks =
        own.is_some() || budgets.devices().iter().any(|device| device.predictor.of_kernels().is_none());
    let winner = match (asks, &args.winner) {
        (true, None) => Vec::new(),
        _ => winner(args, preset.is_some(), &rules, &proxies)?,
    };
    let proxies = if own.is_some() { Vec::new() } else { proxies };
    let mode = args.mode.unwrap_or(if preset.is_some() { Mode::Reference } else { Mode::Paper });
    let out = args.out.clone().unwrap_or_else(|| folder::default_folder(args, &budgets, seed));
    let plan = SearchPlan {
        space,
        kernels,
        varied_head: None,
        se: args.se,
        shape,
        initial,
        proxies,
        own,
        winner,
        batch: args.batch,
        objective: args.objective.as_deref().map(super::objective_of).transpose()?,
        mode,
        device: verified_on(args.device.as_deref(), &budgets),
        budgets,
        predictors,
        rules,
        resolution,
        classes,
        seed,
        threads: args.threads(),
        preset: preset.map(|preset| preset.name.to_owned()),
        begun_with: None,
        verify: args.verify,
        rescore: args.rescoring(),
        out,
    };
    if preset.is_some() { Ok(plan) } else { with_room(plan, output) }
}

/// What chooses among the finalists: what was asked for, else the Zen-Score and `stage-params` where the default search maximises
/// the Zen-Score.
/// Presets, and the rules of the paper and of the released code, hand over the greatest score.
fn winner(
    args: &Args,
    preset: bool,
    rules: &Rules,
    proxies: &[&'static proxy::Entry],
) -> Result<Vec<&'static proxy::Entry>, Failure> {
    let by_default = !preset
        && args.objective.is_none()
        && rules.optimiser == Rules::ISLANDS.optimiser
        && matches!(proxies, [proxy] if proxy.name == "zen");
    let names = match args.winner.as_deref() {
        Some(GREATEST) => return Ok(Vec::new()),
        Some(names) => names,
        None if by_default => BY_DEFAULT,
        None => return Ok(Vec::new()),
    };
    let usage = |message: String| {
        Failure::usage(message).remedy(format!("--winner {BY_DEFAULT}, or --winner {GREATEST}"))
    };
    let found = score::find_all(names)?;
    if proxies.iter().chain(&found).any(|proxy| proxy.with_batch.is_some()) {
        return Err(usage("a winner is chosen where all scores are closed forms".to_owned()));
    }
    Ok(found)
}

/// Varies the width of the last convolution, too, where it would take most of a budget.
fn with_room(mut plan: SearchPlan, output: Output) -> Result<SearchPlan, Failure> {
    let Some(Crowding { width, budget, share }) = head::crowding(&plan.costing())? else { return Ok(plan) };
    output.note(format!(
        "the width of the last convolution is varied, too: {width} channels and their classifier take {:.0} % of {}",
        100.0 * share,
        budget.quantity.phrase(budget.limit)
    ));
    plan.space = plan.space.clone().with_varied_head(width);
    plan.varied_head = Some(width);
    Ok(plan)
}

/// The kernel sizes that the command line allows, where these are not all of the space. `known`: those alone that the
/// predictors of the bounded latencies were fitted to, if nothing is said.
fn kernel_sizes(
    args: &Args,
    space: &dyn SearchSpace,
    budgets: &Budgets,
    known: bool,
    output: Output,
) -> Option<Vec<u32>> {
    let all = narrowed::kernel_sizes(space);
    if !args.kernels.is_empty() {
        let mut sizes = args.kernels.clone();
        sizes.sort_unstable();
        sizes.dedup();
        return (sizes != all).then_some(sizes);
    }
    let sizes = if known { degeneracy::known_sizes(space, budgets) } else { all.clone() };
    if sizes == all {
        return None;
    }
    let list = |sizes: &[u32]| sizes.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    output.note(format!(
        "kernel sizes {} only: no others are in the data of the predictor (--kernels {} allows all)",
        list(&sizes),
        list(&all)
    ));
    Some(sizes)
}

/// The rules by name; a preset keeps its number of iterations under any of them.
fn rules(args: &Args, preset: bool) -> Rules {
    let named = args.optimiser.as_deref().and_then(optimiser::by_name);
    let usual = if preset { Rules::REFERENCE } else { Rules::ISLANDS };
    let mut rules = named.map_or(usual, |optimiser| optimiser.rules());
    if preset {
        rules.iterations = Rules::REFERENCE.iterations;
    }
    rules.iterations = args.iterations.unwrap_or(rules.iterations);
    rules.population = args.population.map_or(rules.population, |n| n as usize);
    // Each island has two members at least.
    rules.islands = rules.islands.min(rules.population / 2).max(1);
    rules
}

fn find_preset(name: &str) -> Result<&'static Preset, Failure> {
    preset::by_name(name).ok_or_else(|| {
        let known: Vec<_> = preset::ALL.iter().map(|preset| preset.name).collect();
        let near = spelling::similar(name, known.iter().copied());
        let question = spelling::question(&near).map(|question| format!("{question} ")).unwrap_or_default();
        Failure::usage(format!("unknown preset {name:?}"))
            .remedy(format!("{question}known presets: {}", known.join(", ")))
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
    space: &Narrowed<'_>,
) -> Result<Vec<SuperBlock>, Failure> {
    let network = match given {
        Some(net) => net::structure(net)?,
        None => notation::parse(preset.map_or(space.default_structure(), |preset| preset.initial))?,
    };
    let mut blocks = network.super_blocks("a search varies")?;
    space.settle(&mut blocks);
    relink(&mut blocks);
    Ok(blocks)
}
