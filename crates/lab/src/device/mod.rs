//! Devices: anything that measures the latency of a workload.
//!
//! A [`Driver`] is one kind of device. It lists the attached devices of its kind, understands their names, and opens
//! them; [`registry`] has one line for each. What is known of a device beforehand is its [`profile`].

pub mod adb;
pub mod android;
pub mod attached;
pub mod complaint;
pub mod computer;
mod driver;
mod error;
mod format;
pub mod gpu;
pub mod host_cpu;
pub mod linux;
mod name;
mod options;
mod passes;
mod pinned_core;
pub mod profile;
mod registry;
pub mod remote;
mod running;
mod runtime_places;
pub mod runtimes;
pub mod simulated;
pub mod ssh;
pub mod tool;
pub mod torch;
mod vigilance;
mod workload;

pub use driver::{Driver, Means, Request};
pub use error::DeviceError;
pub use name::DeviceName;
pub use options::{DriverOptions, Options};
pub use passes::Passes;
pub use registry::{driver_of, find, open, registry};
pub use vigilance::Vigilance;
pub use workload::Workload;

use edgezen_core::measurement::Identity;
use edgezen_runner::Measured;
use profile::Plateau;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Facts about a device, as they go into `environment.json`.
pub type Facts = serde_json::Map<String, serde_json::Value>;

/// An open device.
pub trait Device {
    /// What its measurements are the latencies of.
    fn identity(&self) -> &Identity;

    /// Facts about the device at this moment.
    fn facts(&self) -> Facts;

    /// Measures one workload.
    ///
    /// # Errors
    /// [`DeviceError::Workload`] concerns this workload only; any other error concerns the device.
    fn measure(&mut self, workload: Workload<'_>) -> Result<Measured, DeviceError>;

    /// Lets `time` pass between two launches of one workload, so that they do not meet the same moment. A device whose time
    /// is made up does not wait.
    fn rest(&mut self, _time: Duration) {}

    /// Waits until the device is fit to measure again, at most for `patience`. A device that cannot tell does not wait.
    fn settle(&mut self, _patience: Duration) {}

    /// Duration of a probe of the core's pace at its usual speed, in nanoseconds; `None` where the pace is not probed.
    fn usual_probe_ns(&self) -> Option<u64> {
        None
    }

    /// The sentinel's median while the data of the device's predictor were taken, in nanoseconds; `None` where no predictor
    /// tells.
    fn usual_sentinel_ns(&self) -> Option<u64> {
        None
    }

    /// In what a predictor that is for the same device, runtime and precision differs from what is measured here, where that
    /// matters: on phones, other cores and an engine that was built for another target have other latencies.
    fn differs_from(&self, _predictor: &Identity) -> Option<String> {
        None
    }

    /// Tells the device which campaign its next measurements belong to.
    fn begin(&mut self, _session: &str) {}

    /// Measures `workload` under a name that is unique within the campaign. A device that keeps results returns the kept
    /// result of a name that it knows, so that nothing is measured twice.
    ///
    /// # Errors
    /// As [`Device::measure`].
    fn measure_as(&mut self, _name: &str, workload: Workload<'_>) -> Result<Measured, DeviceError> {
        self.measure(workload)
    }

    /// Tells the device that all results of the campaign are stored on this computer; it may forget them, and stays taken for
    /// another campaign.
    fn stored(&mut self) {}

    /// The same, and that nothing more is measured.
    fn finished(&mut self) {}

    /// When the device counts as heated up; `None` where it is not to be heated: only the state `sustained` asks for it.
    fn plateau(&self) -> Option<Plateau> {
        None
    }

    /// Tells the device that it is on its plateau: how fast it usually is has to be learnt anew.
    fn heated(&mut self) {}

    /// When measurements have to be repeated. `None`: suspicious ones are only flagged.
    fn vigilance(&self) -> Option<Vigilance> {
        None
    }

    /// Whether this is still the device that gave the facts `earlier`, in the state it was in.
    fn continuity(&self, _earlier: &Facts) -> Continuity {
        Continuity::Same
    }

    /// What a person should know and has not been told yet.
    fn take_notes(&mut self) -> Vec<String> {
        Vec::new()
    }
}

/// How a device relates to the one that a campaign began on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Continuity {
    Same,
    /// The same device, restarted in the meantime; the text gives the evidence.
    Restarted(String),
    /// Another device, or the same one so changed that measurements cannot be compared; the text gives the evidence.
    Other(String),
}

/// A name that nobody else has used, for a campaign or a process.
pub fn unique_name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    format!("{now:x}-{:x}", std::process::id())
}
