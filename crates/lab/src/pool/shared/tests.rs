use super::*;
use crate::dataset::Dataset;
use crate::device::profile::Profiles;
use crate::device::simulated::Simulation;
use crate::device::{DriverOptions, Options};
use edgezen_core::measurement::Quality;
use edgezen_core::plainnet::lowering::Lowering;
use edgezen_core::space;
use std::collections::BTreeMap;
use std::sync::Mutex;

fn plan(samples: usize) -> Plan {
    Plan::draw(&[space::by_name("mobilenet").unwrap()], samples, 1, Lowering::Fused, 3).unwrap()
}

fn names(names: &[&str]) -> Vec<Name> {
    names.iter().map(|name| Name::parse(name).unwrap()).collect()
}

/// Units of the simulated device, each with its own behaviour.
fn opened(specs: &[(&str, &str)], unit: &Name) -> Result<Box<dyn Device>, DeviceError> {
    let spec = specs.iter().find(|(name, _)| *name == &**unit).unwrap().1;
    let driver = DriverOptions::default().with(spec.parse::<Simulation>().unwrap());
    device::open(&Profiles::of_repository(), "simulated", &Options { driver, ..Options::default() })
}

fn shared<'a>(plan: &'a Plan, dir: &'a Path, units: &'a [Name], resume: bool) -> SharedProfile<'a> {
    SharedProfile { plan, dir, resume, rounds: 2, seed: 1, now: 0, units }
}

fn go_on(_: &Name, _: Event<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// How often each turn of the whole plan was measured, over all parts.
fn measured(dir: &Path, plan: &Plan) -> BTreeMap<(usize, u32), usize> {
    let mut counts = BTreeMap::new();
    for part in parts::read(dir, &Numbers::of(plan)).unwrap() {
        for line in part.journal.iter().flat_map(|journal| &journal.lines) {
            if let journal::Line::Sample { index, round, .. } = line {
                *counts.entry((part.indices[*index], *round)).or_default() += 1;
            }
        }
    }
    counts
}

#[test]
fn a_slower_unit_is_brought_to_the_speed_of_the_usual_one() {
    let dir = tempfile::tempdir().unwrap();
    let (plan, units) = (plan(100), names(&["a", "b", "slow"]));
    // Delays keep one thread from measuring everything before the others have begun.
    let specs = [("a", "delay=10ms"), ("b", "delay=10ms"), ("slow", "delay=10ms,slow_after=0")];
    let open = |unit: &Name| opened(&specs, unit);
    let done = shared(&plan, dir.path(), &units, false).run(&open, &go_on).unwrap();
    assert_eq!(done.lost, []);
    let of = |name: &str| done.units.iter().find(|unit| unit.unit == name).unwrap();
    assert!(
        (of("slow").factor - 1.0 / 1.5).abs() < 0.02 && (of("a").factor - 1.0).abs() < 0.02,
        "{:?}",
        done.units
    );
    assert!((of("slow").slower_percent - 50.0).abs() < 3.0, "{:?}", done.units);
    assert!(
        done.units.iter().all(|unit| unit.configurations > 0 && unit.anchors_percent.unwrap().abs() < 2.0),
        "{:?}",
        done.units
    );
    assert_eq!(done.units.iter().map(|unit| unit.configurations).sum::<usize>(), 100);
    // The dataset is that of one unit alone, within noise.
    let alone = tempfile::tempdir().unwrap();
    let one = shared(&plan, alone.path(), &units[..1], false).run(&open, &go_on).unwrap();
    let read = Dataset::read(dir.path()).unwrap();
    assert_eq!(
        (&read.samples, &read.identity),
        (&done.outcome.dataset.samples, &done.outcome.dataset.identity)
    );
    assert!(read.environment.facts["units"].as_array().unwrap().len() == 3);
    for (together, alone) in read.samples.iter().zip(&one.outcome.dataset.samples) {
        assert_eq!(together.subject, alone.subject);
        assert!((together.median.ns() / alone.median.ns() - 1.0).abs() < 0.03, "{together:?} {alone:?}");
        assert_eq!(together.quality, Quality::Good);
    }
    // Nothing but the configurations that compare the units was measured twice.
    let counts = measured(dir.path(), &plan);
    assert_eq!(counts.len(), 200);
    let often: Vec<usize> =
        counts.iter().filter(|(_, count)| **count > 1).map(|((index, _), _)| *index).collect();
    assert_eq!(often, [0, 0, 20, 20, 40, 40, 60, 60, 80, 80]);
    assert!(counts.values().all(|&count| count == 1 || count == 3));
    let refused = shared(&plan, dir.path(), &units, true).run(&open, &go_on);
    assert!(matches!(refused, Err(PoolError::Campaign(CampaignError::Finished { .. }))), "{refused:?}");
}

#[test]
fn what_a_lost_unit_leaves_the_others_measure() {
    let dir = tempfile::tempdir().unwrap();
    let (plan, units) = (plan(60), names(&["a", "b"]));
    // It survives the part that all units measure, and is lost in the next one, before the other has measured everything.
    let specs = [("a", "delay=20ms"), ("b", "delay=1ms,lose_after=16")];
    let open = |unit: &Name| opened(&specs, unit);
    let done = shared(&plan, dir.path(), &units, false).run(&open, &go_on).unwrap();
    assert_eq!((done.lost.len(), done.lost[0].0.as_str()), (1, "b"));
    assert_eq!(done.outcome.dataset.samples.len(), 60);
    // Of its part, what was measured in all passes stays, and the rest is measured by the other unit.
    let counts = measured(dir.path(), &plan);
    assert_eq!(counts.len(), 120);
}

#[test]
fn a_pool_that_is_lost_or_interrupted_is_resumed() {
    let dir = tempfile::tempdir().unwrap();
    let (plan, units) = (plan(60), names(&["a", "b"]));
    let specs = [("a", "delay=1ms,lose_after=16"), ("b", "delay=1ms,lose_after=16")];
    let lost =
        shared(&plan, dir.path(), &units, false).run(&|unit| opened(&specs, unit), &go_on).unwrap_err();
    let PoolError::Incomplete { finished, total, units: reasons, first } = &lost else { panic!("{lost}") };
    assert!(*finished < *total && reasons.len() == 2 && first.is_some(), "{lost}");
    let before = measured(dir.path(), &plan);
    let well = [("a", "delay=1ms"), ("b", "delay=1ms")];
    let refused = shared(&plan, dir.path(), &units, false).run(&|unit| opened(&well, unit), &go_on);
    assert!(matches!(refused, Err(PoolError::Unfinished { .. })), "{refused:?}");
    let mut other = plan.clone();
    other.subjects.pop();
    let refused = shared(&other, dir.path(), &units, true).run(&|unit| opened(&well, unit), &go_on);
    assert!(matches!(refused, Err(PoolError::OtherPlan { .. })), "{refused:?}");
    // Interrupted once more, then finished.
    let seen = Mutex::new(0);
    let stop = |_: &Name, event: Event<'_>| {
        let mut seen = seen.lock().unwrap();
        *seen += usize::from(matches!(event, Event::Measured { .. }));
        if *seen > 20 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let stopped = shared(&plan, dir.path(), &units, true).run(&|unit| opened(&well, unit), &stop);
    assert!(matches!(stopped, Err(PoolError::Incomplete { .. })), "{stopped:?}");
    let done = shared(&plan, dir.path(), &units, true).run(&|unit| opened(&well, unit), &go_on).unwrap();
    assert_eq!(done.outcome.dataset.samples.len(), 60);
    let after = measured(dir.path(), &plan);
    assert_eq!(after.len(), 120);
    // Both units were there again, and each went on where it had been: nothing was measured twice but what compares them.
    let again = after.iter().filter(|((index, _), count)| **count > 1 && index % 12 != 0).count();
    assert_eq!(again, 0, "{after:?}");
    assert!(before.iter().all(|(turn, count)| after[turn] >= *count));
}
