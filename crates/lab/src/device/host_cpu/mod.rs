//! The CPU of this computer, through tract or a runtime that is opened as a shared library. A network runs in one thread or
//! several, each of which is pinned to a core. A whole campaign is measured in this process; where launches are asked for, each
//! measurement has a process of its own.

mod by_tool;
mod chosen;
pub mod launch;
mod measuring;
mod relaunched;

pub use launch::Launcher;

use super::attached::Attached;
use super::complaint::Complaint;
use super::computer;
use super::driver::{Driver, Means, Request};
use super::format;
use super::name::DeviceName;
use super::pinned_core::{self, LEARN, PinnedCore};
use super::profile::{Kind, Plateau, Profile, Profiles};
use super::{Device, DeviceError, DriverOptions, Facts, Workload, running};
use by_tool::ByTool;
use chosen::Chosen;
use edgezen_core::foreign::Name;
use edgezen_core::measurement::{Identity, SUSTAINED};
use edgezen_engine::Engine;
use edgezen_runner::{Measured, Monotonic, Policy, Running};
use measuring::Settings;
use relaunched::Relaunched;
use rustc_hash::FxHashSet;
use std::time::Duration;

const NAME: &str = "host";

/// Whether this computer measures in the runtime called `name`: one that this program opens, or a tool.
///
/// # Errors
/// There is none of that name, or its description cannot be used.
pub fn check_runtime(name: &str) -> Result<(), DeviceError> {
    Chosen::called(name).map(drop)
}

/// Measures on the CPU of this computer.
pub struct HostCpuDriver;

impl Driver for HostCpuDriver {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "the CPU of this computer, through tract, ONNX Runtime or another runtime"
    }

    fn kind(&self) -> Kind {
        Kind::Host
    }

    fn heeds(&self) -> &'static [Means] {
        &[Means::Cores]
    }

    fn unfit(&self) -> Vec<Complaint> {
        computer::Computer::read().unfit()
    }

    fn attached(&self, profiles: &Profiles, _: &DriverOptions) -> Result<Vec<Attached>, DeviceError> {
        Ok(vec![Attached::this_computer(NAME, self.kind(), profiles)])
    }

    fn configured(&self, profile: Profile, name: DeviceName<'_>) -> Result<Profile, DeviceError> {
        let usual = profile.measured_identity();
        let chosen = Chosen::called(name.runtime.unwrap_or(&usual.runtime))?;
        running::configured(profile, name, &chosen.abilities())
    }

    /// Pins the calling thread until the device is dropped.
    fn open(&self, request: &Request<'_>) -> Result<Box<dyn Device>, DeviceError> {
        let options = request.options;
        let running = running::of(request.profile, options.threads);
        let plateau =
            request.profile.measured_identity().is_sustained().then_some(request.profile.measure.plateau);
        if let Some(tool) = chosen::tool(request.name.runtime.unwrap_or(&running.runtime))? {
            return Ok(Box::new(ByTool::open(tool, &running, options, plateau)?));
        }
        // A launch opens the runtime again; what is wrong with it shows here.
        let engine = running::open(&running, NAME)?;
        let HostOptions { launcher } = options.driver.of();
        if let Some(launcher) = launcher.filter(|_| options.launches) {
            return Ok(Box::new(Relaunched::new(launcher, running, engine.as_ref(), options, plateau)?));
        }
        let policy = options.policy(Policy::HOST_ROW);
        let core = PinnedCore::claim(NAME, options, running.threads, &policy)?;
        let identity = identity(&running, engine.version(), options.batch, core.cores.as_deref(), plateau);
        let compared = FxHashSet::default();
        Ok(Box::new(HostCpu { identity, engine, policy, core, seed: options.seed, compared, plateau }))
    }
}

/// The identity of what is measured on this computer in this way.
fn identity(
    running: &Running,
    version: String,
    batch: u32,
    cores: Option<&[u32]>,
    plateau: Option<Plateau>,
) -> Identity {
    Identity {
        device: NAME.into(),
        runtime: Name::resembling(&running.runtime),
        runtime_version: Some(version),
        precision: Name::resembling(&running.precision),
        batch: batch.max(1),
        threads: running.threads,
        cores: cores.map(pinned_core::text),
        thermal_state: plateau.map(|_| SUSTAINED.to_owned()),
    }
}

/// Options of this computer's CPU.
#[derive(Clone, Debug, Default)]
pub struct HostOptions {
    /// How a process is started that measures. `None`: every measurement is made in this process.
    pub launcher: Option<Launcher>,
}

/// The CPU of this computer, its core claimed.
struct HostCpu {
    identity: Identity,
    engine: Box<dyn Engine>,
    policy: Policy,
    core: PinnedCore,
    seed: u64,
    /// Workloads whose outputs agree with tract's.
    compared: FxHashSet<String>,
    /// Where it is measured in the sustained state.
    plateau: Option<Plateau>,
}

impl Device for HostCpu {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn facts(&self) -> Facts {
        computer::facts()
    }

    fn measure(&mut self, workload: Workload<'_>) -> Result<Measured, DeviceError> {
        format::check_file(NAME, workload, self.engine.name(), self.engine.file_ending())?;
        let key = workload.key();
        let settings = Settings {
            batch: self.identity.batch,
            seed: self.seed,
            precision: &self.identity.precision,
            policy: &self.policy,
            compare: !self.compared.contains(&key),
        };
        let measured = measuring::measure(workload, self.engine.as_ref(), settings, &mut self.core)?;
        self.compared.insert(key);
        Ok(measured)
    }

    fn rest(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    fn settle(&mut self, patience: Duration) {
        self.core.pace.settle(&Monotonic::start(), patience);
    }

    fn plateau(&self) -> Option<Plateau> {
        self.plateau
    }

    fn heated(&mut self) {
        self.core.learn_anew(LEARN);
    }

    fn usual_probe_ns(&self) -> Option<u64> {
        Some(self.core.pace.usual_ns())
    }
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
