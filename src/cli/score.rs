//! `edgezen score NET…`: zero-shot scores.

use super::net::{self, NetOptions};
use super::{Failure, Global, output};
use crate::proxy::{self, Mode, Setup};
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
    /// How the score is computed
    #[arg(long, value_enum, default_value_t = Engine::Closed)]
    engine: Engine,
    /// Which Zen-Score: of the paper, or as released
    #[arg(long, default_value_t = Mode::Paper)]
    mode: Mode,
    #[command(flatten)]
    options: NetOptions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Engine {
    /// In closed form: no weights, no forward pass
    Closed,
}

#[derive(Serialize)]
struct Row {
    net: String,
    proxy: &'static str,
    engine: &'static str,
    mode: &'static str,
    score: f64,
    /// Spread over repeats; the closed form has none.
    std: Option<f64>,
    repeats: u32,
    /// Images per forward pass; the closed form has no forward pass.
    batch: Option<u32>,
    resolution: u32,
    seconds: f64,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let entry = find(&args.proxy)?;
    let Engine::Closed = args.engine;
    let mut rows = Vec::new();
    for net in &args.nets {
        let model = net::model(net, args.options)?;
        let proxy = (entry.make)(Setup { mode: args.mode, resolution: model.resolution });
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(global.seed);
        let started = Instant::now();
        let score = proxy.score_model(&model, &mut rng)?;
        rows.push(Row {
            net: model.name.clone().unwrap_or_else(|| model.network.to_string()),
            proxy: proxy.name(),
            engine: "closed",
            mode: args.mode.name(),
            score,
            std: None,
            repeats: 1,
            batch: None,
            resolution: model.resolution,
            seconds: started.elapsed().as_secs_f64(),
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
                ]
            })
            .collect();
        output::table(&["net", "side", "mode", args.proxy.as_str()], &cells)
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
