//! What is known by name: networks; devices and their predictors, from the user's folders and as shipped with the program.

pub mod aliases;
mod by_device;
pub mod known;
pub mod networks;
pub mod predictors;

pub use crate::device::profile::Profiles;
pub use crate::files::location::{Location, Packed, Shipped};
pub use by_device::{CatalogueError, DevicePredictor, Note, Usual};
pub use known::KnownDevice;
pub use predictors::Predictors;

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
        profiles: Profiles::of_repository(),
        predictors: Predictors::new(&[], vec![root.join("predictors")]),
    }
}
