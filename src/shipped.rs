//! The devices and predictors that are shipped with the program, with the user's own in front of them.

use crate::catalogue::{Catalogue, KnownDevice, Predictors, Profiles, known, predictors};
pub use crate::embedded::{ACCURACIES, DEVICE_PROFILES, PREDICTORS};
use edgezen_core::files::FileError;
use std::path::Path;

/// Handwritten digits to train on, as a gzipped table, with the path of its file.
#[cfg(feature = "torch")]
pub static DIGITS: (&str, &[u8]) =
    ("datasets/images/digits/digits.csv.gz", include_bytes!("../datasets/images/digits/digits.csv.gz"));

/// Facts about devices, with the path of their file.
static FACTS: (&str, &str) =
    ("device-profiles/facts/devices.toml", include_str!("../device-profiles/facts/devices.toml"));

/// What is known of devices beside their profiles. It is read when it is asked for, since few commands do.
///
/// # Errors
/// Never of the file that is shipped, which a test reads.
pub fn known_devices() -> Result<Vec<KnownDevice>, FileError> {
    known::parse(FACTS.1, Path::new(FACTS.0))
}

/// The catalogue that every command uses.
pub fn catalogue() -> Catalogue {
    Catalogue { profiles: profiles(), predictors: predictors() }
}

/// The devices that are known by name.
pub fn profiles() -> Profiles {
    Profiles::of_user(DEVICE_PROFILES)
}

/// Names of the shipped predictors for a device, whatever their runtime and precision.
pub fn predictors_of(device: &str) -> Vec<String> {
    let of_device = |name: &&str| name.split('@').next() == Some(device);
    PREDICTORS.iter().map(|(name, _)| *name).filter(of_device).map(str::to_owned).collect()
}

/// The predictors that are known by name.
pub fn predictors() -> Predictors {
    Predictors::new(PREDICTORS, predictors::user_folders())
}
