use super::*;
use crate::dataset::Dataset;
use crate::device;
use crate::device::simulated::Simulation;
use crate::device::{DeviceError, DriverOptions, Facts, Options, Vigilance, Workload};
use edgezen_core::measurement::{Identity, Quality, Sample, Subject};
use edgezen_core::space;
use std::time::Duration;

fn plan(samples: usize) -> Plan {
    Plan::draw(
        &[space::by_name("mobilenet").unwrap()],
        samples,
        1,
        edgezen_core::plainnet::kernel::Lowering::Fused,
        3,
    )
    .unwrap()
}

fn device(spec: &str, batch: u32) -> Box<dyn Device> {
    let simulation: Simulation = spec.parse().unwrap();
    device::open(
        &crate::catalogue::of_repository().profiles,
        "simulated",
        &Options { driver: DriverOptions::default().with(simulation), batch, ..Options::default() },
    )
    .unwrap()
}

fn campaign<'a>(plan: &'a Plan, dir: &'a Path, start: Start) -> Campaign<'a> {
    Campaign { plan, dir, start, rounds: 2, seed: 1, now: 0 }
}

fn go_on(_: Event<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn a_plan_becomes_a_dataset() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(40);
    let outcome = campaign(&plan, dir.path(), Start::Fresh).run(device("", 1).as_mut(), &mut go_on).unwrap();
    let read = Dataset::read(dir.path()).unwrap();
    assert_eq!(read, outcome.dataset);
    let subjects: Vec<Subject> = read.samples.iter().map(|s| s.subject.clone()).collect();
    assert_eq!(subjects, plan.subjects);
    assert!(read.samples.iter().all(|s| s.quality == Quality::Good));
    assert!(!outcome.lookup.is_empty());
    for file in ["raw/runs.parquet", "lookup_table.csv", "plan.json", "README.md", "environment.json"] {
        assert!(dir.path().join(file).exists(), "{file}");
    }
    // Finished: a new one may begin, and the old journal is kept.
    campaign(&plan, dir.path(), Start::Fresh).run(device("", 1).as_mut(), &mut go_on).unwrap();
    assert!(dir.path().join("journal-1970-01-01T000000Z.jsonl").exists());
}

#[test]
fn a_lost_device_can_be_resumed() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(40);
    let lost = campaign(&plan, dir.path(), Start::Fresh)
        .run(device("lose_after=15", 1).as_mut(), &mut go_on)
        .unwrap_err();
    assert!(matches!(lost, CampaignError::Device(DeviceError::Lost { .. })), "{lost}");
    let refused = campaign(&plan, dir.path(), Start::Fresh).run(device("", 1).as_mut(), &mut go_on);
    assert!(matches!(refused, Err(CampaignError::Unfinished { finished: 14, .. })), "{refused:?}");
    let other = campaign(&plan, dir.path(), Start::Resume).run(device("", 2).as_mut(), &mut go_on);
    let message = other.unwrap_err().to_string();
    assert!(message.contains("batch 1 there, 2 here"), "{message}");
    let other = Plan::draw(
        &[space::by_name("mobilenet").unwrap()],
        40,
        1,
        edgezen_core::plainnet::kernel::Lowering::Fused,
        4,
    )
    .unwrap();
    let other = campaign(&other, dir.path(), Start::Resume).run(device("", 1).as_mut(), &mut go_on);
    assert!(matches!(other, Err(CampaignError::OtherPlan { .. })));
    let mut measured = 0;
    let outcome = campaign(&plan, dir.path(), Start::Resume)
        .run(device("", 1).as_mut(), &mut |event| {
            measured += usize::from(matches!(event, Event::Measured { .. }));
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(measured, 2 * plan.subjects.len() - 14);
    assert_eq!(outcome.dataset.samples.len(), plan.subjects.len());
}

#[test]
fn failures_and_interruptions_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(30);
    let mut seen = 0;
    let stop = campaign(&plan, dir.path(), Start::Fresh)
        .run(device("", 1).as_mut(), &mut |event| {
            seen += usize::from(matches!(event, Event::Measured { .. }));
            if seen == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap_err();
    assert!(matches!(stop, CampaignError::Interrupted { finished: 5, .. }), "{stop}");
    let outcome = campaign(&plan, dir.path(), Start::Resume)
        .run(device("fail_every=10", 1).as_mut(), &mut go_on)
        .unwrap();
    assert!(!outcome.failed.is_empty());
    let all = outcome.dataset.samples.len() + outcome.failed.len();
    assert_eq!(all, plan.subjects.len());
    assert_eq!(outcome.dataset.provenance.notes.len(), outcome.failed.len());
}

/// A device that runs hot for a while, and knows it.
struct Hot {
    inner: Box<dyn Device>,
    measured: u32,
    /// Measurements during which it is twice as slow.
    slow: std::ops::Range<u32>,
    notes: Vec<String>,
}

impl Device for Hot {
    fn identity(&self) -> &Identity {
        self.inner.identity()
    }
    fn facts(&self) -> Facts {
        self.inner.facts()
    }
    fn measure(&mut self, workload: Workload<'_>) -> Result<edgezen_runner::Measured, DeviceError> {
        let mut measured = self.inner.measure(workload)?;
        if self.slow.contains(&self.measured) {
            measured.timing.samples_ns.iter_mut().for_each(|ns| *ns *= 2);
        }
        self.measured += 1;
        Ok(measured)
    }
    fn vigilance(&self) -> Option<Vigilance> {
        Some(Vigilance {
            drift: 0.05,
            throttled: 0.10,
            rests: vec![Duration::from_millis(1); 2],
            retries: 2,
            too_hot_c: None,
            cool_c: None,
            zones: vec![],
            thermal_status: None,
        })
    }
    fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }
}

fn hot(slow: std::ops::Range<u32>) -> Hot {
    Hot { inner: device("", 1), measured: 0, slow, notes: vec!["a note".into()] }
}

#[test]
fn what_was_measured_hot_is_measured_again() {
    let dir = tempfile::tempdir().unwrap();
    let cool_dir = tempfile::tempdir().unwrap();
    let plan = plan(50);
    let mut events = Vec::new();
    // Three looks, twenty measurements, a look; then ten good and ten bad measurements.
    let outcome = campaign(&plan, dir.path(), Start::Fresh)
        .run(&mut hot(34..46), &mut |event| {
            events.push(format!("{event:?}"));
            ControlFlow::Continue(())
        })
        .unwrap();
    let of = |name: &str| events.iter().filter(|event| event.starts_with(name)).count();
    assert_eq!((of("Repeat"), of("Note")), (1, 1), "{events:#?}");
    assert!(of("Resting") >= 1);
    assert_eq!(outcome.repeated, 20);
    let cool =
        campaign(&plan, cool_dir.path(), Start::Fresh).run(device("", 1).as_mut(), &mut go_on).unwrap();
    assert_eq!(outcome.dataset.samples, cool.dataset.samples);
}

#[test]
fn a_device_that_stays_hot_is_flagged_in_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(30);
    let outcome = campaign(&plan, dir.path(), Start::Fresh).run(&mut hot(20..9999), &mut go_on).unwrap();
    let throttled = |sample: &&Sample| sample.quality == Quality::Throttled;
    assert!(outcome.dataset.samples.iter().filter(throttled).count() > 10);
    // Twice over at most.
    assert!(outcome.repeated <= 2 * 2 * plan.subjects.len());
}

#[test]
fn repetitions_are_resumed_too() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(50);
    let mut repeated = false;
    let mut after = 0;
    let stop = campaign(&plan, dir.path(), Start::Fresh).run(&mut hot(34..46), &mut |event| {
        repeated |= matches!(event, Event::Repeat { .. });
        after += usize::from(repeated && matches!(event, Event::Measured { .. }));
        if after == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(stop, Err(CampaignError::Interrupted { finished: 23, .. })), "{stop:?}");
    let mut measured = 0;
    let outcome = campaign(&plan, dir.path(), Start::Resume)
        .run(&mut hot(0..0), &mut |event| {
            measured += usize::from(matches!(event, Event::Measured { .. }));
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!((measured, outcome.repeated), (2 * 50 - 23, 20));
    assert!(outcome.dataset.samples.iter().all(|s| s.quality == Quality::Good));
}
