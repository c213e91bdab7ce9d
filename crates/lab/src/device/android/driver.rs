//! The driver of Android phones: which ones are attached, and which of them is meant.

use super::claim::me;
use super::facts::Phone;
use super::open_phone::{Android, SOON, serial as own_serial};
use super::{matching, survey};
use crate::device::adb::{
    AdbLink, AttachedPhone, Link, LinkError, Lock, LockError, PhoneState, Server, over_network,
};
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
    /// Whether a phone is measured under the name of another one.
    pub other_phone: bool,
}

impl Default for PhoneOptions {
    fn default() -> PhoneOptions {
        PhoneOptions { serial: None, patience: Duration::from_secs(60), other_phone: false }
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
        let usual = profile.measured_identity();
        let can = running::registered(&profile.id, name.runtime.unwrap_or(&usual.runtime))?;
        running::configured(profile, name, &can)
    }

    fn open(&self, request: &Request<'_>) -> Result<Box<dyn Device>, DeviceError> {
        let Request { profile, options, .. } = *request;
        let running = running::of_registered(profile, options.threads);
        if by_name(&running.runtime).is_none_or(|runtime| running.threads > runtime.most_threads()) {
            let what = format!("measuring with {} threads with {}", running.threads, running.runtime);
            return Err(DeviceError::Unsupported { device: profile.id.clone(), what });
        }
        let phone_options: PhoneOptions = options.driver.of();
        let server = Server::from_environment()?;
        let serial = choose(&server, phone_options.serial.as_deref(), profile)?;
        let mut link = AdbLink::new(server, &serial);
        link.await_ready(SOON)?;
        let phone = Phone::read(&mut link)?;
        // A phone on a cable and in the network has two serial numbers for adb, and one from its maker.
        let owner = format!("{}, which measures on it", me());
        let lock = Lock::take(own_serial(&phone).unwrap_or(&serial).raw(), &owner);
        let lock = lock.map_err(|error| match error {
            LockError::Held { owner } => DeviceError::Busy { device: format!("phone {serial}"), owner },
            LockError::Io { .. } => {
                DeviceError::Lost { device: serial.to_string(), reason: error.to_string() }
            }
        })?;
        let mut android = Android::new(Box::new(link), profile, phone, lock, options, &phone_options)?;
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
            let asked = |phone: &AttachedPhone| {
                let ready = phone.state == PhoneState::Ready;
                let phone = ready.then(|| Phone::read(&mut AdbLink::new(*server, &phone.serial)).ok());
                phone.flatten()
            };
            let asked: Vec<(ForeignText, Option<Phone>)> =
                several.iter().map(|phone| (phone.serial.clone(), asked(phone))).collect();
            only(&asked, profile).ok_or_else(|| DeviceError::Several {
                serials: several.iter().map(|phone| phone.serial.to_string()).collect(),
            })
        }
    }
}

/// The only one of the phones, by the serial numbers of adb and what they say of themselves (`None`: they cannot be asked), or the
/// only one that fits `profile`. One that has two serial numbers is reached through the cable.
fn only(asked: &[(ForeignText, Option<Phone>)], profile: &Profile) -> Option<ForeignText> {
    let mut different: Vec<(&ForeignText, Option<&Phone>)> = Vec::new();
    for (serial, phone) in asked {
        let same = |known: &&mut (&ForeignText, Option<&Phone>)| {
            known.1.zip(phone.as_ref()).is_some_and(|(a, b)| a.boot_id.is_some() && a.boot_id == b.boot_id)
        };
        match different.iter_mut().find(same) {
            Some(known) if over_network(known.0.raw()) => *known = (serial, phone.as_ref()),
            Some(_) => {}
            None => different.push((serial, phone.as_ref())),
        }
    }
    if let [(serial, _)] = different[..] {
        return Some(serial.clone());
    }
    let fits = |phone: &Phone| matching::best(phone, std::iter::once(profile)).is_some();
    let fitting: Vec<&ForeignText> =
        different.iter().filter(|(_, phone)| phone.is_some_and(fits)).map(|(serial, _)| *serial).collect();
    match fitting[..] {
        [one] => Some(one.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::tests::pixel2;
    use super::*;

    #[test]
    fn a_phone_with_two_serial_numbers_is_one_phone() {
        let profile = Profiles::of_repository().by_name("pixel2").unwrap();
        let named = |name: &str, boot: &str, device: &str| {
            let mut phone = pixel2();
            phone.boot_id = Some(boot.into());
            phone.properties.insert("ro.product.device".into(), device.into());
            (ForeignText::from(name), Some(phone))
        };
        let air = named("adb-FA81-x._adb-tls-connect._tcp", "1", "walleye");
        let cable = named("FA81", "1", "walleye");
        for both in [[air.clone(), cable.clone()], [cable.clone(), air.clone()]] {
            assert_eq!(only(&both, &profile).unwrap(), "FA81");
        }
        // Another phone beside it, which does not fit, and one that does.
        let other = named("R5", "2", "sunfish");
        assert_eq!(only(&[air.clone(), other.clone(), cable.clone()], &profile).unwrap(), "FA81");
        assert_eq!(only(&[cable.clone(), named("FA82", "3", "walleye")], &profile), None);
        // One that cannot be asked may be the one that is meant.
        assert_eq!(only(&[other.clone(), ("R6".into(), None)], &profile), None);
        assert_eq!(only(&[cable, ("R6".into(), None)], &profile).unwrap(), "FA81");
    }
}
