//! What an engineer's computer does: datasets and the fits made of them, devices and campaigns that measure on them,
//! what a search leaves behind, and its report. Nothing here prints, and nothing parses a command line.
//!
//! The rooms, lowest first. A room imports only rooms with a smaller number, as `tests/architecture` checks.
//!
//! 1. `files`, `tables`, `scoring`, `spelling`: writing, locking and keeping files, time stamps; plain tables and their Parquet
//!    files; zero-shot scores of single networks; what may have been meant by an unknown name
//! 2. `dataset`, `runs`, `images`, `jobs`: measurements as tables, and imports of public ones; the folder of a search; folders of images
//!    as inputs of networks; slow work in parts that run anywhere
//! 3. `device`, `trainings`: computers, GPUs and phones that measure, with their profiles; what trainings leave in their folders
//! 4. `fit`, `campaign`: predictors from datasets, datasets from devices
//! 5. `catalogue`, `evaluation`, `pool`, `transfer`: devices, predictors and networks by name; how well predictors do; several units of
//!    one device that measure together; predictors for other devices from a few measurements
//! 6. `prediction`, `accuracy`: latencies of networks and tables; accuracies of trained networks, and what is fitted to
//!    them
//! 7. `verify`, `rescoring`, `report`, `train`, `deploy`: what a search found, measured, scored again, drawn, trained, and
//!    written as a file whose accuracy is known
//! 8. `experiment`: figures and tables of the paper

pub mod accuracy;
pub mod campaign;
pub mod catalogue;
pub mod dataset;
pub mod deploy;
pub mod device;
pub mod evaluation;
pub mod experiment;
pub mod files;
pub mod fit;
pub mod images;
pub mod jobs;
pub mod pool;
pub mod prediction;
pub mod report;
pub mod rescoring;
pub mod runs;
pub mod scoring;
pub mod spelling;
pub mod tables;
#[cfg(feature = "torch")]
pub mod train;
pub mod trainings;
pub mod transfer;
pub mod verify;
