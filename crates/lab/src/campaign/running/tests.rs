use super::*;
use crate::dataset::Dataset;
use crate::device;
use crate::device::profile::Plateau;
use crate::device::simulated::Simulation;
use crate::device::{DeviceError, DriverOptions, Facts, Options, Passes, Vigilance, Workload};
use edgezen_core::files::FileError;
use edgezen_core::measurement::{Identity, Quality, Sample, Subject};
use edgezen_core::space;
use edgezen_runner::conditions::CpuTime;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

fn plan(samples: usize) -> Plan {
    Plan::draw(
        &[space::by_name("mobilenet").unwrap()],
        samples,
        1,
        edgezen_core::plainnet::lowering::Lowering::Fused,
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
    Campaign { plan, dir, start, passes: Passes::exactly(2), seed: 1, now: 0, keep: false }
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
    // Finished: a new one begins only where that is asked for, and the old journal is kept.
    let refused = campaign(&plan, dir.path(), Start::Fresh).run(device("", 1).as_mut(), &mut go_on);
    assert!(matches!(refused, Err(CampaignError::Finished { .. })), "{refused:?}");
    campaign(&plan, dir.path(), Start::Force).run(device("", 1).as_mut(), &mut go_on).unwrap();
    assert!(dir.path().join("journal-1.jsonl").exists() && dir.path().join("plan-1.json").exists());
    assert_eq!(Dataset::read(dir.path()).unwrap(), read);
}

#[test]
fn a_dataset_stays_until_the_new_one_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (plan, other) = (plan(30), plan(40));
    campaign(&plan, dir.path(), Start::Fresh).run(device("", 1).as_mut(), &mut go_on).unwrap();
    let old = Dataset::read(dir.path()).unwrap();
    let kept = std::fs::read(dir.path().join("plan.json")).unwrap();
    let mut seen = 0;
    let mut stop = |event: Event<'_>| {
        seen += usize::from(matches!(event, Event::Measured { .. }));
        if seen == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let stopped = campaign(&other, dir.path(), Start::Force).run(device("", 1).as_mut(), &mut stop);
    assert!(matches!(stopped, Err(CampaignError::Interrupted { finished: 5, .. })), "{stopped:?}");
    assert_eq!(Dataset::read(dir.path()).unwrap(), old);
    assert_eq!(std::fs::read(dir.path().join("plan.json")).unwrap(), kept);
    let refused = campaign(&other, dir.path(), Start::Fresh).run(device("", 1).as_mut(), &mut go_on);
    assert!(matches!(refused, Err(CampaignError::Unfinished { finished: 5, .. })), "{refused:?}");
    let mut measured = 0;
    let outcome = campaign(&other, dir.path(), Start::Resume)
        .run(device("", 1).as_mut(), &mut |event| {
            measured += usize::from(matches!(event, Event::Measured { .. }));
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(measured, 2 * other.subjects.len() - 5);
    assert_eq!(Dataset::read(dir.path()).unwrap(), outcome.dataset);
    assert_ne!(outcome.dataset, old);
}

#[test]
fn the_second_campaign_in_a_folder_is_refused_and_the_first_is_unharmed() {
    let dir = tempfile::tempdir().unwrap();
    let (plan, other) = (plan(30), plan(40));
    let mut refusals = 0;
    let outcome = campaign(&plan, dir.path(), Start::Fresh)
        .run(device("", 1).as_mut(), &mut |event| {
            if matches!(event, Event::Measured { .. }) && refusals == 0 {
                for start in [Start::Fresh, Start::Resume, Start::Force] {
                    let second = campaign(&other, dir.path(), start).run(device("", 1).as_mut(), &mut go_on);
                    let Err(CampaignError::File(FileError::Busy { .. })) = second else {
                        panic!("{second:?}")
                    };
                    refusals += 1;
                }
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(refusals, 3);
    assert_eq!(outcome.dataset.samples.len(), plan.subjects.len());
    assert_eq!(Plan::read(&dir.path().join("plan.json")).unwrap().hash(), plan.hash());
}

#[test]
fn files_of_others_are_in_the_way() {
    for (name, text) in [("journal.jsonl", "notes"), ("plan.json", "{}"), ("README.md", "mine")] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(name), text).unwrap();
        let refused = campaign(&plan(30), dir.path(), Start::Fresh).run(device("", 1).as_mut(), &mut go_on);
        assert!(refused.is_err(), "{name}");
        assert_eq!(std::fs::read_to_string(dir.path().join(name)).unwrap(), text);
    }
    // What was cut off while the first line was written is begun anew.
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("journal.jsonl"), "{\"vers").unwrap();
    campaign(&plan(30), dir.path(), Start::Fresh).run(device("", 1).as_mut(), &mut go_on).unwrap();
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
        edgezen_core::plainnet::lowering::Lowering::Fused,
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
            usual_khz: BTreeMap::new(),
            sustained: false,
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

/// A device that is slow because other programs run.
struct Busy(Hot);

impl Device for Busy {
    fn identity(&self) -> &Identity {
        self.0.identity()
    }
    fn facts(&self) -> Facts {
        self.0.facts()
    }
    fn measure(&mut self, workload: Workload<'_>) -> Result<edgezen_runner::Measured, DeviceError> {
        let mut measured = self.0.measure(workload)?;
        let time = |busy_ms, own_ms, total_ms| CpuTime { busy_ms, total_ms, own_ms };
        measured.before.machine_time = Some(time(0.0, 0.0, 0.0));
        measured.after.machine_time = Some(time(900.0, 200.0, 1000.0));
        Ok(measured)
    }
    fn vigilance(&self) -> Option<Vigilance> {
        self.0.vigilance()
    }
}

#[test]
fn a_device_that_is_slow_because_of_other_programs_does_not_cool_down() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(50);
    let (mut rests, mut reasons) = (0, Vec::new());
    campaign(&plan, dir.path(), Start::Fresh)
        .run(&mut Busy(hot(34..46)), &mut |event| {
            rests += usize::from(matches!(event, Event::Resting { .. }));
            if let Event::Repeat { reason, .. } = event {
                reasons.push(reason.to_owned());
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(rests, 0);
    assert!(!reasons.is_empty(), "nothing was measured again");
    for reason in reasons {
        assert!(reason.contains("other programs used 70 % of the machine"), "{reason}");
    }
}

/// A device that is measured in the sustained state, twice as slow as long as it is hot.
struct Sustained {
    inner: Box<dyn Device>,
    hot: Rc<Cell<bool>>,
}

impl Device for Sustained {
    fn identity(&self) -> &Identity {
        self.inner.identity()
    }
    fn facts(&self) -> Facts {
        self.inner.facts()
    }
    fn measure(&mut self, workload: Workload<'_>) -> Result<edgezen_runner::Measured, DeviceError> {
        let mut measured = self.inner.measure(workload)?;
        if self.hot.get() {
            measured.timing.samples_ns.iter_mut().for_each(|ns| *ns *= 2);
        }
        Ok(measured)
    }
    fn vigilance(&self) -> Option<Vigilance> {
        hot(0..0).vigilance().map(|rules| Vigilance { rests: vec![], sustained: true, ..rules })
    }
    fn plateau(&self) -> Option<Plateau> {
        Some(Plateau { window_s: 1, within: 0.02, most_s: 600 })
    }
}

fn sustained_device() -> Box<dyn Device> {
    let driver = DriverOptions::default().with("heat=0.3".parse::<Simulation>().unwrap());
    let options = Options { driver, ..Options::default() };
    device::open(&crate::catalogue::of_repository().profiles, "simulated@sustained", &options).unwrap()
}

#[test]
fn the_sustained_state_is_an_identity_of_its_own() {
    let (dir, cool_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let plan = plan(30);
    let cool =
        campaign(&plan, cool_dir.path(), Start::Fresh).run(device("", 1).as_mut(), &mut go_on).unwrap();
    let mut heating = 0;
    let outcome = campaign(&plan, dir.path(), Start::Fresh)
        .run(sustained_device().as_mut(), &mut |event| {
            heating += usize::from(matches!(event, Event::Heating { .. }));
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(heating > 50, "{heating}");
    assert_eq!(outcome.dataset.identity.to_string(), "simulated@formula@fp32@sustained");
    let ratios = outcome.dataset.samples.iter().zip(&cool.dataset.samples);
    for (hot, cool) in ratios {
        assert!((hot.median.ns() / cool.median.ns() - 1.3).abs() < 0.04, "{hot:?} {cool:?}");
    }
    let heated = &outcome.dataset.environment.facts["heated"];
    assert!(heated[0]["seconds"].as_f64().unwrap() > 6.0, "{heated}");
    // The usual sentinel is that of the plateau.
    let usual = outcome.dataset.environment.usual_sentinel_ns.unwrap() as f64;
    assert!((usual / heated[0]["plateau_ns"].as_f64().unwrap() - 1.0).abs() < 0.02, "{usual}");
    // The two states are never mixed.
    let refused =
        campaign(&plan, cool_dir.path(), Start::Resume).run(sustained_device().as_mut(), &mut go_on);
    assert!(matches!(refused, Err(CampaignError::OtherIdentity { .. })), "{refused:?}");
}

#[test]
fn a_device_that_leaves_its_plateau_is_heated_and_measured_again() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(50);
    let hot = Rc::new(Cell::new(true));
    let mut left = Sustained { inner: device("", 1), hot: Rc::clone(&hot) };
    let (mut measured, mut heated_after, mut repeats) = (0, Vec::new(), Vec::new());
    let outcome = campaign(&plan, dir.path(), Start::Fresh)
        .run(&mut left, &mut |event| {
            match &event {
                Event::Measured { .. } => measured += 1,
                Event::Heating { .. } => heated_after.push(measured),
                Event::Repeat { reason, .. } => repeats.push((*reason).to_owned()),
                _ => {}
            }
            // It cools down among the first measurements, and stays so: its plateau is another one.
            if measured == 10 {
                hot.set(false);
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(repeats, ["the sentinel is 50 % quicker than on the plateau"]);
    heated_after.dedup();
    assert_eq!((heated_after, outcome.repeated), (vec![0, 20], 20));
    assert_eq!(outcome.dataset.environment.facts["heated"].as_array().unwrap().len(), 2);
    assert!(outcome.dataset.samples.iter().all(|s| s.quality == Quality::Good));
}
