//! Edgezen's values and decisions: networks and their costs, what was measured, predicting latencies, scoring
//! networks without training, and searching for the best one. Nothing here reads the clock, the environment or the
//! network, starts a process, or prints.
//!
//! The rooms, lowest first. A room imports only rooms with a smaller number, as `tests/architecture` checks.
//!
//! 1. `foreign`: text from outside, which never becomes a path, a word of a shell or a terminal's command by itself
//! 2. `units`, `stats`, `random`, `digest`, `files`: quantities, statistics, random orders, checksums, versioned file formats
//! 3. `plainnet`: networks as strings and graphs, their shapes, costs and kernels
//! 4. `zoo`: networks of other search spaces and papers
//! 5. `measurement`: what was measured on which device, and how well
//! 6. `space`, `predictor`, `proxy`: what a search may visit, its latencies, its scores
//! 7. `accuracy`: what the accuracies of trained networks say of others
//! 8. `search`: the best network inside the budgets

#[cfg(feature = "decisions")]
pub mod accuracy;
#[cfg(feature = "digest")]
pub mod digest;
pub mod files;
pub mod foreign;
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
