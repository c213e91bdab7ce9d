//! Iterations per second of the search, by phase: `cargo bench --bench search`.
//!
//! Each line is the median of five runs; runs of different lines alternate, so that a busy machine
//! slows all of them alike. The last column is the share of the time in which checkpoints are made and put into words, one a second
//! and one at the end.

#![allow(clippy::print_stderr, clippy::print_stdout, clippy::unwrap_used)]

use edgezen::plainnet::{notation, relink};
use edgezen::predictor::any::AnyPredictor;
use edgezen::proxy;
use edgezen::proxy::{Mode, Setup};
use edgezen::search::{Checkpoint, Instruction, Observer, Rules, Search, SearchOutcome, SearchProgress};
use edgezen::search::{TrackedDevice, preset};
use edgezen::shipped;
use edgezen::units::Latency;
use edgezen::{space, stats};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

struct BenchObserver {
    started: Instant,
    /// Checkpoints made, and nanoseconds spent on them.
    saved: AtomicU64,
    saving: AtomicU64,
}

impl Observer for BenchObserver {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }
    fn progress(&self, _: SearchProgress) {}
    fn instruction(&self) -> Instruction {
        let due = self.now().as_secs() > self.saved.load(Ordering::Relaxed);
        if due { Instruction::Save } else { Instruction::GoOn }
    }
    fn save(&self, checkpoint: &Checkpoint) {
        let started = Instant::now();
        std::hint::black_box(serde_json::to_vec(checkpoint).unwrap());
        self.saved.fetch_add(1, Ordering::Relaxed);
        self.saving.fetch_add(started.elapsed().as_nanos() as u64, Ordering::Relaxed);
    }
}

struct Case {
    preset: &'static str,
    rules: Rules,
    mode: Mode,
    threads: usize,
    /// Latency budgets beside those of the preset.
    latencies: &'static [(&'static str, f64)],
}

static TWO_DEVICES: &[(&str, f64)] = &[("pixel2@tflite@int8", 60.0), ("v100@tensorrt@fp16", 0.3)];

static PREDICTORS: LazyLock<Vec<TrackedDevice>> = LazyLock::new(|| {
    let known = shipped::predictors().entries().expect("readable folders");
    let load = |&(id, _): &(&str, f64)| {
        let entry = known.iter().find(|entry| entry.id == id).expect("a shipped predictor");
        let AnyPredictor::Kernels(predictor) = entry.load().unwrap() else { panic!("of whole networks") };
        TrackedDevice { name: id.into(), predictor: Arc::new(*predictor).into() }
    };
    TWO_DEVICES.iter().map(load).collect()
});

struct Run {
    seconds: f64,
    saving: f64,
    outcome: SearchOutcome,
}

fn run(case: &Case, seed: u64) -> Run {
    let preset = preset::by_name(case.preset).expect("a known preset");
    let mut initial = notation::parse(preset.initial).unwrap().super_blocks("the search reads").unwrap();
    relink(&mut initial);
    let mut budgets = preset.budgets(None);
    for (device, &(_, ms)) in PREDICTORS.iter().zip(case.latencies) {
        let index = budgets.track(device.clone());
        budgets.bound_latency(index, Latency::from_ms(ms));
    }
    let setup = Setup { mode: case.mode, resolution: preset.resolution };
    let proxy = (proxy::by_name("zen").unwrap().make)(setup);
    let search = Search {
        space: space::by_name(preset.space).unwrap(),
        initial,
        proxy: Some(&*proxy),
        budgets,
        shape: None,
        se: false,
        rules: case.rules,
        resolution: preset.resolution,
        classes: preset.classes,
        seed,
        threads: case.threads,
    };
    let watch =
        BenchObserver { started: Instant::now(), saved: AtomicU64::new(0), saving: AtomicU64::new(0) };
    let outcome = search.observed(&watch, None).unwrap();
    let seconds = watch.now().as_secs_f64();
    Run { seconds, saving: watch.saving.into_inner() as f64 / 1e9, outcome }
}

fn main() {
    let mut cases = Vec::new();
    for preset in ["Zen_NAS_cifar_params1M", "Zen_NAS_ImageNet_flops400M"] {
        for (rules, mode) in
            [(Rules::REFERENCE, Mode::Reference), (Rules::PAPER, Mode::Paper), (Rules::ISLANDS, Mode::Paper)]
        {
            for threads in [1, 2] {
                let rules = Rules { iterations: Rules::REFERENCE.iterations, ..rules };
                cases.push(Case { preset, rules, mode, threads, latencies: &[] });
            }
        }
    }
    for rules in [Rules::PAPER, Rules::ISLANDS] {
        let rules = Rules { iterations: Rules::REFERENCE.iterations, ..rules };
        let preset = "Zen_NAS_ImageNet_flops400M";
        cases.push(Case { preset, rules, mode: Mode::Paper, threads: 2, latencies: TWO_DEVICES });
    }
    let mut results: Vec<Vec<Run>> = cases.iter().map(|_| Vec::new()).collect();
    for seed in 0..5 {
        for (case, results) in cases.iter().zip(&mut results) {
            results.push(run(case, seed));
        }
    }
    println!(
        "{:28} {:>9} {:>7} {:>9} {:>8} {:>9} {:>28} {:>7} {:>7}",
        "preset",
        "rules",
        "threads",
        "latencies",
        "seconds",
        "iter/s",
        "mutate/budget/score µs",
        "best",
        "saving"
    );
    for (case, results) in cases.iter().zip(&results) {
        let median = |f: &dyn Fn(&Run) -> f64| {
            stats::median(&results.iter().map(f).collect::<Vec<_>>()).unwrap_or(f64::NAN)
        };
        let seconds = median(&|r| r.seconds);
        let per_iteration =
            |f: fn(&SearchOutcome) -> f64| 1e6 * median(&|r| f(&r.outcome)) / case.rules.iterations as f64;
        println!(
            "{:28} {:>9} {:>7} {:>9} {:>8.2} {:>9.0} {:>28} {:>7.1} {:>6.2}%",
            case.preset,
            case.rules.optimiser.name(),
            case.threads,
            case.latencies.len(),
            seconds,
            case.rules.iterations as f64 / seconds,
            format!(
                "{:.2} / {:.2} / {:.2}",
                per_iteration(|o| o.phases.mutate),
                per_iteration(|o| o.phases.budget),
                per_iteration(|o| o.phases.score)
            ),
            median(&|r| r.outcome.best.score),
            100.0 * median(&|r| r.saving / r.seconds),
        );
    }
}
