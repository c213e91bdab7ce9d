//! All drivers, and how the name of a device leads to one of them.

use super::driver::{Driver, Request};
use super::error::DeviceError;
use super::name::DeviceName;
use super::options::Options;
use super::profile::{Kind, Profile, Profiles};
use super::{Device, android, host_cpu, linux, simulated, torch};

/// All drivers that are built in.
pub fn registry() -> &'static [&'static dyn Driver] {
    &[
        &host_cpu::HostCpuDriver,
        &android::AndroidDriver,
        &linux::LinuxDriver,
        &torch::TorchCpuDriver,
        &torch::CudaDriver,
        &simulated::SimulatedDriver,
    ]
}

/// The driver of the devices that profiles of this kind describe.
pub fn driver_of(kind: Kind) -> Option<&'static dyn Driver> {
    registry().iter().copied().find(|driver| driver.kind() == kind)
}

/// Opens the device called `name`: its short name, or with its runtime (`pixel2@tract`).
///
/// # Errors
/// An unknown name, a device that nothing here measures on, or what the driver says.
pub fn open(profiles: &Profiles, name: &str, options: &Options) -> Result<Box<dyn Device>, DeviceError> {
    let (profile, driver) = find(profiles, name)?;
    driver.open(&Request { name: DeviceName::parse(name), profile: &profile, profiles, options })
}

/// The profile and the driver of the device called `name`, as for [`open`].
///
/// # Errors
/// An unknown name, or a device that nothing here measures on.
pub fn find(profiles: &Profiles, name: &str) -> Result<(Profile, &'static dyn Driver), DeviceError> {
    let name = DeviceName::parse(name);
    let profile = profile_of(name, profiles)?;
    match driver_of(profile.kind) {
        Some(driver) if driver.missing_feature().is_none() => Ok((driver.configured(profile, name)?, driver)),
        _ => {
            let known = measurable(profiles);
            Err(DeviceError::NotMeasured { name: profile.id, kind: profile.kind, known })
        }
    }
}

/// The profile of a device: the one that a driver finds for this name, otherwise the one that is called so.
fn profile_of(name: DeviceName<'_>, profiles: &Profiles) -> Result<Profile, DeviceError> {
    for driver in registry() {
        if let Some(profile) = driver.profile_of(name, profiles)? {
            return Ok(profile);
        }
    }
    Ok(profiles.by_name(name.device)?)
}

/// Names of the devices that have a profile and a driver.
fn measurable(profiles: &Profiles) -> Vec<String> {
    let can = |kind: Kind| driver_of(kind).is_some_and(|driver| driver.missing_feature().is_none());
    profiles.usable().filter(|profile| can(profile.kind)).map(|profile| profile.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::options::DriverOptions;
    use std::collections::BTreeSet;

    #[test]
    fn drivers_have_names_and_kinds_of_their_own() {
        let names: BTreeSet<&str> = registry().iter().map(|driver| driver.name()).collect();
        let kinds: BTreeSet<String> = registry().iter().map(|driver| driver.kind().to_string()).collect();
        assert_eq!((names.len(), kinds.len()), (registry().len(), registry().len()));
        assert!(registry().iter().all(|driver| !driver.about().is_empty()));
    }

    #[test]
    fn every_driver_has_a_shipped_profile_that_it_configures() {
        let profiles = Profiles::of_repository();
        for driver in registry() {
            let profile = profiles.usable().find(|profile| profile.kind == driver.kind()).unwrap();
            let plain = DeviceName::parse("plain");
            let configured = driver.configured(profile.clone(), plain).unwrap();
            assert_eq!(configured.measured_identity(), profile.measured_identity(), "{}", driver.name());
            let other = driver.configured(profile, DeviceName::parse("plain@no-such-runtime"));
            assert!(
                matches!(other, Err(DeviceError::Unsupported { .. } | DeviceError::NoSuchRuntime { .. })),
                "{}",
                driver.name()
            );
        }
    }

    #[test]
    fn drivers_list_what_is_attached() {
        let profiles = Profiles::of_repository();
        for driver in registry() {
            // Phones and GPUs need a server and a driver of the system, which may not be there.
            let Ok(attached) = driver.attached(&profiles, &DriverOptions::default()) else { continue };
            let names: BTreeSet<&str> = attached.iter().map(|device| device.name.as_str()).collect();
            assert_eq!(names.len(), attached.len(), "{attached:?}");
            if driver.missing_feature().is_some() {
                assert!(attached.iter().all(|device| !device.complaints.is_empty()), "{attached:?}");
            }
        }
    }
}
