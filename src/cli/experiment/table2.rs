//! Table 2: seconds of one score on ResNet-18 and ResNet-50, and how many times as long as Zen's each
//! takes. Only the ratios compare with the paper, whose seconds are a GPU's.

use super::super::output::Output;
use super::svg::{Line, Panel};
use super::{Experiment, Failure};
use crate::plainnet::published;
use crate::proxy::exact::{self, Settings};
use crate::proxy::{self, Mode, ScoreError, Setup};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::time::Instant;

/// The paper's N = 16 seconds at 224 for ResNet-18 and ResNet-50, on a V100.
const PAPER: [(&str, [f64; 2]); 3] =
    [("zen", [0.012, 0.037]), ("naswot", [0.040, 0.059]), ("te-nas", [0.34, 0.77])];

pub fn run(repeats: u32, seed: u64, side: u32, batch: u32, out: Output) -> Result<Experiment, Failure> {
    let mut rows = Vec::new();
    for (column, name) in ["resnet18", "resnet50"].into_iter().enumerate() {
        let Some(mut model) = published::by_name(name) else { continue };
        model.resolution = side;
        let mut zen_seconds = None;
        for (proxy_name, paper) in PAPER {
            out.note(format!("{name}: {proxy_name}"));
            let started = Instant::now();
            let mut score = None;
            for repeat in 0..u64::from(repeats) {
                let seed = seed.wrapping_add(repeat);
                let got: Result<f64, ScoreError> = if proxy_name == "zen" {
                    let settings = Settings { batch, ..Settings::new(Mode::Paper, seed) };
                    let exact = exact::score::<f32>(&model.network, side, &settings);
                    exact.map(|exact| exact.score).map_err(ScoreError::from)
                } else {
                    let setup = Setup { mode: Mode::Paper, resolution: side };
                    let Some(make) = proxy::by_name(proxy_name).and_then(|entry| entry.with_batch) else {
                        continue;
                    };
                    make(setup, batch).score_model(&model, &mut Xoshiro256PlusPlus::seed_from_u64(seed))
                };
                match got {
                    Ok(got) => score = Some(got),
                    // A score that is not defined is a result, too.
                    Err(error) => out.note(format!("{name}: {error}")),
                }
            }
            let seconds = started.elapsed().as_secs_f64() / f64::from(repeats);
            let zen = *zen_seconds.get_or_insert(seconds);
            let label = format!("{name} {proxy_name}");
            let against = paper[column] / PAPER[0].1[column];
            rows.push((
                label,
                vec![score, Some(seconds), Some(seconds / zen), Some(paper[column]), Some(against)],
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
