//! Devices: something that measures. Each kind of device is one driver in the list below; what is
//! known of a device beforehand is its [`profile`].

pub mod computer;
pub mod host;
pub mod profile;
pub mod simulated;

use crate::dataset::{Identity, Subject};
use crate::engine::EngineError;
use crate::runner::conditions::PinError;
use crate::runner::{Measured, Policy};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Facts about a device, as they go into `environment.json`.
pub type Facts = serde_json::Map<String, serde_json::Value>;

/// An open device.
pub trait Device {
    /// What its measurements are the latencies of.
    fn identity(&self) -> &Identity;

    /// The device as it is now.
    fn facts(&self) -> Facts;

    /// Measures one workload.
    ///
    /// # Errors
    /// [`DeviceError::Workload`] concerns this workload only; anything else, the device.
    fn measure(&mut self, workload: Workload<'_>) -> Result<Measured, DeviceError>;

    /// Waits until the device is fit to measure again, at most so long. Devices that cannot tell do not
    /// wait.
    fn settle(&mut self, _patience: Duration) {}

    /// Length of a probe of the core's pace at its usual speed; `None` where the pace is not probed.
    fn usual_probe_ns(&self) -> Option<u64> {
        None
    }
}

/// What a device can be asked to measure.
#[derive(Clone, Copy, Debug)]
pub enum Workload<'a> {
    Subject(&'a Subject),
    /// A network of someone else's, from an ONNX file, as it is.
    Onnx(&'a Path),
}

/// How to open a device.
#[derive(Clone, Debug)]
pub struct Options {
    /// Images per run.
    pub batch: u32,
    pub threads: u32,
    /// Cores to pin to; the driver chooses where it says nothing.
    pub cores: Option<Vec<u32>>,
    /// Which one, where several of a kind are attached.
    pub serial: Option<String>,
    /// Replaces the driver's own measuring policy.
    pub policy: Option<Policy>,
    /// Passes that each workload will be measured in: every pass does its share of the runs.
    pub rounds: u32,
    /// What an earlier session found to be the usual length of a probe of the core's pace.
    pub usual_probe_ns: Option<u64>,
    /// Of weights and inputs.
    pub seed: u64,
    /// How a simulated device behaves.
    pub simulation: simulated::Simulation,
}

impl Options {
    /// What one pass measures, where the driver's own policy is `usual`.
    fn policy(&self, usual: Policy) -> Policy {
        self.policy.unwrap_or(usual).split(self.rounds)
    }
}

impl Default for Options {
    fn default() -> Options {
        let simulation = simulated::Simulation::default();
        Options {
            batch: 1,
            threads: 1,
            cores: None,
            serial: None,
            policy: None,
            rounds: 1,
            usual_probe_ns: None,
            seed: 0,
            simulation,
        }
    }
}

/// A kind of device that can be opened by name.
pub struct Driver {
    pub name: &'static str,
    pub about: &'static str,
    pub open: fn(&Options) -> Result<Box<dyn Device>, DeviceError>,
}

/// All drivers that are built in.
pub fn registry() -> &'static [Driver] {
    &[
        Driver { name: "host", about: "the CPU of this computer, through tract", open: host::open },
        Driver {
            name: "simulated",
            about: "a made-up device, for tests and dry runs",
            open: simulated::open,
        },
    ]
}

/// Opens the device called `name`.
///
/// # Errors
/// An unknown name, or what the driver says.
pub fn open(name: &str, options: &Options) -> Result<Box<dyn Device>, DeviceError> {
    match registry().iter().find(|driver| driver.name == name) {
        Some(driver) => (driver.open)(options),
        None => Err(DeviceError::Unknown {
            name: name.to_owned(),
            known: registry().iter().map(|driver| driver.name).collect(),
        }),
    }
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    #[error("there is no device {name:?} that can measure; known: {}", known.join(", "))]
    Unknown { name: String, known: Vec<&'static str> },
    #[error("{device}: {what} is not supported")]
    Unsupported { device: String, what: String },
    #[error("{device}: {error}")]
    Pin { device: String, error: PinError },
    #[error("{device} was lost: {reason}")]
    Lost { device: String, reason: String },
    /// This workload cannot be measured; others can.
    #[error("{workload}: {reason}")]
    Workload { workload: String, reason: String },
    #[error("{path}: {reason}")]
    BadFile { path: PathBuf, reason: String },
}

impl DeviceError {
    fn workload(workload: Workload<'_>, reason: impl std::fmt::Display) -> DeviceError {
        let workload = match workload {
            Workload::Subject(subject) => subject.to_string(),
            Workload::Onnx(path) => path.display().to_string(),
        };
        DeviceError::Workload { workload, reason: reason.to_string() }
    }

    fn engine(workload: Workload<'_>, error: &EngineError) -> DeviceError {
        DeviceError::workload(workload, error)
    }
}
