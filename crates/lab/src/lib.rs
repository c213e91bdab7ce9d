//! What an engineer's computer does: datasets and the fits made of them, devices and campaigns that measure on them,
//! what a search leaves behind, and its report. Nothing here prints, and nothing parses a command line.

pub mod campaign;
pub mod catalogue;
pub mod dataset;
pub mod device;
pub mod evaluation;
pub mod experiment;
pub mod files;
pub mod fit;
pub mod prediction;
pub mod report;
pub mod rescoring;
pub mod runs;
pub mod scoring;
#[cfg(feature = "torch")]
pub mod train;
pub mod verify;
