//! The battery of a device that is not plugged in: the current that flows out of it, by its voltage.
//!
//! Linux wants `current_now` in µA, negative while the battery discharges, and `voltage_now` in µV
//! (`Documentation/ABI/testing/sysfs-class-power`). Makers differ in the sign and some in the unit; the document itself came after
//! many drivers. So the sign is not taken at its word, only that it stays the same, and a power that no device has is refused.
//! Android's shell may read these files (AOSP, `domain.te`), unless a maker labels them otherwise.

use super::result::{Meter, NoEnergy};
use super::sensor::{Kind, Sensor, folders, number, text};
use std::path::{Path, PathBuf};

/// What a phone, tablet or laptop takes while it computes, in W. Currents in mA that are taken for µA make a thousandth of it.
const COMPUTING: std::ops::RangeInclusive<f64> = 0.1..=250.0;

struct Battery {
    folder: PathBuf,
    /// Chargers of every kind.
    chargers: Vec<PathBuf>,
}

pub fn find(root: &Path) -> Option<Result<Box<dyn Sensor>, NoEnergy>> {
    let supplies = folders(&root.join("sys/class/power_supply"));
    let is = |supply: &PathBuf, kind: &str| text(&supply.join("type")).is_some_and(|found| found == kind);
    // Those of mice and headphones.
    let of_others = |supply: &PathBuf| text(&supply.join("scope")).is_some_and(|scope| scope == "Device");
    let (batteries, others): (Vec<PathBuf>, Vec<PathBuf>) =
        supplies.into_iter().filter(|supply| !of_others(supply)).partition(|supply| is(supply, "Battery"));
    let telling: Vec<&PathBuf> =
        batteries.iter().filter(|battery| number(&battery.join("current_now")).is_some()).collect();
    let chargers = others;
    match telling[..] {
        [] => None,
        [folder] => Some(Ok(Box::new(Battery { folder: folder.clone(), chargers }))),
        _ => Some(Err(NoEnergy::Batteries)),
    }
}

impl Sensor for Battery {
    fn meter(&self) -> Meter {
        Meter::Battery
    }

    fn kind(&self) -> Kind {
        Kind::Gauge
    }

    fn read(&mut self) -> Option<f64> {
        let micro = |name: &str| Some(number(&self.folder.join(name))? / 1e6);
        Some(micro("current_now")? * micro("voltage_now")?)
    }

    fn ready(&self) -> Result<(), NoEnergy> {
        let discharges = text(&self.folder.join("status")).is_some_and(|status| status == "Discharging");
        let plugged = self.chargers.iter().any(|charger| number(&charger.join("online")) == Some(1.0));
        if discharges && !plugged { Ok(()) } else { Err(NoEnergy::Plugged) }
    }

    fn judge(&self, idle: &[f64], busy: &[f64]) -> Result<(), NoEnergy> {
        let mut all = idle.iter().chain(busy);
        if !(all.clone().all(|&watts| watts > 0.0) || all.all(|&watts| watts < 0.0)) {
            return Err(NoEnergy::Sign);
        }
        let plausible = |watts: &f64| COMPUTING.contains(&watts.abs());
        if busy.iter().all(plausible) { Ok(()) } else { Err(NoEnergy::Unit) }
    }
}
