//! `edgezen score NET…`: zero-shot scores.

use super::net::{self, NetOptions};
use super::{Failure, Global, output};
use edgezen_core::plainnet::{Model, Variant};
use edgezen_core::proxy;
use edgezen_core::proxy::exact;
use edgezen_core::proxy::exact::{Randomness, Settings};
use edgezen_core::proxy::zen::ZenScore;
use edgezen_core::proxy::{Mode, Proxy, Setup};
use edgezen_core::stats;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Serialize;
use std::time::Instant;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Structure strings, files, or published names
    #[arg(required = true)]
    nets: Vec<String>,
    #[arg(long, default_value = "zen")]
    proxy: String,
    /// How the score is computed [default: closed where the proxy has a closed form]
    #[arg(long, value_enum)]
    engine: Option<Engine>,
    /// Which Zen-Score: of the paper, or as released
    #[arg(long, default_value_t = Mode::Paper)]
    mode: Mode,
    /// Images of a forward pass [default: 16; of other proxies than zen, as released]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(exact::MAX_BATCH)))]
    batch: Option<u32>,
    /// Draws of weights and images; the score is their mean. Reference mode carries the running
    /// statistics over from one to the next, as released
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(exact::MAX_REPEATS)))]
    repeats: u32,
    /// Threads; they do not change the score [default: one per core]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Draw other random numbers for every network; else all share them layer by layer, which takes much of
    /// the noise out of comparisons
    #[arg(long)]
    independent: bool,
    /// Leave residual links and squeeze-excite in; the Zen-Score is defined without
    #[arg(long)]
    built: bool,
    #[command(flatten)]
    options: NetOptions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Engine {
    /// In closed form: no weights, no forward pass
    Closed,
    /// On random weights and images
    Exact,
    /// The same in libtorch, on the first GPU if there is one
    #[cfg(feature = "torch")]
    Torch,
}

impl Engine {
    fn name(self) -> &'static str {
        match self {
            Engine::Closed => "closed",
            Engine::Exact => "exact",
            #[cfg(feature = "torch")]
            Engine::Torch => "torch",
        }
    }
}

#[derive(Serialize)]
struct Row {
    net: String,
    proxy: &'static str,
    engine: &'static str,
    mode: &'static str,
    score: f64,
    /// Population deviation over repeats; the closed form has none.
    std: Option<f64>,
    repeats: u32,
    /// Images per forward pass; the closed form has no forward pass.
    batch: Option<u32>,
    resolution: u32,
    seconds: f64,
    /// Residual links and squeeze-excite were left in.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    built: bool,
}

/// A score with its spread over repeats.
struct Scored {
    score: f64,
    std: Option<f64>,
    batch: Option<u32>,
    repeats: u32,
    /// Of one score, where that is not the time that passed.
    seconds: Option<f64>,
}

/// A closed form takes microseconds: so many of them are timed, after one that fills the caches.
const TIMED: u32 = 64;

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let entry = find(&args.proxy)?;
    let engine = engine_of(&args, entry)?;
    let threads = args.threads.unwrap_or(0);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|e| Failure::runtime(format!("cannot start {threads} threads: {e}")))?;
    let mut rows = Vec::new();
    for net in &args.nets {
        let model = net::model(net, args.options)?;
        let started = Instant::now();
        let scored = pool.install(|| match (engine, entry.name) {
            (Engine::Closed, "zen") => zen_closed(&args, &model),
            (_, "zen") => zen_exact(&args, engine, &model, global.seed),
            #[cfg(feature = "torch")]
            (Engine::Torch, _) => by_torch(&args, entry, &model, global.seed),
            _ => by_proxy(&args, entry, &model, global.seed),
        })?;
        rows.push(Row {
            net: model.name.clone().unwrap_or_else(|| model.network.to_string()),
            proxy: entry.name,
            engine: engine.name(),
            mode: args.mode.name(),
            score: scored.score,
            std: scored.std,
            repeats: scored.repeats,
            batch: scored.batch,
            resolution: model.resolution,
            seconds: scored.seconds.unwrap_or(started.elapsed().as_secs_f64()),
            built: args.built,
        });
    }
    global.output().result(&rows, || {
        let cells: Vec<Vec<String>> = rows
            .iter()
            .map(|row| {
                vec![
                    row.net.clone(),
                    row.resolution.to_string(),
                    row.mode.to_owned(),
                    format!("{:.2}", row.score),
                    row.std.map_or_else(|| "-".to_owned(), |std| format!("{std:.2}")),
                    if row.seconds < 1e-3 {
                        format!("{:.1e}", row.seconds)
                    } else {
                        format!("{:.3}", row.seconds)
                    },
                ]
            })
            .collect();
        output::table(&["net", "side", "mode", args.proxy.as_str(), "±", "seconds"], &cells)
    })
}

/// The engine asked for, or the one that the proxy has.
fn engine_of(args: &Args, entry: &proxy::Entry) -> Result<Engine, Failure> {
    let has = |engine| match engine {
        Engine::Closed => entry.with_batch.is_none(),
        Engine::Exact => entry.with_batch.is_some() || entry.name == "zen",
        #[cfg(feature = "torch")]
        Engine::Torch => entry.with_batch.is_some() || entry.name == "zen",
    };
    let engine = args.engine.unwrap_or(if has(Engine::Closed) { Engine::Closed } else { Engine::Exact });
    if !has(engine) {
        let other = if has(Engine::Closed) { Engine::Closed } else { Engine::Exact };
        return Err(Failure::usage(format!("{} has no {} engine", entry.name, engine.name()))
            .remedy(format!("--engine {}", other.name())));
    }
    // With a GPU, forward passes are its work.
    #[cfg(feature = "torch")]
    let engine = match engine {
        Engine::Exact if edgezen_engine::torch::zen::gpu().is_some() => Engine::Torch,
        other => other,
    };
    if engine == Engine::Closed && (args.batch.is_some() || args.repeats > 1) && entry.name != "random" {
        return Err(Failure::usage("a closed form has neither images nor repeats")
            .remedy("--engine exact, or leave out --batch and --repeats"));
    }
    if args.built && entry.name != "zen" {
        return Err(Failure::usage(format!("{} is taken without residual links", entry.name))
            .remedy("leave out --built"));
    }
    Ok(engine)
}

/// The parts of the network that are scored.
fn variant(args: &Args, model: &Model) -> Variant {
    if args.built { Variant::built(model.se) } else { Variant::SCORED }
}

fn zen_closed(args: &Args, model: &Model) -> Result<Scored, Failure> {
    let zen = ZenScore::new(args.mode, model.resolution);
    let variant = variant(args, model);
    let score = match zen.score_variant(&model.network, variant) {
        Err(error @ proxy::ScoreError::Undefined { .. }) => {
            return Err(Failure::usage(error.to_string()).remedy("--engine exact runs any network"));
        }
        score => score?,
    };
    // As a search scores, which knows that its networks are valid.
    let seconds = model.network.super_blocks("a search scores").ok().filter(|_| !args.built).map(|blocks| {
        let started = Instant::now();
        for _ in 0..TIMED {
            let _ = std::hint::black_box(zen.score_blocks(std::hint::black_box(&blocks)));
        }
        started.elapsed().as_secs_f64() / f64::from(TIMED)
    });
    Ok(Scored { score, std: None, batch: None, repeats: 1, seconds })
}

fn zen_exact(args: &Args, engine: Engine, model: &Model, seed: u64) -> Result<Scored, Failure> {
    let mut settings = Settings { repeats: args.repeats, ..Settings::new(args.mode, seed) };
    settings.batch = args.batch.unwrap_or(settings.batch);
    settings.variant = variant(args, model);
    settings.randomness = Randomness::Seeded { seed, common: !args.independent };
    let exact = match engine {
        #[cfg(feature = "torch")]
        Engine::Torch => {
            use edgezen_engine::torch::zen;
            let place = zen::gpu().unwrap_or(tch::Device::Cpu);
            zen::score::<f32>(place, &model.network, model.resolution, &settings)
        }
        Engine::Closed | Engine::Exact => exact::score::<f32>(&model.network, model.resolution, &settings),
    };
    let exact = exact.map_err(|error| Failure::from(proxy::ScoreError::from(error)))?;
    Ok(Scored {
        score: exact.score,
        std: Some(exact.std),
        batch: Some(settings.batch),
        repeats: args.repeats,
        seconds: None,
    })
}

fn by_proxy(args: &Args, entry: &proxy::Entry, model: &Model, seed: u64) -> Result<Scored, Failure> {
    let setup = Setup { mode: args.mode, resolution: model.resolution };
    let proxy: Box<dyn Proxy> = match (entry.with_batch, args.batch) {
        (Some(make), Some(batch)) => make(setup, batch),
        _ => (entry.make)(setup),
    };
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut scores = Vec::new();
    for _ in 0..args.repeats {
        scores.push(proxy.score_model(model, &mut rng)?);
    }
    Ok(Scored {
        score: stats::mean(&scores).unwrap_or(f64::NAN),
        std: entry.with_batch.and(stats::std_dev(&scores)),
        batch: entry.with_batch.map(|_| args.batch.or(proxy.batch()).unwrap_or(1)),
        repeats: args.repeats,
        seconds: None,
    })
}

/// A proxy on random networks, in libtorch.
#[cfg(feature = "torch")]
fn by_torch(args: &Args, entry: &proxy::Entry, model: &Model, seed: u64) -> Result<Scored, Failure> {
    use edgezen_core::proxy::on_graph::{Undefined, scored_graph};
    use edgezen_engine::torch::{proxies, zen};
    use rand::RngExt;
    let setup = Setup { mode: args.mode, resolution: model.resolution };
    let batch = args.batch.or((entry.make)(setup).batch()).unwrap_or(1);
    let graph = scored_graph(&model.network, model.resolution, model.classes)?;
    let place = zen::gpu().unwrap_or(tch::Device::Cpu);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut scores = Vec::new();
    for _ in 0..args.repeats {
        let score = proxies::score(entry.name, place, &graph, batch, rng.random()).ok_or_else(|| {
            Failure::usage(format!("{} has no torch engine", entry.name)).remedy("--engine exact")
        })?;
        scores.push(score.map_err(|error| match error {
            Undefined::NotFinite => proxy::ScoreError::NotFinite { proxy: entry.name },
            other => proxy::ScoreError::Undefined { proxy: entry.name, reason: other.to_string() },
        })?);
    }
    Ok(Scored {
        score: stats::mean(&scores).unwrap_or(f64::NAN),
        std: stats::std_dev(&scores),
        batch: Some(batch),
        repeats: args.repeats,
        seconds: None,
    })
}

/// The proxy called `name`.
pub fn find(name: &str) -> Result<&'static proxy::Entry, Failure> {
    proxy::by_name(name).ok_or_else(|| {
        let known: Vec<_> = proxy::registry().iter().map(|entry| entry.name).collect();
        Failure::usage(format!("unknown proxy {name:?}"))
            .remedy(format!("known proxies: {}", known.join(", ")))
    })
}
