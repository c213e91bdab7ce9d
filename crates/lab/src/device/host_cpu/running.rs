//! In which runtime, precision and number of threads networks are run on this computer.

use super::NAME;
use super::chosen::{Chosen, unknown};
use crate::device::name::DeviceName;
use crate::device::pinned_core;
use crate::device::profile::Profile;
use crate::device::{DeviceError, runtimes};
use edgezen_core::foreign::Name;
use edgezen_core::measurement::Identity;
use edgezen_engine::runtimes::{Opening, by_name};
use edgezen_engine::{Engine, EngineError};
use serde::{Deserialize, Serialize};

/// In which runtime, precision and number of threads networks are run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Running {
    pub runtime: String,
    pub precision: String,
    pub threads: u32,
}

impl Running {
    /// What a profile says, which [`configured`] made from the name of a device; `threads` where that says one, the default.
    pub fn of(profile: &Profile, threads: u32) -> Running {
        let Identity { runtime, precision, threads: of_profile, .. } = profile.measured_identity();
        let threads = if of_profile == 1 { threads } else { of_profile };
        Running { runtime: runtime.to_string(), precision: precision.to_string(), threads: threads.max(1) }
    }

    /// Opens the runtime.
    ///
    /// # Errors
    /// There is none of that name, or it cannot be used here in this way.
    pub fn open(&self) -> Result<Box<dyn Engine>, DeviceError> {
        let failed = |error: EngineError| match error {
            EngineError::Unsupported { .. } => {
                DeviceError::Unsupported { device: NAME.into(), what: error.to_string() }
            }
            error => DeviceError::Runtime { device: NAME.into(), error },
        };
        let (folders, precision) = (runtimes::folders(), self.precision.as_str());
        let how = Opening { folders: &folders, precision, threads: self.threads };
        let runtime = by_name(&self.runtime).ok_or_else(|| unknown(&self.runtime))?;
        runtime.open(&how).map_err(failed)
    }

    /// The identity of what is measured so.
    pub fn identity(&self, version: String, batch: u32, cores: Option<&[u32]>) -> Identity {
        Identity {
            device: NAME.into(),
            runtime: Name::resembling(&self.runtime),
            runtime_version: Some(version),
            precision: Name::resembling(&self.precision),
            batch: batch.max(1),
            threads: self.threads,
            cores: cores.map(pinned_core::text),
            thermal_state: None,
        }
    }
}

/// `profile` with the runtime, the precision and the threads of `name`; the profile's own where `name` has none.
///
/// # Errors
/// A runtime that there is not, and a precision or a number of threads that it does not have.
pub fn configured(mut profile: Profile, name: DeviceName<'_>) -> Result<Profile, DeviceError> {
    let usual = profile.measured_identity();
    let runtime = Chosen::called(name.runtime.unwrap_or(&usual.runtime))?;
    let unsupported = |what: String| DeviceError::Unsupported { device: NAME.into(), what };
    if name.has_more {
        return Err(unsupported(format!("measuring as {}", name.text)));
    }
    let precision = name.precision.unwrap_or(&usual.precision);
    if !runtime.precisions().contains(&precision) {
        let known = runtime.precisions().join(", ");
        return Err(unsupported(format!("{precision} with {} (it has {known})", runtime.name())));
    }
    let threads = name.threads.unwrap_or(usual.threads);
    if threads > runtime.most_threads() {
        let most = runtime.most_threads();
        return Err(unsupported(format!(
            "measuring with {threads} threads with {} (at most {most})",
            runtime.name()
        )));
    }
    profile.measure.runtime = Some(runtime.name().to_owned());
    profile.measure.precision = Some(precision.to_owned());
    profile.measure.threads = Some(threads);
    Ok(profile)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::profile::Profiles;

    #[test]
    fn the_name_says_how_networks_are_run() {
        let host = Profiles::of_repository().by_name("host").unwrap();
        let named = |text: &str| {
            configured(host.clone(), DeviceName::parse(text)).map(|profile| Running::of(&profile, 1))
        };
        let running =
            |runtime: &str, threads| Running { runtime: runtime.into(), precision: "fp32".into(), threads };
        assert_eq!(named("host").unwrap(), running("tract", 1));
        assert_eq!(named("host@onnxruntime").unwrap(), running("onnxruntime", 1));
        assert_eq!(named("host@onnxruntime@fp32@2t").unwrap(), running("onnxruntime", 2));
        for (bad, word) in [
            ("host@tensorrt", "onnxruntime"),
            ("host@tract@int8", "int8"),
            ("host@2t", "2 threads"),
            ("host@onnxruntime@fp32@warm", "warm"),
        ] {
            let error = named(bad).unwrap_err();
            assert!(matches!(error, DeviceError::Unsupported { .. }), "{bad}");
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
