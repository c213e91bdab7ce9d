//! The promise of "good", on many simulated machines whose launches and loads vary.

use super::*;
use crate::device::DriverOptions;
use crate::device::profile::Profiles;
use crate::device::simulated::Simulation;
use crate::device::{Facts, Vigilance};
use edgezen_core::measurement::{Identity, Subject, Use};
use std::collections::BTreeMap;

/// About 12 ms by the formula.
fn subject() -> Subject {
    Subject::Block { structure: "SuperResK3K3(64,64,1,64,1)".into(), resolution: 56 }
}

/// One measurement of the machine that `spec` describes, at the time `session`.
fn measured(profiles: &Profiles, spec: &str, session: u64) -> Reading {
    let simulation: Simulation = spec.parse().unwrap();
    let driver = DriverOptions::default().with(simulation);
    let options = options(Options { driver, seed: session, ..Options::default() });
    let mut device = crate::device::open(profiles, "simulated", &options).unwrap();
    let subject = subject();
    let readings = measure(device.as_mut(), &[Workload::Subject(&subject)], &mut |_| ()).unwrap();
    readings.into_iter().next().flatten().unwrap()
}

/// Of `machines` that `spec` describes: how many were measured as good and again in the same state, and of how many of these
/// the later median fell inside the interval.
fn held(profiles: &Profiles, spec: &str, machines: u64) -> (u64, u64) {
    let (mut good, mut inside) = (0, 0);
    for machine in 0..machines {
        let first = measured(profiles, spec, 2 * machine);
        if first.quality() != Quality::Good {
            assert!(!first.doubt.unwrap().to_string().is_empty());
            continue;
        }
        let later = measured(profiles, spec, 2 * machine + 1);
        if !first.state.same_as(&later.state) {
            continue;
        }
        good += 1;
        let (low, high) = first.summary.ci95;
        inside += u64::from(low <= later.summary.median && later.summary.median <= high);
    }
    (good, inside)
}

#[test]
fn nine_of_ten_later_medians_are_inside_the_interval() {
    let profiles = Profiles::of_repository();
    for (launches, least_good) in [(0.002, 200), (0.005, 200), (0.01, 190), (0.02, 60), (0.03, 5)] {
        let (good, inside) = held(&profiles, &format!("noise=0.02,launches={launches}"), 200);
        assert!(good >= least_good, "{launches}: {good} of 200 are good");
        assert!(10 * inside >= 9 * good, "{launches}: {inside} of {good}");
    }
}

#[test]
fn launches_that_differ_are_not_good() {
    let profiles = Profiles::of_repository();
    let (good, _) = held(&profiles, "launches=0.1", 200);
    assert!(good <= 4, "{good} of 200");
    let reading = measured(&profiles, "launches=0.1", 3);
    assert_eq!((reading.quality(), reading.launches.len()), (Quality::Noisy, MOST_LAUNCHES as usize));
    assert!(reading.doubt.unwrap().to_string().contains("8 launches differ"));
}

#[test]
fn a_busy_machine_is_not_good() {
    let profiles = Profiles::of_repository();
    let mut refused = 0;
    for session in 0..50 {
        let reading = measured(&profiles, "load=0.5,launches=0.002", session);
        let others = reading.state.others_on_machine_percent.unwrap();
        // A moment in which others did next to nothing is not a busy one.
        assert!(reading.quality() == Quality::Noisy || others < 10.0, "{others}: {reading:?}");
        if reading.quality() == Quality::Noisy {
            refused += 1;
            assert!(reading.state.usage == Use::Shared || others <= 10.0);
            assert_eq!(reading.launches.len(), LAUNCHES as usize);
            assert!(reading.doubt.unwrap().to_string().contains("other programs"));
        }
    }
    assert!(refused >= 35, "{refused} of 50");
}

#[test]
fn a_little_load_widens_the_interval_until_it_holds() {
    let profiles = Profiles::of_repository();
    let quiet = measured(&profiles, "load=0,launches=0.002", 1);
    assert_eq!((quiet.quality(), quiet.state.usage), (Quality::Good, Use::Quiet));
    let width = |reading: &Reading| reading.summary.relative_half_width();
    let shared = measured(&profiles, "load=0.04,launches=0.002", 1);
    assert!(width(&shared) > width(&quiet), "{shared:?}");
    for launches in [0.001, 0.005, 0.01] {
        let (good, inside) = held(&profiles, &format!("load=0.04,launches={launches}"), 200);
        assert!(good > 60 && 10 * inside >= 9 * good, "{launches}: {inside} of {good}");
    }
}

#[test]
fn a_reading_per_image() {
    let profiles = Profiles::of_repository();
    let of_batch = measured(&profiles, "launches=0.1", 1);
    let of_image = of_batch.clone().per_image(4);
    assert_eq!(of_image.summary.median, of_batch.summary.median / 4.0);
    assert_eq!(of_image.launches[0], of_batch.launches[0] / 4.0);
    assert_eq!(of_image.load, of_batch.load);
    let (Some(Doubt::Launches(image)), Some(Doubt::Launches(batch))) = (of_image.doubt, of_batch.doubt)
    else {
        panic!()
    };
    assert_eq!(image.range.0, batch.range.0 / 4.0);
    assert_eq!(image.half_width, batch.half_width);
}

/// A device that is watched, and slower during some of its measurements.
struct Watched {
    inner: Box<dyn Device>,
    measured: u32,
    slow: std::ops::Range<u32>,
    usual_sentinel_ns: Option<u64>,
    rested: Duration,
}

impl Device for Watched {
    fn identity(&self) -> &Identity {
        self.inner.identity()
    }
    fn facts(&self) -> Facts {
        self.inner.facts()
    }
    fn measure(&mut self, workload: Workload<'_>) -> Result<Measured, DeviceError> {
        let mut measured = self.inner.measure(workload)?;
        if self.slow.contains(&self.measured) {
            measured.timing.samples_ns.iter_mut().for_each(|ns| *ns = *ns * 5 / 4);
        }
        self.measured += 1;
        Ok(measured)
    }
    fn rest(&mut self, time: Duration) {
        self.rested += time;
    }
    fn usual_sentinel_ns(&self) -> Option<u64> {
        self.usual_sentinel_ns
    }
    fn vigilance(&self) -> Option<Vigilance> {
        Some(Vigilance {
            drift: 0.05,
            throttled: 0.10,
            rests: vec![Duration::from_secs(30), Duration::from_secs(60)],
            retries: 2,
            too_hot_c: None,
            cool_c: None,
            zones: vec![],
            thermal_status: None,
            usual_khz: BTreeMap::new(),
            sustained: false,
        })
    }
}

/// The reading of one network on a device that is slow during these measurements, how long the device rested, and the number
/// of sentinels.
fn watched(slow: std::ops::Range<u32>, usual_sentinel_ns: Option<u64>) -> (Reading, Duration, usize) {
    let options = options(Options { seed: 1, ..Options::default() });
    let inner = crate::device::open(&Profiles::of_repository(), "simulated", &options).unwrap();
    let mut device = Watched { inner, measured: 0, slow, usual_sentinel_ns, rested: Duration::ZERO };
    let subject = subject();
    let mut sentinels = 0;
    let mut progress = |step: Step<'_>| sentinels += usize::from(step == Step::Sentinel);
    let readings = measure(&mut device, &[Workload::Subject(&subject)], &mut progress).unwrap();
    // Pauses between launches are short.
    let rested = Duration::from_secs(device.rested.as_secs() / 30 * 30);
    (readings.into_iter().next().flatten().unwrap(), rested, sentinels)
}

#[test]
fn sentinels_watch_over_the_launches() {
    let none = Duration::ZERO;
    let (reading, rested, sentinels) = watched(0..0, None);
    assert_eq!((reading.quality(), rested, sentinels), (Quality::Good, none, 6));
    let usual = sentinel_ns();
    assert_eq!(watched(0..0, Some(usual)).0.quality(), Quality::Good);
    // Slower from the fourth measurement on.
    let (reading, _, _) = watched(3..999, None);
    assert_eq!(reading.quality(), Quality::Drifted);
    assert!(reading.doubt.unwrap().to_string().contains("25 % slower"));
    // Slower all the time: only the predictor's sentinel knows it, and resting does not help.
    assert_eq!(watched(0..999, None).0.quality(), Quality::Good);
    let (reading, rested, sentinels) = watched(0..999, Some(usual));
    assert_eq!((reading.quality(), rested, sentinels), (Quality::Drifted, Duration::from_secs(90), 12));
    assert!(reading.doubt.unwrap().to_string().contains("25 % slower"));
    // Slow at first, and rested.
    let (reading, rested, sentinels) = watched(0..3, Some(usual));
    assert_eq!((reading.quality(), rested, sentinels), (Quality::Good, Duration::from_secs(30), 9));
    // Quicker than while the predictor's data were taken: they were taken on a slow phone.
    assert_eq!(watched(0..0, Some(usual * 2)).0.quality(), Quality::Drifted);
}

/// The sentinel on the simulated device.
fn sentinel_ns() -> u64 {
    let latency = crate::device::simulated::formula(&crate::campaign::sentinel::SENTINEL);
    latency.ns().round() as u64
}
