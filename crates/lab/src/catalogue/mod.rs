//! What is known by name: devices and their predictors, from the user's folders and as shipped with the program.

pub mod networks;
pub mod predictors;

pub use crate::device::profile::Profiles;
pub use predictors::Predictors;

/// Files that are compiled into a program: names without their ending, and texts.
pub type Shipped = &'static [(&'static str, &'static str)];

/// Devices and predictors by name.
#[derive(Clone, Debug)]
pub struct Catalogue {
    pub profiles: Profiles,
    pub predictors: Predictors,
}

/// The profiles and predictors in this repository, for tests.
#[cfg(test)]
pub fn of_repository() -> Catalogue {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    Catalogue {
        profiles: Profiles::new(&[], root.join("device-profiles")),
        predictors: Predictors::new(&[], vec![root.join("predictors")]),
    }
}
