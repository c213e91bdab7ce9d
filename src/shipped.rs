//! The devices and predictors that are shipped with the program, with the user's own in front of them.

use crate::catalogue::{Catalogue, Predictors, Profiles, predictors};
pub use crate::embedded::{ACCURACIES, DEVICE_PROFILES, PREDICTORS};

/// Handwritten digits to train on, as a gzipped table, with the path of its file.
#[cfg(feature = "torch")]
pub static DIGITS: (&str, &[u8]) =
    ("datasets/images/digits/digits.csv.gz", include_bytes!("../datasets/images/digits/digits.csv.gz"));

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
