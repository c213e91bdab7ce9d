//! Predictors of whole networks, from latencies of whole networks.
//!
//! Where a public table has only networks of one search space, nothing tells the price of a single kernel:
//! many quantities grow together. What can be had is a regression on quantities summed over each network,
//! with prices that are pulled together or towards those of another device. Such a predictor takes networks
//! of its own space only.

pub mod file;
pub mod sums;

pub use file::{ForMany, NetworkPredictor};
