//! The CPU of this computer: measured in this process, one thread, pinned to one core.

use super::profile::Profile;
use super::{Device, DeviceError, Facts, Options, Workload};
use crate::dataset::Identity;
use crate::engine::{Engine, Tract, onnx};
use crate::runner::conditions::Scheduling;
use crate::runner::{Conditions, Measured, Monotonic, Pace, Policy, conditions, serve};
use serde_json::json;
use std::time::Duration;

const NAME: &str = "host";

/// Time spent on learning how fast the core usually is.
const LEARN_NS: u64 = 2_000_000_000;

pub struct Host {
    identity: Identity,
    policy: Policy,
    pace: Pace<'static>,
    seed: u64,
    /// Where the thread was allowed to run before.
    before: Vec<u32>,
    /// How it was scheduled before.
    scheduling: Option<Scheduling>,
}

/// Pins the calling thread until the device is dropped.
///
/// # Errors
/// More than one thread; cores that cannot be had.
pub fn open(_: &Profile, options: &Options) -> Result<Box<dyn Device>, DeviceError> {
    if options.threads != 1 {
        // tract spreads only some operations over threads.
        let what = format!("measuring with {} threads", options.threads);
        return Err(DeviceError::Unsupported { device: NAME.into(), what });
    }
    let failed = |error| DeviceError::Pin { device: NAME.into(), error };
    let (before, cores) = match conditions::affinity() {
        Ok(before) => {
            // The last core: interrupts and most daemons prefer the first.
            let cores = options.cores.clone().unwrap_or_else(|| before.last().copied().into_iter().collect());
            conditions::pin(&cores).map_err(failed)?;
            (before, Some(cores))
        }
        // A system without affinity measures unpinned, and its identity says so.
        Err(conditions::PinError::Unsupported) if options.cores.is_none() => (Vec::new(), None),
        Err(error) => return Err(failed(error)),
    };
    let text = |cores: Vec<u32>| cores.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    let identity = Identity {
        device: NAME.into(),
        runtime: Tract.name().into(),
        runtime_version: Some(Tract.version()),
        precision: "fp32".into(),
        batch: options.batch.max(1),
        threads: 1,
        cores: cores.map(text),
        thermal_state: None,
    };
    // Whoever may, measures ahead of everything else on the core; the conditions tell.
    let scheduling = conditions::scheduling();
    conditions::schedule(Scheduling::Realtime);
    let policy = options.policy(Policy::HOST);
    let mut pace = Pace::default().knowing(options.usual_probe_ns);
    pace.learn(&Monotonic::start(), if policy.patience_ns == 0 { 0 } else { LEARN_NS });
    Ok(Box::new(Host { identity, policy, pace, seed: options.seed, before, scheduling }))
}

impl Drop for Host {
    fn drop(&mut self) {
        if !self.before.is_empty() {
            // Nothing is left to do about a refusal here.
            let _ = conditions::pin(&self.before);
        }
        if let Some(scheduling) = self.scheduling {
            conditions::schedule(scheduling);
        }
    }
}

impl Device for Host {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn facts(&self) -> Facts {
        let mut facts = Facts::new();
        facts.insert("os".into(), json!(std::env::consts::OS));
        facts.insert("architecture".into(), json!(std::env::consts::ARCH));
        let line = |path: &str| std::fs::read_to_string(path).ok();
        if let Some(kernel) = line("/proc/sys/kernel/osrelease") {
            facts.insert("kernel".into(), json!(kernel.trim()));
        }
        if let Some(cpu) = line("/proc/cpuinfo").as_deref().and_then(cpu_model) {
            facts.insert("cpu".into(), json!(cpu));
        }
        if let Ok(count) = std::thread::available_parallelism() {
            facts.insert("logical_cores".into(), json!(count.get()));
        }
        facts.insert("conditions".into(), json!(Conditions::observe()));
        facts
    }

    fn measure(&mut self, workload: Workload<'_>) -> Result<Measured, DeviceError> {
        let batch = self.identity.batch;
        let mut loaded = match workload {
            Workload::Subject(subject) => {
                let graph = subject.graph().map_err(|e| DeviceError::workload(workload, e))?;
                Tract
                    .load(&graph, subject.batch().unwrap_or(batch), self.seed)
                    .map_err(|e| DeviceError::engine(workload, &e))?
            }
            Workload::Onnx(path) => onnx::load(path, batch, self.seed)
                .map_err(|e| DeviceError::BadFile { path: path.to_owned(), reason: e.to_string() })?,
        };
        serve::measure(loaded.as_mut(), &self.policy, Some(&mut self.pace))
            .map_err(|e| DeviceError::workload(workload, e))
    }

    fn settle(&mut self, patience: Duration) {
        self.pace.settle(&Monotonic::start(), patience);
    }

    fn usual_probe_ns(&self) -> Option<u64> {
        Some(self.pace.usual_ns())
    }
}

/// The first `model name` (x86) or `CPU part` (Arm) of `/proc/cpuinfo`.
fn cpu_model(text: &str) -> Option<String> {
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    field("model name").or_else(|| field("CPU part").map(|part| format!("CPU part {part}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Subject;

    #[test]
    fn measures_a_block_and_gives_the_core_back() {
        std::thread::spawn(|| {
            let before = conditions::affinity().unwrap();
            let policy = Policy { warmup_min_ns: 0, max_ns: 0, ..Policy::HOST };
            let mut host =
                crate::device::open(NAME, &Options { policy: Some(policy), ..Options::default() }).unwrap();
            assert_eq!(conditions::affinity().unwrap().len(), 1);
            let subject = Subject::Block { structure: "SuperResK3K3(8,16,2,8,1)".into(), resolution: 16 };
            let measured = host.measure(Workload::Subject(&subject)).unwrap();
            assert!(measured.timing.summary().unwrap().median.ns() > 100.0);
            assert_eq!(measured.before.cores.len(), 1);
            let bad = Subject::Block { structure: "SuperResK3K3(8,16,2,8,".into(), resolution: 16 };
            assert!(matches!(host.measure(Workload::Subject(&bad)), Err(DeviceError::Workload { .. })));
            drop(host);
            assert_eq!(conditions::affinity().unwrap(), before);
        })
        .join()
        .unwrap();
        assert!(crate::device::open(NAME, &Options { threads: 2, ..Options::default() }).is_err());
    }

    #[test]
    fn cpu_models() {
        assert_eq!(cpu_model("processor : 0\nmodel name\t: A CPU\n").as_deref(), Some("A CPU"));
        assert_eq!(cpu_model("CPU part\t: 0xd0b\n").as_deref(), Some("CPU part 0xd0b"));
        assert_eq!(cpu_model(""), None);
    }
}
