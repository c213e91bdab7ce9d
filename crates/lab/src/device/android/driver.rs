//! The driver of Android phones: which ones are attached, and which of them is meant.

use super::claim::me;
use super::facts::Phone;
use super::open_phone::{Android, SOON};
use super::{matching, survey};
use crate::device::adb::{AdbLink, AttachedPhone, Link, LinkError, Lock, LockError, PhoneState, Server};
use crate::device::attached::Attached;
use crate::device::driver::{Driver, Request};
use crate::device::name::DeviceName;
use crate::device::profile::{Kind, Profile, Profiles};
use crate::device::{Device, DeviceError, DriverOptions, running};
use edgezen_core::foreign::ForeignText;
use edgezen_engine::runtimes::by_name;
use std::time::Duration;

/// Measures on Android phones.
pub struct AndroidDriver;

/// Options of phones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneOptions {
    /// The serial number of the phone. `None`: the only one that is attached, or the only one that fits the profile.
    pub serial: Option<String>,
    /// Longest wait for the phone after the link to it broke.
    pub patience: Duration,
}

impl Default for PhoneOptions {
    fn default() -> PhoneOptions {
        PhoneOptions { serial: None, patience: Duration::from_secs(60) }
    }
}

impl Driver for AndroidDriver {
    fn name(&self) -> &'static str {
        "adb"
    }

    fn about(&self) -> &'static str {
        "the CPU of an Android phone, through a runner pushed over adb, in tract, ONNX Runtime or LiteRT"
    }

    fn kind(&self) -> Kind {
        Kind::AndroidCpu
    }

    /// All attached phones, or the one with the serial number of the options.
    fn attached(&self, profiles: &Profiles, options: &DriverOptions) -> Result<Vec<Attached>, DeviceError> {
        let options: PhoneOptions = options.of();
        Ok(survey::phones(profiles, options.serial.as_deref())?)
    }

    /// A name without a runtime means the profile's own.
    fn configured(&self, profile: Profile, name: DeviceName<'_>) -> Result<Profile, DeviceError> {
        if name.runtime.is_none() && name.precision.is_none() && name.threads.is_none() && !name.has_more {
            return Ok(profile);
        }
        running::configured(profile, name)
    }

    fn open(&self, request: &Request<'_>) -> Result<Box<dyn Device>, DeviceError> {
        let Request { profile, options, .. } = *request;
        let running = running::of(profile, options.threads);
        if by_name(&running.runtime).is_none_or(|runtime| running.threads > runtime.most_threads()) {
            let what = format!("measuring with {} threads with {}", running.threads, running.runtime);
            return Err(DeviceError::Unsupported { device: profile.id.clone(), what });
        }
        let PhoneOptions { serial, patience } = options.driver.of();
        let server = Server::from_environment()?;
        let serial = choose(&server, serial.as_deref(), profile)?;
        let lock = Lock::take(serial.raw(), &format!("{}, which measures on it", me()));
        let lock = lock.map_err(|error| match error {
            LockError::Held { owner } => DeviceError::Busy { device: format!("phone {serial}"), owner },
            LockError::Io { .. } => {
                DeviceError::Lost { device: serial.to_string(), reason: error.to_string() }
            }
        })?;
        let mut link = AdbLink::new(server, &serial);
        link.await_ready(SOON)?;
        let phone = Phone::read(&mut link)?;
        let mut android = Android::new(Box::new(link), profile, phone, lock, options, patience)?;
        android.check_and_claim()?;
        Ok(Box::new(android))
    }

    /// A pass is one launch of the runner for each configuration.
    fn usual_rounds(&self, profile: &Profile) -> u32 {
        profile.measure.launches
    }

    /// The warm-up, and a third of a second for the runs and the start of the runner.
    fn time_of_pass(&self, profile: &Profile) -> Duration {
        Duration::from_millis(u64::from(profile.measure.warmup_min_ms) + 300)
    }
}

/// The serial number of the phone to open: the wanted one, the only one, or the only one that fits the profile.
fn choose(server: &Server, wanted: Option<&str>, profile: &Profile) -> Result<ForeignText, DeviceError> {
    if let Some(serial) = wanted {
        return Ok(serial.into());
    }
    let attached = server.attached()?;
    match &attached[..] {
        [] => Err(LinkError::NoPhone.into()),
        [one] => Ok(one.serial.clone()),
        several => {
            let fits = |phone: &&AttachedPhone| {
                phone.state == PhoneState::Ready
                    && Phone::read(&mut AdbLink::new(*server, &phone.serial))
                        .is_ok_and(|phone| matching::best(&phone, std::iter::once(profile)).is_some())
            };
            let fitting: Vec<&AttachedPhone> = several.iter().filter(fits).collect();
            match fitting[..] {
                [one] => Ok(one.serial.clone()),
                _ => Err(DeviceError::Several {
                    serials: several.iter().map(|phone| phone.serial.to_string()).collect(),
                }),
            }
        }
    }
}
