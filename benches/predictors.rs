//! How quick predictions are: `cargo bench --bench predictors [-- cold]`.
//!
//! Lists of 1,000 networks unlike each other, on one core, by every shipped predictor, as Python asks for them: from texts, with nothing of them
//! known (`cold`: this alone). Those of kernels get networks of the mobilenet space, those of whole networks codes of their own space.
//! Then tables of kernels, on one core; networks without any cache ("cold": every kernel is estimated), with one
//! block that was never seen, and as the search asks for them (each a mutation of the one before, sums of blocks
//! remembered): processor time, which other programs disturb less. And the search itself under two latency budgets, on
//! two threads, by the clock. Medians of several runs.

#![allow(clippy::print_stderr, clippy::print_stdout, clippy::unwrap_used)]

use edgezen::catalogue::networks::Overrides;
use edgezen::plainnet::{Kernel, KernelKind, Model, Network, notation, relink};
use edgezen::prediction::Many;
use edgezen::predictor::LatencyPredictor;
use edgezen::predictor::any::AnyPredictor;
use edgezen::predictor::fitted::FittedPredictor;
use edgezen::proxy;
use edgezen::proxy::{Mode, Setup};
use edgezen::runner::Conditions;
use edgezen::search::budget::Accountant;
use edgezen::search::variation::Mutator;
use edgezen::search::{Budgets, Quantity, Rules, Search, TrackedDevice, preset, reference};
use edgezen::shipped;
use edgezen::space;
use edgezen::space::{KindWeights, MutationReach};
use edgezen::stats;
use edgezen::units::Latency;
use edgezen::zoo::{Space, nasbench201};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

const RUNS: usize = 5;
/// Shorter runs say little beside what looking at the clock costs.
const LONG_S: f64 = 0.05;
const PRESET: &str = "Zen_NAS_ImageNet_latency0.3ms";

/// Networks of a list, and lists.
const LISTED: usize = 1_000;
const LISTS: u64 = 5;

/// Codes of networks of a space, drawn at random; nothing for spaces of which no shipped predictor is.
fn codes(space: Space, rng: &mut Xoshiro256PlusPlus) -> Vec<String> {
    let mut draw = |choices: &[&str], count: usize, between: &str| -> String {
        let one = |_| choices[rng.random_range(0..choices.len())];
        (0..count).map(one).collect::<Vec<_>>().join(between)
    };
    let mut code = |_| match space {
        Space::FbNet => {
            Some(format!("fbnet:{}", draw(&["0", "1", "2", "3", "4", "5", "6", "7", "8"], 22, ",")))
        }
        Space::NasBench201 => Some(format!("nasbench201:{}", draw(&nasbench201::OPS, 6, ","))),
        Space::Ofa => {
            let side = draw(&["160", "176", "192", "208", "224"], 1, "");
            let (depths, kernels) = (draw(&["2", "3", "4"], 5, ","), draw(&["3", "5", "7"], 20, ","));
            Some(format!("ofa:{side};{depths};{kernels};{}", draw(&["3", "4", "6"], 20, ",")))
        }
        Space::AccelNasBench => {
            let block = |_| {
                let [expansion, kernel] = [draw(&["1", "4", "6"], 1, ""), draw(&["3", "5"], 1, "")];
                format!(
                    "e{expansion}k{kernel}l{}s{}",
                    draw(&["1", "2", "3"], 1, ""),
                    draw(&["0", "1"], 1, "")
                )
            };
            Some(format!("anb:{}", (0..7).map(block).collect::<Vec<_>>().join("_")))
        }
        Space::NasBenchMacro | Space::Named => None,
    };
    (0..LISTED).filter_map(&mut code).collect()
}

/// What a network of a list takes of one core, where nothing is known of any.
fn cold() {
    let one_core = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let chains: Vec<Vec<String>> = (0..LISTS)
        .map(|seed| {
            let search =
                Search::new(space::by_name("mobilenet").unwrap()).seed(seed).with_depth_limit().unwrap();
            let drawn = reference::networks(&search, LISTED).unwrap();
            drawn.iter().map(|blocks| Network::from(&blocks[..]).to_string()).collect()
        })
        .collect();
    println!("lists of {LISTED} networks of which nothing is known, one core, µs a network: median, most");
    let mut slowest = 0.0_f64;
    // Those of a folder nearby have the same names.
    let mut seen = BTreeSet::new();
    for entry in shipped::predictors().entries().expect("readable folders") {
        if !seen.insert(entry.id.clone()) {
            continue;
        }
        let loaded = entry.load().unwrap();
        let lists: Vec<Vec<String>> = match &loaded {
            AnyPredictor::Kernels(_) => chains.clone(),
            AnyPredictor::Networks(predictor) => {
                let list = |seed| codes(predictor.space(), &mut Xoshiro256PlusPlus::seed_from_u64(seed));
                (0..LISTS).map(list).collect()
            }
        };
        let since = Instant::now();
        let mut times: Vec<f64> = Vec::new();
        for list in lists.iter().filter(|list| !list.is_empty()) {
            let many = Many::new(loaded.clone());
            let before = processor(since);
            let estimates = one_core.install(|| many.estimates(list, Overrides::default(), false));
            times.push((processor(since) - before) / list.len() as f64 * 1e6);
            assert!(estimates.iter().all(Result::is_ok));
        }
        times.sort_by(f64::total_cmp);
        if let (Some(median), Some(most)) = (stats::median(&times), times.last()) {
            println!("  {:44} {median:6.1} {most:6.1}", entry.id);
            slowest = slowest.max(median);
        }
    }
    println!("  the slowest median: {slowest:.1}");
}

fn shipped() -> Vec<FittedPredictor> {
    let load = |entry: edgezen::catalogue::predictors::PredictorEntry| match entry.load() {
        Ok(AnyPredictor::Kernels(predictor)) => Some(*predictor),
        Ok(AnyPredictor::Networks(_)) => None,
        Err(error) => panic!("{}: {error}", entry.id),
    };
    shipped::predictors().entries().expect("readable folders").into_iter().filter_map(load).collect()
}

/// Seconds of the processor that this program has used; of the clock where that is not known.
fn processor(since: Instant) -> f64 {
    let used = Conditions::observe().cpu_time.map(|time| time.own_ms * 1e-3);
    used.unwrap_or_else(|| since.elapsed().as_secs_f64())
}

/// The median seconds of several runs, each repeated until it takes a while.
fn seconds(mut run: impl FnMut()) -> f64 {
    let since = Instant::now();
    run();
    let repeats = (LONG_S / since.elapsed().as_secs_f64()).ceil().clamp(1.0, 1e6) as u32;
    let times: Vec<f64> = (0..RUNS)
        .map(|_| {
            let before = processor(since);
            (0..repeats).for_each(|_| run());
            (processor(since) - before) / f64::from(repeats)
        })
        .collect();
    stats::median(&times).unwrap_or(f64::NAN)
}

fn table() -> Vec<Kernel> {
    let mut kernels = Vec::new();
    for i in 0..20_000_u32 {
        let (in_c, out_c) = (8 * (1 + i % 61), 8 * (1 + i / 61 % 59));
        let in_h = [7, 14, 28, 56, 112][i as usize % 5];
        kernels.push(Kernel {
            kind: KernelKind::Conv,
            batch: [1, 32, 64][i as usize % 3],
            in_c,
            out_c,
            in_h,
            in_w: in_h,
            kernel: [1, 3, 5, 7][i as usize % 4],
            stride: 1 + i % 2,
            groups: 1,
            act: edgezen::plainnet::graph::Act::Relu,
            residual: i % 3 == 0,
            window: None,
        });
    }
    kernels
}

fn budgets(predictors: &[&FittedPredictor], factor: f64) -> Budgets {
    let mut budgets = Budgets::default();
    budgets.bound(Quantity::Layers, 30.0);
    for &predictor in predictors {
        let name = predictor.identity().to_string();
        let index = budgets.track(TrackedDevice { name, predictor: Arc::new(predictor.clone()).into() });
        budgets.bound_latency(index, Latency::from_ms(0.3 * factor));
    }
    budgets
}

fn main() {
    cold();
    if std::env::args().any(|argument| argument == "cold") {
        return;
    }
    let predictors = shipped();
    let kernels = table();
    println!("table of {} convolutions, one core", kernels.len());
    for predictor in predictors.iter().filter(|p| p.file().model.kinds.contains_key(&KernelKind::Conv)) {
        let time = seconds(|| {
            black_box(predictor.bounded_many(black_box(&kernels)));
        });
        let id = predictor.identity().to_string();
        println!("  {id:28} {:>9.0} kernels/s", kernels.len() as f64 / time);
    }

    let preset = preset::by_name(PRESET).expect("a known preset");
    let mut initial = notation::parse(preset.initial).unwrap().super_blocks("the search reads").unwrap();
    relink(&mut initial);
    let space = space::by_name(preset.space).unwrap();
    let mutator = Mutator { space, weights: KindWeights::Uniform, reach: MutationReach::Paper };
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
    let mut networks = vec![initial.clone()];
    for _ in 0..20_000 {
        let mut child = Vec::new();
        // Near the start, as a population is.
        mutator.mutate(&networks[networks.len() % 64 % networks.len()], 2, &mut rng, &mut child);
        networks.push(child);
    }
    println!("a network: {} and its mutations, µs each", PRESET);
    for predictor in &predictors {
        let budgets = budgets(&[predictor], 1.0);
        let mut accountant = Accountant::new(&budgets, preset.resolution, preset.classes);
        let _ = accountant.costs(&initial);
        let started = Instant::now();
        for network in &networks {
            let _ = black_box(accountant.costs(network));
        }
        let first = started.elapsed().as_secs_f64() / networks.len() as f64 * 1e6;
        let again = seconds(|| {
            for network in &networks {
                let _ = black_box(accountant.costs(network));
            }
        }) / networks.len() as f64
            * 1e6;
        let without = Budgets::default();
        let mut accountant = Accountant::new(&without, preset.resolution, preset.classes);
        let other = seconds(|| {
            for network in &networks {
                let _ = black_box(accountant.costs(network));
            }
        }) / networks.len() as f64
            * 1e6;
        let whole = Model {
            name: None,
            network: Network::from(&initial[..]),
            resolution: preset.resolution,
            classes: preset.classes,
            se: false,
        };
        let kernels = whole.lowered(predictor.lowering()).unwrap();
        let cold = seconds(|| {
            black_box(predictor.predict(black_box(&kernels)));
        }) * 1e6;
        let id = predictor.identity().to_string();
        println!(
            "  {id:28} mutations {:6.2} (first time {:6.2}), without latency {other:5.2}; cold {cold:6.1} for {} kernels",
            again,
            first,
            kernels.len()
        );
    }

    let by_name = |id: &str| predictors.iter().find(|p| p.identity().to_string() == id).expect("shipped");
    let two = [by_name("v100@tensorrt@fp16"), by_name("pixel2@tflite@fp32")];
    let mut both = budgets(&two, 1.0);
    both.bound_latency(1, Latency::from_ms(400.0));
    let setup = Setup { mode: Mode::Paper, resolution: preset.resolution };
    let proxy = (proxy::by_name("zen").unwrap().make)(setup);
    let iterations = 96_000;
    let started = Instant::now();
    for _ in 0..3 {
        let search = Search {
            space,
            initial: initial.clone(),
            proxy: Some(&*proxy),
            budgets: both.clone(),
            shape: None,
            se: false,
            rules: Rules { iterations, ..Rules::PAPER },
            resolution: preset.resolution,
            classes: preset.classes,
            seed: 1,
            threads: 2,
        };
        black_box(search.run().unwrap());
    }
    let time = started.elapsed().as_secs_f64() / 3.0;
    println!("search, two latency budgets, two threads: {:.0} iterations/s", iterations as f64 / time);
}
