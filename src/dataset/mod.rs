//! Datasets: measured latencies with the conditions they were measured under.
//!
//! A dataset is a folder: `samples.parquet` (one row per configuration), `environment.json` (identity,
//! provenance, the device as it was), `README.md`, and where it was measured here `raw/runs.parquet`
//! (every timed run), `journal.jsonl` and `lookup_table.csv`.

mod identity;
mod sample;

#[cfg(feature = "host")]
pub mod folder;
#[cfg(feature = "host")]
pub mod import;
#[cfg(feature = "host")]
mod kernel_table;
#[cfg(feature = "host")]
mod lookup;
#[cfg(feature = "host")]
pub mod network_import;
#[cfg(feature = "host")]
pub mod network_table;
#[cfg(feature = "host")]
mod table;
#[cfg(feature = "host")]
pub mod trtexec;

pub use identity::Identity;
pub use sample::{Code, Quality, Sample, Subject, SubjectError, Summary};

#[cfg(feature = "host")]
pub use folder::{
    Dataset, DatasetError, Provenance, RawRun, SAMPLES, rfc3339, write, write_atomically,
    write_atomically_with, write_raw,
};
#[cfg(feature = "host")]
pub use kernel_table::KernelTable;
#[cfg(feature = "host")]
pub use lookup::{LookupRow, lookup_table};
