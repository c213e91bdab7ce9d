//! What the command line, or the `run.toml` of an interrupted run, asks for: checked; nothing past this
//! point looks at names.

mod budgets;
mod folder;
mod from_args;

use super::Args;
use crate::cli::caller::{Caller, Own, is_own};
use crate::cli::output::Output;
use crate::cli::{Failure, Global, calibrate, score};
use crate::shipped;
use edgezen_core::accuracy::calibration::{self, Calibrated};
use edgezen_core::accuracy::objective;
use edgezen_core::accuracy::{Objective, Prediction};
use edgezen_core::digest;
use edgezen_core::plainnet::chain::Chain;
use edgezen_core::plainnet::{Model, Network, SuperBlock, notation};
use edgezen_core::proxy;
use edgezen_core::proxy::ensemble::{Ensemble, EnsembleError};
use edgezen_core::proxy::limited::Limited;
use edgezen_core::proxy::{Candidate, Mode, Proxy, Setup};
use edgezen_core::search::{Budgets, Rules, Search, reference};
use edgezen_core::space;
use edgezen_core::space::{Narrowed, SearchSpace, ShapeRules};
use edgezen_core::units::Latency;
use edgezen_engine::memory;
use edgezen_lab::device;
use edgezen_lab::files;
use edgezen_lab::runs;
use edgezen_lab::runs::{
    BudgetTable, Content, DeviceTable, Manifest, ObjectiveTable, RescoreTable, RunFolder, SavedSearch,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub struct SearchPlan {
    pub space: Narrowed<'static>,
    /// Its kernel sizes, where not all are allowed.
    kernels: Option<Vec<u32>>,
    /// Most width of the last convolution, where it is varied although the space fixes it.
    varied_head: Option<i32>,
    /// Whether the networks have squeeze-excite.
    pub se: bool,
    /// Limits on the stages of a network.
    shape: Option<ShapeRules>,
    initial: Vec<SuperBlock>,
    /// What is maximised; several make an ensemble.
    pub proxies: Vec<&'static proxy::Entry>,
    /// Images of its passes, if it was said.
    batch: Option<u32>,
    /// Scores that choose the winner among the finalists; none where the greatest score wins.
    winner: Vec<&'static proxy::Entry>,
    pub mode: Mode,
    /// What is maximised instead of the proxy.
    objective: Option<(Calibrated, ObjectiveTable)>,
    /// The function of the caller's own that is maximised instead of the proxy.
    own: Option<Own<Arc<dyn Proxy>>>,
    pub budgets: Budgets,
    /// Checksums of the predictors, in the order of the tracked devices; functions of the caller's own have none.
    predictors: Vec<Option<String>>,
    pub rules: Rules,
    pub resolution: u32,
    pub classes: u32,
    pub seed: u64,
    threads: usize,
    preset: Option<String>,
    /// Iterations with which a run was begun that is prolonged.
    begun_with: Option<u64>,
    /// Networks that are to be measured inside the budget; 0 where none are.
    pub verify: usize,
    /// How the best networks are scored again; absent where they are not.
    pub rescore: Option<RescoreTable>,
    /// The device that measures them.
    pub device: Option<String>,
    pub out: PathBuf,
}

impl SearchPlan {
    /// What is maximised, as results name it.
    pub fn proxy_name(&self) -> String {
        match &self.objective {
            Some(_) => objective::NAME.to_owned(),
            None => self.maximised(),
        }
    }

    /// The proxies, or the function of the caller's own, by name.
    fn maximised(&self) -> String {
        self.own.as_ref().map_or_else(|| joined(&self.proxies), |own| own.name.clone())
    }

    /// What is maximised; networks that do not fit the memory get no score.
    pub fn make_proxy(&self) -> Result<Arc<dyn Proxy>, Failure> {
        if let Some((calibrated, _)) = &self.objective {
            return Ok(Arc::new(Objective::new(calibrated.clone(), self.resolution)));
        }
        if let Some(own) = &self.own {
            return Ok(Arc::clone(&own.function));
        }
        if let [proxy] = self.proxies[..] {
            return Ok(self.make(proxy).into());
        }
        Ok(Arc::new(self.ensemble(&self.proxies)?))
    }

    /// Several scores at once, by ranks among networks that the seed draws.
    fn ensemble(&self, proxies: &[&'static proxy::Entry]) -> Result<Ensemble, Failure> {
        let reference = reference::networks(&self.costing(), reference::NETWORKS)?;
        let (resolution, classes) = (self.resolution, self.classes);
        let candidates: Vec<Candidate<'_>> =
            reference.iter().map(|blocks| Candidate { blocks, resolution, classes }).collect();
        let members = proxies.iter().map(|proxy| self.make(proxy)).collect();
        Ok(Ensemble::new(members, &candidates, self.seed)?)
    }

    /// What chooses among the finalists; nothing where the greatest score wins.
    pub fn make_winner(&self) -> Result<Option<Ensemble>, Failure> {
        if self.winner.is_empty() { Ok(None) } else { self.ensemble(&self.winner).map(Some) }
    }

    /// The same by name.
    pub fn winner_name(&self) -> Option<String> {
        (!self.winner.is_empty()).then(|| joined(&self.winner))
    }

    fn make(&self, proxy: &proxy::Entry) -> Box<dyn Proxy> {
        let setup = Setup { mode: self.mode, resolution: self.resolution };
        match (proxy.with_batch, self.batch) {
            (Some(make), Some(batch)) => {
                Box::new(Limited { free: memory::free(), proxy: make(setup, batch) })
            }
            (Some(_), None) => Box::new(Limited { free: memory::free(), proxy: (proxy.make)(setup) }),
            (None, _) => (proxy.make)(setup),
        }
    }

    pub fn search<'a>(&'a self, proxy: &'a dyn Proxy) -> Search<'a> {
        Search { proxy: Some(proxy), ..self.costing() }
    }

    /// The search for those who ask for costs and not for scores.
    fn costing(&self) -> Search<'_> {
        Search {
            space: &self.space,
            initial: self.initial.clone(),
            proxy: None,
            budgets: self.budgets.clone(),
            shape: self.shape,
            se: self.se,
            rules: self.manifest().effective_rules(),
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
            se: self.se,
        }
    }

    /// What the calibration that is maximised says of a structure; `None` where a proxy is maximised.
    ///
    /// # Errors
    /// A structure that does not fit its images, or has no Zen-Score.
    pub fn by_calibration(&self, blocks: &[SuperBlock]) -> Result<Option<Prediction>, Failure> {
        let Some((calibrated, _)) = &self.objective else { return Ok(None) };
        let chain =
            Chain::of_model(&self.model(blocks)).map_err(|error| Failure::usage(error.to_string()))?;
        Ok(Some(calibrated.predict_chain(&chain)?))
    }

    /// The budget on a device, as the time of an image.
    pub fn limit(&self, device: &str) -> Option<Latency> {
        self.budgets.time_limit(self.budgets.device(device)?)
    }

    pub fn manifest(&self) -> Manifest {
        Manifest {
            schema_version: runs::manifest::FORMAT.newest,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            preset: self.preset.clone(),
            space: self.space.name().to_owned(),
            kernels: self.kernels.clone(),
            varied_head: self.varied_head,
            se: self.se,
            initial: Network::from(&self.initial[..]).to_string(),
            proxy: self.maximised(),
            winner: self.winner_name(),
            batch: self.batch,
            objective: self.objective.as_ref().map(|(_, table)| table.clone()),
            mode: self.mode,
            resolution: self.resolution,
            classes: self.classes,
            seed: self.seed,
            rules: self.rules,
            begun_with: self.begun_with,
            verify: self.verify,
            rescore: self.rescore.clone(),
            budget: BudgetTable::of(&self.budgets),
            shape: self.shape,
            device: DeviceTable::of(&self.budgets, &self.predictors),
        }
    }
}

/// The names of proxies, with + between them.
fn joined(proxies: &[&proxy::Entry]) -> String {
    proxies.iter().map(|proxy| proxy.name).collect::<Vec<_>>().join("+")
}

/// What is to be done, and with which run it goes on.
pub struct Planned {
    pub plan: SearchPlan,
    /// The run that is gone on with, locked; absent for a new one.
    pub earlier: Option<Earlier>,
}

/// A run that is gone on with.
pub struct Earlier {
    pub folder: RunFolder,
    /// As it was begun, or last prolonged.
    pub manifest: Manifest,
    pub saved: Option<SavedSearch>,
}

/// The plan, and the run with which it goes on.
pub fn plan(
    args: &Args,
    global: Global,
    output: Output,
    caller: Option<&dyn Caller>,
) -> Result<Planned, Failure> {
    let seed = global.seed;
    if !args.resume {
        return Ok(Planned { plan: from_args::from_args(args, seed, output, caller)?, earlier: None });
    }
    if args.names_nothing() {
        let dir = args.out.clone().ok_or_else(|| {
            Failure::usage("--resume needs to know which run")
                .remedy("--resume --out runs/…, or --resume with the options of the run")
        })?;
        let Some(earlier) = earlier(&dir)? else {
            // Says what is missing.
            runs::read_manifest(&dir)?;
            return Err(Failure::usage(format!("{} holds no run", dir.display())));
        };
        has_seed(&earlier.manifest, global.given_seed, &dir)?;
        let manifest = prolonged(&earlier.manifest, args.iterations, &dir)?;
        let plan = from_manifest(&manifest, args, &dir, output, caller)?;
        return Ok(Planned { plan, earlier: Some(earlier) });
    }
    let mut plan = from_args::from_args(args, seed, output, caller)?;
    // A run that was killed before it wrote anything starts anew.
    let Some(earlier) = earlier(&plan.out)? else {
        return Ok(Planned { plan, earlier: None });
    };
    let manifest = prolonged(&earlier.manifest, args.iterations, &plan.out)?;
    plan.rules.iterations = manifest.rules.iterations;
    plan.rescore = plan.rescore.or_else(|| manifest.rescore.clone());
    plan.begun_with = manifest.begun_with;
    let differences = plan.manifest().differences(&manifest);
    if !differences.is_empty() {
        let message = format!("the run in {} has other {}", plan.out.display(), differences.join(", other "));
        return Err(Failure::usage(message)
            .remedy(format!("edgezen search --resume --out {} goes on with it", plan.out.display())));
    }
    Ok(Planned { plan, earlier: Some(earlier) })
}

/// The run in `dir`, locked before anything of it is read.
fn earlier(dir: &Path) -> Result<Option<Earlier>, Failure> {
    if !dir.is_dir() {
        return Ok(None);
    }
    let folder = RunFolder::lock(dir)?;
    if folder.content() == Content::Nothing {
        return Ok(None);
    }
    let manifest = folder.manifest()?;
    let saved = SavedSearch::read(folder.home())?;
    Ok(Some(Earlier { folder, manifest, saved }))
}

/// Refuses to go on with a run by another seed than it has.
fn has_seed(manifest: &Manifest, asked: Option<u64>, dir: &Path) -> Result<(), Failure> {
    match asked {
        Some(asked) if asked != manifest.seed => {
            let message = format!("the run in {} has seed {}, not {asked}", dir.display(), manifest.seed);
            Err(Failure::usage(message).remedy(format!(
                "leave out --seed to go on with it; --seed {asked} without --resume is a new run"
            )))
        }
        _ => Ok(()),
    }
}

/// The run with as many iterations as are asked for.
fn prolonged(manifest: &Manifest, iterations: Option<u64>, dir: &Path) -> Result<Manifest, Failure> {
    let has = manifest.rules.iterations;
    match iterations {
        Some(asked) if asked < has => {
            let message = format!("the run in {} is one of {has} iterations", dir.display());
            Err(Failure::usage(message)
                .remedy("more --iterations prolong it; leave them out to go on with it as it is"))
        }
        asked => Ok(manifest.prolonged(asked.unwrap_or(has))),
    }
}

impl Args {
    /// Whether nothing is said of what is searched, but for the number of iterations.
    fn names_nothing(&self) -> bool {
        let texts = [&self.preset, &self.space, &self.init, &self.proxy, &self.winner, &self.optimiser];
        texts.iter().all(|text| text.is_none())
            && self.latency.is_empty()
            && self.limits.0.known().next().is_none()
            && self.kernels.is_empty()
            && !self.se
            && !self.any_shape
            && self.resolution.is_none()
            && self.classes.is_none()
            && self.batch.is_none()
            && self.objective.is_none()
            && self.mode.is_none()
            && self.population.is_none()
            && self.confidence.is_none()
    }

    /// What --rescore asks for.
    fn rescoring(&self) -> Option<RescoreTable> {
        self.rescore.map(|engine| RescoreTable { engine: engine.name().to_owned(), top: self.rescore_top })
    }

    fn threads(&self) -> usize {
        match self.threads {
            Some(threads) => usize::from(threads),
            None => std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

impl From<EnsembleError> for Failure {
    fn from(error: EnsembleError) -> Failure {
        let remedy = match error {
            EnsembleError::NoReference { .. } => {
                "a larger --resolution, as 32 or 224: on smaller images nothing is left to halve; or --winner score"
            }
            EnsembleError::Empty | EnsembleError::OnImages(_) => {
                "an ensemble of scores such as --proxy zen+params+macs"
            }
        };
        Failure::usage(error.to_string()).remedy(remedy)
    }
}

/// What `--objective FILE` maximises.
fn objective_of(path: &Path) -> Result<(Calibrated, ObjectiveTable), Failure> {
    let (_, calibrated) = calibrate::read(path)?;
    let sha256 = digest::sha256(files::read(&calibration::FORMAT, path)?);
    Ok((calibrated, ObjectiveTable { file: path.display().to_string(), sha256 }))
}

/// The device on which networks can be verified: the named one, or the first of those tracked that can be measured
/// on.
fn verified_on(named: Option<&str>, budgets: &Budgets) -> Option<String> {
    let measurable = |name: &&str| device::find(&shipped::profiles(), name).is_ok();
    let mut tracked = budgets.devices().iter().map(|device| device.name.as_str());
    named.or_else(|| tracked.find(measurable)).map(str::to_owned)
}

/// The failure to go on, without the functions, with a run in `dir` that had `what` from functions in Python.
fn asked_python(dir: &Path, what: &str) -> Failure {
    let dir = dir.display();
    Failure::usage(format!("a function in Python gave {what} of the run in {dir}, and is not here"))
        .remedy(format!("from Python, with that function: edgezen.search(resume=True, out=\"{dir}\", …)"))
}

/// The plan of an earlier run.
fn from_manifest(
    manifest: &Manifest,
    args: &Args,
    dir: &Path,
    output: Output,
    caller: Option<&dyn Caller>,
) -> Result<SearchPlan, Failure> {
    let (mut devices, mut checksums) = (Vec::new(), Vec::new());
    for device in &manifest.device {
        let bounded = device.limit().map(|(quantity, _)| quantity);
        let own = caller.and_then(|caller| caller.predictor(&device.name));
        if own.is_none() && device.is_own() {
            return Err(asked_python(dir, &format!("the latencies on {}", device.name)));
        }
        let (found, sha256) = budgets::tracked(device.name.clone(), bounded, output, caller)?;
        if device.predictor_sha256.as_ref().is_some_and(|recorded| Some(recorded) != sha256.as_ref()) {
            let message = format!("the predictor of {} is not the one that the run began with", device.name);
            return Err(Failure::usage(message).remedy("put the old predictor back, or start a new run"));
        }
        devices.push(found);
        checksums.push(sha256);
    }
    let objective =
        manifest.objective.as_ref().map(|table| objective_of(Path::new(&table.file))).transpose()?;
    if objective.as_ref().map(|(_, table)| &table.sha256)
        != manifest.objective.as_ref().map(|table| &table.sha256)
    {
        return Err(Failure::usage("the calibration is not the one that the run began with")
            .remedy("put the old file back, or start a new run"));
    }
    let own = caller.and_then(|caller| caller.proxy(manifest.se));
    if own.as_ref().map(|own| &own.name) != is_own(&manifest.proxy).then_some(&manifest.proxy) {
        return Err(match own {
            None => asked_python(dir, "the scores"),
            Some(own) => {
                let Manifest { proxy, .. } = manifest;
                Failure::usage(format!("the run in {} maximises {proxy}, not {}", dir.display(), own.name))
                    .remedy("the proxy of the run, or another folder")
            }
        });
    }
    let budgets = manifest.budgets(devices);
    let space = space::by_name(&manifest.space).ok_or_else(|| {
        Failure::bad_file(&dir.join("run.toml"), format!("unknown space {:?}", manifest.space))
    })?;
    let bad = |reason: String| Failure::bad_file(&dir.join("run.toml"), reason);
    let space = match &manifest.kernels {
        Some(sizes) => Narrowed::new(space, sizes).map_err(|e| bad(e.to_string()))?,
        None => Narrowed::whole(space),
    };
    let space = match manifest.varied_head {
        Some(most) => space.with_varied_head(most),
        None => space,
    };
    let initial = notation::parse(&manifest.initial)?.super_blocks("a search varies")?;
    Ok(SearchPlan {
        space,
        kernels: manifest.kernels.clone(),
        varied_head: manifest.varied_head,
        se: manifest.se,
        shape: manifest.shape,
        initial,
        proxies: if own.is_some() { Vec::new() } else { score::find_all(&manifest.proxy)? },
        own,
        winner: manifest.winner.as_deref().map(score::find_all).transpose()?.unwrap_or_default(),
        batch: manifest.batch,
        objective,
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
        begun_with: manifest.begun_with,
        // What was to be measured when the run was interrupted is measured when it goes on.
        verify: if args.verify > 0 { args.verify } else { manifest.verify },
        rescore: args.rescoring().or_else(|| manifest.rescore.clone()),
        out: dir.to_owned(),
    })
}
