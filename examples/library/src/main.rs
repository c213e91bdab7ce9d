//! Latency of a network, and the best network that is as fast, with `edgezen-core` alone:
//! `cargo run --release --manifest-path examples/library/Cargo.toml -- predictors/pixel2@tflite@fp32.json`.

use edgezen_core::plainnet::{Network, published};
use edgezen_core::predictor::LatencyPredictor;
use edgezen_core::predictor::file::PredictorFile;
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::search::Search;
use edgezen_core::space;
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: library PREDICTOR.json")?;
    let file = PredictorFile::parse(&std::fs::read(&path)?, Path::new(&path))?;
    let predictor = FittedPredictor::new(file);
    let device = predictor.identity().to_string();

    let known = published::by_name("mobilenet_v2").ok_or("no such network")?;
    let kernels = known.lowered(predictor.lowering())?;
    let estimate = predictor.predict(&kernels);
    println!("mobilenet_v2 on {device}: {} ({} to {})", estimate.latency, estimate.lower, estimate.upper);

    let search = Search::new(space::by_name("mobilenet").ok_or("no such space")?).iterations(5_000);
    let best = search.latency(&device, predictor, estimate.latency).with_depth_limit()?.run()?.best;
    println!("Zen-Score {:.1}: {}", best.score, Network::from(&best.blocks[..]));
    Ok(())
}
