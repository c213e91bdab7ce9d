//! The CPU of an Android phone: a runner on it measures, this side hands it one job at a time and keeps
//! the phone fit.
//!
//! Every measurement is a fresh process, pinned to the profile's cores. The runner keeps each result on the
//! phone before it sends it, under a name that is unique within the campaign; so when the link breaks, the
//! same job is simply given again, and what was measured already comes back as it was.

pub mod describe;
pub mod facts;
mod launch;
pub mod matching;
mod runners;
mod settings;
pub mod status;
pub mod survey;

use super::adb::{AdbLink, Attached, Link, LinkError, Lock, LockError, Server, State, quoted};
use super::computer::Severity;
use super::profile::{Measure, Profile};
use super::{Continuity, Device, DeviceError, Facts, Options, Vigilance, Workload, unique_name};
use edgezen_core::measurement::{Identity, Subject};
use edgezen_core::plainnet::kernel;
use edgezen_runner::protocol;
use edgezen_runner::protocol::Job;
use edgezen_runner::{Measured, Policy};
use facts::Phone;
use launch::{Greeting, greet, outcome, replies, runner_command, warning};
use runners::Pushed;
use serde_json::json;
use status::Status;
use std::time::Duration;

/// Longest wait for a phone that should be there.
const READY: Duration = Duration::from_secs(5);
/// Tries of one job: a runner that ends without a result is started again, each time after a longer pause.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(300);
/// Broken links within one job, until it is given up.
const BREAKS: u32 = 8;
/// Tells other computers that the phone is in use.
const OWNER: &str = "debug.edgezen.owner";

/// An open phone.
pub struct Android {
    link: Box<dyn Link>,
    profile: Profile,
    identity: Identity,
    phone: Phone,
    runner: Pushed,
    policy: Policy,
    cores: Vec<u32>,
    seed: u64,
    patience: Duration,
    /// Folder on the phone.
    dir: String,
    /// Of the present campaign; measurements outside any get one of their own.
    session: String,
    /// Of this process.
    run: String,
    /// Jobs without a name so far.
    unnamed: u64,
    facts: Facts,
    notes: Vec<String>,
    /// Settings are changed, and the phone says that it is ours.
    claimed: bool,
    _lock: Option<Lock>,
}

/// Opens the phone that `options` name, or the one that is attached.
///
/// # Errors
/// No phone, several, one that cannot be reached, is in use or not fit; no runner for it.
pub fn open(profile: &Profile, options: &Options) -> Result<Box<dyn Device>, DeviceError> {
    if options.threads != 1 {
        // tract spreads only some operations over threads.
        let what = format!("measuring with {} threads", options.threads);
        return Err(DeviceError::Unsupported { device: profile.id.clone(), what });
    }
    let server = Server::from_environment()?;
    let serial = choose(&server, options.serial.as_deref(), profile)?;
    let lock = Lock::take(&serial, &format!("{}, which measures on it", me()));
    let lock = lock.map_err(|error| match error {
        LockError::Held { owner } => DeviceError::Busy { device: format!("phone {serial}"), owner },
        LockError::Io { .. } => DeviceError::Lost { device: serial.clone(), reason: error.to_string() },
    })?;
    let mut link = AdbLink::new(server, &serial);
    link.await_ready(READY)?;
    let phone = Phone::read(&mut link)?;
    let mut android = Android::new(Box::new(link), profile, phone, lock, options)?;
    android.check_and_claim()?;
    Ok(Box::new(android))
}

/// This process, as others see it.
fn me() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = Some(host.trim()).filter(|host| !host.is_empty()).unwrap_or("another computer").to_owned();
    format!("{host}, process {}", std::process::id())
}

/// The serial number of the phone that is meant.
fn choose(server: &Server, wanted: Option<&str>, profile: &Profile) -> Result<String, DeviceError> {
    if let Some(serial) = wanted {
        return Ok(serial.to_owned());
    }
    let attached = server.attached()?;
    match &attached[..] {
        [] => Err(LinkError::NoPhone.into()),
        [one] => Ok(one.serial.clone()),
        several => {
            let fits = |phone: &&Attached| {
                phone.state == State::Ready
                    && Phone::read(&mut AdbLink::new(*server, &phone.serial))
                        .is_ok_and(|phone| matching::best(&phone, std::iter::once(profile)).is_some())
            };
            let fitting: Vec<&Attached> = several.iter().filter(fits).collect();
            match fitting[..] {
                [one] => Ok(one.serial.clone()),
                _ => Err(DeviceError::Several {
                    serials: several.iter().map(|phone| phone.serial.clone()).collect(),
                }),
            }
        }
    }
}

/// The measuring policy that a profile asks for, for all launches together.
fn policy(measure: &Measure) -> Policy {
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
    /// Puts a runner onto the phone and greets it; changes nothing else.
    fn new(
        mut link: Box<dyn Link>,
        profile: &Profile,
        phone: Phone,
        lock: Lock,
        options: &Options,
    ) -> Result<Android, DeviceError> {
        let mut notes: Vec<String> = matching::differences(&phone, profile)
            .into_iter()
            .map(|difference| format!("profile {}: {difference}", profile.id))
            .collect();
        let (cores, reason) = matching::cores(&phone, profile, options.cores.as_deref());
        notes.extend(reason);
        let push_dir = profile.runner.as_ref().map_or("/data/local/tmp", |runner| &runner.push_dir);
        let dir = format!("{}/edgezen", push_dir.trim_end_matches('/'));
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
                    Err(reason) => reasons.push(format!("{}: {reason}", local.display())),
                },
                Err(e) => reasons.push(format!("{}: {e}", local.display())),
            }
        }
        let Some((runner, greeting)) = working else {
            return Err(DeviceError::Runner { device, reason: reasons.join("; ") });
        };
        let identity = Identity {
            device: profile.id.clone(),
            runtime: greeting.engine.clone(),
            runtime_version: Some(greeting.engine_version.clone()),
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
            policy: options.policy.unwrap_or(usual).launch(options.rounds),
            cores,
            seed: options.seed,
            patience: options.patience,
            dir,
            session: unique_name(),
            run: unique_name(),
            unnamed: 0,
            facts,
            notes,
            claimed: false,
            _lock: Some(lock),
        })
    }

    /// Looks whether the phone is fit and free; then changes its settings, with a way back.
    fn check_and_claim(&mut self) -> Result<(), DeviceError> {
        let status = Status::read(&mut *self.link)?;
        let host = me();
        let host = host.split(',').next().unwrap_or_default();
        if let Some(owner) = status.owner.as_deref().filter(|owner| !owner.starts_with(host)) {
            return Err(DeviceError::Busy { device: self.name(), owner: owner.to_owned() });
        }
        if settings::restore(&mut *self.link, &self.dir)? {
            self.notes.push("an earlier run had left its settings changed; they are back".into());
        }
        let complaints = status.complaints(&self.phone, &self.profile);
        let unfit: Vec<_> = complaints.iter().filter(|c| c.severity == Severity::Unfit).collect();
        if !unfit.is_empty() {
            return Err(DeviceError::Unfit {
                device: self.name(),
                findings: unfit.iter().map(|complaint| complaint.finding.clone()).collect(),
                remedies: unfit.iter().map(|complaint| complaint.remedy.clone()).collect(),
            });
        }
        self.facts.insert("status_at_start".into(), json!(status));
        self.claimed = true;
        let root = self.phone.uid == Some(0);
        let notes = settings::prepare(&mut *self.link, &self.dir, &self.profile, root)?;
        self.facts.insert("not_prepared".into(), json!(notes));
        self.notes.extend(notes);
        // Results and runners of long ago.
        let old = format!(
            "setprop {OWNER} {} 2>/dev/null; find {} -type f -mtime +30 ! -name undo.sh -delete 2>/dev/null",
            quoted(&me()),
            self.dir
        );
        self.link.shell(&old, READY)?;
        Ok(())
    }

    fn name(&self) -> String {
        format!("phone {}", self.link.name())
    }

    fn lost(&self, reason: impl std::fmt::Display) -> DeviceError {
        DeviceError::Lost { device: self.name(), reason: reason.to_string() }
    }

    fn results(&self) -> String {
        format!("{}/results-{}.jsonl", self.dir, self.session)
    }

    /// Runs one job until there is a result, across broken links and runners that were killed.
    fn job(&mut self, id: &str, subject: &Subject, workload: Workload<'_>) -> Result<Measured, DeviceError> {
        let batch = subject.batch().unwrap_or(self.identity.batch);
        let graph = subject.graph().map_err(|e| DeviceError::workload(workload, e))?;
        let macs: f64 = kernel::fused(&graph).iter().map(|k| k.with_batch(batch).macs()).sum();
        // The slowest phones do a fifth of a MAC per nanosecond.
        let longest = Duration::from_nanos(self.policy.at_most_ns((5.0 * macs) as u64 + 10_000_000));
        let limit = longest + Duration::from_secs(30);
        let job = Job {
            protocol: protocol::VERSION,
            id: id.to_owned(),
            subject: subject.clone(),
            batch,
            seed: self.seed,
            policy: self.policy,
        };
        let json = serde_json::to_string(&job).map_err(|e| DeviceError::workload(workload, e))?;
        let command = format!(
            "{} --time-limit {} --results {} --job {}",
            self.command(),
            limit.as_secs(),
            self.results(),
            quoted(&json)
        );
        let (mut tries, mut breaks) = (0, 0);
        loop {
            match self.link.shell(&command, limit + Duration::from_secs(15)) {
                Ok(finished) => {
                    let replies = replies(&finished.stdout);
                    if let Some(reason) = warning(&replies)
                        && !self.notes.contains(&reason)
                    {
                        self.notes.push(reason);
                    }
                    match outcome(replies, id) {
                        Some(Ok(measured)) => return Ok(measured),
                        Some(Err((fault, reason))) => {
                            return Err(DeviceError::workload(workload, format!("{fault}: {reason}")));
                        }
                        None if tries + 1 < TRIES => {
                            std::thread::sleep(PAUSE * 2_u32.pow(tries));
                            tries += 1;
                        }
                        None => {
                            let reason = format!(
                                "the runner ended {TRIES} times without a result: {}",
                                finished.complaint()
                            );
                            return Err(DeviceError::workload(workload, reason));
                        }
                    }
                }
                Err(error) if error.may_pass() && breaks < BREAKS => {
                    breaks += 1;
                    self.regain(&error)?;
                }
                Err(error) => return Err(self.lost(error)),
            }
        }
    }

    /// Gets the phone back after `cause`, and makes sure that it is the same one and was not started anew.
    fn regain(&mut self, cause: &LinkError) -> Result<(), DeviceError> {
        let waited = self.link.await_ready(self.patience);
        waited.map_err(|e| match e.needs_a_person() {
            true => DeviceError::Link(e),
            false => {
                self.lost(format!("{cause}; it did not come back within {} s ({e})", self.patience.as_secs()))
            }
        })?;
        let now = match Phone::read(&mut *self.link) {
            Ok(now) => now,
            // Broken again; the next try of the job tells.
            Err(error) if error.may_pass() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let identity =
            |phone: &Phone| (phone.property("ro.build.fingerprint").map(str::to_owned), serial(phone));
        if identity(&now) != identity(&self.phone) {
            return Err(self.lost("another phone answers now"));
        }
        if now.boot_id != self.phone.boot_id {
            return Err(self.lost("it was started anew meanwhile (another boot id)"));
        }
        Ok(())
    }

    /// The runner with what all its calls share.
    fn command(&self) -> String {
        runner_command(&self.runner, &self.cores, self.profile.runner.as_ref().map(|runner| &runner.env))
    }

    /// Gives the phone back as it was.
    fn release(&mut self) -> Result<(), LinkError> {
        if !self.claimed {
            return Ok(());
        }
        settings::restore(&mut *self.link, &self.dir)?;
        self.link.shell(&format!("setprop {OWNER} '' 2>/dev/null"), READY)?;
        self.claimed = false;
        Ok(())
    }
}

/// The number that the phone's maker gave it.
fn serial(phone: &Phone) -> Option<String> {
    phone.property("ro.serialno").map(str::to_owned)
}

fn facts_of(
    link: &str,
    phone: &Phone,
    runner: &Pushed,
    greeting: &Greeting,
    differences: &[String],
) -> Facts {
    let mut facts = Facts::new();
    facts.insert("serial".into(), json!(serial(phone).unwrap_or_else(|| link.to_owned())));
    facts.insert("build_fingerprint".into(), json!(phone.property("ro.build.fingerprint")));
    facts.insert("boot_id".into(), json!(phone.boot_id));
    facts.insert("runner_sha256".into(), json!(runner.sha256));
    facts.insert("runner_target".into(), json!(greeting.target));
    facts.insert("phone".into(), json!(phone));
    facts.insert("differs_from_profile".into(), json!(differences));
    facts
}

impl Device for Android {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn facts(&self) -> Facts {
        self.facts.clone()
    }

    fn measure(&mut self, workload: Workload<'_>) -> Result<Measured, DeviceError> {
        self.unnamed += 1;
        // Not to be confused with those of an earlier process in the same campaign.
        self.measure_as(&format!("x{}-{}", self.run, self.unnamed), workload)
    }

    fn begin(&mut self, session: &str) {
        self.session = session.to_owned();
    }

    fn measure_as(&mut self, name: &str, workload: Workload<'_>) -> Result<Measured, DeviceError> {
        match workload {
            Workload::Subject(subject) => self.job(name, subject, workload),
            Workload::Onnx(_) => {
                let what = "measuring ONNX files (give the network's structure)".to_owned();
                Err(DeviceError::Unsupported { device: self.identity.device.clone(), what })
            }
        }
    }

    fn finished(&mut self) {
        // What cannot be removed now is removed when it is old.
        let _ = self.link.shell(&format!("rm -f {}", self.results()), READY);
        if let Err(error) = self.release() {
            self.notes
                .push(format!("its settings could not be brought back ({error}); the next run does it"));
        }
    }

    fn vigilance(&self) -> Option<Vigilance> {
        let drift = self.profile.require.sentinel_drift_max?;
        let thermal = self.profile.thermal.as_ref();
        let seconds = |&s: &u32| Duration::from_secs(u64::from(s));
        Some(Vigilance {
            drift,
            throttled: 2.0 * drift,
            rests: thermal.map_or_else(Vec::new, |thermal| thermal.cooldown_s.iter().map(seconds).collect()),
            retries: 2,
            too_hot_c: thermal.and_then(|thermal| thermal.abort_c),
            cool_c: self.profile.require.start_temp_max_c,
            zones: thermal.map_or_else(Vec::new, |thermal| thermal.zones_by_type.clone()),
            thermal_status: self.profile.require.thermal_status_max,
        })
    }

    fn continuity(&self, earlier: &Facts) -> Continuity {
        let text =
            |facts: &Facts, name: &str| facts.get(name).and_then(|value| value.as_str()).map(str::to_owned);
        let changed = |name: &str| {
            let (then, now) = (text(earlier, name)?, text(&self.facts, name)?);
            (then != now).then(|| format!("{name} {then} then, {now} now"))
        };
        let other = ["serial", "build_fingerprint", "runner_sha256"].into_iter().find_map(changed);
        match (other, changed("boot_id")) {
            (Some(why), _) => Continuity::Other(why),
            (None, Some(why)) => Continuity::Restarted(why),
            (None, None) => Continuity::Same,
        }
    }

    fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }
}

impl Drop for Android {
    fn drop(&mut self) {
        // On the way out of an error or a panic; what fails now is done at the next start.
        let _ = self.release();
    }
}

#[cfg(test)]
mod tests;
