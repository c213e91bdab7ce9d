//! What an engineer's computer does: datasets and the fits made of them, devices and campaigns that measure on them,
//! what a search leaves behind, and its report. Nothing here prints, and nothing parses a command line.
//!
//! The rooms, lowest first. A room imports only rooms with a smaller number, as `tests/architecture` checks.
//!
//! 1. `files`, `tables`: writing files whole, time stamps; plain tables and their Parquet files
//! 2. `dataset`: measurements as tables, and imports of public ones
//! 3. `device`: computers, GPUs and phones that measure; their profiles
//! 4. `fit`, `campaign`: predictors from datasets, datasets from devices
//! 5. `catalogue`, `evaluation`: devices and predictors by name; how well predictors do
//! 6. `runs`: the folder of a search
//! 7. `report`, `train`: pages about runs; training of what they found

pub mod campaign;
pub mod catalogue;
pub mod dataset;
pub mod device;
pub mod evaluation;
pub mod files;
pub mod fit;
pub mod report;
pub mod runs;
pub mod tables;
#[cfg(feature = "torch")]
pub mod train;
