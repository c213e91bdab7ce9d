//! The energy of a network, as its launches together tell it.

use edgezen_core::stats;
use edgezen_runner::energy::Meter;
use edgezen_runner::{Measured, Metered, NoEnergy};

/// The energy of a run of a network. Energies in J.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EnergyReading {
    pub meter: Meter,
    /// Without what the device takes at rest: the median of the launches.
    pub per_run: f64,
    /// The lowest and the highest of the launches.
    pub range: (f64, f64),
    /// With what the device takes at rest.
    pub with_idle: f64,
    /// The energy by which two readings of the meter differ at least; `None` where all were alike.
    pub step: Option<f64>,
    /// Power at rest and while it ran, in W: the medians of the launches.
    pub idle_w: f64,
    pub busy_w: f64,
    /// Launches in which the meter told an energy.
    pub launches: usize,
}

impl EnergyReading {
    /// What the launches say; `None` where nobody asked for it.
    pub fn of(launches: &[Measured]) -> Option<Result<EnergyReading, NoEnergy>> {
        let metered: Vec<Metered> = launches.iter().filter_map(|launch| launch.energy).collect();
        let read = |metered: &Metered| match metered {
            Metered::Read(energy) => Ok(*energy),
            Metered::Absent(why) => Err(*why),
        };
        let energies: Vec<_> = metered.iter().filter_map(|metered| read(metered).ok()).collect();
        let why = metered.iter().find_map(|metered| read(metered).err());
        let Some(first) = energies.first() else { return why.map(Err) };
        let each =
            |value: fn(&edgezen_runner::Energy) -> f64| energies.iter().map(value).collect::<Vec<f64>>();
        let median = |value| stats::median(&each(value));
        let per_run = stats::sorted(&each(|energy| energy.per_run_j()));
        Some(Ok(EnergyReading {
            meter: first.meter,
            per_run: stats::median(&per_run)?,
            range: (*per_run.first()?, *per_run.last()?),
            with_idle: median(|energy| energy.per_run_with_idle_j())?,
            step: energies.iter().filter_map(|energy| energy.step_j()).max_by(f64::total_cmp),
            idle_w: median(|energy| energy.idle.watts)?,
            busy_w: median(|energy| energy.busy.watts)?,
            launches: energies.len(),
        }))
    }

    /// The same with the energies of a batch divided by its number of images.
    #[must_use]
    pub fn per_image(self, batch: f64) -> EnergyReading {
        EnergyReading {
            per_run: self.per_run / batch,
            range: (self.range.0 / batch, self.range.1 / batch),
            with_idle: self.with_idle / batch,
            step: self.step.map(|step| step / batch),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_runner::energy::Power;
    use edgezen_runner::{Conditions, Energy, TimedBy, Timing};

    fn launch(energy: Option<Metered>) -> Measured {
        let timing = Timing {
            first_ns: Some(1),
            warmup_runs: 3,
            k: 1,
            samples_ns: vec![10],
            probes_ns: vec![],
            usual_probe_ns: None,
            checksum: None,
            noisy_half_width: 0.05,
            overhead_ns: None,
            timed_by: TimedBy::Stopwatch,
        };
        let (before, after) = (Conditions::default(), Conditions::default());
        Measured { timing, before, after, load_ns: None, peak_bytes: None, outputs: None, energy }
    }

    fn read(busy_w: f64) -> Option<Metered> {
        let power = |watts| Power { seconds: 10.0, watts, readings: 60, step_w: Some(0.1) };
        let energy = Energy { meter: Meter::VddIn, idle: power(4.0), busy: power(busy_w), runs: 100 };
        Some(Metered::Read(energy))
    }

    #[test]
    fn the_median_of_the_launches_counts() {
        let absent = Some(Metered::Absent(NoEnergy::NotAbove));
        let launches = [read(6.0), absent, read(8.0), read(7.0)].map(launch);
        let found = EnergyReading::of(&launches).unwrap().unwrap();
        assert!((found.per_run - 0.3).abs() < 1e-12 && (found.with_idle - 0.7).abs() < 1e-12, "{found:?}");
        assert!((found.range.0 - 0.2).abs() < 1e-12 && (found.range.1 - 0.4).abs() < 1e-12, "{found:?}");
        assert_eq!((found.launches, found.idle_w, found.busy_w), (3, 4.0, 7.0));
        let image = found.per_image(2.0);
        assert!((image.per_run - 0.15).abs() < 1e-12 && image.busy_w == 7.0);
        assert!((image.step.unwrap() - 0.005).abs() < 1e-12);
        assert_eq!(EnergyReading::of(&[launch(absent)]), Some(Err(NoEnergy::NotAbove)));
        assert_eq!(EnergyReading::of(&[launch(None)]), None);
    }
}
