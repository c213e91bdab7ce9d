//! What is special of an operating system as one to measure on.

use super::{Changed, Link, LinkError, Machine};
use crate::device::complaint::Complaint;
use crate::device::profile::Profile;
use edgezen_core::foreign::ForeignText;
use std::time::Duration;

/// The state that a device is in right now.
#[derive(Debug, Default)]
pub struct State {
    /// Who measures on the device, as the measuring program recorded it there.
    pub owner: Option<ForeignText>,
    /// What makes it unfit to measure.
    pub complaints: Vec<Complaint>,
    /// All of it, for the environment of a dataset.
    pub facts: serde_json::Value,
}

/// The care of one device with a certain operating system: what is asked of it, what is changed on it for measurements, and how
/// that comes back.
///
/// Before anything is changed, a script that undoes it is written to the device (`undo`). It runs when the device is closed. If
/// this program is killed or the link breaks, a watchdog on the device runs it after some minutes without a sign of life, and the
/// next start does, even from another computer.
pub trait System: Send {
    /// What such devices are called in messages: `phone`, `board`.
    fn noun(&self) -> &'static str;

    /// What a shell prints beside the facts that every Linux tells: lines `prop NAME=VALUE` for [`machine::PROPERTIES`](super::machine::PROPERTIES).
    fn questions(&self) -> String;

    /// The folder on the device for the runner and its results.
    fn dir(&self, machine: &Machine, profile: &Profile) -> String;

    /// Why the device is another one than `profile` describes; `None` where it is that one, does not tell, or the profile
    /// describes no special one.
    fn other(&self, machine: &Machine, profile: &Profile) -> Option<String>;

    /// The facts in which the device and the profile disagree, one line each.
    fn differences(&self, machine: &Machine, profile: &Profile) -> Vec<String>;

    /// The name of the build of its system, which results belong to.
    fn build<'m>(&self, machine: &'m Machine) -> Option<&'m ForeignText>;

    /// The serial number that its maker gave the device.
    fn serial<'m>(&self, machine: &'m Machine) -> Option<&'m ForeignText>;

    /// The state of the device; `dir` is its folder.
    ///
    /// # Errors
    /// The link's.
    fn state(
        &self,
        link: &mut dyn Link,
        dir: &str,
        machine: &Machine,
        profile: &Profile,
    ) -> Result<State, LinkError>;

    /// Changes the device as `profile` requires. Gives what could not be done, one line each.
    ///
    /// # Errors
    /// An error of the link. [`System::restore`] undoes whatever was changed before it.
    fn prepare(
        &mut self,
        link: &mut dyn Link,
        dir: &str,
        profile: &Profile,
        machine: &Machine,
    ) -> Result<Vec<String>, LinkError>;

    /// Undoes what a run has changed; gives whether there was anything.
    ///
    /// # Errors
    /// An error of the link, or a device that does not do it.
    fn restore(&mut self, link: &mut dyn Link, dir: &str) -> Result<bool, LinkError>;

    /// The command that tells other computers who measures on the device; with `None`, that nobody does.
    fn mark(&self, dir: &str, owner: Option<&str>) -> String;

    /// What a shell does before a job that takes `limit` at most.
    fn before_job(&self, dir: &str, machine: &Machine, limit: Duration) -> String;

    /// Reads what the shell said before the job; gives what a person should know.
    fn heard(&mut self, stdout: &str) -> Option<String>;

    /// Keeps the device from falling asleep, where it does.
    fn keep_awake(&mut self, _link: &mut dyn Link, _profile: &Profile) {}

    /// What is changed on the device.
    fn changed(&self) -> &Changed;
}
