//! How good the default search is beside the released one: `cargo bench --bench optimisers`.
//!
//! On two published set-ups with parameters and FLOPs bounded: 20 (5) runs of the released loop of 480,000
//! iterations, and five seeds of the islands with the time that is theirs: ten seconds, or a tenth of the
//! time that one run of the released loop took. Then the winners' exact scores. Takes some minutes;
//! `-- --quick` leaves out the exact scores.

#![allow(clippy::print_stderr, clippy::print_stdout, clippy::unwrap_used)]

use edgezen::plainnet::{Network, notation, relink};
use edgezen::proxy;
use edgezen::proxy::exact;
use edgezen::proxy::exact::Settings;
use edgezen::proxy::{Mode, Proxy, Setup};
use edgezen::search::{Individual, Rules, Search, preset};
use edgezen::{space, stats};
use std::time::Instant;

const SEEDS: u64 = 5;
/// Draws of weights and images behind an exact score.
const REPEATS: u32 = 4;

struct Target {
    preset: &'static str,
    reference_runs: u64,
    /// Seconds for one run of the islands, from the median seconds of one reference run.
    time: fn(f64) -> f64,
}

const TARGETS: [Target; 2] = [
    Target { preset: "Zen_NAS_cifar_params1M", reference_runs: 20, time: |_| 10.0 },
    Target { preset: "Zen_NAS_ImageNet_flops400M", reference_runs: 5, time: |reference| reference / 10.0 },
];

fn search<'a>(name: &str, proxy: &'a dyn Proxy, rules: Rules, seed: u64) -> Search<'a> {
    let preset = preset::by_name(name).expect("a known preset");
    let mut initial = notation::parse(preset.initial).unwrap().super_blocks("the search reads").unwrap();
    relink(&mut initial);
    Search {
        initial,
        budgets: preset.budgets(None),
        shape: None,
        ..Search::new(space::by_name(preset.space).unwrap())
            .proxy(proxy)
            .rules(rules)
            .input(preset.resolution, preset.classes)
            .seed(seed)
            .threads(2)
    }
}

fn timed(search: &Search<'_>) -> (f64, Individual) {
    let started = Instant::now();
    let best = search.run().unwrap().best;
    (started.elapsed().as_secs_f64(), best)
}

fn median(values: &[f64]) -> f64 {
    stats::median(values).unwrap_or(f64::NAN)
}

fn exact_score(best: &Individual, resolution: u32) -> f64 {
    let settings = Settings { repeats: REPEATS, ..Settings::new(Mode::Reference, 7) };
    // Fresh statistics for each draw, the same draws for each network.
    let draws = (0..u64::from(REPEATS)).map(|repeat| {
        let randomness = exact::Randomness::Seeded { seed: 7 + repeat, common: true };
        let settings = Settings { repeats: 1, randomness, ..settings };
        exact::score::<f32>(&Network::from(&best.blocks[..]), resolution, &settings).unwrap().score
    });
    stats::mean(&draws.collect::<Vec<_>>()).unwrap_or(f64::NAN)
}

fn main() {
    let quick = std::env::args().any(|arg| arg == "--quick");
    for target in TARGETS {
        let preset = preset::by_name(target.preset).unwrap();
        let zen = (proxy::by_name("zen").unwrap().make)(Setup {
            mode: Mode::Reference,
            resolution: preset.resolution,
        });
        let runs: Vec<(f64, Individual)> = (0..target.reference_runs)
            .map(|seed| timed(&search(target.preset, &*zen, Rules::REFERENCE, 1000 + seed)))
            .collect();
        let seconds = median(&runs.iter().map(|run| run.0).collect::<Vec<_>>());
        let scores: Vec<f64> = runs.iter().map(|run| run.1.score).collect();
        let best = runs.iter().map(|run| &run.1).max_by(|a, b| a.score.total_cmp(&b.score)).unwrap();
        println!(
            "{}: released loop, {} runs of {} iterations: {seconds:.2} s each, median {:.2}, best {:.2}",
            target.preset,
            runs.len(),
            Rules::REFERENCE.iterations,
            median(&scores),
            best.score
        );
        // How many iterations fit into the time, by a run of a tenth of it.
        let time = (target.time)(seconds);
        let mut iterations = 20_000;
        let pace = loop {
            let rules = Rules { iterations, ..Rules::ISLANDS };
            let (took, _) = timed(&search(target.preset, &*zen, rules, 99));
            if took > time / 10.0 || took > 1.0 {
                break iterations as f64 / took;
            }
            iterations *= 2;
        };
        // A busy machine is not always equally busy.
        let iterations = (0.9 * pace * time) as u64;
        let rules = Rules { iterations, ..Rules::ISLANDS };
        let exact_reference = (!quick).then(|| exact_score(best, preset.resolution));
        for seed in 0..SEEDS {
            let (took, found) = timed(&search(target.preset, &*zen, rules, seed));
            let exact = exact_reference.map(|reference| {
                let ours = exact_score(&found, preset.resolution);
                format!(", exact {ours:.2} against {reference:.2}")
            });
            println!(
                "  islands, seed {seed}: {iterations} iterations, {took:.2} s of {time:.2} s, best {:.2} ({:+.2}){}",
                found.score,
                found.score - best.score,
                exact.unwrap_or_default()
            );
        }
    }
}
