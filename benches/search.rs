//! Iterations per second of the search, by phase: `cargo bench --bench search`.
//!
//! Each line is the median of five runs; runs of different lines alternate, so that a busy machine
//! slows all of them alike.

use edgezen::plainnet::{notation, relink};
use edgezen::proxy::{self, Mode, Setup};
use edgezen::search::{Budgets, Observer, Outcome, Progress, Rules, Search, preset};
use edgezen::units::{Macs, Params};
use edgezen::{space, stats};
use std::time::{Duration, Instant};

struct Watch(Instant);

impl Observer for Watch {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
    fn progress(&self, _: Progress) {}
}

struct Case {
    preset: &'static str,
    rules: Rules,
    mode: Mode,
    threads: usize,
}

fn run(case: &Case, seed: u64) -> (f64, Outcome) {
    let preset = preset::by_name(case.preset).expect("a known preset");
    let mut initial = notation::parse(preset.initial).unwrap().super_blocks("the search reads").unwrap();
    relink(&mut initial);
    let mut budgets = Budgets { layers: Some(preset.layers), ..Budgets::default() };
    match preset.budget {
        preset::Budget::Params(limit) => budgets.params = Some(Params(limit)),
        preset::Budget::Flops(limit) => budgets.flops = Some(Macs(limit)),
        preset::Budget::LatencyMs(_) => panic!("needs a device"),
    }
    let setup = Setup { mode: case.mode, resolution: preset.resolution };
    let proxy = (proxy::by_name("zen").unwrap().make)(setup);
    let search = Search {
        space: space::by_name(preset.space).unwrap(),
        initial,
        proxy: Some(&*proxy),
        budgets,
        rules: case.rules,
        resolution: preset.resolution,
        classes: preset.classes,
        seed,
        threads: case.threads,
    };
    let watch = Watch(Instant::now());
    let outcome = search.observed(&watch, None).unwrap();
    (watch.now().as_secs_f64(), outcome)
}

fn main() {
    let mut cases = Vec::new();
    for preset in ["Zen_NAS_cifar_params1M", "Zen_NAS_ImageNet_flops400M"] {
        for (rules, mode) in [(Rules::REFERENCE, Mode::Reference), (Rules::PAPER, Mode::Paper)] {
            for threads in [1, 2] {
                let rules = Rules { iterations: Rules::REFERENCE.iterations, ..rules };
                cases.push(Case { preset, rules, mode, threads });
            }
        }
    }
    let mut results: Vec<Vec<(f64, Outcome)>> = cases.iter().map(|_| Vec::new()).collect();
    for seed in 0..5 {
        for (case, results) in cases.iter().zip(&mut results) {
            results.push(run(case, seed));
        }
    }
    println!(
        "{:28} {:>9} {:>7} {:>8} {:>9} {:>28} {:>7}",
        "preset", "rules", "threads", "seconds", "iter/s", "mutate/budget/score µs", "best"
    );
    for (case, results) in cases.iter().zip(&results) {
        let median = |f: &dyn Fn(&(f64, Outcome)) -> f64| {
            stats::median(&results.iter().map(f).collect::<Vec<_>>()).unwrap_or(f64::NAN)
        };
        let seconds = median(&|r| r.0);
        let per_iteration =
            |f: fn(&Outcome) -> f64| 1e6 * median(&|r| f(&r.1)) / case.rules.iterations as f64;
        println!(
            "{:28} {:>9} {:>7} {:>8.2} {:>9.0} {:>28} {:>7.1}",
            case.preset,
            case.mode.name(),
            case.threads,
            seconds,
            case.rules.iterations as f64 / seconds,
            format!(
                "{:.2} / {:.2} / {:.2}",
                per_iteration(|o| o.phases.mutate),
                per_iteration(|o| o.phases.budget),
                per_iteration(|o| o.phases.score)
            ),
            median(&|r| r.1.best.score),
        );
    }
}
