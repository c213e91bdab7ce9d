//! Whether exact scores with a known error are right, and how much time they save: `cargo bench --bench known_error [NAME…]
//! [--plain N] [--estimates N]`.
//!
//! For each network: the mean of N draws at batch 16, which defines the score; then estimates with a standard error of 0.1, each from a
//! seed of its own. Their mean must be that of the plain draws, and their deviation from it at most 0.1. The last columns are
//! seconds on one core for an estimate, and for plain draws until their error is known to be 0.1 by the same rule.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use edgezen::plainnet::published;
use edgezen::proxy::Mode;
use edgezen::proxy::exact::estimate::{Estimator, Images, LEAST_DRAWS};
use edgezen::proxy::exact::forward::Engine;
use edgezen::proxy::exact::{self, Settings};
use edgezen::stats;
use std::time::Instant;

const NETS: [&str; 3] =
    ["zennet_cifar10_model_size1M_res32", "zennet_imagenet1k_latency03ms_res224", "resnet50"];
const ERROR: f64 = 0.1;

/// Seconds that this thread has been on a core, where the system tells, so that other programs do not count.
fn on_core() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(status.split_whitespace().next()?.parse::<f64>().ok()? / 1e9)
}

fn seconds(work: impl FnOnce()) -> f64 {
    let (started, before) = (Instant::now(), on_core());
    work();
    match (before, on_core()) {
        (Some(before), Some(after)) => after - before,
        _ => started.elapsed().as_secs_f64(),
    }
}

/// Mean and its standard error.
fn mean(values: &[f64]) -> (f64, f64) {
    let error = stats::std_dev(values).unwrap() / (values.len() as f64 - 1.0).sqrt();
    (stats::mean(values).unwrap(), error)
}

/// Draws that a deviation takes until the interval by Student's t is as narrow as a standard error of [`ERROR`] asks for.
fn draws_for(deviation: f64) -> usize {
    let known =
        |draws: &usize| stats::t_quantile_975(draws - 1) * deviation / (*draws as f64).sqrt() <= 1.96 * ERROR;
    (LEAST_DRAWS..).find(known).unwrap()
}

fn run(net: &str, plain: usize, estimates: usize) {
    let model = published::by_name(net).expect("a published network");
    let settings = |seed| Settings::new(Mode::Reference, seed);
    let mut scores = Vec::new();
    let draw = seconds(|| {
        for seed in 0..plain {
            let settings = settings(1_000_000 + seed as u64);
            scores.push(exact::score::<f32>(&model.network, model.resolution, &settings).unwrap().score);
        }
    }) / plain as f64;
    let (mut found, mut stated, mut draws) = (Vec::new(), Vec::new(), Vec::new());
    let mut engine = Engine::default();
    let each = seconds(|| {
        for seed in 0..estimates {
            let settings = settings(seed as u64);
            let images = Images::for_error(ERROR);
            let mut estimator = Estimator::new(&model.network, model.resolution, &settings, images).unwrap();
            let estimate = estimator.until(&mut engine, ERROR).unwrap();
            found.push(estimate.score);
            stated.push(estimate.error);
            draws.push(estimate.draws as f64);
        }
    }) / estimates as f64;
    let ((true_score, true_error), (score, error)) = (mean(&scores), mean(&found));
    let deviation = stats::std_dev(&scores).unwrap();
    let before = draws_for(deviation) as f64 * draw;
    println!(
        "{net:38} {true_score:9.3} {true_error:6.3} {score:9.3} {error:6.3} {:7.2} {deviation:6.3} {:6.3} {:6.3} {:6.1} {each:7.2} {before:7.2} {:6.2}",
        (score - true_score) / true_error.hypot(error),
        stats::std_dev(&found).unwrap(),
        stats::mean(&stated).unwrap(),
        stats::mean(&draws).unwrap(),
        each / before,
    );
}

/// The number behind an option.
fn option(args: &[String], name: &str, otherwise: usize) -> usize {
    let at = args.iter().position(|arg| arg == name);
    at.and_then(|at| args.get(at + 1)?.parse().ok()).unwrap_or(otherwise)
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (plain, estimates) = (option(&args, "--plain", 100), option(&args, "--estimates", 20));
    let named: Vec<&str> =
        args.iter().map(String::as_str).filter(|arg| published::by_name(arg).is_some()).collect();
    println!(
        "{:38} {:>9} {:>6} {:>9} {:>6} {:>7} {:>6} {:>6} {:>6} {:>6} {:>7} {:>7} {:>6}",
        "network",
        "plain",
        "±",
        "estimate",
        "±",
        "t",
        "of one",
        "spread",
        "stated",
        "draws",
        "s",
        "plain s",
        "ratio"
    );
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    pool.install(|| {
        for net in if named.is_empty() { &NETS[..] } else { &named } {
            run(net, plain, estimates);
        }
    });
}
