//! What the command line, or the `run.toml` of an interrupted run, asks for: checked; nothing past this
//! point looks at names.

use super::{Args, LatencyArg, limits};
use crate::cli::output::Output;
use crate::cli::{Failure, net, predictors, score};
use crate::shipped;
use edgezen_core::plainnet::{Model, Network, SuperBlock, notation, relink};
use edgezen_core::proxy;
use edgezen_core::proxy::{Mode, Proxy, Setup};
use edgezen_core::search::optimiser;
use edgezen_core::search::preset;
use edgezen_core::search::preset::Preset;
use edgezen_core::search::{Budgets, Quantity, Rules, Search, TrackedDevice};
use edgezen_core::space;
use edgezen_core::space::SearchSpace;
use edgezen_core::units::Latency;
use edgezen_lab::device;
use edgezen_lab::device::profile::Profile;
use edgezen_lab::runs;
use edgezen_lab::runs::{BudgetTable, DeviceTable, Manifest, SavedSearch};
use std::path::{Path, PathBuf};

pub struct SearchPlan {
    pub space: &'static dyn SearchSpace,
    initial: Vec<SuperBlock>,
    pub proxy: &'static proxy::Entry,
    /// Images of its passes, if it was said.
    batch: Option<u32>,
    pub mode: Mode,
    pub budgets: Budgets,
    /// Checksums of the predictors, in the order of the tracked devices.
    predictors: Vec<String>,
    pub rules: Rules,
    pub resolution: u32,
    pub classes: u32,
    pub seed: u64,
    threads: usize,
    preset: Option<String>,
    /// Device of `--verify`.
    pub device: Option<String>,
    pub out: PathBuf,
}

impl SearchPlan {
    pub fn make_proxy(&self) -> Box<dyn Proxy> {
        let setup = Setup { mode: self.mode, resolution: self.resolution };
        match (self.proxy.with_batch, self.batch) {
            (Some(make), Some(batch)) => make(setup, batch),
            _ => (self.proxy.make)(setup),
        }
    }

    pub fn search<'a>(&self, proxy: &'a dyn Proxy) -> Search<'a> {
        Search {
            space: self.space,
            initial: self.initial.clone(),
            proxy: Some(proxy),
            budgets: self.budgets.clone(),
            rules: self.rules,
            resolution: self.resolution,
            classes: self.classes,
            seed: self.seed,
            threads: self.threads,
        }
    }

    /// A structure as a network of this search.
    pub fn model(&self, blocks: &[SuperBlock]) -> Model {
        Model {
            name: None,
            network: Network::from(blocks),
            resolution: self.resolution,
            classes: self.classes,
            se: false,
        }
    }

    /// The latency budget on a device.
    pub fn limit(&self, device: &str) -> Option<Latency> {
        self.budgets.latency_limit(self.budgets.device(device)?)
    }

    pub fn manifest(&self) -> Manifest {
        Manifest {
            schema_version: runs::SCHEMA,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            preset: self.preset.clone(),
            space: self.space.name().to_owned(),
            initial: Network::from(&self.initial[..]).to_string(),
            proxy: self.proxy.name.to_owned(),
            batch: self.batch,
            mode: self.mode,
            resolution: self.resolution,
            classes: self.classes,
            seed: self.seed,
            rules: self.rules,
            budget: BudgetTable::of(&self.budgets),
            device: DeviceTable::of(&self.budgets, &self.predictors),
        }
    }
}

/// The plan, and the checkpoint from which it goes on.
pub fn plan(args: &Args, seed: u64, output: Output) -> Result<(SearchPlan, Option<SavedSearch>), Failure> {
    if !args.resume {
        return Ok((from_args(args, seed, output)?, None));
    }
    if args.names_nothing() {
        let dir = args.out.clone().ok_or_else(|| {
            Failure::usage("--resume needs to know which run")
                .remedy("--resume --out runs/…, or --resume with the options of the run")
        })?;
        let manifest = runs::read_manifest(&dir)?;
        return Ok((from_manifest(&manifest, args, &dir, output)?, SavedSearch::read(&dir)?));
    }
    let plan = from_args(args, seed, output)?;
    // A run that was killed before it wrote anything starts anew.
    if !plan.out.join("run.toml").exists() {
        return Ok((plan, None));
    }
    let differences = plan.manifest().differences(&runs::read_manifest(&plan.out)?);
    if !differences.is_empty() {
        let message = format!("the run in {} has other {}", plan.out.display(), differences.join(", other "));
        return Err(Failure::usage(message)
            .remedy(format!("edgezen search --resume --out {} goes on with it", plan.out.display())));
    }
    let checkpoint = SavedSearch::read(&plan.out)?;
    Ok((plan, checkpoint))
}

impl Args {
    /// Whether nothing is said of what is searched.
    fn names_nothing(&self) -> bool {
        let texts = [&self.preset, &self.space, &self.init, &self.proxy, &self.optimiser];
        texts.iter().all(|text| text.is_none())
            && self.latency.is_empty()
            && self.limits.0.known().next().is_none()
            && self.resolution.is_none()
            && self.classes.is_none()
            && self.batch.is_none()
            && self.mode.is_none()
            && self.iterations.is_none()
            && self.population.is_none()
            && self.confidence.is_none()
    }

    fn threads(&self) -> usize {
        match self.threads {
            Some(threads) => usize::from(threads),
            None => std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

/// The device on which networks can be verified: the named one, or the first of those tracked that can be measured
/// on.
fn verified_on(named: Option<&str>, budgets: &Budgets) -> Option<String> {
    let measurable = |name: &&str| device::find(&shipped::profiles(), name).is_ok();
    let mut tracked = budgets.devices().iter().map(|device| device.name.as_str());
    named.or_else(|| tracked.find(measurable)).map(str::to_owned)
}

/// A device with the checksum of its predictor.
fn tracked(name: String, output: Output) -> Result<(TrackedDevice, String), Failure> {
    let predictor = predictors::by_device(&name, output)?;
    let sha256 =
        predictor.file().sha256().map_err(|e| Failure::runtime(format!("the predictor of {name}: {e}")))?;
    Ok((TrackedDevice { name, predictor }, sha256))
}

/// The plan of an earlier run.
fn from_manifest(
    manifest: &Manifest,
    args: &Args,
    dir: &Path,
    output: Output,
) -> Result<SearchPlan, Failure> {
    let (mut devices, mut checksums) = (Vec::new(), Vec::new());
    for device in &manifest.device {
        let (found, sha256) = tracked(device.name.clone(), output)?;
        if device.predictor_sha256.as_ref().is_some_and(|recorded| *recorded != sha256) {
            let message = format!("the predictor of {} is not the one that the run began with", device.name);
            return Err(Failure::usage(message).remedy("put the old predictor back, or start a new run"));
        }
        devices.push(found);
        checksums.push(sha256);
    }
    let budgets = manifest.budgets(devices);
    let space = space::by_name(&manifest.space).ok_or_else(|| {
        Failure::bad_file(&dir.join("run.toml"), format!("unknown space {:?}", manifest.space))
    })?;
    let initial = notation::parse(&manifest.initial)?.super_blocks("a search varies")?;
    Ok(SearchPlan {
        space,
        initial,
        proxy: score::find(&manifest.proxy)?,
        batch: manifest.batch,
        mode: manifest.mode,
        device: verified_on(args.device.as_deref(), &budgets),
        budgets,
        predictors: checksums,
        rules: manifest.rules,
        resolution: manifest.resolution,
        classes: manifest.classes,
        seed: manifest.seed,
        threads: args.threads(),
        preset: manifest.preset.clone(),
        out: dir.to_owned(),
    })
}

fn from_args(args: &Args, seed: u64, output: Output) -> Result<SearchPlan, Failure> {
    let preset = args.preset.as_deref().map(find_preset).transpose()?;
    // What is not given comes from the profile of the device, or of the first one with a budget.
    let named = || args.latency.iter().find_map(|latency| latency.device.as_deref());
    let profile = args.device.as_deref().or_else(named).map(device_profile).transpose()?;
    let space = find_space(args, preset, profile.as_ref())?;
    let initial = initial(args.init.as_deref(), preset, space)?;
    let defaults = profile.as_ref().map(|profile| &profile.search);
    let resolution =
        args.resolution.or(preset.map(|p| p.resolution)).or(defaults.map(|d| d.resolution)).unwrap_or(224);
    let classes = args.classes.or(preset.map(|p| p.classes)).or(defaults.map(|d| d.classes)).unwrap_or(1000);
    let (budgets, predictors) = budgets(args, preset, profile.as_ref(), output)?;
    let rules = rules(args, preset.is_some());
    let proxy = score::find(args.proxy.as_deref().or(preset.map(|p| p.proxy)).unwrap_or("zen"))?;
    if args.batch.is_some() && proxy.with_batch.is_none() {
        return Err(Failure::usage(format!(
            "{} passes no images through networks, so that --batch has no meaning",
            proxy.name
        ))
        .remedy("leave out --batch; search --rescore exact runs the best networks on images"));
    }
    let mode = args.mode.unwrap_or(if preset.is_some() { Mode::Reference } else { Mode::Paper });
    let out = args.out.clone().unwrap_or_else(|| default_folder(args, &budgets, seed));
    Ok(SearchPlan {
        space,
        initial,
        proxy,
        batch: args.batch,
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
        out,
    })
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

/// The profile of a device named in short (`pixel2`) or by its whole identity (`pixel2@tract`).
fn device_profile(name: &str) -> Result<Profile, Failure> {
    Ok(shipped::profiles().by_name(name.split('@').next().unwrap_or(name))?)
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
        Some(net) => net::structure(net)?,
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
) -> Result<(Budgets, Vec<String>), Failure> {
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
    let mut budgets = Budgets { confidence: args.confidence, ..Budgets::default() };
    if let Some(&Preset { budget: (quantity, limit), layers, .. }) = preset {
        budgets.bound(Quantity::Layers, f64::from(layers));
        let limit = quantity.from_reported(limit);
        if !quantity.is_per_device() {
            budgets.bound(quantity, limit);
        } else if limits.is_empty() {
            let device = args.device.clone().ok_or_else(|| {
                Failure::usage("this preset bounds a latency and needs a device").remedy("add --device v100")
            })?;
            limits.push((device, Some(Latency::from_ns(limit))));
        }
    }
    for (quantity, limit) in args.limits.0.known() {
        budgets.bound(quantity, limit);
    }
    // Without a budget of its own, the latency of --device is still predicted and reported.
    if let Some(device) = &args.device
        && !limits.iter().any(|(known, _)| known == device)
    {
        limits.push((device.clone(), None));
    }
    let mut checksums = Vec::new();
    for (device, limit) in limits {
        let (device, sha256) = tracked(device, output)?;
        let index = budgets.track(device);
        if let Some(limit) = limit {
            budgets.bound_latency(index, limit);
        }
        checksums.push(sha256);
    }
    if budgets.limit(Quantity::Layers).is_none()
        && let Some(profile) = profile
    {
        let limit = (0..budgets.devices().len()).find_map(|index| budgets.latency_limit(index));
        if let Some(layers) = profile.search.max_layers(limit) {
            budgets.bound(Quantity::Layers, f64::from(layers));
            output.note(format!(
                "at most {layers} layers, as the profile of {} says (--layers changes it)",
                profile.id
            ));
        }
    }
    if !budgets.is_empty() {
        return Ok((budgets, checksums));
    }
    Err(Failure::usage("a search without any budget grows without end")
        .remedy("give at least one of --latency, --flops, --params, --layers, --memory, or a --preset"))
}

/// `runs/pixel2-80ms-seed0`, with a number if that exists; to go on with a run, the last that exists.
fn default_folder(args: &Args, budgets: &Budgets, seed: u64) -> PathBuf {
    let mut parts: Vec<String> = args.preset.iter().cloned().collect();
    for (index, device) in budgets.devices().iter().enumerate() {
        let limit =
            budgets.latency_limit(index).map(|limit| format!("-{}ms", limit.ms())).unwrap_or_default();
        parts.push(format!("{}{limit}", device.name.replace(['/', '@'], "_")));
    }
    if args.preset.is_none() {
        parts.extend(limits::quantities().filter_map(|quantity| {
            Some(format!("{}{}", quantity.print(budgets.limit(quantity)?), quantity.in_folder()?))
        }));
        parts.extend(args.space.clone());
    }
    parts.push(format!("seed{seed}"));
    let name = parts.join("-");
    let folder = |suffix: String| Path::new("runs").join(format!("{name}{suffix}"));
    let first = folder(String::new());
    let mut last = first;
    for n in 2_u64.. {
        if !last.exists() {
            break;
        }
        let next = folder(format!("-{n}"));
        if args.resume && !next.exists() {
            break;
        }
        last = next;
    }
    last
}
