//! Sensors of the current through the supply of a whole board or computer, as Linux's `hwmon` shows them (`Documentation/hwmon`,
//! `sysfs-interface.rst`): voltages in mV, currents in mA, powers in µW. The kernel of a Jetson Nano has the same chip under
//! `iio`, with powers in mW.
//!
//! Rails of a part of a board are left out: what a network takes of the others would be missing.

use super::result::{Meter, NoEnergy};
use super::sensor::{Kind, Sensor, folders, number, text};
use std::path::{Path, PathBuf};

/// Names of rails through which everything comes.
const INPUTS: [Meter; 2] = [Meter::VddIn, Meter::Pom5vIn];

/// Rails of one chip.
const CHANNELS: std::ops::RangeInclusive<u32> = 0..=3;

enum Rail {
    /// In mV and mA.
    Current {
        volts: PathBuf,
        amperes: PathBuf,
    },
    Power {
        path: PathBuf,
        per_watt: f64,
    },
}

struct Input {
    meter: Meter,
    rail: Rail,
}

pub fn find(root: &Path) -> Option<Result<Box<dyn Sensor>, NoEnergy>> {
    let hwmon = folders(&root.join("sys/class/hwmon")).into_iter().find_map(|chip| of_hwmon(&chip));
    let input = hwmon.or_else(|| {
        let chips = folders(&root.join("sys/bus/i2c/drivers/ina3221x"));
        chips.iter().flat_map(|chip| folders(chip)).find_map(|chip| of_iio(&chip))
    })?;
    input.watts().map(|_| Ok(Box::new(input) as Box<dyn Sensor>))
}

/// The rail with this label, if everything comes through it.
fn input(label: &Path) -> Option<Meter> {
    let label = text(label)?;
    INPUTS.into_iter().find(|meter| meter.name() == label)
}

fn of_hwmon(chip: &Path) -> Option<Input> {
    match text(&chip.join("name"))?.as_str() {
        "ina3221" => CHANNELS.into_iter().find_map(|n| {
            let meter = input(&chip.join(format!("in{n}_label")))?;
            let file = |what: &str| chip.join(format!("{what}{n}_input"));
            Some(Input { meter, rail: Rail::Current { volts: file("in"), amperes: file("curr") } })
        }),
        "power_meter" => {
            let rail = Rail::Power { path: chip.join("power1_average"), per_watt: 1e6 };
            Some(Input { meter: Meter::PowerMeter, rail })
        }
        _ => None,
    }
}

fn of_iio(chip: &Path) -> Option<Input> {
    CHANNELS.into_iter().find_map(|n| {
        let meter = input(&chip.join(format!("rail_name_{n}")))?;
        let path = chip.join(format!("in_power{n}_input"));
        Some(Input { meter, rail: Rail::Power { path, per_watt: 1e3 } })
    })
}

impl Input {
    fn watts(&self) -> Option<f64> {
        match &self.rail {
            Rail::Current { volts, amperes } => Some(number(volts)? * number(amperes)? / 1e6),
            Rail::Power { path, per_watt } => Some(number(path)? / per_watt),
        }
    }
}

impl Sensor for Input {
    fn meter(&self) -> Meter {
        self.meter
    }

    fn kind(&self) -> Kind {
        Kind::Gauge
    }

    fn read(&mut self) -> Option<f64> {
        self.watts()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_found_under_every_driver() {
        for (files, meter, watts) in [
            (
                vec![
                    ("sys/class/hwmon/hwmon3/name", "ina3221"),
                    ("sys/class/hwmon/hwmon3/in2_label", "VDD_IN"),
                    ("sys/class/hwmon/hwmon3/in2_input", "4904"),
                    ("sys/class/hwmon/hwmon3/curr2_input", "1000"),
                ],
                Meter::VddIn,
                4.904,
            ),
            (
                vec![
                    ("sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/rail_name_0", "POM_5V_IN"),
                    ("sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/in_power0_input", "2875"),
                ],
                Meter::Pom5vIn,
                2.875,
            ),
            (
                vec![
                    ("sys/class/hwmon/hwmon0/name", "power_meter"),
                    ("sys/class/hwmon/hwmon0/power1_average", "187000000"),
                ],
                Meter::PowerMeter,
                187.0,
            ),
        ] {
            let dir = tempfile::tempdir().unwrap();
            for (path, text) in &files {
                let path = dir.path().join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, format!("{text}\n")).unwrap();
            }
            let mut sensor = find(dir.path()).unwrap().unwrap();
            assert_eq!((sensor.meter(), sensor.read()), (meter, Some(watts)));
            // One that gives no number is none.
            std::fs::write(dir.path().join(files[files.len() - 1].0), "garbage").unwrap();
            assert!(find(dir.path()).is_none());
        }
    }
}
