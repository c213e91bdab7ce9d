//! How the names of devices, and their profiles, say in which runtime, precision and number of threads networks are run.

use super::name::DeviceName;
use super::profile::Profile;
use super::{DeviceError, runtimes};
use edgezen_core::measurement::{Identity, SUSTAINED};
use edgezen_engine::runtimes::{Runtime, by_name, registry};
use edgezen_engine::{Engine, EngineError};
use edgezen_runner::Running;
use edgezen_runner::running::OpenError;

/// What a profile says, which [`configured`] made from the name of a device; `threads` where that says one, the default.
pub fn of(profile: &Profile, threads: u32) -> Running {
    let Identity { runtime, precision, threads: of_profile, .. } = profile.measured_identity();
    let threads = if of_profile == 1 { threads } else { of_profile }.max(1);
    Running { runtime: runtime.to_string(), precision: precision.to_string(), threads }
}

/// The same; tract stands for a runtime that this program does not have.
pub fn of_registered(profile: &Profile, threads: u32) -> Running {
    let running = of(profile, threads);
    if by_name(&running.runtime).is_none() {
        return Running { threads: running.threads, ..Running::tract() };
    }
    running
}

/// Opens the runtime on this computer, to measure the device called `device`.
///
/// # Errors
/// There is none of that name, or it cannot be used here in this way.
pub fn open(running: &Running, device: &str) -> Result<Box<dyn Engine>, DeviceError> {
    let unsupported = |what: String| DeviceError::Unsupported { device: device.into(), what };
    running.open(registry(), &runtimes::folders()).map_err(|error| match error {
        OpenError::Unknown { .. } => unsupported(error.to_string()),
        OpenError::Engine(error @ EngineError::Unsupported { .. }) => unsupported(error.to_string()),
        OpenError::Engine(error) => DeviceError::Runtime { device: device.into(), error },
    })
}

/// What a runtime can be asked for.
pub struct Abilities<'a> {
    /// Its name in identities.
    pub name: &'a str,
    pub precisions: Vec<&'a str>,
    pub most_threads: u32,
}

impl Abilities<'static> {
    pub fn of(runtime: &'static dyn Runtime) -> Abilities<'static> {
        Abilities {
            name: runtime.name(),
            precisions: runtime.precisions().to_vec(),
            most_threads: runtime.most_threads(),
        }
    }
}

/// What the runtime called `name` can be asked for, one that this program has, to measure the device called `device`.
///
/// # Errors
/// There is none of that name.
pub fn registered(device: &str, name: &str) -> Result<Abilities<'static>, DeviceError> {
    by_name(name).map(Abilities::of).ok_or_else(|| {
        let known = registry().iter().map(|runtime| runtime.name().to_owned()).collect();
        DeviceError::NoSuchRuntime { device: device.into(), runtime: name.into(), known }
    })
}

/// `profile` with the runtime, which `can` do certain things, and the precision and the threads of `name`; the profile's own where
/// `name` has none.
///
/// # Errors
/// A precision or a number of threads that the runtime does not have.
pub fn configured(
    mut profile: Profile,
    name: DeviceName<'_>,
    can: &Abilities<'_>,
) -> Result<Profile, DeviceError> {
    let usual = profile.measured_identity();
    let device = profile.id.clone();
    let unsupported = |what: String| DeviceError::Unsupported { device: device.clone(), what };
    if name.has_more {
        return Err(unsupported(format!("measuring as {}", name.text)));
    }
    let precision = name.precision.unwrap_or(&usual.precision);
    if !can.precisions.contains(&precision) {
        let known = can.precisions.iter().map(|&known| known.to_owned()).collect();
        let (runtime, precision) = (can.name.to_owned(), precision.to_owned());
        return Err(DeviceError::NoSuchPrecision { device, runtime, precision, known });
    }
    let threads = name.threads.unwrap_or(usual.threads);
    if threads > can.most_threads {
        let (runtime, most) = (can.name.to_owned(), can.most_threads);
        return Err(DeviceError::TooManyThreads { device, runtime, threads, most });
    }
    profile.measure.runtime = Some(can.name.to_owned());
    profile.measure.precision = Some(precision.to_owned());
    profile.measure.threads = Some(threads);
    Ok(in_state(profile, name))
}

/// `profile`, measured in the sustained state if `name` says so.
fn in_state(mut profile: Profile, name: DeviceName<'_>) -> Profile {
    if name.sustained {
        profile.measure.state = Some(SUSTAINED.to_owned());
    }
    profile
}

/// As [`configured`], for a device on which a runner measures. A name without a runtime means the profile's own.
///
/// # Errors
/// A runtime that this program does not have, and what [`configured`] refuses.
pub fn configured_remote(profile: Profile, name: DeviceName<'_>) -> Result<Profile, DeviceError> {
    if name.runtime.is_none() && name.precision.is_none() && name.threads.is_none() && !name.has_more {
        return Ok(in_state(profile, name));
    }
    let usual = profile.measured_identity();
    let can = registered(&profile.id, name.runtime.unwrap_or(&usual.runtime))?;
    configured(profile, name, &can)
}

/// Refuses more threads than the runtime of `profile` has, on a device on which a runner measures.
///
/// # Errors
/// Such a number of threads.
pub fn check_threads(profile: &Profile, threads: u32) -> Result<(), DeviceError> {
    let Running { runtime, threads, .. } = of_registered(profile, threads);
    let device = profile.id.clone();
    match by_name(&runtime).map(Runtime::most_threads) {
        Some(most) if threads <= most => Ok(()),
        Some(most) => Err(DeviceError::TooManyThreads { device, runtime, threads, most }),
        None => registered(&device, &runtime).map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::profile::Profiles;

    #[test]
    fn the_name_says_how_networks_are_run() {
        let profiles = Profiles::of_repository();
        let named = |text: &str| {
            let name = DeviceName::parse(text);
            let profile = profiles.by_name(name.device).unwrap();
            let runtime =
                name.runtime.map_or_else(|| profile.measured_identity().runtime.to_string(), str::to_owned);
            let can = registered(&profile.id, &runtime)?;
            configured(profile, name, &can).map(|profile| of(&profile, 1))
        };
        let running = |runtime: &str, precision: &str, threads| Running {
            runtime: runtime.into(),
            precision: precision.into(),
            threads,
        };
        assert_eq!(named("host").unwrap(), Running::tract());
        assert_eq!(named("host@onnxruntime").unwrap(), running("onnxruntime", "fp32", 1));
        assert_eq!(named("host@onnxruntime@fp32@2t").unwrap(), running("onnxruntime", "fp32", 2));
        assert_eq!(named("pixel2@litert@int8@2t").unwrap(), running("litert", "int8", 2));
        for (bad, word) in [
            ("host@tensorrt", "onnxruntime"),
            ("host@tract@int8", "int8"),
            ("host@2t", "2 threads"),
            ("host@onnxruntime@fp32@warm", "warm"),
            ("pixel2@tflite", "litert"),
            ("pixel2@tract@2t", "2 threads"),
        ] {
            let error = named(bad).unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
            assert!(error.to_string().starts_with(bad.split('@').next().unwrap()), "{error}");
        }
    }

    #[test]
    fn the_name_says_in_which_state_networks_are_run() {
        let profiles = Profiles::of_repository();
        let identity = |text: &str| {
            let name = DeviceName::parse(text);
            let profile = configured_remote(profiles.by_name(name.device).unwrap(), name).unwrap();
            profile.measured_identity().to_string()
        };
        assert_eq!(identity("pixel2"), "pixel2@tract@fp32");
        assert_eq!(identity("pixel2@sustained"), "pixel2@tract@fp32@sustained");
        assert_eq!(identity("raspberrypi4@litert@int8@sustained"), "raspberrypi4@litert@int8@sustained");
    }

    #[test]
    fn a_profile_of_another_program_s_runtime_is_measured_with_tract() {
        let mut profile = Profiles::of_repository().by_name("pixel2").unwrap();
        profile.measure.runtime = None;
        assert_eq!(profile.measured_identity().runtime, "tflite");
        assert_eq!(of_registered(&profile, 1), Running::tract());
    }
}
