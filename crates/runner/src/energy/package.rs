//! The energy counters of processor packages, which Intel calls RAPL, as Linux's `powercap` shows them
//! (`Documentation/power/powercap/powercap.rst`): µJ, which begin anew after `max_energy_range_uj`. AMD's are there too.

use super::result::{Meter, NoEnergy};
use super::sensor::{Kind, Sensor, folders, number, text};
use std::path::{Path, PathBuf};

struct Package {
    counter: PathBuf,
    /// What it counts up to, in µJ.
    range: f64,
    last: f64,
}

struct Packages {
    all: Vec<Package>,
    /// In µJ.
    since: f64,
}

pub fn find(root: &Path) -> Option<Result<Box<dyn Sensor>, NoEnergy>> {
    let zones = folders(&root.join("sys/class/powercap"));
    let is_package =
        |zone: &PathBuf| text(&zone.join("name")).is_some_and(|name| name.starts_with("package-"));
    let zones: Vec<PathBuf> = zones.into_iter().filter(is_package).collect();
    if zones.is_empty() {
        return None;
    }
    let package = |zone: &PathBuf| {
        let counter = zone.join("energy_uj");
        let last = number(&counter)?;
        let range = number(&zone.join("max_energy_range_uj")).filter(|&range| range >= last)?;
        Some(Package { counter, range, last })
    };
    let all: Option<Vec<Package>> = zones.iter().map(package).collect();
    Some(match all {
        Some(all) => Ok(Box::new(Packages { all, since: 0.0 })),
        None => Err(NoEnergy::Unreadable),
    })
}

impl Sensor for Packages {
    fn meter(&self) -> Meter {
        Meter::Packages
    }

    fn kind(&self) -> Kind {
        Kind::Counter
    }

    fn read(&mut self) -> Option<f64> {
        for package in &mut self.all {
            let now = number(&package.counter)?;
            let more = now - package.last;
            self.since += if more < 0.0 { more + package.range } else { more };
            package.last = now;
        }
        Some(self.since / 1e6)
    }
}
