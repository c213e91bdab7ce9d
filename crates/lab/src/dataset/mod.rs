//! Datasets: measured latencies with the conditions they were measured under.
//!
//! A dataset is a folder: `samples.parquet` (one row per configuration), `environment.json` (identity,
//! provenance, the device as it was), `README.md`, and where it was measured here `raw/runs.parquet`
//! (every timed run), `journal.jsonl` and `lookup_table.csv`.

pub mod folder;
pub mod import;
mod kernel_table;
mod lookup;
pub mod network_import;
pub mod network_table;
mod table;
pub mod trtexec;

pub use folder::{Dataset, DatasetError, Provenance, RawRun, SAMPLES, write, write_raw};
pub use kernel_table::KernelTable;
pub use lookup::{LookupRow, lookup_table};
