//! Table 2 of the paper: seconds of one score on ResNet-18 and ResNet-50, and how many times as long as the Zen-Score
//! each proxy takes. Only the ratios can be compared with the paper, which measured on a GPU.
//!
//! Other programs disturb the clock. The quick proxies therefore take turns for at least three rounds, and the median
//! counts.

use super::panels::{Line, Panel};
use super::{Experiment, Row};
use edgezen_core::plainnet::{Model, published};
use edgezen_core::proxy;
use edgezen_core::proxy::exact;
use edgezen_core::proxy::{Mode, ScoreError, Setup};
use edgezen_core::stats;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::time::Instant;

/// The proxies with the paper's seconds for ResNet-18 and ResNet-50: 16 images of side 224, on a V100.
const PAPER: [(&str, [f64; 2]); 3] =
    [("zen", [0.012, 0.037]), ("naswot", [0.040, 0.059]), (SLOW, [0.34, 0.77])];
/// The slow proxy: it passes backward through the network for every image.
const SLOW: &str = "te-nas";

/// Least rounds of the quick proxies; the slow one takes minutes and is run as often as was asked for.
const ROUNDS: u32 = 3;

/// The networks, in the order of the paper's columns.
const NETWORKS: [&str; 2] = ["resnet18", "resnet50"];

/// What the table is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    pub repeats: u32,
    pub seed: u64,
    /// Side of the images.
    pub side: u32,
    /// Images of a pass.
    pub batch: u32,
}

/// What has just happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    Begin {
        network: &'a str,
        proxy: &'a str,
    },
    End {
        network: &'a str,
        proxy: &'a str,
        seconds: f64,
    },
    /// A score that is not defined, which is a result, too.
    Undefined {
        network: &'a str,
        error: &'a ScoreError,
    },
}

/// Times all proxies on both networks.
pub fn run(settings: Settings, progress: &mut dyn FnMut(Event<'_>)) -> Experiment {
    let mut rows = Vec::new();
    for (column, name) in NETWORKS.into_iter().enumerate() {
        let Some(mut model) = published::by_name(name) else { continue };
        model.resolution = settings.side;
        rows.extend(rows_of(name, column, &timed(name, &model, settings, progress)));
    }
    let points = |column: usize| {
        let logs = |(i, (_, values)): (usize, &Row)| (i as f64, values[column].map(f64::log10));
        rows.iter().enumerate().map(logs).collect()
    };
    let panels = vec![Panel {
        title: "log₁₀ of times Zen's seconds: Zen, NASWOT, TE-NAS; ResNet-18, 50",
        x: "row of the table",
        lines: vec![Line { name: "here", points: points(2) }, Line { name: "paper", points: points(4) }],
    }];
    let header = vec!["network", "score", "seconds", "times_zen", "paper_seconds", "paper_times_zen"];
    Experiment { name: "table2", header, rows, panels, says: Vec::new() }
}

/// A proxy's last score of a network, where it is defined, and the seconds of all its scores.
#[derive(Clone, Debug, Default)]
struct Timed {
    score: Option<f64>,
    seconds: Vec<f64>,
}

/// Scores one network by each proxy in turn.
fn timed(
    network: &str,
    model: &Model,
    settings: Settings,
    progress: &mut dyn FnMut(Event<'_>),
) -> Vec<Timed> {
    let mut all = vec![Timed::default(); PAPER.len()];
    for round in 0..settings.repeats.max(ROUNDS) {
        for (timed, (proxy, _)) in all.iter_mut().zip(PAPER) {
            if proxy == SLOW && round >= settings.repeats {
                continue;
            }
            progress(Event::Begin { network, proxy });
            let started = Instant::now();
            let got = score(proxy, model, settings.batch, settings.seed.wrapping_add(round.into()));
            let seconds = started.elapsed().as_secs_f64();
            progress(Event::End { network, proxy, seconds });
            timed.seconds.push(seconds);
            match got {
                Ok(got) => timed.score = Some(got),
                Err(error) => progress(Event::Undefined { network, error: &error }),
            }
        }
    }
    all
}

/// The rows of one network, whose seconds are in this column of the paper's table.
fn rows_of(network: &str, column: usize, timed: &[Timed]) -> Vec<Row> {
    let seconds: Vec<Option<f64>> = timed.iter().map(|timed| stats::median(&timed.seconds)).collect();
    let row = |(i, (proxy, paper)): (usize, (&str, [f64; 2]))| {
        let times = seconds[i].zip(seconds[0]).map(|(seconds, zen)| seconds / zen);
        let against = paper[column] / PAPER[0].1[column];
        (
            format!("{network} {proxy}"),
            vec![timed[i].score, seconds[i], times, Some(paper[column]), Some(against)],
        )
    };
    PAPER.into_iter().enumerate().map(row).collect()
}

/// One score of `model` at its resolution.
fn score(name: &str, model: &Model, batch: u32, seed: u64) -> Result<f64, ScoreError> {
    if name == "zen" {
        let settings = exact::Settings { batch, ..exact::Settings::new(Mode::Paper, seed) };
        return Ok(exact::score::<f32>(&model.network, model.resolution, &settings)?.score);
    }
    let setup = Setup { mode: Mode::Paper, resolution: model.resolution };
    let make = proxy::by_name(name).and_then(|entry| entry.with_batch).ok_or_else(|| {
        ScoreError::Undefined { proxy: "table2", reason: format!("there is no proxy {name} with a batch") }
    })?;
    make(setup, batch).score_model(model, &mut Xoshiro256PlusPlus::seed_from_u64(seed))
}
