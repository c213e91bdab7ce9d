//! Opening a phone: a runner that works there, the cores to measure on, and the identity of what is measured.

use super::PhoneOptions;
use super::care::Care;
use super::facts::Phone;
use super::kit::Kit;
use super::launch::Greeting;
use super::matching;
use super::open_phone::{Android, serial};
use super::outfit::Outfit;
use crate::device::adb::{Link, Lock};
use crate::device::profile::{Measure, Profile};
use crate::device::{DeviceError, Facts, Options, running, unique_name};
use edgezen_core::foreign::{ForeignText, Name};
use edgezen_core::measurement::Identity;
use edgezen_runner::conditions::PinError;
use edgezen_runner::{Policy, Running};
use rustc_hash::FxHashSet;
use serde_json::json;

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

impl Android {
    /// Puts a runner onto the phone and checks that it starts; changes nothing else there.
    pub fn new(
        mut link: Box<dyn Link>,
        profile: &Profile,
        phone: Phone,
        lock: Lock,
        options: &Options,
        phone_options: &PhoneOptions,
    ) -> Result<Android, DeviceError> {
        if let Some(difference) = matching::other(&phone, profile).filter(|_| !phone_options.other_phone) {
            return Err(DeviceError::OtherPhone {
                device: format!("phone {}", link.name()),
                profile: profile.id.clone(),
                difference,
            });
        }
        let mut notes: Vec<String> = matching::differences(&phone, profile)
            .into_iter()
            .map(|difference| format!("profile {}: {difference}", profile.id))
            .collect();
        let running = running::of_registered(profile, options.threads);
        let (cores, reason) = cores_of(&phone, profile, options, &running)?;
        notes.extend(reason);
        let push_dir = profile.runner.as_ref().map_or("/data/local/tmp", |runner| runner.push_dir.as_str());
        let dir = format!("{push_dir}/edgezen");
        let device = format!("phone {}", link.name());
        let outfit = Outfit { phone: &phone, profile, running: &running, cores: &cores, dir: &dir, device };
        let (kit, greeting) = outfit.put_on(&mut *link)?;
        let identity = Identity {
            runtime: Name::resembling(&running.runtime),
            // An engine chooses its kernels by the target that it was built for.
            runtime_version: Some(format!("{} {}", greeting.runtime_version.raw(), greeting.target.raw())),
            precision: Name::resembling(&running.precision),
            batch: options.batch.max(1),
            threads: running.threads,
            cores: (!cores.is_empty()).then(|| matching::mask(&cores)),
            ..profile.measured_identity()
        };
        let facts = facts_of(link.name(), &phone, &kit, &greeting, &notes);
        let usual = policy(&profile.measure);
        Ok(Android {
            link,
            profile: profile.clone(),
            identity,
            phone,
            kit,
            running,
            compared: FxHashSet::default(),
            policy: options.launch_policy(usual),
            cores,
            seed: options.seed,
            patience: phone_options.patience,
            dir,
            session: Name::resembling(&unique_name()),
            run: unique_name(),
            unnamed: 0,
            facts,
            notes,
            claimed: false,
            care: Care::default(),
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
    phone: &Phone,
    profile: &Profile,
    options: &Options,
    running: &Running,
) -> Result<(Vec<u32>, Option<String>), DeviceError> {
    let threads = running.threads;
    let (cores, reason) = matching::cores(phone, profile, options.cores.as_deref(), threads);
    // A phone that does not tell its cores places its threads itself.
    if !cores.is_empty() && cores.len() < threads as usize {
        let error = PinError::Few { threads, cores };
        return Err(DeviceError::Pin { device: profile.id.clone(), error });
    }
    Ok((cores, reason))
}

/// What the environment of a dataset records about the phone.
pub(super) fn facts_of(
    link: &ForeignText,
    phone: &Phone,
    kit: &Kit,
    greeting: &Greeting,
    differences: &[String],
) -> Facts {
    let mut facts = Facts::new();
    facts.insert("serial".into(), json!(serial(phone).unwrap_or(link)));
    facts.insert("build_fingerprint".into(), json!(phone.property("ro.build.fingerprint")));
    facts.insert("boot_id".into(), json!(phone.boot_id));
    facts.insert("runner_sha256".into(), json!(kit.sha256));
    if let Some((_, folder)) = &kit.loader {
        facts.insert("c_library_sha256".into(), json!(folder.sha256));
    }
    if let Some(folder) = &kit.libraries {
        facts.insert("runtime_library_sha256".into(), json!(folder.sha256));
    }
    facts.insert("runner_target".into(), json!(greeting.target));
    facts.insert("phone".into(), json!(phone));
    facts.insert("differs_from_profile".into(), json!(differences));
    facts
}
