//! Datasets: measured latencies with the conditions they were measured under.
//!
//! A dataset is a folder: `samples.parquet` (one row per configuration), `environment.json` (identity,
//! provenance, the device as it was), `README.md`, and where it was measured here `raw/runs.parquet`
//! (every timed run), `journal.jsonl` and `lookup_table.csv`.
//!
//! [`folder`] reads and writes it, [`keeping`] sees to it that nothing is lost when a folder is written again; [`environment`], `samples` and [`raw`] are its files. [`table`] reads tables of
//! kernels and of networks as people have them, and [`import`] makes datasets of published ones; `names` knows what
//! those call devices, runtimes and networks.

pub mod environment;
mod error;
pub mod folder;
mod home;
pub mod import;
pub mod keeping;
mod lookup;
pub mod names;
mod parquet;
mod provenance;
pub mod raw;
mod samples;
pub mod table;

pub use environment::Environment;
pub use error::DatasetError;
pub use folder::{Dataset, SAMPLES, write};
pub use home::find;
pub use keeping::{DatasetFolder, files_of, write_whole};
pub use lookup::{LookupRow, lookup_table};
pub use provenance::Provenance;
pub use raw::{RawRun, write_raw};
pub use table::KernelTable;
