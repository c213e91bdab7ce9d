//! The sustained state: the device computes until neither its speed nor its temperature changes any more. That is the plateau,
//! and what is measured then is what a phone or a board can hold for hours. `docs/measuring.md` describes it.

use super::sentinel::SENTINEL;
use crate::device::profile::Plateau;
use crate::device::{Device, DeviceError, Workload};
use edgezen_core::measurement::Subject;
use edgezen_core::stats;
use edgezen_core::units::Latency;
use edgezen_runner::Measured;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// The two halves of the window must hold at least so many looks each.
const LEAST_LOOKS: usize = 3;

/// On the plateau the temperature changes by at most this from one half of the window to the other, in °C.
const STEADY_C: f64 = 1.0;

/// How the device came to its plateau.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heated {
    /// How long it was heated.
    pub seconds: f64,
    /// The sentinel at first, in nanoseconds.
    pub first_ns: f64,
    /// The sentinel on the plateau, in nanoseconds.
    pub plateau_ns: f64,
    /// The temperature at first and on the plateau, in °C, where the device tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_c: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plateau_c: Option<f64>,
}

impl Heated {
    /// What it says, for people: `heated for 312 s: the sentinel went from 1.10 to 1.52 ms, the chip from 41 to 68 °C`.
    pub fn text(&self) -> String {
        let ms = Latency::from_ns;
        let chip = self.first_c.zip(self.plateau_c);
        let chip =
            chip.map_or(String::new(), |(from, to)| format!(", the chip from {from:.0} to {to:.0} °C"));
        let Heated { seconds, first_ns, plateau_ns, .. } = *self;
        format!(
            "heated for {seconds:.0} s: the sentinel went from {} to {}{chip}",
            ms(first_ns),
            ms(plateau_ns)
        )
    }
}

/// The sentinel and the temperature at one moment.
#[derive(Clone, Copy, Debug)]
struct Look {
    /// Seconds since the heating began.
    at_s: f64,
    ns: f64,
    celsius: Option<f64>,
}

/// A device that is being heated.
struct Heating {
    plateau: Plateau,
    looks: Vec<Look>,
}

impl Heating {
    /// Adds what was seen last; gives the plateau once it is reached.
    fn add(&mut self, look: Look) -> Option<Heated> {
        self.looks.push(look);
        let window = f64::from(self.plateau.window_s);
        let first = *self.looks.first()?;
        if look.at_s - first.at_s < window {
            return None;
        }
        let since = |seconds: f64| self.looks.partition_point(|earlier| look.at_s - earlier.at_s > seconds);
        let (begin, middle) = (since(window), since(window / 2.0));
        let (earlier, later) = (&self.looks[begin..middle], &self.looks[middle..]);
        if earlier.len() < LEAST_LOOKS || later.len() < LEAST_LOOKS {
            return None;
        }
        let ns = |looks: &[Look]| stats::median(&looks.iter().map(|look| look.ns).collect::<Vec<_>>());
        let celsius =
            |looks: &[Look]| stats::median(&looks.iter().filter_map(|look| look.celsius).collect::<Vec<_>>());
        let (before, now) = (ns(earlier)?, ns(later)?);
        let steady = (now / before - 1.0).abs() <= self.plateau.within;
        let warm = celsius(earlier).zip(celsius(later));
        let even = warm.is_none_or(|(before, now)| (now - before).abs() <= STEADY_C);
        (steady && even).then(|| Heated {
            seconds: look.at_s,
            first_ns: first.ns,
            plateau_ns: now,
            first_c: first.celsius,
            plateau_c: celsius(later),
        })
    }
}

/// Heats the device by the sentinel, one launch after another without a pause, until it is on its plateau. `zones` are the types of
/// the thermal zones to watch. `tell` hears after each launch for how long it was heated and what the sentinel takes, and may
/// break off.
///
/// # Errors
/// [`DeviceError::Unfit`] for a device that has no plateau within the longest time, whatever the device says, and what `tell` says.
pub fn heat<E: From<DeviceError>>(
    device: &mut dyn Device,
    plateau: Plateau,
    zones: &[String],
    tell: &mut dyn FnMut(Duration, Latency) -> Result<(), E>,
) -> Result<Heated, E> {
    let subject = Subject::Kernel(SENTINEL.with_batch(device.identity().batch));
    let mut heating = Heating { plateau, looks: Vec::new() };
    let mut at_s = 0.0;
    loop {
        let start = Instant::now();
        let measured = device.measure(Workload::Subject(&subject))?;
        at_s += seconds(start.elapsed(), &measured);
        let Some(summary) = measured.timing.summary() else { continue };
        tell(Duration::from_secs_f64(at_s), summary.median)?;
        let look = Look { at_s, ns: summary.median.ns(), celsius: measured.after.hottest_c(zones) };
        if let Some(heated) = heating.add(look) {
            device.heated();
            return Ok(heated);
        }
        if at_s > f64::from(plateau.most_s) {
            return Err(no_plateau(device, &heating).into());
        }
    }
}

/// The time that a launch took. On a device whose time is made up, its runs took longer than the launch.
fn seconds(elapsed: Duration, measured: &Measured) -> f64 {
    let timing = &measured.timing;
    let runs: u64 = timing.samples_ns.iter().chain(&timing.first_ns).sum();
    elapsed.max(Duration::from_nanos(runs)).as_secs_f64()
}

fn no_plateau(device: &dyn Device, heating: &Heating) -> DeviceError {
    let Plateau { window_s, within, most_s } = heating.plateau;
    let seen = heating.looks.first().zip(heating.looks.last()).map_or(String::new(), |(first, last)| {
        format!(
            "; the sentinel took {} at first and {} at last",
            Latency::from_ns(first.ns),
            Latency::from_ns(last.ns)
        )
    });
    DeviceError::Unfit {
        device: device.identity().device.to_string(),
        findings: vec![format!(
            "heated for {most_s} s, it reached no plateau (within {:.0} % over {window_s} s){seen}",
            100.0 * within
        )],
        remedies: vec![
            "end other programs, whose load comes and goes; a profile of your own may wait longer (most_s) or be content \
             with less (within, window_s of [measure.plateau])"
                .into(),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::profile::Profiles;
    use crate::device::simulated::Simulation;
    use crate::device::{DriverOptions, Options};

    const PLATEAU: Plateau = Plateau { window_s: 60, within: 0.02, most_s: 600 };

    /// When a device is on its plateau, by the rules of `plateau`, whose sentinel and temperature are these functions of the seconds,
    /// looked at every second.
    fn reached_by(
        plateau: Plateau,
        ns: impl Fn(f64) -> f64,
        celsius: impl Fn(f64) -> Option<f64>,
    ) -> Option<Heated> {
        let mut heating = Heating { plateau, looks: Vec::new() };
        (0..1000).find_map(|at| {
            let at_s = f64::from(at);
            heating.add(Look { at_s, ns: ns(at_s), celsius: celsius(at_s) })
        })
    }

    fn reached(ns: impl Fn(f64) -> f64, celsius: impl Fn(f64) -> Option<f64>) -> Option<Heated> {
        reached_by(PLATEAU, ns, celsius)
    }

    #[test]
    fn the_plateau_is_where_nothing_changes_any_more() {
        let rising = |tau: f64| move |at: f64| 1e6 * (1.0 + 0.5 * (1.0 - (-at / tau).exp()));
        // The window is longer than the hundred seconds in which the device becomes warm: 2 % are left.
        let heated = reached_by(Plateau::default(), rising(100.0), |_| None).unwrap();
        assert!((200.0..400.0).contains(&heated.seconds), "{heated:?}");
        assert!((heated.plateau_ns / 1.5e6 - 1.0).abs() < 0.02 && heated.first_ns == 1e6, "{heated:?}");
        // A window that is shorter is content too early.
        let early = reached(rising(100.0), |_| None).unwrap();
        assert!(early.seconds < heated.seconds && early.plateau_ns < 1.45e6, "{early:?}");
        // A device that keeps its speed is watched for one window.
        assert_eq!(reached(|_| 1e6, |_| None).unwrap().seconds, 60.0);
        // One that grows ever slower, or is still growing hotter, has none yet.
        assert_eq!(reached(|at| 1e6 * (1.0 + at / 300.0).powi(2), |_| None), None);
        let heated = reached(|_| 1e6, |at| Some(40.0 + (at / 10.0).min(30.0))).unwrap();
        assert!((320.0..400.0).contains(&heated.seconds) && heated.plateau_c == Some(70.0), "{heated:?}");
        assert_eq!(heated.first_c, Some(40.0));
        assert!(heated.text().contains("the chip from 40 to 70 °C"), "{}", heated.text());
    }

    #[test]
    fn few_looks_are_no_plateau() {
        let mut heating = Heating { plateau: PLATEAU, looks: Vec::new() };
        let look = |at_s| Look { at_s, ns: 1e6, celsius: None };
        assert_eq!(heating.add(look(0.0)), None);
        assert_eq!(heating.add(look(59.0)), None);
        assert_eq!(heating.add(look(120.0)), None);
    }

    #[test]
    fn a_simulated_device_is_heated_and_cools_down() {
        let driver = DriverOptions::default().with("heat=0.3".parse::<Simulation>().unwrap());
        let options = Options { driver, ..Options::default() };
        let profiles = Profiles::of_repository();
        let mut device = crate::device::open(&profiles, "simulated@sustained", &options).unwrap();
        assert_eq!(device.identity().to_string(), "simulated@formula@fp32@sustained");
        let plateau = device.plateau().unwrap();
        let mut told = 0;
        let heated = heat(device.as_mut(), plateau, &[], &mut |_, _| {
            told += 1;
            Ok::<(), DeviceError>(())
        })
        .unwrap();
        assert!(told > 100 && (heated.plateau_ns / heated.first_ns - 1.3).abs() < 0.03, "{heated:?}");
        let subject = Subject::Kernel(SENTINEL);
        let mut median = || {
            device.rest(Duration::from_secs(3600));
            device.measure(Workload::Subject(&subject)).unwrap().timing.summary().unwrap().median.ns()
        };
        assert!((median() / heated.first_ns - 1.0).abs() < 0.03);
        // Another state is another identity.
        let usual = crate::device::open(&profiles, "simulated", &Options::default()).unwrap();
        assert_eq!(usual.plateau(), None);
    }

    #[test]
    fn a_device_without_a_plateau_is_unfit() {
        let driver = DriverOptions::default().with("heat=0.9".parse::<Simulation>().unwrap());
        let options = Options { driver, ..Options::default() };
        let mut device =
            crate::device::open(&Profiles::of_repository(), "simulated@sustained", &options).unwrap();
        let plateau = Plateau { within: 1e-6, window_s: 2, most_s: 4 };
        let error = heat(device.as_mut(), plateau, &[], &mut |_, _| Ok::<(), DeviceError>(())).unwrap_err();
        assert!(matches!(&error, DeviceError::Unfit { .. }), "{error}");
        assert!(error.to_string().contains("no plateau"), "{error}");
    }
}
