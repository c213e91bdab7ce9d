//! Writes a network in all formats, with an input and what tract computes of it beside each file, as
//! `scripts/check_exports.py` reads them. Without a network it prints the names of all: those that are published, and the
//! zoo. `scripts/check-all-exports` runs it.
//! `cargo run --release -p edgezen-engine --example exports -- FOLDER NETWORK [SEED]`.

#![allow(clippy::print_stdout)]

use edgezen_core::plainnet::{Graph, published};
use edgezen_core::zoo::{Encoded, Named, known};
use edgezen_engine::quantisation::{Images, Maps, Ranges};
use edgezen_engine::weights::{self, Weights};
use edgezen_engine::{Engine, Tract, onnx, tflite};
use std::error::Error;
use std::path::Path;

/// The seed of the weights and images where none is given.
const SEED: u64 = 11;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, name, rest @ ..] = &arguments[..] else {
        published::names()
            .chain(known::KNOWN.iter().map(|known| known.name))
            .for_each(|name| println!("{name}"));
        return Ok(());
    };
    let seed = rest.first().map_or(Ok(SEED), |text| text.parse())?;
    let graph = graph(name)?;
    let weights = Weights::new(&graph, seed);
    let input = weights::input(&graph, 0, 1, seed);
    let output = Tract.load(&graph, 1, seed)?.run(std::slice::from_ref(&input))?;
    let ranges = Ranges::observe(&graph, &weights, &Images::Random { count: 4, seed })?;
    let maps = Maps::of(&graph, &ranges);
    let onnx_file = |maps| -> Result<Vec<u8>, Box<dyn Error>> {
        let mut bytes = Vec::new();
        onnx::Export::with_integers(&graph, 1, Weights::new(&graph, seed), maps)?.write(&mut bytes)?;
        Ok(bytes)
    };
    let floats =
        |numbers: &[f32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    for (ending, bytes) in [
        ("fp32.tflite", tflite::write(&graph, 1, &weights)?),
        ("int8.tflite", tflite::write_int8(&graph, 1, &weights, &maps)?),
        ("fp32.onnx", onnx_file(None)?),
        ("int8.onnx", onnx_file(Some(&maps))?),
    ] {
        let file = |what: &str| Path::new(folder).join(format!("{name}.{ending}{what}"));
        std::fs::write(file(""), bytes)?;
        std::fs::write(file(".input"), floats(&input.data))?;
        std::fs::write(file(".output"), floats(&output[0].data))?;
    }
    Ok(())
}

fn graph(name: &str) -> Result<Graph, Box<dyn Error>> {
    if let Some(model) = published::by_name(name) {
        return Ok(model.graph()?);
    }
    let known = known::known_as(name).ok_or_else(|| format!("no network is called {name}"))?;
    let mut parts = Encoded::Named(Named::new(known.name, known.resolution)?).parts();
    match (parts.pop(), parts.is_empty()) {
        (Some(part), true) => Ok(part.graph),
        _ => Err(format!("{name} is in parts").into()),
    }
}
