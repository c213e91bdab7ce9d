//! Predicted against measured: networks are measured on a device beside what a predictor says of them
//! ([`OnDevice::compare`]), and the best networks of a search are measured until enough of them keep the budget
//! ([`Verify`]).
//!
//! The example `verify` in the repository runs a search and verifies it on the simulated device.

mod compare;
mod feedback;
mod of_run;
mod rounds;

pub use compare::{OnDevice, Predicted, metrics};
pub use feedback::samples;
pub use of_run::networks_of;
pub use rounds::{Finding, Verify};

use crate::device::DeviceError;
use crate::evaluation::OtherIdentity;
use edgezen_core::plainnet::ShapeError;
use edgezen_core::search::SearchError;
use edgezen_core::units::Latency;
use std::time::Duration;

/// What has just happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    /// A round of [`Verify`] begins, after so many measured networks.
    Round { measured: usize },
    /// Measurements begin; so many are planned. Noisy networks may need more.
    Begin { measurements: usize },
    /// The next measurement begins: that of the network with this index.
    Measuring { network: usize },
    /// The sentinel is measured, before or after all of them.
    Sentinel,
    /// The device rests before anything is measured.
    Resting { left: Duration, reason: &'a str },
    /// The device is heated up to its plateau before anything is measured.
    Heating { so_far: Duration, sentinel: Latency },
    /// All measurements are made.
    Measured,
    /// What the device has to say to a person.
    Note(&'a str),
    /// The core runs quicker than while the predictor's data were measured, so the predictor says too much.
    QuickerCore,
}

/// Why networks were not verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("nothing predicts the latency on {0}")]
    NoPredictor(String),
    /// The predictor is not for what the device measures.
    #[error(transparent)]
    OtherIdentity(#[from] OtherIdentity),
    #[error("{net}: no samples came back")]
    NoSamples { net: String },
    #[error("interrupted after {measured} measured networks")]
    Interrupted { measured: usize },
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error("networks on {0} are priced as a whole, which measurements do not correct")]
    NoKernels(String),
    #[error(transparent)]
    Search(#[from] SearchError),
    #[error(transparent)]
    Shape(#[from] ShapeError),
}
