//! A driver: one kind of device, which it can list, recognise by name, and open.

use super::Device;
use super::attached::Attached;
use super::complaint::Complaint;
use super::error::DeviceError;
use super::name::DeviceName;
use super::options::{DriverOptions, Options};
use super::passes::Passes;
use super::profile::{Kind, Profile, Profiles};
use std::time::Duration;

/// What a person may say of how a device is reached and measured, and not every kind of device heeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// The serial number of a phone.
    Serial,
    /// The name by which ssh knows a board.
    Host,
    /// A pool of units.
    Pool,
    /// The numbers of the cores to measure on.
    Cores,
    /// That the unit may differ from its profile.
    OtherUnit,
}

/// A kind of device that can be measured.
pub trait Driver: Sync {
    fn name(&self) -> &'static str;

    /// What it measures, for people.
    fn about(&self) -> &'static str;

    /// The kind of profile that describes its devices.
    fn kind(&self) -> Kind;

    /// What of [`Means`] says something to this driver.
    fn heeds(&self) -> &'static [Means] {
        &[]
    }

    /// What makes the device unfit to measure at this moment, so far as that shows before it is opened. Devices that are checked
    /// when they are opened, and refused then, have nothing to say here.
    fn unfit(&self) -> Vec<Complaint> {
        Vec::new()
    }

    /// The cargo feature that this build lacks and without which the driver can list devices, but not measure on them.
    fn missing_feature(&self) -> Option<&'static str> {
        None
    }

    /// The profile of the device that `name` means, where the driver gives its devices names that no profile has, such
    /// as `cuda:1`. `None`: the name is not of that form.
    ///
    /// # Errors
    /// The form fits, but there is no such device.
    fn profile_of(
        &self,
        _name: DeviceName<'_>,
        _profiles: &Profiles,
    ) -> Result<Option<Profile>, DeviceError> {
        Ok(None)
    }

    /// `profile`, changed so that it is measured with the runtime and at the precision of `name`. Most drivers measure
    /// in one way only, which is the profile's.
    ///
    /// # Errors
    /// A runtime or a precision that the driver cannot measure.
    fn configured(&self, profile: Profile, name: DeviceName<'_>) -> Result<Profile, DeviceError> {
        let identity = profile.measured_identity();
        let fits = |wanted: Option<&str>, ours: &str| wanted.is_none_or(|wanted| wanted == ours);
        let threads = name.threads.is_none_or(|threads| threads == identity.threads);
        let state = name.sustained == identity.is_sustained();
        if fits(name.runtime, &identity.runtime)
            && fits(name.precision, &identity.precision)
            && threads
            && state
        {
            return Ok(profile);
        }
        let what = format!("measuring as {} (it is measured as {identity})", name.text);
        Err(DeviceError::Unsupported { device: profile.id, what })
    }

    /// The devices that can be reached now, and those that are there but cannot be measured.
    ///
    /// # Errors
    /// Whatever keeps the driver from looking, for example that no adb server runs.
    fn attached(&self, profiles: &Profiles, options: &DriverOptions) -> Result<Vec<Attached>, DeviceError>;

    /// Opens a device.
    ///
    /// # Errors
    /// Whatever keeps the device from being measured.
    fn open(&self, request: &Request<'_>) -> Result<Box<dyn Device>, DeviceError>;

    /// How many passes a campaign makes over its plan on the device of `profile`, if nobody says otherwise.
    fn usual_passes(&self, _profile: &Profile) -> Passes {
        Passes::UNTIL_KNOWN
    }

    /// About how long a pass over one configuration takes on the device of `profile`. The usual value was found on a
    /// computer that is shared with others.
    fn time_of_pass(&self, _profile: &Profile) -> Duration {
        Duration::from_millis(570)
    }
}

/// The device to open, and how.
pub struct Request<'a> {
    pub name: DeviceName<'a>,
    /// What [`Driver::configured`] made of the device's profile.
    pub profile: &'a Profile,
    pub profiles: &'a Profiles,
    pub options: &'a Options,
}
