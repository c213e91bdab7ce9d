//! The driver of Android phones: which ones are attached, and which of them is meant.

use super::facts::questions;
use super::system::AndroidSystem;
use super::{matching, survey};
use crate::device::adb::{AdbLink, AttachedPhone, Server, over_network};
use crate::device::attached::Attached;
use crate::device::driver::{Driver, Means, Request};
use crate::device::name::DeviceName;
use crate::device::profile::{Kind, Profile, Profiles};
use crate::device::remote::{Link, LinkError, Lock, Machine, PhoneState, Reached, Remote, SOON, System, me};
use crate::device::{Device, DeviceError, DriverOptions, Passes, running};
use edgezen_core::foreign::ForeignText;
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

    fn heeds(&self) -> &'static [Means] {
        &[Means::Serial, Means::Pool, Means::Cores, Means::OtherUnit]
    }

    /// All attached phones, or the one with the serial number of the options.
    fn attached(&self, profiles: &Profiles, options: &DriverOptions) -> Result<Vec<Attached>, DeviceError> {
        let options: PhoneOptions = options.of();
        Ok(survey::phones(profiles, options.serial.as_deref())?)
    }

    fn configured(&self, profile: Profile, name: DeviceName<'_>) -> Result<Profile, DeviceError> {
        running::configured_remote(profile, name)
    }

    fn open(&self, request: &Request<'_>) -> Result<Box<dyn Device>, DeviceError> {
        let Request { profile, options, .. } = *request;
        running::check_threads(profile, options.threads)?;
        let phone_options: PhoneOptions = options.driver.of();
        let server = Server::from_environment()?;
        let serial = choose(&server, phone_options.serial.as_deref(), profile)?;
        let mut link = AdbLink::new(server, &serial);
        link.await_ready(SOON)?;
        let system = AndroidSystem::default();
        let phone = Machine::read(&mut link, &system.questions())?;
        // A phone on a cable and in the network has two serial numbers for adb, and one from its maker.
        let own = system.serial(&phone).unwrap_or(&serial).raw();
        let lock = Lock::of_device(own, &format!("phone {serial}"), &me())?;
        let reached = Reached {
            link: Box::new(link),
            system: Box::new(system),
            machine: phone,
            lock,
            patience: phone_options.patience,
            other: phone_options.other_phone,
        };
        let mut remote = Remote::new(reached, profile, options)?;
        remote.check_and_claim()?;
        Ok(Box::new(remote))
    }

    /// A pass is one launch of the runner for each configuration.
    fn usual_passes(&self, profile: &Profile) -> Passes {
        Passes::exactly(profile.measure.launches)
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
                let phone = ready
                    .then(|| Machine::read(&mut AdbLink::new(*server, &phone.serial), &questions()).ok());
                phone.flatten()
            };
            let asked: Vec<(ForeignText, Option<Machine>)> =
                several.iter().map(|phone| (phone.serial.clone(), asked(phone))).collect();
            only(&asked, profile).ok_or_else(|| DeviceError::Several {
                serials: several.iter().map(|phone| phone.serial.to_string()).collect(),
            })
        }
    }
}

/// The only one of the phones, by the serial numbers of adb and what they say of themselves (`None`: they cannot be asked), or the
/// only one that fits `profile`. One that has two serial numbers is reached through the cable.
fn only(asked: &[(ForeignText, Option<Machine>)], profile: &Profile) -> Option<ForeignText> {
    let mut different: Vec<(&ForeignText, Option<&Machine>)> = Vec::new();
    for (serial, phone) in asked {
        let same = |known: &&mut (&ForeignText, Option<&Machine>)| {
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
    let fits = |phone: &Machine| matching::best(phone, std::iter::once(profile)).is_some();
    let fitting: Vec<&ForeignText> =
        different.iter().filter(|(_, phone)| phone.is_some_and(fits)).map(|(serial, _)| *serial).collect();
    match fitting[..] {
        [one] => Some(one.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::remote::machine::tests::pixel2;

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
