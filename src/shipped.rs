//! The devices and predictors that are shipped with the program, with the user's own in front of them.

use crate::catalogue::{Catalogue, Predictors, Profiles, predictors};
pub use crate::embedded::{ACCURACIES, DEVICE_PROFILES, PREDICTORS};

/// The user's folder of device profiles, below the current one.
const PROFILES_FOLDER: &str = "device-profiles";

/// The catalogue that every command uses.
pub fn catalogue() -> Catalogue {
    Catalogue { profiles: profiles(), predictors: predictors() }
}

/// The devices that are known by name.
pub fn profiles() -> Profiles {
    Profiles::new(DEVICE_PROFILES, PROFILES_FOLDER)
}

/// The predictors that are known by name.
pub fn predictors() -> Predictors {
    Predictors::new(PREDICTORS, predictors::user_folders())
}
