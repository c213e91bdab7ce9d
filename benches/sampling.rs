//! What choosing rows is worth: `cargo bench --bench sampling [-- SEEDS]`.
//!
//! Plays profiles of the V100 on its shipped table. A quarter of its kernels is held out; from the others rows are
//! taken at random, or as `profile` and then `profile --refine` choose them: first far from each other, then
//! where a predictor errs. Prints the error on the held-out part for each number of rows.

#![allow(clippy::print_stderr, clippy::print_stdout, clippy::unwrap_used)]

use edgezen::campaign::plan::{Judged, choose};
use edgezen::dataset::Dataset;
use edgezen::fit;
use edgezen::fit::Request;
use edgezen::fit::observation::Observation;
use edgezen::plainnet::Kernel;
use edgezen::predictor::any::AnyPredictor;
use edgezen::predictor::fitted::Bounded;
use edgezen::predictor::metrics::{Metrics, Pair};
use edgezen::random::shuffle;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::path::Path;

const DATASET: &str = "datasets/v100@tensorrt@fp16";
/// Knows the device's own figures.
const SHIPPED: &str = "predictors/v100@tensorrt@fp16.json";
const RANDOM: [usize; 5] = [2_000, 3_000, 4_000, 6_000, 8_000];
/// Rows after the first choice, and after each refinement.
const CHOSEN: [usize; 4] = [800, 1_200, 1_600, 2_000];

type Failed = Box<dyn std::error::Error>;

fn main() -> Result<(), Failed> {
    // Cargo's own arguments begin with a dash.
    let given = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let seeds: u64 = given.map_or(Ok(3), |text| text.parse())?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dataset = Dataset::read(&root.join(DATASET))?;
    let AnyPredictor::Kernels(shipped) = edgezen::catalogue::predictors::read(&root.join(SHIPPED))? else {
        return Err("the shipped predictor is none of kernels".into());
    };
    let roofline = Some(shipped.file().model.roofline.clone());
    let request = Request { roofline, ..Request::of(&dataset) };
    let mut observations = fit::observations(&dataset)?;
    observations.retain(|observation| observation.single().is_some());
    for seed in 0..seeds {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        shuffle(&mut observations, &mut rng);
        let (test, pool) = observations.split_at(observations.len() / 4);
        println!("seed {seed}: {} rows to choose from, {} held out", pool.len(), test.len());
        for rows in RANDOM {
            println!("  {rows:5} at random: {:5.2} %", error(&pool[..rows], test, &request)?);
        }
        let kernels: Vec<Kernel> = pool.iter().filter_map(|one| one.single().copied()).collect();
        let mut chosen: Vec<usize> = choose(&kernels, &[], CHOSEN[0]);
        for rows in CHOSEN {
            if rows > chosen.len() {
                let known: Vec<Observation> = chosen.iter().map(|&i| pool[i].clone()).collect();
                let held_out = fit::held_out_ns(&known, &request)?;
                let measured: Vec<Judged> = known
                    .iter()
                    .zip(held_out)
                    .filter_map(|(one, ns)| {
                        Some(Judged { kernel: *one.single()?, error: (ns / one.latency.ns() - 1.0).abs() })
                    })
                    .collect();
                let open: Vec<usize> = (0..pool.len()).filter(|i| !chosen.contains(i)).collect();
                let rest: Vec<Kernel> = open.iter().map(|&i| kernels[i]).collect();
                let more = choose(&rest, &measured, rows - chosen.len());
                chosen.extend(more.into_iter().map(|i| open[i]));
            }
            let known: Vec<Observation> = chosen.iter().map(|&i| pool[i].clone()).collect();
            println!("  {rows:5} chosen:    {:5.2} %", error(&known, test, &request)?);
        }
    }
    Ok(())
}

/// Mean error in percent on `test` of a predictor that is fitted to `known`.
fn error(known: &[Observation], test: &[Observation], request: &Request) -> Result<f64, Failed> {
    let predictor = fit::fit(known, request.clone())?;
    let single = |one: &Observation| Some((*one.single()?, one.latency.ns()));
    let (kernels, measured): (Vec<Kernel>, Vec<f64>) = test.iter().filter_map(single).unzip();
    let pair = |(bounded, measured): (Bounded, f64)| Pair {
        predicted: bounded.estimate.latency.ns(),
        interval: None,
        measured,
    };
    let pairs: Vec<Pair> = predictor.bounded_many(&kernels).into_iter().zip(measured).map(pair).collect();
    Ok(Metrics::of(&pairs).ok_or("nothing was held out")?.mape_percent)
}
