//! Edgezen's values and decisions: networks and their costs, what was measured, predicting latencies, scoring
//! networks without training, and searching for the best one. Nothing here reads the clock, the environment or the
//! network, starts a process, or prints.
//!
//! The parts, from the bottom up; dependencies point downwards only: `units`, `stats`, `random`, `digest`, `files`; `plainnet`,
//! `zoo`; `measurement`; `space`, `predictor`, `proxy`; `search`.

#[cfg(feature = "decisions")]
pub mod digest;
pub mod files;
pub mod measurement;
pub mod plainnet;
#[cfg(feature = "decisions")]
pub mod predictor;
#[cfg(feature = "decisions")]
pub mod proxy;
#[cfg(feature = "decisions")]
pub mod random;
#[cfg(feature = "decisions")]
pub mod search;
#[cfg(feature = "decisions")]
pub mod space;
pub mod stats;
pub mod units;
pub mod zoo;
