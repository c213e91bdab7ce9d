//! The energy of a run, or why there is none.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a meter told, or why it did not.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metered {
    Read(Energy),
    Absent(NoEnergy),
}

/// What a meter told while the device rested and while a network ran.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Energy {
    pub meter: Meter,
    /// Before the network ran.
    pub idle: Power,
    pub busy: Power,
    /// Runs of the network in the time of `busy`.
    pub runs: u32,
}

/// What a meter told for a time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Power {
    pub seconds: f64,
    /// The mean.
    pub watts: f64,
    /// Readings that it is made of.
    pub readings: u32,
    /// The least difference between two readings, as watts of that time. `None`: they were all alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_w: Option<f64>,
}

/// Meters of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meter {
    /// The input of a Jetson's module, by its INA3221.
    VddIn,
    /// The same of a Jetson Nano.
    Pom5vIn,
    /// The supply of a computer, by the power meter of its firmware (ACPI).
    PowerMeter,
    /// The processor packages of a computer, by RAPL.
    Packages,
    Battery,
}

impl Meter {
    pub fn name(self) -> &'static str {
        match self {
            Meter::VddIn => "VDD_IN",
            Meter::Pom5vIn => "POM_5V_IN",
            Meter::PowerMeter => "power_meter",
            Meter::Packages => "RAPL",
            Meter::Battery => "battery",
        }
    }

    /// What lies behind the meter.
    pub fn covers(self) -> &'static str {
        match self {
            Meter::VddIn | Meter::Pom5vIn => "the module with its memory, without the carrier board",
            Meter::PowerMeter => "the whole computer",
            Meter::Packages => "the processor packages, without the memory",
            Meter::Battery => "the whole device with its screen",
        }
    }
}

/// Why there is no energy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoEnergy {
    NoMeter,
    Unreadable,
    Plugged,
    Batteries,
    Stale,
    Sign,
    Unit,
    NotAbove,
}

impl fmt::Display for NoEnergy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoEnergy::NoMeter => "the device has no meter of power that can be read",
            NoEnergy::Unreadable => {
                "only root may read the processor's energy counter: \
                 sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj"
            }
            NoEnergy::Plugged => {
                "its battery does not say that it discharges: pull the cable, and reach the device through the network"
            }
            NoEnergy::Batteries => "it has several batteries, and which of them feeds it is not known",
            NoEnergy::Stale => "its meter gave fewer than three different readings, so it is read too rarely",
            NoEnergy::Sign => "the current of its battery changed its sign",
            NoEnergy::Unit => "the current of its battery, in microamperes as Linux wants it, makes a power that no device has",
            NoEnergy::NotAbove => {
                "the power while it ran was not above that at rest: other programs ran, or the meter is too coarse"
            }
        })
    }
}

/// More than any device takes, in W.
const MOST_WATTS: f64 = 1e5;

impl Energy {
    /// The same, if the network took more than the rest.
    ///
    /// # Errors
    /// [`NoEnergy::NotAbove`].
    pub fn checked(self) -> Result<Energy, NoEnergy> {
        if self.busy.watts > self.idle.watts { Ok(self) } else { Err(NoEnergy::NotAbove) }
    }

    /// Energy of a run in J, without what the device takes at rest in that time.
    pub fn per_run_j(&self) -> f64 {
        (self.busy.watts - self.idle.watts) * self.seconds_per_run()
    }

    /// Energy of a run in J, with everything that the device takes in that time.
    pub fn per_run_with_idle_j(&self) -> f64 {
        self.busy.watts * self.seconds_per_run()
    }

    /// The energy of a run in J by which two readings differ at least. `None` where all readings were alike.
    pub fn step_j(&self) -> Option<f64> {
        Some(self.busy.step_w? * self.seconds_per_run())
    }

    fn seconds_per_run(&self) -> f64 {
        self.busy.seconds / f64::from(self.runs.max(1))
    }

    /// Whether all of its numbers are some that a meter gives within so many seconds.
    pub fn is_plausible(&self, within_s: f64) -> bool {
        let power = |power: &Power| {
            let Power { seconds, watts, readings, step_w } = *power;
            (0.0..=within_s).contains(&seconds)
                && (0.0..=MOST_WATTS).contains(&watts)
                && step_w.is_none_or(|step| (0.0..=MOST_WATTS).contains(&step))
                && readings > 0
        };
        self.runs > 0 && power(&self.idle) && power(&self.busy) && self.checked().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_energies_are_told() {
        let power = |watts| Power { seconds: 10.0, watts, readings: 60, step_w: Some(0.005) };
        let energy = Energy { meter: Meter::Battery, idle: power(1.0), busy: power(3.0), runs: 100 };
        assert!((energy.per_run_j() - 0.2).abs() < 1e-12);
        assert!((energy.per_run_with_idle_j() - 0.3).abs() < 1e-12);
        assert!((energy.step_j().unwrap() - 0.0005).abs() < 1e-12);
        assert!(energy.is_plausible(60.0) && !energy.is_plausible(9.0));
        for lie in [
            Energy { runs: 0, ..energy },
            Energy { busy: power(f64::NAN), ..energy },
            Energy { busy: power(1e9), ..energy },
            Energy { idle: power(-1.0), ..energy },
            Energy { idle: power(3.0), ..energy },
            Energy { busy: Power { step_w: Some(f64::INFINITY), ..power(3.0) }, ..energy },
        ] {
            assert!(!lie.is_plausible(60.0), "{lie:?}");
        }
        let text = serde_json::to_string(&Metered::Absent(NoEnergy::Plugged)).unwrap();
        assert_eq!(text, r#"{"absent":"plugged"}"#);
        let text = serde_json::to_string(&Metered::Read(energy)).unwrap();
        assert_eq!(serde_json::from_str::<Metered>(&text).unwrap(), Metered::Read(energy));
    }
}
