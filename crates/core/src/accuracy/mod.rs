//! Accuracies of networks, foretold from the accuracies of a few that were trained.
//!
//! A [`Calibration`] is what `edgezen calibrate` fits: weights of quantities that every network has ([`features`]). It is
//! no Zen-Score: labels went into it. An [`Objective`] lets a search maximise it.

pub mod calibration;
pub mod features;
pub mod objective;

pub use calibration::{Calibration, CalibrationError, Prediction};
pub use objective::Objective;
