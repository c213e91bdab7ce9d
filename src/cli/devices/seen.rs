//! What is there to measure on: this computer, the attached phones, and boards that are named.

use crate::cli::{Failure, target};
use edgezen_lab::device;
use edgezen_lab::device::attached::{Attached, Details};
use edgezen_lab::device::complaint::Complaint;
use edgezen_lab::device::profile::{Kind, Profiles};
use edgezen_lab::device::{DeviceError, DriverOptions};
use serde::Serialize;
use std::fmt;

/// This computer, as the driver of its CPU describes it.
#[derive(Serialize)]
pub struct ThisComputer {
    #[serde(flatten)]
    pub details: Box<dyn Details>,
    #[serde(skip)]
    pub title: String,
}

/// What a device that is not this computer is called.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Name {
    /// The serial number of a phone.
    Serial(String),
    /// The name that `ssh` knows a board by.
    Host(String),
}

/// An attached phone, or a board.
#[derive(Serialize)]
pub struct Unit {
    /// `serial` or `host`, beside the other fields.
    #[serde(flatten)]
    pub name: Name,
    /// `ready`, `unauthorized`, `not reached`, …
    pub state: String,
    pub title: Option<String>,
    /// The profile that describes it.
    pub profile: Option<String>,
    /// Where device and profile disagree.
    pub differences: Vec<String>,
    /// What makes it unfit to measure, the worst first.
    pub complaints: Vec<Complaint>,
    #[serde(flatten)]
    pub details: Box<dyn Details>,
    /// The text of a profile drafted from the device; absent where none is drafted.
    #[serde(skip)]
    pub draft: Option<String>,
}

/// The devices of one kind that are attached, as their driver lists them.
fn attached(kind: Kind, profiles: &Profiles, options: &DriverOptions) -> Result<Vec<Attached>, DeviceError> {
    device::driver_of(kind).map_or_else(|| Ok(Vec::new()), |driver| driver.attached(profiles, options))
}

/// The attached phones, or the one with this serial number.
pub fn phones(profiles: &Profiles, serial: Option<String>) -> Result<Vec<Unit>, DeviceError> {
    let attached = attached(Kind::AndroidCpu, profiles, &target::phone(serial))?;
    Ok(attached.into_iter().map(|device| unit(device, Name::Serial)).collect())
}

/// This computer, and what makes it unfit to measure.
pub fn this_computer(profiles: &Profiles) -> Result<(ThisComputer, Vec<Complaint>), Failure> {
    let attached = attached(Kind::Host, profiles, &DriverOptions::default())?;
    let device = attached.into_iter().next();
    let device = device.ok_or_else(|| Failure::runtime("no driver describes this computer"))?;
    let title = device.title.unwrap_or(device.name);
    Ok((ThisComputer { details: device.details, title }, device.complaints))
}

/// The board that `ssh` knows by this name, if one is given.
pub fn boards(profiles: &Profiles, host: Option<String>) -> Result<Vec<Unit>, DeviceError> {
    let options = DriverOptions::default().with(target::board(host));
    let attached = attached(Kind::LinuxCpu, profiles, &options)?;
    Ok(attached.into_iter().map(|device| unit(device, Name::Host)).collect())
}

fn unit(device: Attached, name: fn(String) -> Name) -> Unit {
    Unit {
        name: name(device.name),
        state: device.state,
        title: device.title,
        profile: device.profile,
        differences: device.differences,
        complaints: device.complaints,
        details: device.details,
        draft: device.draft,
    }
}

impl Name {
    pub fn as_str(&self) -> &str {
        match self {
            Name::Serial(name) | Name::Host(name) => name,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Serial(serial) => write!(f, "phone {serial}"),
            Name::Host(host) => write!(f, "board {host}"),
        }
    }
}

impl Unit {
    /// One line for it.
    pub fn text(&self) -> String {
        let title = self.title.as_deref().map_or(String::new(), |title| format!(", {title}"));
        let profile = match (&self.profile, &self.draft) {
            (Some(profile), _) => format!(", profile {profile}"),
            (None, Some(_)) => {
                ", no profile: android-generic measures it, devices describe drafts one".to_owned()
            }
            (None, None) => String::new(),
        };
        format!("{}: {}{title}{profile}\n", self.name, self.state)
    }
}
