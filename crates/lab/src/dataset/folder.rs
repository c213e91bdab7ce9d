//! A dataset's folder: reading with validation, writing each file atomically.

use super::table;
use crate::files::write_atomically;
use edgezen_core::files::FileError;
use edgezen_core::measurement::{Identity, Sample};
use polars::prelude::{ParquetReader, ParquetWriter, PolarsError, SerReader};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

pub const SAMPLES: &str = "samples.parquet";
pub const ENVIRONMENT: &str = "environment.json";
pub const README: &str = "README.md";
/// Every timed run.
pub const RAW: &str = "raw/runs.parquet";

/// Newest layout that this program reads. Increment when a column or field changes its meaning.
pub const SCHEMA: u32 = 1;

/// Measured latencies of one identity.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    pub identity: Identity,
    pub samples: Vec<Sample>,
    pub provenance: Provenance,
    /// The device as it was while measuring (clocks, governor, temperatures, load, …), as the device
    /// reported it; empty for imported tables.
    pub environment: serde_json::Map<String, serde_json::Value>,
}

/// Where a dataset comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Who measured, or the publication and address of an imported table.
    pub source: String,
    /// SPDX expression.
    pub licence: String,
    /// RFC 3339, UTC.
    pub created: String,
    pub tool_version: String,
    /// Anything a reader should know: what was left out, what was converted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// `environment.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvironmentFile {
    schema_version: u32,
    identity: Identity,
    provenance: Provenance,
    #[serde(default)]
    environment: serde_json::Map<String, serde_json::Value>,
}

/// Why a dataset could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    #[error("{path}: {error}")]
    Io { path: PathBuf, error: std::io::Error },
    #[error("{path} is not a readable Parquet table: {reason}")]
    Parquet { path: PathBuf, reason: String },
    #[error("{path}: {reason}")]
    Json { path: PathBuf, reason: String },
    #[error("{path}: written by a newer version of this program (layout {found}, this one reads {SCHEMA})")]
    TooNew { path: PathBuf, found: u32 },
    #[error("{path}: column {column:?} is missing")]
    MissingColumn { path: PathBuf, column: String },
    #[error("{path}: column {column:?} holds {found}, expected {expected}")]
    ColumnType { path: PathBuf, column: String, found: String, expected: &'static str },
    #[error("{path}: row {row}, column {column:?}: {reason}")]
    Cell { path: PathBuf, row: usize, column: String, reason: String },
    #[error("{path}: not a readable CSV table: {reason}")]
    Csv { path: PathBuf, reason: String },
    #[error("{path}: the name of a table ends in .csv, .csv.gz or .parquet")]
    TableKind { path: PathBuf },
    #[error("{path}: the table holds no rows")]
    Empty { path: PathBuf },
    #[error(transparent)]
    File(#[from] FileError),
}

impl DatasetError {
    /// Whether a file is missing, rather than damaged.
    pub fn is_missing(&self) -> bool {
        matches!(self, DatasetError::Io { error, .. } if error.kind() == std::io::ErrorKind::NotFound)
    }

    pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> DatasetError + '_ {
        move |error| DatasetError::Io { path: path.to_owned(), error }
    }

    pub(super) fn parquet(path: &Path) -> impl FnOnce(PolarsError) -> DatasetError + '_ {
        move |error| DatasetError::Parquet { path: path.to_owned(), reason: error.to_string() }
    }
}

impl Dataset {
    /// Reads and checks the dataset in `dir`.
    ///
    /// # Errors
    /// A missing or damaged file; a missing column; a row whose latency is not a positive number, whose
    /// kernel makes no sense, or whose identity differs from the others', by row and column.
    pub fn read(dir: &Path) -> Result<Dataset, DatasetError> {
        let path = dir.join(ENVIRONMENT);
        let text = std::fs::read(&path).map_err(DatasetError::io(&path))?;
        let damaged = |e: serde_json::Error| DatasetError::Json { path: path.clone(), reason: e.to_string() };
        let schema = serde_json::from_slice::<serde_json::Value>(&text).map_err(damaged)?;
        match schema["schema_version"].as_u64() {
            Some(version) if version > u64::from(SCHEMA) => {
                return Err(DatasetError::TooNew { path, found: u32::try_from(version).unwrap_or(u32::MAX) });
            }
            _ => {}
        }
        let file: EnvironmentFile = serde_json::from_slice(&text).map_err(damaged)?;
        let samples = read_samples(&dir.join(SAMPLES), &file.identity)?;
        Ok(Dataset {
            identity: file.identity,
            samples,
            provenance: file.provenance,
            environment: file.environment,
        })
    }
}

fn read_samples(path: &Path, identity: &Identity) -> Result<Vec<Sample>, DatasetError> {
    let file = std::fs::File::open(path).map_err(DatasetError::io(path))?;
    // The reader asserts some properties of the file; a damaged one must not end the program.
    let read = std::panic::catch_unwind(|| ParquetReader::new(file).set_low_memory(false).finish());
    let frame = read
        .map_err(|_| DatasetError::Parquet { path: path.to_owned(), reason: "the file is damaged".into() })?
        .map_err(DatasetError::parquet(path))?;
    table::samples(&frame, identity, path)
}

/// Writes `dataset` into `dir`, which is created if need be: samples, environment and README, each file
/// replaced atomically; other files of the folder are left alone.
///
/// # Errors
/// Whatever the disk says.
pub fn write(dir: &Path, dataset: &Dataset) -> Result<(), DatasetError> {
    std::fs::create_dir_all(dir).map_err(DatasetError::io(dir))?;
    let environment = EnvironmentFile {
        schema_version: SCHEMA,
        identity: dataset.identity.clone(),
        provenance: dataset.provenance.clone(),
        environment: dataset.environment.clone(),
    };
    let path = dir.join(ENVIRONMENT);
    let json = serde_json::to_string_pretty(&environment)
        .map_err(|e| DatasetError::Json { path: path.clone(), reason: e.to_string() })?;
    let path_samples = dir.join(SAMPLES);
    let mut frame = table::frame(dataset).map_err(DatasetError::parquet(&path_samples))?;
    write_frame(&path_samples, &mut frame)?;
    write_atomically(&dir.join(README), readme(dataset).as_bytes())?;
    // Last: its presence says that the folder is complete.
    Ok(write_atomically(&path, (json + "\n").as_bytes())?)
}

/// One timed sample of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawRun {
    /// Row of the subject in the samples table.
    pub sample: u32,
    /// Pass over the plan, from 0.
    pub round: u32,
    /// Order within the pass; −1 is its very first run, before any warm-up.
    pub run: i32,
    /// Time of `k` runs together, as read from the clock.
    pub ns: u64,
    pub k: u32,
    /// Whether the core was at its usual speed before and after; unknown where nobody looked.
    pub undisturbed: Option<bool>,
}

/// Writes every timed run to `raw/runs.parquet`.
///
/// # Errors
/// Whatever the disk says.
pub fn write_raw(dir: &Path, runs: &[RawRun]) -> Result<(), DatasetError> {
    let path = dir.join(RAW);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(DatasetError::io(parent))?;
    }
    let mut frame = table::raw_frame(runs).map_err(DatasetError::parquet(&path))?;
    write_frame(&path, &mut frame)
}

fn write_frame(path: &Path, frame: &mut polars::prelude::DataFrame) -> Result<(), DatasetError> {
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(frame).map_err(DatasetError::parquet(path))?;
    Ok(write_atomically(path, &bytes)?)
}

fn readme(dataset: &Dataset) -> String {
    let Dataset { identity, samples, provenance, .. } = dataset;
    let count = |name: &str| samples.iter().filter(|s| s.subject.type_name() == name).count();
    let mut out = format!("# {identity}\n\n");
    out += &format!(
        "{} kernels, {} blocks and {} networks, with {} thread{} and batch {}.\n\n",
        count("kernel"),
        count("block"),
        count("network"),
        identity.threads,
        if identity.threads == 1 { "" } else { "s" },
        identity.batch
    );
    out += &format!(
        "Source: {}  \nLicence: {}  \nCreated: {} by edgezen {}\n",
        provenance.source, provenance.licence, provenance.created, provenance.tool_version
    );
    for note in &provenance.notes {
        out += &format!("\n* {note}");
    }
    out.trim_end().to_owned()
        + "\n\n`samples.parquet`: one row per configuration; latencies are those of the whole batch, in nanoseconds.\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_core::measurement::{Quality, Subject, Summary};
    use edgezen_core::plainnet::graph::Act;
    use edgezen_core::plainnet::{Kernel, KernelKind};
    use edgezen_core::units::Latency;

    fn dataset() -> Dataset {
        let kernel = Kernel {
            kind: KernelKind::Conv,
            batch: 1,
            in_c: 16,
            out_c: 32,
            in_h: 56,
            in_w: 56,
            kernel: 3,
            stride: 2,
            groups: 1,
            act: Act::Relu,
            residual: true,
            window: None,
        };
        let summary = Summary::of(&[10.0, 12.0, 11.0], 4);
        let structure = "SuperResK3K3(16,32,2,16,1)".to_owned();
        Dataset {
            identity: Identity {
                device: "test".into(),
                runtime: "tract".into(),
                runtime_version: Some("1".into()),
                precision: "fp32".into(),
                batch: 1,
                threads: 1,
                cores: Some("0".into()),
                thermal_state: None,
            },
            samples: vec![
                Sample {
                    subject: Subject::Kernel(kernel),
                    median: Latency::from_ns(11.0),
                    summary,
                    quality: Quality::Good,
                },
                Sample::imported(
                    Subject::Block { structure: structure.clone(), resolution: 56 },
                    Latency::from_ns(500.5),
                ),
                Sample::imported(
                    Subject::Network {
                        name: Some("n".into()),
                        structure,
                        resolution: 224,
                        classes: 10,
                        se: true,
                        batch: 1,
                    },
                    Latency::from_ms(3.0),
                ),
            ],
            provenance: Provenance {
                source: "a test".into(),
                licence: "MIT".into(),
                created: crate::files::rfc3339(0),
                tool_version: "0".into(),
                notes: vec![],
            },
            environment: serde_json::Map::new(),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let written = dataset();
        write(dir.path(), &written).unwrap();
        assert_eq!(Dataset::read(dir.path()).unwrap(), written);
        // Again over the old files.
        write(dir.path(), &written).unwrap();
        assert_eq!(Dataset::read(dir.path()).unwrap(), written);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3, "temporary files were left");
    }

    #[test]
    fn bad_rows_are_refused_by_row_and_column() {
        let dir = tempfile::tempdir().unwrap();
        for bad in [f64::NAN, -1.0, 0.0, f64::INFINITY] {
            let mut damaged = dataset();
            damaged.samples[1].median = Latency::from_ns(bad);
            write(dir.path(), &damaged).unwrap();
            let error = Dataset::read(dir.path()).unwrap_err().to_string();
            assert!(error.contains("row 2") && error.contains("median_ns"), "{error}");
        }
        let mut damaged = dataset();
        let Subject::Kernel(kernel) = &mut damaged.samples[0].subject else { unreachable!() };
        kernel.stride = 0;
        write(dir.path(), &damaged).unwrap();
        let error = Dataset::read(dir.path()).unwrap_err().to_string();
        assert!(error.contains("row 1") && error.contains("stride"), "{error}");
    }

    #[test]
    fn mixed_identities_and_missing_columns_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut frame = table::frame(&dataset()).unwrap();
        write(dir.path(), &dataset()).unwrap();
        let devices = polars::prelude::Column::new("device".into(), ["test", "test", "other"]);
        frame.with_column(devices).unwrap();
        write_frame(&dir.path().join(SAMPLES), &mut frame).unwrap();
        let error = Dataset::read(dir.path()).unwrap_err().to_string();
        assert!(error.contains("row 3") && error.contains("device"), "{error}");
        let mut frame = table::frame(&dataset()).unwrap().drop("median_ns").unwrap();
        write_frame(&dir.path().join(SAMPLES), &mut frame).unwrap();
        let error = Dataset::read(dir.path()).unwrap_err();
        assert!(matches!(&error, DatasetError::MissingColumn { column, .. } if column == "median_ns"));
    }

    #[test]
    fn damaged_files_give_errors() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Dataset::read(dir.path()).unwrap_err().is_missing());
        write(dir.path(), &dataset()).unwrap();
        let path = dir.path().join(SAMPLES);
        let good = std::fs::read(&path).unwrap();
        for cut in [0, 1, 4, good.len() / 2, good.len() - 1] {
            std::fs::write(&path, &good[..cut]).unwrap();
            assert!(Dataset::read(dir.path()).is_err(), "cut at {cut}");
        }
        std::fs::write(&path, &good).unwrap();
        let json = dir.path().join(ENVIRONMENT);
        let text = std::fs::read_to_string(&json).unwrap();
        std::fs::write(&json, text.replace("\"schema_version\": 1", "\"schema_version\": 99")).unwrap();
        assert!(matches!(Dataset::read(dir.path()), Err(DatasetError::TooNew { found: 99, .. })));
    }
}
