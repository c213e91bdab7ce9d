//! Run folders: what a search leaves on disk, enough to repeat it, to continue from it and to check it.
//!
//! `run.toml` (everything needed to repeat the run), `best.txt` (the structure), `best.onnx`,
//! `front.json`, `archive.parquet` (the final population and the front), `history.csv` (best and mean
//! score by iteration). Each file is replaced atomically.

use crate::dataset::{DatasetError, write_atomically};
use crate::engine::onnx::{self, OnnxError};
use crate::plainnet::{Model, Network, ShapeError};
use crate::proxy::Mode;
use crate::search::{Budgets, Individual, Outcome, Rules};
use polars::prelude::{Column, DataFrame, ParquetWriter};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Format of the folder; raised when a reader must know.
pub const SCHEMA: u32 = 1;

/// Everything needed to repeat a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub schema_version: u32,
    pub tool_version: String,
    pub preset: Option<String>,
    pub space: String,
    /// Structure that the search started from.
    pub initial: String,
    pub proxy: String,
    pub mode: Mode,
    pub resolution: u32,
    pub classes: u32,
    pub seed: u64,
    pub rules: Rules,
    pub budget: BudgetTable,
    /// One for each device whose latency was predicted.
    #[serde(default)]
    pub device: Vec<DeviceTable>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetTable {
    pub layers: Option<u32>,
    pub params: Option<f64>,
    pub flops: Option<f64>,
    pub memory_bytes: Option<f64>,
    pub confidence: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceTable {
    pub name: String,
    /// Identity of the predictor.
    pub predictor: String,
    /// Per image; absent where the latency was only reported.
    pub limit_ms: Option<f64>,
}

impl BudgetTable {
    pub fn of(budgets: &Budgets) -> BudgetTable {
        BudgetTable {
            layers: budgets.layers,
            params: budgets.params.map(|p| p.0),
            flops: budgets.flops.map(|f| f.0),
            memory_bytes: budgets.memory.map(|m| m.0),
            confidence: budgets.confidence,
        }
    }
}

/// Predicted latency per image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictedMs {
    pub ms: f64,
    pub lower_ms: f64,
    pub upper_ms: f64,
    /// Share of the latency inside the predictor's domain.
    pub coverage: f64,
}

/// A network that a search found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    pub net: String,
    pub score: f64,
    pub layers: i64,
    pub params: f64,
    pub flops: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<f64>,
    /// By device.
    pub latency: BTreeMap<String, PredictedMs>,
}

impl Found {
    pub fn of(individual: &Individual, budgets: &Budgets) -> Found {
        let latency = budgets.latencies.iter().zip(&individual.costs.latencies).map(|(budget, estimate)| {
            let predicted = PredictedMs {
                ms: estimate.latency.ms(),
                lower_ms: estimate.lower.ms(),
                upper_ms: estimate.upper.ms(),
                coverage: estimate.coverage,
            };
            (budget.device.clone(), predicted)
        });
        Found {
            net: Network::from(&individual.blocks[..]).to_string(),
            score: individual.score,
            layers: individual.costs.layers,
            params: individual.costs.params.0,
            flops: individual.costs.flops.0,
            memory_bytes: individual.costs.memory.map(|m| m.0),
            latency: latency.collect(),
        }
    }
}

/// Why a run folder could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Write(#[from] DatasetError),
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: std::io::Error },
    #[error("{}: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("{}: schema version {found} is newer than {SCHEMA}; a newer edgezen reads it", path.display())]
    TooNew { path: PathBuf, found: u32 },
    #[error("the best network cannot be exported: {0}")]
    Shape(#[from] ShapeError),
    #[error("the best network cannot be exported: {0}")]
    Onnx(#[from] OnnxError),
}

/// Networks kept in `front.json`.
pub const FRONT_SIZE: usize = 40;

/// Writes the outcome of a search into `dir`.
///
/// # Errors
/// Whatever the disk says; files written so far are complete.
pub fn write(
    dir: &Path,
    manifest: &Manifest,
    outcome: &Outcome,
    budgets: &Budgets,
    best: &Model,
) -> Result<(), RunError> {
    std::fs::create_dir_all(dir).map_err(|error| RunError::Io { path: dir.to_owned(), error })?;
    let damaged = |name: &str, reason: String| RunError::Damaged { path: dir.join(name), reason };
    let run = toml::to_string_pretty(manifest).map_err(|e| damaged("run.toml", e.to_string()))?;
    write_atomically(&dir.join("run.toml"), run.as_bytes())?;
    write_atomically(&dir.join("best.txt"), format!("{}\n", best.network).as_bytes())?;
    let front: Vec<Found> =
        outcome.front.spread(FRONT_SIZE).into_iter().map(|network| Found::of(network, budgets)).collect();
    let front = serde_json::to_string_pretty(&front).map_err(|e| damaged("front.json", e.to_string()))?;
    write_atomically(&dir.join("front.json"), (front + "\n").as_bytes())?;
    let mut history = String::from("iteration,best,mean\n");
    for point in &outcome.history {
        history += &format!("{},{},{}\n", point.iteration, point.best, point.mean);
    }
    write_atomically(&dir.join("history.csv"), history.as_bytes())?;
    let parquet = archive(outcome, budgets).map_err(|e| damaged("archive.parquet", e.to_string()))?;
    write_atomically(&dir.join("archive.parquet"), &parquet)?;
    onnx::write(&best.graph()?, 1, manifest.seed, &dir.join("best.onnx"))?;
    Ok(())
}

/// The final population and the front as a Parquet table.
fn archive(outcome: &Outcome, budgets: &Budgets) -> polars::prelude::PolarsResult<Vec<u8>> {
    let population = outcome.population.iter().map(|network| (network, true));
    let front = outcome.front.iter().map(|network| (network, false));
    let rows: Vec<(Found, bool)> =
        population.chain(front).map(|(network, member)| (Found::of(network, budgets), member)).collect();
    let numbers = |f: &dyn Fn(&Found) -> f64| rows.iter().map(|(row, _)| f(row)).collect::<Vec<f64>>();
    let mut columns = vec![
        Column::new("net".into(), rows.iter().map(|(row, _)| row.net.as_str()).collect::<Vec<_>>()),
        Column::new("in_population".into(), rows.iter().map(|&(_, member)| member).collect::<Vec<_>>()),
        Column::new("score".into(), numbers(&|row| row.score)),
        Column::new("layers".into(), rows.iter().map(|(row, _)| row.layers).collect::<Vec<_>>()),
        Column::new("params".into(), numbers(&|row| row.params)),
        Column::new("flops".into(), numbers(&|row| row.flops)),
    ];
    for budget in &budgets.latencies {
        let of = |row: &Found| row.latency.get(&budget.device).map(|predicted| predicted.ms);
        let predicted: Vec<Option<f64>> = rows.iter().map(|(row, _)| of(row)).collect();
        columns.push(Column::new(format!("{}_ms", budget.device).into(), predicted));
    }
    let mut frame = DataFrame::new(rows.len(), columns)?;
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut frame)?;
    Ok(bytes)
}

/// A run folder, read back.
#[derive(Clone, Debug)]
pub struct Run {
    pub manifest: Manifest,
    /// Structure in `best.txt`.
    pub best: String,
    /// Cheapest first.
    pub front: Vec<Found>,
}

/// Reads the folder of a finished run.
///
/// # Errors
/// A missing, damaged or newer file, by name.
pub fn read(dir: &Path) -> Result<Run, RunError> {
    let text = |name: &str| {
        let path = dir.join(name);
        std::fs::read_to_string(&path).map_err(|error| RunError::Io { path, error })
    };
    let path = dir.join("run.toml");
    let manifest = text("run.toml")?;
    let table: toml::Table = manifest
        .parse()
        .map_err(|e: toml::de::Error| RunError::Damaged { path: path.clone(), reason: e.to_string() })?;
    let version = table.get("schema_version").and_then(toml::Value::as_integer).unwrap_or(0);
    if version > i64::from(SCHEMA) {
        return Err(RunError::TooNew { path, found: u32::try_from(version).unwrap_or(u32::MAX) });
    }
    let manifest =
        toml::from_str(&manifest).map_err(|e| RunError::Damaged { path, reason: e.to_string() })?;
    let front = serde_json::from_str(&text("front.json")?)
        .map_err(|e| RunError::Damaged { path: dir.join("front.json"), reason: e.to_string() })?;
    let best = crate::plainnet::notation::first_line(&text("best.txt")?).to_owned();
    Ok(Run { manifest, best, front })
}
