//! Edgezen: fit an image network into the latency budget of a real device.
//!
//! The parts, from the bottom up; dependencies point downwards only:
//!
//! * core, pure values: `units`, `stats`, `digest`, `plainnet`, `zoo`;
//! * models, pure decisions: `space`, `predictor`, `proxy`, `search`;
//! * engines and the only stopwatch: `engine`, `runner`;
//! * devices and measuring: `device`, `measure`, `dataset`;
//! * training, with the feature `torch`: `train`;
//! * what a search leaves behind, and its drawing: `runs`, `report`;
//! * the only place that prints: `cli`.

pub mod dataset;
#[cfg(feature = "host")]
pub mod device;
#[cfg(feature = "host")]
mod digest;
#[cfg(feature = "host")]
pub mod embedded;
#[cfg(feature = "runner")]
pub mod engine;
#[cfg(feature = "host")]
pub mod measure;
pub mod plainnet;
#[cfg(feature = "host")]
pub mod predictor;
pub mod proxy;
#[cfg(feature = "host")]
pub mod report;
#[cfg(feature = "runner")]
pub mod runner;
#[cfg(feature = "host")]
pub mod runs;
#[cfg(feature = "host")]
pub mod search;
pub mod space;
pub mod stats;
#[cfg(feature = "torch")]
pub mod train;
pub mod units;
pub mod zoo;

#[cfg(feature = "host")]
pub mod cli;
