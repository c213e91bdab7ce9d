//! The CPU of this computer, where every measurement is a launch: a process is started for it and ends with it.

use super::launch::{Job, Launcher};
use super::{NAME, identity};
use crate::device::pinned_core::{LEARN, PinnedCore};
use crate::device::profile::Plateau;
use crate::device::{Device, DeviceError, Facts, Options, Workload, computer, format};
use edgezen_core::measurement::Identity;
use edgezen_engine::Engine;
use edgezen_runner::{Measured, Policy, Running};
use rustc_hash::FxHashSet;
use std::time::Duration;

/// How long a process learns the pace of the core, if an earlier one has learnt it already.
const LEARN_AGAIN: Duration = Duration::from_millis(100);

/// The least time that a network is sampled for in each launch.
const SAMPLING: Duration = Duration::from_millis(400);

pub struct Relaunched {
    identity: Identity,
    running: Running,
    /// That of the files that the runtime runs as they are.
    ending: Option<&'static str>,
    launcher: Launcher,
    policy: Policy,
    cores: Option<Vec<u32>>,
    seed: u64,
    /// The usual length of a probe, as an earlier session found it.
    known_probe_ns: Option<u64>,
    /// The same, as the launches so far found it.
    learnt_probe_ns: Option<u64>,
    /// How long the next launch may wait for the core.
    settle: Duration,
    /// Workloads whose outputs agree with tract's, as an earlier launch found.
    compared: FxHashSet<String>,
    /// Where it is measured in the sustained state.
    plateau: Option<Plateau>,
}

impl Relaunched {
    /// Nothing is started yet.
    ///
    /// # Errors
    /// Cores that are asked for where the system cannot pin.
    pub fn new(
        launcher: Launcher,
        running: Running,
        engine: &dyn Engine,
        options: &Options,
        plateau: Option<Plateau>,
    ) -> Result<Relaunched, DeviceError> {
        let cores = PinnedCore::choose(options.cores.as_deref(), running.threads)
            .map_err(|error| DeviceError::Pin { device: NAME.into(), error })?;
        let usual =
            Policy { max_ns: SAMPLING.as_nanos() as u64 * u64::from(options.rounds.max(1)), ..Policy::HOST };
        let policy = options.launch_policy(usual);
        Ok(Relaunched {
            identity: identity(&running, engine.version(), options.batch, cores.as_deref(), plateau),
            running,
            ending: engine.file_ending(),
            launcher,
            policy: Policy { patience_ns: policy.patience_ns / u64::from(options.rounds.max(1)), ..policy },
            cores,
            seed: options.seed,
            known_probe_ns: options.usual_probe_ns,
            learnt_probe_ns: None,
            settle: Duration::ZERO,
            compared: FxHashSet::default(),
            plateau,
        })
    }
}

impl Device for Relaunched {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn facts(&self) -> Facts {
        computer::facts()
    }

    fn measure(&mut self, workload: Workload<'_>) -> Result<Measured, DeviceError> {
        let learn = match (self.policy.patience_ns, self.learnt_probe_ns) {
            (0, _) => Duration::ZERO,
            (_, None) => LEARN,
            (_, Some(_)) => LEARN_AGAIN,
        };
        format::check_file(NAME, workload, &self.running.runtime, self.ending)?;
        let key = workload.key();
        let mut job = Job::new(workload, self.running.clone(), self.policy);
        job.compare = !self.compared.contains(&key);
        job.batch = self.identity.batch;
        job.seed = self.seed;
        job.cores.clone_from(&self.cores);
        job.usual_probe_ns = self.known_probe_ns.into_iter().chain(self.learnt_probe_ns).min();
        job.learn = learn;
        job.settle = std::mem::take(&mut self.settle);
        let measured = self.launcher.run(&job, workload)?;
        self.compared.insert(key);
        self.learnt_probe_ns = self.learnt_probe_ns.into_iter().chain(measured.timing.usual_probe_ns).min();
        Ok(measured)
    }

    fn rest(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    fn settle(&mut self, patience: Duration) {
        self.settle = patience;
    }

    fn plateau(&self) -> Option<Plateau> {
        self.plateau
    }

    fn heated(&mut self) {
        (self.known_probe_ns, self.learnt_probe_ns) = (None, None);
    }

    fn usual_probe_ns(&self) -> Option<u64> {
        self.learnt_probe_ns.or(self.known_probe_ns)
    }
}
