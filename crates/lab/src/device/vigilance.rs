//! When measurements have to be repeated because the device was hot or slow.

use edgezen_runner::conditions::GpuState;
use edgezen_runner::{Conditions, Measured};
use std::collections::BTreeMap;
use std::time::Duration;

/// A die that is at most this much hotter than after the first measurement of a session, in °C, is not hot. The temperature of
/// a die depends on the place of its sensor, and an idle one has up to 50 °C, so that there is no absolute bound. A judgement.
const DIE_RISE_C: f64 = 10.0;

/// When to repeat measurements, and how long to let the device cool down before that.
#[derive(Clone, Debug, PartialEq)]
pub struct Vigilance {
    /// When the sentinel is slower than usual by more than this share, everything that was measured since the previous
    /// look at the sentinel is measured again.
    pub drift: f64,
    /// When the sentinel is slower by more than this share, the device counts as throttled and rests first.
    pub throttled: f64,
    /// Durations of the rests, one after another, until the sentinel is as fast as usual.
    pub rests: Vec<Duration>,
    /// Greatest number of repetitions of one measurement; after that it is only flagged.
    pub retries: u32,
    /// A measurement that leaves a zone of the device hotter than this, in °C, was made on too hot a device.
    pub too_hot_c: Option<f64>,
    /// A device whose surface (of a GPU: whose chip) is at most this hot, in °C, is not slow because of heat.
    pub cool_c: Option<f64>,
    /// Types of the thermal zones to watch.
    pub zones: Vec<String>,
    /// Highest thermal status of Android at which a measurement counts.
    pub thermal_status: Option<u32>,
    /// The clocks in kHz that cores usually reach, where that is less than their hardware can.
    pub usual_khz: BTreeMap<u32, u64>,
    /// Whether the device is to be as hot and as slow as it gets: no sign of throttling is one then.
    pub sustained: bool,
}

impl Vigilance {
    /// The sign in `measured` that the device was throttled; `None` where there is no sign.
    pub fn complaint(&self, measured: &Measured) -> Option<String> {
        if self.sustained {
            return None;
        }
        let after = &measured.after;
        if let Some(reason) = after.gpu.as_ref().and_then(GpuState::throttled_by) {
            return Some(format!("the GPU's clocks are held down: {reason}"));
        }
        if after.throttled_since(&measured.before) {
            return Some("the highest clock was lowered during the measurement".to_owned());
        }
        // Before a measurement the core was idle, and only a cap says something of its clock.
        let capped = |c: &Conditions| c.held_down(&self.usual_khz).filter(|held| held.by_a_cap);
        if let Some(held) = after.held_down(&self.usual_khz).or_else(|| capped(&measured.before)) {
            return Some(held.to_string());
        }
        if let (Some(status), Some(limit)) = (after.thermal_status, self.thermal_status)
            && status > limit
        {
            return Some(format!("thermal status {status}, allowed {limit}"));
        }
        let (hot, limit) = (after.hottest_c(&self.zones)?, self.too_hot_c?);
        (hot > limit).then(|| format!("{hot:.0} °C, allowed {limit:.0}"))
    }

    /// Whether the device shows that it is cool, so that a rest would not make it faster: a temperature of its surface, or of
    /// its die beside the one after the first measurement of the session (`first_c`), and no sign of throttling. A thermal
    /// status of 0 alone does not show it, because many phones have no other; what is not known is not cool.
    pub fn is_cool(&self, measured: &Measured, first_c: Option<f64>) -> bool {
        let after = &measured.after;
        let below = |celsius: f64| self.cool_c.is_none_or(|limit| celsius <= limit);
        let surface = after.gpu.as_ref().map_or(after.skin_c, |gpu| gpu.temperature_c).map(below);
        let die = after.hottest_c(&self.zones).filter(|_| after.gpu.is_none());
        let die = die.zip(first_c).map(|(now, first)| now <= first + DIE_RISE_C);
        let shown: Vec<bool> = surface.into_iter().chain(die).collect();
        !shown.is_empty() && shown.into_iter().all(|cool| cool) && self.complaint(measured).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_runner::{TimedBy, Timing};

    fn vigilance() -> Vigilance {
        Vigilance {
            drift: 0.05,
            throttled: 0.10,
            rests: vec![],
            retries: 2,
            too_hot_c: Some(75.0),
            cool_c: Some(40.0),
            zones: vec!["cpu*".into()],
            thermal_status: Some(0),
            usual_khz: BTreeMap::new(),
            sustained: false,
        }
    }

    fn measured(before: Conditions, after: Conditions) -> Measured {
        let timing = Timing {
            first_ns: Some(1),
            warmup_runs: 3,
            k: 1,
            samples_ns: vec![10],
            probes_ns: vec![],
            usual_probe_ns: None,
            checksum: Some(0.0),
            noisy_half_width: 0.05,
            overhead_ns: None,
            timed_by: TimedBy::Stopwatch,
        };
        Measured { timing, before, after, load_ns: None, peak_bytes: None, outputs: None, energy: None }
    }

    fn after(change: impl Fn(&mut Conditions)) -> Measured {
        let mut conditions = Conditions { thermal_status: Some(0), ..Conditions::default() };
        change(&mut conditions);
        measured(Conditions::default(), conditions)
    }

    fn die(celsius: f64) -> BTreeMap<String, f64> {
        BTreeMap::from([("cpu-0-0-usr".to_owned(), celsius)])
    }

    #[test]
    fn what_is_not_known_is_not_cool() {
        let cool = |measured: &Measured, first_c| vigilance().is_cool(measured, first_c);
        // As on AOSP, whose shell may read no thermal zone: status 0 is all there is.
        assert!(!cool(&after(|_| ()), Some(40.0)));
        assert!(cool(&after(|c| c.skin_c = Some(31.0)), None));
        assert!(!cool(&after(|c| c.skin_c = Some(41.0)), None));
        // A die is compared with itself.
        assert!(!cool(&after(|c| c.temperatures_c = die(46.0)), None));
        assert!(cool(&after(|c| c.temperatures_c = die(55.0)), Some(46.0)));
        assert!(!cool(&after(|c| c.temperatures_c = die(57.0)), Some(46.0)));
        let both = |skin: f64| after(move |c| (c.skin_c, c.temperatures_c) = (Some(skin), die(47.0)));
        assert!(cool(&both(35.0), Some(46.0)) && !cool(&both(42.0), Some(46.0)));
        // Whatever the temperature is: a core that is held down is not one that a rest would not help.
        let capped = after(|c| {
            c.skin_c = Some(31.0);
            c.hardware_clocks_khz = BTreeMap::from([(7, 2_400_000)]);
            c.max_clocks_khz = BTreeMap::from([(7, 1_100_000)]);
        });
        assert!(!cool(&capped, None));
    }

    #[test]
    fn a_cap_that_was_there_before_shows() {
        let with = |allowed| Conditions {
            hardware_clocks_khz: BTreeMap::from([(7, 2_400_000)]),
            max_clocks_khz: BTreeMap::from([(7, allowed)]),
            ..Conditions::default()
        };
        let said = |before, after| vigilance().complaint(&measured(with(before), with(after)));
        assert_eq!(said(2_400_000, 2_400_000), None);
        assert_eq!(said(1_100_000, 1_100_000).unwrap(), "core 7 is held down to 1.10 of 2.40 GHz");
        assert_eq!(said(1_100_000, 2_400_000).unwrap(), "core 7 is held down to 1.10 of 2.40 GHz");
        assert!(said(2_400_000, 1_100_000).unwrap().contains("lowered"));
        let locked = Vigilance { usual_khz: BTreeMap::from([(7, 1_100_000)]), ..vigilance() };
        assert_eq!(locked.complaint(&measured(with(1_100_000), with(1_100_000))), None);
        let hot = Vigilance { sustained: true, ..vigilance() };
        assert_eq!(hot.complaint(&measured(with(1_100_000), with(1_100_000))), None);
        // An idle core has a low clock.
        let idle =
            Conditions { core: Some(7), clocks_khz: BTreeMap::from([(7, 300_000)]), ..with(2_400_000) };
        assert_eq!(vigilance().complaint(&measured(idle.clone(), with(2_400_000))), None);
        assert_eq!(
            vigilance().complaint(&measured(with(2_400_000), idle)).unwrap(),
            "core 7 ran at 0.30 of 2.40 GHz"
        );
    }
}
