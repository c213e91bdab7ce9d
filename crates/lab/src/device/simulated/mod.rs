//! A made-up device: its latencies come from a formula with seeded noise, and it fails on demand, so that the whole
//! program can be tried and tested without waiting.
//!
//! The latency of a kernel is 3 µs plus the larger of two times: that of its arithmetic (20 GMAC/s, depthwise 5 GMAC/s)
//! and that of its memory traffic (10 GB/s). Runs are timed by the same stopwatch as on other devices, with a clock that
//! advances without waiting.

mod moment;
mod simulation;

pub use simulation::Simulation;

use super::attached::Attached;
use super::driver::{Driver, Request};
use super::format;
use super::name::DeviceName;
use super::profile::{Kind, Plateau, Profile, Profiles};
use super::running::{self, Abilities};
use super::{Device, DeviceError, DriverOptions, Facts, Workload};
use edgezen_core::measurement::{Identity, SUSTAINED, Subject};
use edgezen_core::plainnet::lowering::{self, Lowering};
use edgezen_core::plainnet::{Kernel, KernelKind};
use edgezen_core::units::Latency;
use edgezen_engine::onnx;
use edgezen_runner::sampler;
use edgezen_runner::{Clock, Measured, Metered, NoEnergy, Policy};
use moment::Moment;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::cell::{Cell, RefCell};
use std::hash::Hasher;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

const NAME: &str = "simulated";

/// Time that it takes to make any network ready.
const LOAD_NS: u64 = 1_000_000;

/// Measures on a device that exists only in this program.
pub struct SimulatedDriver;

impl Driver for SimulatedDriver {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "a made-up device, for tests and dry runs"
    }

    fn kind(&self) -> Kind {
        Kind::Simulated
    }

    fn attached(&self, _: &Profiles, options: &DriverOptions) -> Result<Vec<Attached>, DeviceError> {
        let simulation: Simulation = options.of();
        let title = Some(format!("latencies by a formula, noise {}", simulation.noise));
        Ok(vec![Attached { title, profile: Some(NAME.into()), ..Attached::ready(NAME, facts()) }])
    }

    fn open(&self, request: &Request<'_>) -> Result<Box<dyn Device>, DeviceError> {
        let options = request.options;
        let identity = Identity {
            device: NAME.into(),
            runtime: "formula".into(),
            runtime_version: Some("1".into()),
            precision: "fp32".into(),
            batch: options.batch.max(1),
            threads: options.threads,
            cores: None,
            thermal_state: request.name.sustained.then(|| SUSTAINED.to_owned()),
        };
        Ok(Box::new(Simulated {
            identity,
            policy: options.policy(Policy::HOST),
            seed: options.seed,
            simulation: options.driver.of(),
            measured: 0,
            plateau: request.name.sustained.then_some(request.profile.measure.plateau),
            warmth: 0.0,
        }))
    }

    fn configured(&self, profile: Profile, name: DeviceName<'_>) -> Result<Profile, DeviceError> {
        let usual = profile.measured_identity();
        let formula = Abilities {
            name: &usual.runtime,
            precisions: vec![&usual.precision],
            most_threads: usual.threads,
        };
        let other = name.runtime.is_some_and(|runtime| runtime != formula.name);
        if other {
            let what = format!("the runtime {:?}", name.runtime.unwrap_or_default());
            return Err(DeviceError::Unsupported { device: profile.id, what });
        }
        running::configured(profile, name, &formula)
    }
}

struct Simulated {
    identity: Identity,
    policy: Policy,
    seed: u64,
    simulation: Simulation,
    /// Measurements so far.
    measured: u32,
    /// Where it is measured in the sustained state.
    plateau: Option<Plateau>,
    /// How hot it is: 0 after a long rest, 1 on its plateau.
    warmth: f64,
}

/// After so many seconds of work or rest, a third of the way to the plateau, or back, is left.
const WARMS_IN_S: f64 = 2.0;

fn facts() -> Facts {
    let mut facts = Facts::new();
    facts.insert("formula".into(), "3 us + max(MACs / 20 per ns, bytes / 10 per ns)".into());
    facts
}

/// Latency of `kernel` by the formula.
pub fn formula(kernel: &Kernel) -> Latency {
    let macs_per_ns = if kernel.kind == KernelKind::Dwconv { 5.0 } else { 20.0 };
    Latency::from_ns(3_000.0 + (kernel.macs() / macs_per_ns).max(kernel.bytes(4.0) / 10.0))
}

/// Appends a line to the log of measurements that began.
fn log_start(log: &Path) -> std::io::Result<()> {
    std::fs::OpenOptions::new().append(true).create(true).open(log)?.write_all(b"started\n")
}

/// A clock that shows the time it was set to, in nanoseconds.
struct FakeClock(Cell<f64>);

impl Clock for FakeClock {
    fn now_ns(&self) -> u64 {
        self.0.get() as u64
    }
}

impl Device for Simulated {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn facts(&self) -> Facts {
        facts()
    }

    fn measure(&mut self, workload: Workload<'_>) -> Result<Measured, DeviceError> {
        format::check_file(NAME, workload, "its formula", Some("onnx"))?;
        let Simulation { delay, noise, slow_after, lose_after, fail_every, ref log, .. } = self.simulation;
        if let Some(log) = log {
            log_start(log).map_err(|e| DeviceError::Lost {
                device: NAME.into(),
                reason: format!("{}: {e}", log.display()),
            })?;
        }
        std::thread::sleep(std::time::Duration::from_nanos(delay.ns() as u64));
        self.measured += 1;
        if lose_after.is_some_and(|after| self.measured > after) {
            let reason = format!("it was to vanish after {} measurements", self.measured - 1);
            return Err(DeviceError::Lost { device: NAME.into(), reason });
        }
        if fail_every.is_some_and(|n| n > 0 && self.measured.is_multiple_of(n)) {
            return Err(DeviceError::workload(workload, "it was to fail"));
        }
        let (kernels, key) = match workload {
            Workload::Subject(subject) => self.kernels(subject, workload)?,
            Workload::File(path) | Workload::Written(path) => {
                let bad = |e: onnx::OnnxError| DeviceError::BadFile {
                    path: path.to_owned(),
                    reason: e.to_string(),
                };
                let graph = onnx::read(path).and_then(|read| Ok(read.whole()?)).map_err(bad)?;
                (lowering::fused(&graph), path.display().to_string())
            }
        };
        let batch = self.identity.batch;
        let sum: Latency = kernels.iter().map(|k| formula(&k.with_batch(batch.max(k.batch)))).sum();
        let slow = if slow_after.is_some_and(|after| self.measured > after) { 1.5 } else { 1.0 };
        let hot = 1.0 + self.simulation.heat * self.warmth;
        let mut hasher = rustc_hash::FxHasher::default();
        hasher.write(key.as_bytes());
        hasher.write_u64(self.seed);
        let rng = RefCell::new(Xoshiro256PlusPlus::seed_from_u64(hasher.finish()));
        let moment = Moment::of(&self.simulation, hasher.finish(), self.seed, self.measured);
        let clock = FakeClock(Cell::new(0.0));
        let timing = sampler::sample(&clock, &self.policy, None, || {
            let spread: f64 = rng.borrow_mut().random_range(-1.0..1.0);
            clock.0.set(clock.0.get() + sum.ns() * slow * hot * moment.slower * (1.0 + noise * spread));
            Ok::<f64, std::convert::Infallible>(1.0)
        })
        .map_err(|e| DeviceError::workload(workload, e))?;
        let (before, after) = moment.conditions(clock.0.get());
        self.warmth = 1.0 - (1.0 - self.warmth) * (-clock.0.get() / 1e9 / WARMS_IN_S).exp();
        Ok(Measured {
            timing,
            before,
            after,
            load_ns: Some(LOAD_NS),
            peak_bytes: None,
            outputs: None,
            energy: self.policy.energy_ns.map(|_| Metered::Absent(NoEnergy::NoMeter)),
        })
    }

    fn rest(&mut self, time: Duration) {
        self.warmth *= (-time.as_secs_f64() / WARMS_IN_S).exp();
    }

    fn plateau(&self) -> Option<Plateau> {
        self.plateau
    }
}

impl Simulated {
    fn kernels(
        &self,
        subject: &Subject,
        workload: Workload<'_>,
    ) -> Result<(Vec<Kernel>, String), DeviceError> {
        let kernels = match subject {
            Subject::Kernel(kernel) => vec![*kernel],
            _ => subject.kernels(Lowering::Fused).map_err(|e| DeviceError::workload(workload, e))?,
        };
        // The text of a subject in files stays what it is when a field is added that this subject does not use.
        let key = serde_json::to_string(subject).map_err(|e| DeviceError::workload(workload, e))?;
        Ok((kernels, key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Options;
    use edgezen_core::plainnet::published;

    fn network() -> Subject {
        Subject::network(&published::by_name("mobilenet_v2").unwrap(), 1)
    }

    #[test]
    fn latencies_follow_the_formula() {
        let mut device = crate::device::open(&Profiles::of_repository(), NAME, &Options::default()).unwrap();
        let measured = device.measure(Workload::Subject(&network())).unwrap();
        let kernels = published::by_name("mobilenet_v2").unwrap().kernels().unwrap();
        let want: Latency = kernels.iter().map(formula).sum();
        let median = measured.timing.summary().unwrap().median;
        assert!((median.ns() / want.ns() - 1.0).abs() < 0.01, "{median} {want}");
        // The same again, whatever was measured in between.
        assert_eq!(device.measure(Workload::Subject(&network())).unwrap(), measured);
    }

    /// Medians of measurements of one network, and the load during each.
    fn medians(spec: &str, seed: u64) -> Vec<(f64, Option<f64>)> {
        let driver = DriverOptions::default().with(spec.parse::<Simulation>().unwrap());
        let options = Options { driver, seed, ..Options::default() };
        let mut device = crate::device::open(&Profiles::of_repository(), NAME, &options).unwrap();
        let subject = network();
        let mut measure = || {
            let measured = device.measure(Workload::Subject(&subject)).unwrap();
            let times = measured.before.machine_time.zip(measured.after.machine_time);
            let share = times.and_then(|(before, after)| after.taken_by_others(&before));
            (measured.timing.summary().unwrap().median.ms(), share)
        };
        (0..40).map(|_| measure()).collect()
    }

    #[test]
    fn launches_and_load_vary_on_demand() {
        let spread = |rows: &[(f64, Option<f64>)]| {
            let ms: Vec<f64> = rows.iter().map(|row| row.0).collect();
            edgezen_core::stats::std_dev(&ms).unwrap() / edgezen_core::stats::mean(&ms).unwrap()
        };
        let rows = medians("launches=0.05", 1);
        assert!((0.03..0.08).contains(&spread(&rows)) && rows.iter().all(|row| row.1.is_none()));
        assert_eq!(rows, medians("launches=0.05", 1));
        assert!(rows != medians("launches=0.05", 2));
        let quiet = medians("load=0", 1);
        assert!(quiet.iter().all(|row| row.1 == Some(0.0)));
        // Networks are slower the more others use.
        let slower = |seed: u64| {
            let busy = medians("load=0.4", seed);
            let share = busy.iter().filter_map(|row| row.1).sum::<f64>() / busy.len() as f64;
            (busy.iter().map(|row| row.0).sum::<f64>() / quiet.iter().map(|row| row.0).sum::<f64>(), share)
        };
        for (factor, share) in (1..5).map(slower) {
            assert!((factor - 1.0 - moment::FULL_LOAD * share).abs() < 0.05, "{factor} {share}");
        }
    }

    #[test]
    fn faults_come_on_demand() {
        let simulation: Simulation = "slow_after=1,lose_after=3,fail_every=3".parse().unwrap();
        let mut device = crate::device::open(
            &Profiles::of_repository(),
            NAME,
            &Options { driver: DriverOptions::default().with(simulation), ..Options::default() },
        )
        .unwrap();
        let median = |m: Measured| m.timing.summary().unwrap().median.ns();
        let first = median(device.measure(Workload::Subject(&network())).unwrap());
        let second = median(device.measure(Workload::Subject(&network())).unwrap());
        assert!((second / first - 1.5).abs() < 0.01);
        let third = device.measure(Workload::Subject(&network()));
        assert!(matches!(third, Err(DeviceError::Workload { .. })));
        assert!(matches!(device.measure(Workload::Subject(&network())), Err(DeviceError::Lost { .. })));
        for bad in ["delay", "delay=5", "noise=2", "launches=-1", "load=1", "speed=3", "lose_after=x"] {
            assert!(bad.parse::<Simulation>().is_err(), "{bad}");
        }
    }
}
