//! The promise of "good", on many simulated machines whose launches and loads vary.

use super::*;
use crate::device::DriverOptions;
use crate::device::profile::Profiles;
use crate::device::simulated::Simulation;
use edgezen_core::measurement::{Subject, Use};

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
