//! Opening a phone: a runner that works there, the cores to measure on, and the identity of what is measured.

use super::PhoneOptions;
use super::care::Care;
use super::facts::Phone;
use super::launch::{Greeting, Refusal, greet};
use super::open_phone::{Android, serial};
use super::runners::Pushed;
use super::{matching, runners};
use crate::device::adb::{Link, Lock};
use crate::device::profile::{Measure, Profile};
use crate::device::{DeviceError, Facts, Options, unique_name};
use edgezen_core::foreign::{ForeignText, Name};
use edgezen_core::measurement::Identity;
use edgezen_runner::Policy;
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
        let (cores, reason) = matching::cores(&phone, profile, options.cores.as_deref());
        notes.extend(reason);
        let push_dir = profile.runner.as_ref().map_or("/data/local/tmp", |runner| runner.push_dir.as_str());
        let dir = format!("{push_dir}/edgezen");
        let device = format!("phone {}", link.name());
        let triples = runners::triples(&phone, profile);
        let candidates = runners::find(&phone, &triples).map_err(|places| DeviceError::NoRunner {
            device: device.clone(),
            triple: triples.first().cloned().unwrap_or_else(|| "aarch64-linux-android".into()),
            places,
        })?;
        let mut reasons = Vec::new();
        let mut working = None;
        for local in candidates {
            match runners::push(&mut *link, &local, &dir)? {
                Ok(runner) => match greet(&mut *link, &runner, &cores)? {
                    Ok(greeting) => {
                        working = Some((runner, greeting));
                        break;
                    }
                    Err(Refusal::DoesNotWork(reason)) => {
                        reasons.push(format!("{}: {reason}", local.display()));
                    }
                    Err(Refusal::Nonsense(reason)) => {
                        return Err(DeviceError::Implausible { device, reason });
                    }
                },
                Err(e) => reasons.push(format!("{}: {e}", local.display())),
            }
        }
        let Some((runner, greeting)) = working else {
            return Err(DeviceError::Runner { device, reason: reasons.join("; ") });
        };
        let identity = Identity {
            runtime: greeting.engine.clone(),
            // An engine chooses its kernels by the target that it was built for.
            runtime_version: Some(format!("{} {}", greeting.engine_version.raw(), greeting.target.raw())),
            batch: options.batch.max(1),
            threads: options.threads,
            cores: (!cores.is_empty()).then(|| matching::mask(&cores)),
            ..profile.measured_identity()
        };
        let facts = facts_of(link.name(), &phone, &runner, &greeting, &notes);
        let usual = policy(&profile.measure);
        Ok(Android {
            link,
            profile: profile.clone(),
            identity,
            phone,
            runner,
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

/// What the environment of a dataset records about the phone.
pub(super) fn facts_of(
    link: &ForeignText,
    phone: &Phone,
    runner: &Pushed,
    greeting: &Greeting,
    differences: &[String],
) -> Facts {
    let mut facts = Facts::new();
    facts.insert("serial".into(), json!(serial(phone).unwrap_or(link)));
    facts.insert("build_fingerprint".into(), json!(phone.property("ro.build.fingerprint")));
    facts.insert("boot_id".into(), json!(phone.boot_id));
    facts.insert("runner_sha256".into(), json!(runner.sha256));
    facts.insert("runner_target".into(), json!(greeting.target));
    facts.insert("phone".into(), json!(phone));
    facts.insert("differs_from_profile".into(), json!(differences));
    facts
}
