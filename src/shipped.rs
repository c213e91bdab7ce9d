//! The devices and predictors that are shipped with the program, with the user's own in front of them.

use crate::catalogue::{Catalogue, Predictors, Profiles, predictors};
pub use crate::embedded::{ACCURACIES, DEVICE_PROFILES, PREDICTORS};

/// The catalogue that every command uses.
pub fn catalogue() -> Catalogue {
    Catalogue { profiles: profiles(), predictors: predictors() }
}

/// The devices that are known by name.
pub fn profiles() -> Profiles {
    Profiles::of_user(DEVICE_PROFILES)
}

/// The predictors that are known by name.
pub fn predictors() -> Predictors {
    Predictors::new(PREDICTORS, predictors::user_folders())
}
