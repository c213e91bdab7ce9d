//! `profile --pool`: one plan, measured by all units of a pool together.

use super::report::{Profile, judge, report, text};
use super::{Args, Job};
use crate::cli::{Failure, Global, interrupt, output, pool};
use crate::shipped;
use edgezen_core::foreign::Name;
use edgezen_core::measurement::Identity;
use edgezen_core::units::three_digits;
use edgezen_lab::campaign::Event;
use edgezen_lab::device;
use edgezen_lab::device::DeviceError;
use edgezen_lab::device::profile::Profile as DeviceProfile;
use edgezen_lab::pool::{SharedOutcome, SharedProfile, Unit, UnitReport};
use serde::Serialize;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What several units came to.
#[derive(Serialize)]
struct Pooled {
    #[serde(flatten)]
    profile: Profile,
    units: Vec<UnitReport>,
    /// Units that did not stay until the end, with the reason.
    lost: Vec<Lost>,
}

#[derive(Serialize)]
struct Lost {
    unit: String,
    reason: String,
}

/// Measures on all units of the pool in `path` that are of the device.
pub fn run(
    args: &Args,
    path: &Path,
    job: &Job<'_>,
    profile: &DeviceProfile,
    global: Global,
) -> Result<(), Failure> {
    if args.force || args.refine.is_some() {
        return Err(Failure::usage("--pool goes with neither --force nor --refine")
            .remedy("another folder: -o DIR; one unit by itself: --serial or --host"));
    }
    let (out, start) = (global.output(), Instant::now());
    let units = pool::units(path, job.name, args.target.reach.tag.as_deref())?;
    // The plan depends on what the runtime makes of networks; its version is known where one is measured.
    let identity = Identity { runtime_version: Some(String::new()), ..profile.measured_identity() };
    let plan = job.plan(&identity)?;
    let dir = job.folder(&identity)?;
    let names: Vec<Name> = units.iter().map(|unit| unit.name.clone()).collect();
    let bar = out.progress(
        plan.subjects.len() as u64 * u64::from(job.passes.most),
        "{bar:30} {pos}/{len} {elapsed} ETA {eta}  {wide_msg}",
    );
    let say = |unit: &Name, text: String| bar.suspend(|| out.note(format!("{unit}: {text}")));
    let progress = |unit: &Name, event: Event<'_>| {
        match event {
            Event::Begin { finished, .. } => bar.inc(finished as u64),
            Event::Measured { summary, .. } => {
                bar.inc(1);
                bar.set_message(output::message(&format!("{unit}: {}", summary.median)));
            }
            Event::Failed { subject, reason, .. } => say(unit, format!("cannot measure {subject}: {reason}")),
            Event::Repeat { count, reason, .. } => {
                say(unit, format!("{reason}: {count} measurements are made again"))
            }
            Event::Note(note) => say(unit, format!("note: {note}")),
            Event::Sentinel { .. } | Event::Resting { .. } | Event::Heating { .. } => {}
        }
        interrupt::flow()
    };
    let open = |name: &Name| {
        let unit = units.iter().find(|unit| unit.name == *name);
        let lost = || DeviceError::Lost { device: name.to_string(), reason: "it is not in the pool".into() };
        opened(unit.ok_or_else(lost)?, job)
    };
    let shared = SharedProfile {
        plan: &plan,
        dir: &dir,
        resume: args.resume,
        rounds: job.passes.most,
        seed: global.seed,
        now: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        units: &names,
    };
    let done = shared.run(&open, &progress);
    bar.finish_and_clear();
    let SharedOutcome { outcome, units, lost } = done?;
    let profile = report(&outcome, &dir, None, None, start.elapsed().as_secs_f64());
    let lost = lost.into_iter().map(|(unit, reason)| Lost { unit, reason }).collect();
    let pooled = Pooled { profile, units, lost };
    out.result(&pooled, || text(&pooled.profile, &outcome.lookup) + &units_text(&pooled))?;
    judge(&[pooled.profile])
}

fn opened(unit: &Unit, job: &Job<'_>) -> Result<Box<dyn device::Device>, DeviceError> {
    let reach = super::super::target::Reach {
        host: unit.host.clone(),
        pool: None,
        tag: None,
        ..job.args.target.reach.clone()
    };
    let options = reach.options_for(unit.serial.clone(), job.name, job.passes.most, job.global.seed);
    device::open(&shipped::profiles(), job.name, &options)
}

/// How the units differ.
fn units_text(pooled: &Pooled) -> String {
    let cells: Vec<Vec<String>> = pooled
        .units
        .iter()
        .map(|unit| {
            let percent = |value: f64| format!("{value:+.1} %");
            vec![
                unit.unit.clone(),
                unit.serial.clone().unwrap_or_default(),
                unit.configurations.to_string(),
                unit.sentinel_ns.map_or("-".into(), |ns| three_digits(ns / 1e6)),
                percent(unit.slower_percent),
                unit.anchors_percent.map_or("-".into(), percent),
            ]
        })
        .collect();
    let header = ["unit", "serial", "measured", "sentinel ms", "slower by", "after correction"];
    let lost: String =
        pooled.lost.iter().map(|lost| format!("lost {}: {}\n", lost.unit, lost.reason)).collect();
    format!("\n{}{lost}", output::table(&header, &cells))
}
