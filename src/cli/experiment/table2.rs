//! Table 2: seconds of one score on ResNet-18 and ResNet-50, and how many times as long as Zen's each
//! takes. Only the ratios compare with the paper, whose seconds are a GPU's.
//!
//! Other programs disturb a clock: the quick proxies take turns for at least three rounds, and medians count.

use super::super::output::Output;
use super::svg::{Line, Panel};
use super::{Experiment, Failure};
use edgezen_core::plainnet::{Model, published};
use edgezen_core::proxy;
use edgezen_core::proxy::exact;
use edgezen_core::proxy::exact::Settings;
use edgezen_core::proxy::{Mode, ScoreError, Setup};
use edgezen_core::stats;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::time::{Duration, Instant};

/// The paper's N = 16 seconds at 224 for ResNet-18 and ResNet-50, on a V100.
const PAPER: [(&str, [f64; 2]); 3] =
    [("zen", [0.012, 0.037]), ("naswot", [0.040, 0.059]), (SLOW, [0.34, 0.77])];
/// A pass backward for every image.
const SLOW: &str = "te-nas";

/// Rounds of the quick proxies; TE-NAS takes its minutes once.
const ROUNDS: u32 = 3;

pub fn run(repeats: u32, seed: u64, side: u32, batch: u32, out: Output) -> Result<Experiment, Failure> {
    let mut rows = Vec::new();
    for (column, name) in ["resnet18", "resnet50"].into_iter().enumerate() {
        let Some(mut model) = published::by_name(name) else { continue };
        model.resolution = side;
        let mut seconds = vec![Vec::new(); PAPER.len()];
        let mut scores = vec![None; PAPER.len()];
        for round in 0..repeats.max(ROUNDS) {
            for (i, (proxy_name, _)) in PAPER.into_iter().enumerate() {
                if proxy_name == SLOW && round >= repeats {
                    continue;
                }
                let bar = out.progress(0, "{msg} {spinner} {elapsed}");
                bar.set_message(format!("{name}: {proxy_name}"));
                bar.enable_steady_tick(Duration::from_millis(200));
                let started = Instant::now();
                let got = score(proxy_name, &model, batch, seed.wrapping_add(round.into()));
                let took = started.elapsed().as_secs_f64();
                bar.finish_and_clear();
                out.note(format!("{name}: {proxy_name}, {took:.1} s"));
                seconds[i].push(took);
                match got {
                    Ok(got) => scores[i] = Some(got),
                    // A score that is not defined is a result, too.
                    Err(error) => out.note(format!("{name}: {error}")),
                }
            }
        }
        let seconds: Vec<Option<f64>> = seconds.iter().map(|all| stats::median(all)).collect();
        for (i, (proxy_name, paper)) in PAPER.into_iter().enumerate() {
            let times = seconds[i].zip(seconds[0]).map(|(seconds, zen)| seconds / zen);
            let against = paper[column] / PAPER[0].1[column];
            rows.push((
                format!("{name} {proxy_name}"),
                vec![scores[i], seconds[i], times, Some(paper[column]), Some(against)],
            ));
        }
    }
    let points = |column: usize| {
        rows.iter().enumerate().map(|(i, (_, values))| (i as f64, values[column].map(f64::log10))).collect()
    };
    let panels = vec![Panel {
        title: "log₁₀ of times Zen's seconds: Zen, NASWOT, TE-NAS; ResNet-18, 50",
        x: "row of the table",
        lines: vec![Line { name: "here", points: points(2) }, Line { name: "paper", points: points(4) }],
    }];
    let header = vec!["network", "score", "seconds", "times_zen", "paper_seconds", "paper_times_zen"];
    Ok(Experiment { name: "table2", header, rows, panels })
}

/// One score of `model` at its resolution.
fn score(name: &str, model: &Model, batch: u32, seed: u64) -> Result<f64, ScoreError> {
    if name == "zen" {
        let settings = Settings { batch, ..Settings::new(Mode::Paper, seed) };
        return Ok(exact::score::<f32>(&model.network, model.resolution, &settings)?.score);
    }
    let setup = Setup { mode: Mode::Paper, resolution: model.resolution };
    let make = proxy::by_name(name).and_then(|entry| entry.with_batch).ok_or_else(|| {
        ScoreError::Undefined { proxy: "table2", reason: format!("there is no proxy {name} with a batch") }
    })?;
    make(setup, batch).score_model(model, &mut Xoshiro256PlusPlus::seed_from_u64(seed))
}
