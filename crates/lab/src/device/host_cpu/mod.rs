//! The CPU of this computer through tract: measured by one thread, which is pinned to one core. A whole campaign is
//! measured in this process; where launches are asked for, each measurement has a process of its own.

pub mod launch;
mod relaunched;

pub use launch::Launcher;

use super::attached::Attached;
use super::computer;
use super::driver::{Driver, Request, only_one_thread};
use super::pinned_core::PinnedCore;
use super::profile::{Kind, Profiles};
use super::{Device, DeviceError, DriverOptions, Facts, Workload};
use edgezen_core::measurement::Identity;
use edgezen_engine::{Engine, Tract, onnx};
use edgezen_runner::{Clock, Measured, Monotonic, Policy, serve};
use relaunched::Relaunched;
use std::time::Duration;

const NAME: &str = "host";

/// Measures on the CPU of this computer.
pub struct HostCpuDriver;

impl Driver for HostCpuDriver {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "the CPU of this computer, through tract"
    }

    fn kind(&self) -> Kind {
        Kind::Host
    }

    fn attached(&self, profiles: &Profiles, _: &DriverOptions) -> Result<Vec<Attached>, DeviceError> {
        Ok(vec![Attached::this_computer(NAME, self.kind(), profiles)])
    }

    /// Pins the calling thread until the device is dropped.
    fn open(&self, request: &Request<'_>) -> Result<Box<dyn Device>, DeviceError> {
        let options = request.options;
        only_one_thread(NAME, options)?;
        let HostOptions { launcher } = options.driver.of();
        if let Some(launcher) = launcher.filter(|_| options.launches) {
            return Ok(Box::new(Relaunched::new(launcher, options)?));
        }
        let policy = options.policy(Policy::HOST);
        let core = PinnedCore::claim(NAME, options, &policy)?;
        let identity = identity(options.batch, core.text());
        Ok(Box::new(HostCpu { identity, policy, core, seed: options.seed }))
    }
}

/// Options of this computer's CPU.
#[derive(Clone, Debug, Default)]
pub struct HostOptions {
    /// How a process is started that measures. `None`: every measurement is made in this process.
    pub launcher: Option<Launcher>,
}

fn identity(batch: u32, cores: Option<String>) -> Identity {
    Identity {
        device: NAME.into(),
        runtime: Tract.name().into(),
        runtime_version: Some(Tract.version()),
        precision: "fp32".into(),
        batch: batch.max(1),
        threads: 1,
        cores,
        thermal_state: None,
    }
}

/// The CPU of this computer, its core claimed.
struct HostCpu {
    identity: Identity,
    policy: Policy,
    core: PinnedCore,
    seed: u64,
}

impl Device for HostCpu {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn facts(&self) -> Facts {
        computer::facts()
    }

    fn measure(&mut self, workload: Workload<'_>) -> Result<Measured, DeviceError> {
        measure(workload, self.identity.batch, self.seed, &self.policy, &mut self.core)
    }

    fn rest(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    fn settle(&mut self, patience: Duration) {
        self.core.pace.settle(&Monotonic::start(), patience);
    }

    fn usual_probe_ns(&self) -> Option<u64> {
        Some(self.core.pace.usual_ns())
    }
}

/// Loads `workload` and times it on `core`.
///
/// # Errors
/// A workload that cannot be loaded or run.
fn measure(
    workload: Workload<'_>,
    batch: u32,
    seed: u64,
    policy: &Policy,
    core: &mut PinnedCore,
) -> Result<Measured, DeviceError> {
    let clock = Monotonic::start();
    let mut loaded = match workload {
        Workload::Subject(subject) => {
            let graph = subject.graph().map_err(|e| DeviceError::workload(workload, e))?;
            Tract
                .load(&graph, subject.batch().unwrap_or(batch), seed)
                .map_err(|e| DeviceError::engine(workload, &e))?
        }
        Workload::Onnx(path) => onnx::load(path, batch, seed)
            .map_err(|e| DeviceError::BadFile { path: path.to_owned(), reason: e.to_string() })?,
    };
    let load_ns = Some(clock.now_ns());
    let measured = serve::measure(loaded.as_mut(), policy, Some(&mut core.pace))
        .map_err(|e| DeviceError::workload(workload, e))?;
    Ok(Measured { load_ns, ..measured })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Options;
    use edgezen_core::measurement::Subject;
    use edgezen_runner::conditions;

    #[test]
    fn measures_a_block_and_gives_the_core_back() {
        std::thread::spawn(|| {
            let before = conditions::affinity().unwrap();
            let policy = Policy { warmup_min_ns: 0, max_ns: 0, ..Policy::HOST };
            let mut host = crate::device::open(
                &Profiles::of_repository(),
                NAME,
                &Options { policy: Some(policy), ..Options::default() },
            )
            .unwrap();
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
        assert!(
            crate::device::open(
                &Profiles::of_repository(),
                NAME,
                &Options { threads: 2, ..Options::default() }
            )
            .is_err()
        );
    }
}
