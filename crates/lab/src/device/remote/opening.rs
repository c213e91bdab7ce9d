//! Opening a device: a runner that works there, the cores to measure on, and the identity of what is measured.

use super::kit::Kit;
use super::launch::Greeting;
use super::machine::Machine;
use super::open::Remote;
use super::outfit::Outfit;
use super::{Link, Lock, System, cores};
use crate::device::profile::{Measure, Profile};
use crate::device::{DeviceError, Facts, Options, running, unique_name};
use edgezen_core::foreign::{ForeignText, Name};
use edgezen_core::measurement::Identity;
use edgezen_runner::conditions::PinError;
use edgezen_runner::{Policy, Running};
use rustc_hash::FxHashSet;
use serde_json::json;
use std::time::Duration;

/// The measuring policy that a profile asks for. Its runs are those of all launches together.
pub(super) fn policy(measure: &Measure) -> Policy {
    let ns = |ms: u32| u64::from(ms) * 1_000_000;
    Policy {
        warmup_min_runs: measure.warmup_min_runs,
        warmup_min_ns: ns(measure.warmup_min_ms),
        warmup_max_ns: 3 * ns(measure.warmup_min_ms),
        min_runs: measure.runs,
        max_ns: ns(measure.max_ms),
        ..Policy::PHONE
    }
}

/// A device that answers, not opened yet.
pub struct Reached {
    pub link: Box<dyn Link>,
    pub system: Box<dyn System>,
    pub machine: Machine,
    pub lock: Lock,
    /// Longest wait for the device after the link to it broke.
    pub patience: Duration,
    /// Whether a device is measured under the name of another one.
    pub other: bool,
}

impl Remote {
    /// Puts a runner onto the device and checks that it starts; changes nothing else there.
    ///
    /// # Errors
    /// Another device than the profile's, or one on which no runner works.
    pub fn new(reached: Reached, profile: &Profile, options: &Options) -> Result<Remote, DeviceError> {
        let Reached { mut link, system, machine, lock, patience, other } = reached;
        let device = format!("{} {}", system.noun(), link.name());
        if let Some(difference) = system.other(&machine, profile).filter(|_| !other) {
            return Err(DeviceError::OtherPhone { device, profile: profile.id.clone(), difference });
        }
        let mut notes: Vec<String> = system
            .differences(&machine, profile)
            .into_iter()
            .map(|difference| format!("profile {}: {difference}", profile.id))
            .collect();
        let running = running::of_registered(profile, options.threads);
        let (cores, reason) = cores_of(&machine, profile, options, &running)?;
        notes.extend(reason);
        let dir = system.dir(&machine, profile);
        let outfit =
            Outfit { machine: &machine, profile, running: &running, cores: &cores, dir: &dir, device };
        let (kit, greeting) = outfit.put_on(&mut *link)?;
        let identity = Identity {
            runtime: Name::resembling(&running.runtime),
            // An engine chooses its kernels by the target that it was built for.
            runtime_version: Some(format!("{} {}", greeting.runtime_version.raw(), greeting.target.raw())),
            precision: Name::resembling(&running.precision),
            batch: options.batch.max(1),
            threads: running.threads,
            cores: (!cores.is_empty()).then(|| cores::mask(&cores)),
            ..profile.measured_identity()
        };
        let facts = facts_of(&*system, link.name(), &machine, &kit, &greeting, &notes);
        let usual = policy(&profile.measure);
        Ok(Remote {
            link,
            profile: profile.clone(),
            identity,
            machine,
            kit,
            running,
            compared: FxHashSet::default(),
            policy: options.launch_policy(usual),
            cores,
            seed: options.seed,
            patience,
            dir,
            session: Name::resembling(&unique_name()),
            run: unique_name(),
            unnamed: 0,
            facts,
            notes,
            claimed: false,
            system,
            usual_probe_ns: options.usual_probe_ns,
            usual_sentinel_ns: options.usual_sentinel_ns,
            _lock: Some(lock),
        })
    }
}

/// The cores to measure on; the text says why they are not the profile's.
///
/// # Errors
/// Fewer cores than threads.
fn cores_of(
    machine: &Machine,
    profile: &Profile,
    options: &Options,
    running: &Running,
) -> Result<(Vec<u32>, Option<String>), DeviceError> {
    let threads = running.threads;
    let allowed = &machine.allowed;
    if let Some(asked) = options.cores.as_ref().filter(|_| !allowed.is_empty())
        && !asked.iter().all(|core| allowed.contains(core))
    {
        let (asked, allowed) = (cores::list(asked), cores::list(allowed));
        let what = format!("measuring on cores {asked} (commands may run on {allowed})");
        return Err(DeviceError::Unsupported { device: profile.id.clone(), what });
    }
    let (cores, reason) = cores::cores(machine, profile, options.cores.as_deref(), threads);
    // A device that does not tell its cores places its threads itself.
    if !cores.is_empty() && cores.len() < threads as usize {
        let error = PinError::Few { threads, cores };
        return Err(DeviceError::Pin { device: profile.id.clone(), error });
    }
    Ok((cores, reason))
}

/// What the environment of a dataset records about the device.
pub(super) fn facts_of(
    system: &dyn System,
    link: &ForeignText,
    machine: &Machine,
    kit: &Kit,
    greeting: &Greeting,
    differences: &[String],
) -> Facts {
    let mut facts = Facts::new();
    facts.insert("serial".into(), json!(system.serial(machine).unwrap_or(link)));
    facts.insert("build_fingerprint".into(), json!(system.build(machine).map(ForeignText::raw)));
    facts.insert("boot_id".into(), json!(machine.boot_id));
    facts.insert("runner_sha256".into(), json!(kit.sha256));
    if let Some((_, folder)) = &kit.loader {
        facts.insert("c_library_sha256".into(), json!(folder.sha256));
    }
    if let Some(folder) = &kit.libraries {
        facts.insert("runtime_library_sha256".into(), json!(folder.sha256));
    }
    facts.insert("runner_target".into(), json!(greeting.target));
    facts.insert(system.noun().into(), json!(machine));
    facts.insert("differs_from_profile".into(), json!(differences));
    facts
}
