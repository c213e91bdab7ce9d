//! `edgezen score NET…`: zero-shot scores.

use super::answers::Answers;
use super::net::{self, NetOptions};
use super::{Failure, Global, output};
use edgezen_core::proxy;
use edgezen_core::proxy::Mode;
use edgezen_core::proxy::exact;
use edgezen_lab::catalogue::networks;
use edgezen_lab::scoring::{self, Scoring, ScoringError};
use edgezen_lab::spelling;
use serde::Serialize;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "NET", required = true, help = net::NET)]
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
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
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

impl From<Engine> for scoring::Engine {
    fn from(engine: Engine) -> scoring::Engine {
        match engine {
            Engine::Closed => scoring::Engine::Closed,
            Engine::Exact => scoring::Engine::Exact,
            #[cfg(feature = "torch")]
            Engine::Torch => scoring::Engine::Torch,
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

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let entry = find(&args.proxy)?;
    let scoring = Scoring {
        proxy: entry,
        engine: scoring::Engine::choose(entry, args.engine.map(Into::into))?,
        mode: args.mode,
        batch: args.batch,
        repeats: args.repeats,
        independent: args.independent,
        built: args.built,
        seed: global.seed,
    };
    scoring.check()?;
    let threads = args.threads.map_or(0, usize::from);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|e| Failure::runtime(format!("cannot start {threads} threads: {e}")))?;
    let answers = Answers::each(&args.nets, |net| {
        let model = net::model(net, args.options, "a score needs")?;
        let scored = pool.install(|| scoring.score(&model))?;
        Ok(Row {
            net: networks::name(&model),
            proxy: entry.name,
            engine: scoring.engine.name(),
            mode: args.mode.name(),
            score: scored.score,
            std: scored.std,
            repeats: scored.repeats,
            batch: scored.batch,
            resolution: model.resolution,
            seconds: scored.seconds,
            built: args.built,
        })
    });
    let refused =
        answers.told_apart(|row| &mut row.net).print(global.output(), |rows| text(rows, &args.proxy))?;
    refused.map_or(Ok(()), Err)
}

fn text(rows: &[&Row], proxy: &str) -> String {
    let cells = |row: &&Row| {
        vec![
            row.net.clone(),
            row.resolution.to_string(),
            row.mode.to_owned(),
            format!("{:.2}", row.score),
            row.std.map_or_else(|| "-".to_owned(), |std| format!("{std:.2}")),
            if row.seconds < 1e-3 { format!("{:.1e}", row.seconds) } else { format!("{:.3}", row.seconds) },
        ]
    };
    let cells: Vec<Vec<String>> = rows.iter().map(cells).collect();
    output::table(&["net", "side", "mode", proxy, "±", "seconds"], &cells)
}

impl From<ScoringError> for Failure {
    fn from(error: ScoringError) -> Failure {
        let message = error.to_string();
        match error {
            ScoringError::NoEngine { other, .. } => {
                Failure::usage(message).remedy(format!("--engine {}", other.name()))
            }
            ScoringError::NoImages => {
                Failure::usage(message).remedy("--engine exact, or leave out --batch and --repeats")
            }
            ScoringError::NoLinks(_) => Failure::usage(message).remedy("leave out --built"),
            ScoringError::NoRepeats => Failure::usage(message),
            ScoringError::NoClosedForm(_) => {
                Failure::usage(message).remedy("--engine exact runs any network")
            }
            ScoringError::Score(error) => error.into(),
        }
    }
}

/// The proxy called `name`.
pub fn find(name: &str) -> Result<&'static proxy::Entry, Failure> {
    proxy::by_name(name).ok_or_else(|| {
        let known: Vec<_> = proxy::registry().iter().map(|entry| entry.name).collect();
        let near = spelling::similar(name, known.iter().copied());
        let question = spelling::question(&near).map(|question| format!("{question} ")).unwrap_or_default();
        Failure::usage(format!("unknown proxy {name:?}"))
            .remedy(format!("{question}known proxies: {}", known.join(", ")))
    })
}
