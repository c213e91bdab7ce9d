//! How to open a device: what every driver understands, and what only one of them does.

use edgezen_runner::Policy;
use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The greatest number of samples in a pass whose time is given.
const MOST_RUNS: u32 = 100_000;

/// How long each launch runs a network to read its energy: gauges of batteries are renewed every second or more rarely.
const ENERGY: Duration = Duration::from_secs(10);

/// How to open a device.
#[derive(Clone, Debug)]
pub struct Options {
    /// Images per run.
    pub batch: u32,
    pub threads: u32,
    /// Numbers of the CPU cores to measure on. `None`: the driver chooses.
    pub cores: Option<Vec<u32>>,
    /// How long and how often to measure. `None`: the driver's own policy.
    pub policy: Option<Policy>,
    /// Number of passes in which each workload will be measured: every pass does its share of the runs.
    pub rounds: u32,
    /// Whether each measurement is a launch: made by a process of its own, where the driver can start one. Drivers whose
    /// measurements are launches anyway, and those that have no processes, ignore it.
    pub launches: bool,
    /// Time for timing one workload in all passes together. `None`: until its median is known well enough.
    pub time: Option<Duration>,
    /// Whether the caches are emptied before each run.
    pub cold_caches: bool,
    /// Whether the energy of whole networks is read, where the device has a meter.
    pub energy: bool,
    /// Usual duration, in nanoseconds, of a probe of the core's pace, as an earlier measurement found it.
    pub usual_probe_ns: Option<u64>,
    /// Usual median of the sentinel, in nanoseconds, as an earlier measurement found it.
    pub usual_sentinel_ns: Option<u64>,
    /// Seed of random weights and inputs.
    pub seed: u64,
    /// Options that only one driver understands.
    pub driver: DriverOptions,
}

impl Options {
    /// The policy of one pass, for a driver whose own policy is `usual`.
    pub(super) fn policy(&self, usual: Policy) -> Policy {
        self.in_time(self.policy.unwrap_or(usual).split(self.rounds))
    }

    /// The policy of one launch, which warms up by itself. In a time that is given, every sample is a single run: the percentiles are
    /// then those of runs, and not of means.
    pub(super) fn launch_policy(&self, usual: Policy) -> Policy {
        let policy = self.in_time(self.policy.unwrap_or(usual).launch(self.rounds));
        if self.time.is_some() { Policy { min_sample_ns: 0, ..policy } } else { policy }
    }

    /// `policy`, with this pass's part of the time, all of which is used.
    fn in_time(&self, policy: Policy) -> Policy {
        let energy_ns = self.energy.then_some(ENERGY.as_nanos() as u64);
        let policy = Policy { cold_caches: self.cold_caches, energy_ns, ..policy };
        let Some(time) = self.time else { return policy };
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Policy {
            max_ns: nanoseconds / u64::from(self.rounds.max(1)),
            max_runs: MOST_RUNS,
            target_half_width: 0.0,
            ..policy
        }
    }
}

impl Default for Options {
    fn default() -> Options {
        Options {
            batch: 1,
            threads: 1,
            cores: None,
            policy: None,
            rounds: 1,
            launches: false,
            time: None,
            cold_caches: false,
            energy: false,
            usual_probe_ns: None,
            usual_sentinel_ns: None,
            seed: 0,
            driver: DriverOptions::default(),
        }
    }
}

/// Options of single drivers. Each driver has a type of its own for them, and its options are found by that type; so
/// nothing here, and no other driver, has to know them.
#[derive(Clone, Debug, Default)]
pub struct DriverOptions {
    by_type: BTreeMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

impl DriverOptions {
    /// The same, with `options` in place of what there was of their type.
    #[must_use]
    pub fn with<T: fmt::Debug + Send + Sync + 'static>(mut self, options: T) -> DriverOptions {
        self.by_type.insert(TypeId::of::<T>(), Arc::new(options));
        self
    }

    /// The options of type `T`; its defaults where none are given.
    pub fn of<T: Clone + Default + 'static>(&self) -> T {
        let given = self.by_type.get(&TypeId::of::<T>()).and_then(|options| options.downcast_ref::<T>());
        given.cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_divided_among_the_passes() {
        let options = Options { rounds: 5, time: Some(Duration::from_secs(10)), ..Options::default() };
        for policy in [options.policy(Policy::HOST), options.launch_policy(Policy::PHONE)] {
            assert_eq!((policy.max_ns, policy.target_half_width, policy.min_runs), (2_000_000_000, 0.0, 6));
        }
        assert_eq!(options.launch_policy(Policy::PHONE).warmup_min_ns, Policy::PHONE.warmup_min_ns);
        assert_eq!(options.launch_policy(Policy::PHONE).min_sample_ns, 0);
        assert_eq!(options.policy(Policy::GPU).min_sample_ns, Policy::GPU.min_sample_ns);
        let cold = Options { cold_caches: true, ..options.clone() };
        assert!(cold.launch_policy(Policy::HOST).cold_caches && cold.policy(Policy::HOST).cold_caches);
        let metered = Options { energy: true, ..options.clone() };
        assert_eq!(metered.launch_policy(Policy::PHONE).energy_ns, Some(10_000_000_000));
        let untimed = Options { time: None, ..options };
        assert_eq!(untimed.policy(Policy::HOST), Policy::HOST.split(5));
    }

    #[test]
    fn each_driver_finds_its_own_options() {
        #[derive(Clone, Debug, Default, PartialEq)]
        struct Mine(u32);
        #[derive(Clone, Debug, Default, PartialEq)]
        struct Yours(String);
        let options = DriverOptions::default().with(Mine(1)).with(Mine(2));
        assert_eq!(options.of::<Mine>(), Mine(2));
        assert_eq!(options.of::<Yours>(), Yours::default());
    }
}
