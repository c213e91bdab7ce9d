//! An open device: what is known of it while it is measured.

use super::kit::Kit;
use super::launch::runner_command;
use super::machine::Machine;
use super::{Link, Lock, System};
use crate::device::profile::Profile;
use crate::device::{DeviceError, Facts};
use edgezen_core::foreign::Name;
use edgezen_core::measurement::Identity;
use edgezen_runner::{Policy, Running};
use rustc_hash::FxHashSet;
use std::time::Duration;

/// Longest wait for a small command, or for a device that should be there.
pub const SOON: Duration = Duration::from_secs(5);

/// An open device.
pub struct Remote {
    pub(super) link: Box<dyn Link>,
    pub(super) profile: Profile,
    pub(super) identity: Identity,
    pub(super) machine: Machine,
    /// The runner on the device, with what it needs.
    pub(super) kit: Kit,
    /// How networks are run.
    pub(super) running: Running,
    /// Workloads whose outputs agree with tract's, as an earlier job found.
    pub(super) compared: FxHashSet<String>,
    pub(super) policy: Policy,
    pub(super) cores: Vec<u32>,
    /// Seed of weights and inputs.
    pub(super) seed: u64,
    /// Longest wait for the device after the link broke.
    pub(super) patience: Duration,
    /// Folder on the device for the runner and its results.
    pub(super) dir: String,
    /// Name of the present campaign. Measurements outside a campaign have a name of their own.
    pub(super) session: Name,
    /// Name of this process, unique among all.
    pub(super) run: String,
    /// Number of jobs without a name so far.
    pub(super) unnamed: u64,
    pub(super) facts: Facts,
    pub(super) notes: Vec<String>,
    /// Whether the settings are changed and the device says that it is in use by this process.
    pub(super) claimed: bool,
    pub(super) system: Box<dyn System>,
    /// Usual length of a probe of the core's pace, in nanoseconds, as earlier sessions and the launches so far found it.
    pub(super) usual_probe_ns: Option<u64>,
    /// See [`crate::device::Device::usual_sentinel_ns`].
    pub(super) usual_sentinel_ns: Option<u64>,
    pub(super) _lock: Option<Lock>,
}

impl Remote {
    /// The device in messages.
    pub fn name(&self) -> String {
        format!("{} {}", self.system.noun(), self.link.name())
    }

    /// The error that this device cannot be measured any more.
    pub fn lost(&self, reason: impl std::fmt::Display) -> DeviceError {
        DeviceError::Lost { device: self.name(), reason: reason.to_string() }
    }

    /// The file on the device that holds the results of the campaign.
    pub fn results(&self) -> String {
        format!("{}/results-{}.jsonl", self.dir, self.session)
    }

    /// The command that starts the runner, with the options that all its calls share.
    pub fn command(&self) -> String {
        runner_command(&self.kit, &self.cores, self.profile.runner.as_ref().map(|runner| &runner.env))
    }
}
