//! An open phone: what is known of it while it is measured.

use super::care::Care;
use super::facts::Phone;
use super::kit::Kit;
use super::launch::runner_command;
use crate::device::adb::{Link, Lock};
use crate::device::profile::Profile;
use crate::device::{DeviceError, Facts};
use edgezen_core::foreign::{ForeignText, Name};
use edgezen_core::measurement::Identity;
use edgezen_runner::{Policy, Running};
use rustc_hash::FxHashSet;
use std::time::Duration;

/// Longest wait for a small command, or for a phone that should be there.
pub(super) const SOON: Duration = Duration::from_secs(5);

/// An open phone.
pub(super) struct Android {
    pub link: Box<dyn Link>,
    pub profile: Profile,
    pub identity: Identity,
    pub phone: Phone,
    /// The runner on the phone, with what it needs.
    pub kit: Kit,
    /// How networks are run.
    pub running: Running,
    /// Workloads whose outputs agree with tract's, as an earlier job found.
    pub compared: FxHashSet<String>,
    pub policy: Policy,
    pub cores: Vec<u32>,
    /// Seed of weights and inputs.
    pub seed: u64,
    /// Longest wait for the phone after the link broke.
    pub patience: Duration,
    /// Folder on the phone for the runner and its results.
    pub dir: String,
    /// Name of the present campaign. Measurements outside a campaign have a name of their own.
    pub session: Name,
    /// Name of this process, unique among all.
    pub run: String,
    /// Number of jobs without a name so far.
    pub unnamed: u64,
    pub facts: Facts,
    pub notes: Vec<String>,
    /// Whether the settings are changed and the phone's property says that it is in use by this process.
    pub claimed: bool,
    pub care: Care,
    /// Usual length of a probe of the core's pace, in nanoseconds, as earlier sessions and the launches so far found it.
    pub usual_probe_ns: Option<u64>,
    /// See [`crate::device::Device::usual_sentinel_ns`].
    pub usual_sentinel_ns: Option<u64>,
    pub _lock: Option<Lock>,
}

impl Android {
    /// The phone in messages.
    pub fn name(&self) -> String {
        format!("phone {}", self.link.name())
    }

    /// The error that this phone cannot be measured any more.
    pub fn lost(&self, reason: impl std::fmt::Display) -> DeviceError {
        DeviceError::Lost { device: self.name(), reason: reason.to_string() }
    }

    /// The file on the phone that holds the results of the campaign.
    pub fn results(&self) -> String {
        format!("{}/results-{}.jsonl", self.dir, self.session)
    }

    /// The command that starts the runner, with the options that all its calls share.
    pub fn command(&self) -> String {
        runner_command(&self.kit, &self.cores, self.profile.runner.as_ref().map(|runner| &runner.env))
    }
}

/// The serial number that the manufacturer gave the phone.
pub(super) fn serial(phone: &Phone) -> Option<&ForeignText> {
    phone.properties.get("ro.serialno")
}
