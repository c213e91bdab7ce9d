//! Run folders: what a search leaves on disk, enough to repeat it, to go on with it and to check it.
//!
//! `run.toml` (everything needed to repeat the run; written first), `checkpoint` (written while the
//! search runs), `best.txt` (the structure), `best.onnx` (with `best.onnx.data` where one file cannot hold the weights, and
//! absent where they are larger still), `front.json`, `front.csv`, `archive.parquet` (the final
//! population and the fronts), `history.csv` (best and mean score by iteration), `verified.json` (what
//! was measured, if anything was) and `result.json` (what `--json` prints; written last). Each file is
//! replaced atomically, and a finished run is replaced as a whole ([`RunFolder`]).

mod best;
mod checkpoint;
mod folder;
mod found;
mod front;
pub mod manifest;
mod rescored;
mod result;
mod verification;

pub use best::{NotExported, write_best};
pub use checkpoint::SavedSearch;
pub use folder::{Content, RunFolder, files_of};
pub use found::{FoundNetwork, PredictedMs, PredictedRate, PredictedTime};
pub use front::write_front;
pub use manifest::{BudgetTable, DeviceTable, Manifest, ObjectiveTable, RescoreTable};
pub use rescored::{NotRescored, Rescored, RescoredNetwork};
pub use result::{Chosen, SearchResult};
pub use verification::{Verification, Verified, VerifyRound};

use crate::files::holding::names::run::{BEST, RESULT, RUN, VERIFIED};
use crate::files::{self, renewal, write_atomically};
use crate::tables::parquet::{self, Compression};
use crate::tables::{Column, Table, Values};
use edgezen_core::files::FileError;
use edgezen_core::plainnet::{Network, notation};
use edgezen_core::search::budget::Scale;
use edgezen_core::search::{Budgets, HistoryPoint, Quantity, SearchOutcome};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Why a run folder could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    File(#[from] FileError),
    /// A new run would take the place of this one.
    #[error("{} holds a finished run", dir.display())]
    Finished { dir: PathBuf },
    #[error("{} holds a run that is not finished", dir.display())]
    Unfinished { dir: PathBuf },
    #[error("{} holds {name}, and no run that it belongs to", dir.display())]
    Foreign { dir: PathBuf, name: &'static str },
    /// `best.txt` was cut off or changed, or is that of another run.
    #[error("{}: it is not the best network of the result.json beside it, so one of the two was changed or cut off", path.display())]
    OtherBest { path: PathBuf },
}

/// Most networks in `front.json`.
pub const FRONT_SIZE: usize = 60;

/// Writes `run.toml`.
///
/// # Errors
/// Whatever the disk says.
pub fn write_manifest(dir: &Path, manifest: &Manifest) -> Result<(), RunError> {
    let text = toml::to_string_pretty(manifest).map_err(|e| damaged(dir, RUN, &e))?;
    Ok(write_atomically(&dir.join(RUN), text.as_bytes())?)
}

fn damaged(dir: &Path, name: &str, reason: &dyn std::fmt::Display) -> FileError {
    FileError::damaged(&dir.join(name), reason)
}

/// Writes what a search found, but for its best network, `front.csv` and the result.
///
/// # Errors
/// Whatever the disk says; files written so far are complete.
pub fn write_outcome(dir: &Path, outcome: &SearchOutcome, budgets: &Budgets) -> Result<(), RunError> {
    write_json(dir, "front.json", &front(outcome, budgets))?;
    let mut history = String::from("iteration,best,mean\n");
    for point in &outcome.history {
        history += &format!("{},{},{}\n", point.iteration, point.best, point.mean);
    }
    write_atomically(&dir.join("history.csv"), history.as_bytes())?;
    let bytes = parquet::write(&archive(outcome, budgets), Compression::Zstd)
        .map_err(|e| damaged(dir, "archive.parquet", &e))?;
    Ok(write_atomically(&dir.join("archive.parquet"), &bytes)?)
}

/// Writes what was measured.
///
/// # Errors
/// Whatever the disk says.
pub fn write_verification(dir: &Path, verification: &Verification) -> Result<(), RunError> {
    write_json(dir, VERIFIED, verification)
}

/// Writes the result: the run is finished.
///
/// # Errors
/// Whatever the disk says.
pub fn write_result(dir: &Path, result: &SearchResult) -> Result<(), RunError> {
    write_json(dir, RESULT, result)
}

/// Takes the result away again, where more is to be known before the run is finished.
///
/// # Errors
/// Whatever the disk says.
pub fn withdraw_result(dir: &Path) -> Result<(), RunError> {
    let path = dir.join(RESULT);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => Ok(removed.map_err(FileError::io(&path))?),
    }
}

fn write_json(dir: &Path, name: &str, value: &impl Serialize) -> Result<(), RunError> {
    let text = serde_json::to_string_pretty(value).map_err(|e| damaged(dir, name, &e))?;
    Ok(write_atomically(&dir.join(name), (text + "\n").as_bytes())?)
}

/// The networks of `front.json`.
pub fn front(outcome: &SearchOutcome, budgets: &Budgets) -> Vec<FoundNetwork> {
    outcome.fronts.spread(FRONT_SIZE).iter().map(|on| FoundNetwork::on_front(on, budgets)).collect()
}

/// The final population and the fronts as a table.
fn archive(outcome: &SearchOutcome, budgets: &Budgets) -> Table {
    let population = outcome.population.iter().map(|network| (&**network, true));
    let fronts = outcome.fronts.iter().flat_map(|front| front.iter()).map(|network| (network, false));
    let rows: Vec<(FoundNetwork, bool)> = population
        .chain(fronts)
        .map(|(network, member)| (FoundNetwork::of(network, budgets), member))
        .collect();
    let mut columns = vec![
        Column::new("net", Values::texts(rows.iter().map(|(row, _)| Some(&row.net)))),
        Column::new("in_population", Values::flags(rows.iter().map(|&(_, member)| Some(member)))),
        Column::new("score", Values::floats(rows.iter().map(|(row, _)| Some(row.score)))),
    ];
    for quantity in Quantity::of_networks() {
        let values = rows.iter().map(|(row, _)| row.amounts[quantity]);
        let whole = |value: Option<f64>| value.map(|value| value as i64);
        match quantity.scale() {
            Scale::Whole => columns.push(Column::new(quantity.column(), Values::integers(values.map(whole)))),
            _ if quantity.is_always_known() || budgets.limit(quantity).is_some() => {
                columns.push(Column::new(quantity.column(), Values::floats(values)));
            }
            _ => {}
        }
    }
    for device in budgets.devices() {
        let quantity = device.quantity();
        let of =
            |row: &FoundNetwork| row.on(&device.name).map(|predicted| quantity.reported(predicted.time.ns()));
        let predicted = Values::floats(rows.iter().map(|(row, _)| of(row)));
        let unit = if quantity == Quantity::Throughput { quantity.column() } else { "ms" };
        columns.push(Column::new(format!("{}_{unit}", device.name), predicted));
    }
    Table { columns }
}

/// A finished run, read back.
#[derive(Clone, Debug)]
pub struct FinishedRun {
    pub manifest: Manifest,
    /// Structure in `best.txt`.
    pub best: String,
    /// Cheapest first.
    pub front: Vec<FoundNetwork>,
}

/// Reads the folder of a finished run.
///
/// # Errors
/// A missing, damaged or newer file, by name.
pub fn read(dir: &Path) -> Result<FinishedRun, RunError> {
    let manifest = read_manifest(dir)?;
    let front = read_json(dir, "front.json")?;
    let best = notation::first_line(&read_text(dir, BEST)?).to_owned();
    if let Ok(network) = notation::parse(&best) {
        check_best(dir, &network)?;
    }
    Ok(FinishedRun { manifest, best, front })
}

/// Holds the structure in `best.txt` of the run in `dir` against its result, where it has one.
///
/// # Errors
/// Another structure; a damaged result.
pub fn check_best(dir: &Path, best: &Network) -> Result<(), RunError> {
    if !dir.join(RESULT).exists() {
        return Ok(());
    }
    let recorded = read_result(dir)?.best.net;
    let same = match notation::parse(&recorded) {
        Ok(recorded) => recorded.to_string() == best.to_string(),
        Err(error) => return Err(damaged(dir, RESULT, &error).into()),
    };
    if same { Ok(()) } else { Err(RunError::OtherBest { path: dir.join(BEST) }) }
}

/// Reads `run.toml`. Before that, a change of places that was cut off is completed (see [`RunFolder`]), so that all files
/// are those of one run.
///
/// # Errors
/// A missing, damaged or newer file.
pub fn read_manifest(dir: &Path) -> Result<Manifest, RunError> {
    renewal::settle(dir)?;
    let path = dir.join(RUN);
    let manifest: Manifest = files::read_toml(&manifest::FORMAT, &path)?;
    manifest.check().map_err(|reason| FileError::damaged(&path, reason))?;
    Ok(manifest)
}

/// Reads `result.json`.
///
/// # Errors
/// A missing or damaged file.
pub fn read_result(dir: &Path) -> Result<SearchResult, RunError> {
    read_json(dir, RESULT)
}

/// Reads `verified.json`, if anything was measured.
///
/// # Errors
/// A damaged file.
pub fn read_verification(dir: &Path) -> Result<Option<Verification>, RunError> {
    if dir.join(VERIFIED).exists() { read_json(dir, VERIFIED).map(Some) } else { Ok(None) }
}

/// Reads `history.csv`.
///
/// # Errors
/// A missing or damaged file.
pub fn read_history(dir: &Path) -> Result<Vec<HistoryPoint>, RunError> {
    let point = |(i, line): (usize, &str)| {
        let mut cells = line.split(',');
        let mut next = || cells.next().and_then(|cell| cell.parse::<f64>().ok());
        match (next(), next(), next()) {
            (Some(iteration), Some(best), Some(mean)) => {
                Ok(HistoryPoint { iteration: iteration as u64, best, mean })
            }
            _ => Err(FileError::damaged_line(&dir.join("history.csv"), i + 1, "not three numbers").into()),
        }
    };
    read_text(dir, "history.csv")?.lines().enumerate().skip(1).map(point).collect()
}

/// Larger files of a run folder are refused.
const MOST_BYTES: u64 = 1 << 30;

fn read_text(dir: &Path, name: &str) -> Result<String, FileError> {
    files::read_text(&dir.join(name), MOST_BYTES)
}

fn read_json<T: serde::de::DeserializeOwned>(dir: &Path, name: &str) -> Result<T, RunError> {
    Ok(serde_json::from_str(&read_text(dir, name)?).map_err(|e| damaged(dir, name, &e))?)
}
