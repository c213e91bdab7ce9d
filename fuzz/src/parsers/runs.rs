//! The folder that a search leaves: its settings, its results, and the checkpoint from which it goes on. Also what
//! `experiment table1` goes on from: its settings and its finished searches. And the tables of a training, which a page is drawn from.

use super::{Parser, Seeds, as_it_is, files, in_a_file, said};
use edgezen_core::digest::sha256;
use edgezen_core::predictor::file::PredictorFile;
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_core::search::{Quantity, Search};
use edgezen_core::space;
use edgezen_core::units::Latency;
use edgezen_lab::experiment::table1::{searching, settings_file, units};
use edgezen_lab::report::Trained;
use edgezen_lab::runs::{self, SavedSearch};
use edgezen_lab::trainings::{self, Training};
use std::path::Path;

pub const PARSERS: &[Parser] = &[
    Parser { name: "run.toml", seeds: manifests, seal: as_it_is, parse: manifest },
    Parser { name: "result.json", seeds: results, seal: as_it_is, parse: result },
    Parser { name: "checkpoint", seeds: checkpoints, seal: sealed, parse: resumed },
    Parser { name: "table1-settings.json", seeds: settings, seal: as_it_is, parse: setting },
    Parser { name: "table1-units", seeds: searches, seal: as_it_is, parse: unit },
    Parser { name: "metrics.csv", seeds: metrics, seal: as_it_is, parse: of_epochs },
    Parser { name: "rates.csv", seeds: rates, seal: as_it_is, parse: of_rates },
    Parser { name: "confusion.csv", seeds: confusions, seal: as_it_is, parse: of_classes },
];

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

fn manifests() -> Seeds {
    files(&["fuzz/seeds/run.toml"])
}

fn manifest(input: &[u8]) -> Result<(), String> {
    in_a_file("run.toml", input, |path| runs::read_manifest(folder(path))).map(drop)
}

fn results() -> Seeds {
    files(&["fuzz/seeds/result.json"])
}

fn result(input: &[u8]) -> Result<(), String> {
    in_a_file("result.json", input, |path| runs::read_result(folder(path))).map(drop)
}

fn settings() -> Seeds {
    files(&["fuzz/seeds/table1-settings.json"])
}

fn setting(input: &[u8]) -> Result<(), String> {
    in_a_file("table1-settings.json", input, settings_file::read).map(drop)
}

fn searches() -> Seeds {
    files(&["fuzz/seeds/table1-unit.json"])
}

fn unit(input: &[u8]) -> Result<(), String> {
    in_a_file("table1-unit.json", input, units::read::<searching::Asked, searching::Found>).map(drop)
}

fn metrics() -> Seeds {
    files(&["fuzz/seeds/metrics.csv"])
}

fn of_epochs(input: &[u8]) -> Result<(), String> {
    in_a_file(trainings::METRICS, input, |path| page(folder(path)))
}

fn rates() -> Seeds {
    files(&["fuzz/seeds/rates.csv"])
}

fn of_rates(input: &[u8]) -> Result<(), String> {
    in_a_file(trainings::RATES, input, |path| page(folder(path)))
}

fn confusions() -> Seeds {
    files(&["fuzz/seeds/confusion.csv"])
}

fn of_classes(input: &[u8]) -> Result<(), String> {
    let others = files(&["fuzz/seeds/metrics.csv", "fuzz/seeds/classes.csv"]).map_err(said)?;
    in_a_file(trainings::CONFUSION, input, |path| {
        for (name, bytes) in [trainings::METRICS, trainings::CLASSES].iter().zip(&others) {
            std::fs::write(folder(path).join(name), bytes).map_err(said)?;
        }
        page(folder(path))
    })
}

/// The page of the training in a folder.
fn page(dir: &Path) -> Result<(), String> {
    let training = Training::read(dir).map_err(said)?.ok_or("there is no training")?;
    Trained::One(Box::new(training)).page();
    Ok(())
}

fn checkpoints() -> Seeds {
    files(&["fuzz/seeds/checkpoint"])
}

/// The first line is the checksum of the rest.
fn sealed(input: Vec<u8>) -> Vec<u8> {
    match std::str::from_utf8(&input).ok().and_then(|text| text.trim_end().split_once('\n')) {
        Some((_, body)) => format!("{}\n{body}\n", sha256(body)).into_bytes(),
        None => input,
    }
}

/// The search that the checkpoint is of goes on for some iterations.
fn resumed(input: &[u8]) -> Result<(), String> {
    let saved =
        in_a_file("checkpoint", input, |path| SavedSearch::read(folder(path)))?.ok_or("there is none")?;
    let name = "predictors/pixel2@tflite@fp32.json";
    let file = PredictorFile::parse(&files(&[name]).map_err(said)?[0], Path::new(name)).map_err(said)?;
    let search = Search::new(space::by_name("mobilenet").ok_or("no such space")?)
        .budget(Quantity::Layers, 14.0)
        .latency("pixel2", FittedPredictor::new(file), Latency::from_ms(40.0))
        .iterations(310)
        .threads(1);
    search.observed(&edgezen_core::search::Silent, Some(&saved.search)).map(drop).map_err(said)
}
