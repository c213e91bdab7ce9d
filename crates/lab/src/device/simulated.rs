//! A made-up device: latencies from a formula with seeded noise, and faults on demand, so that the
//! whole program can be tried and tested without waiting.
//!
//! The formula: 3 µs for each kernel plus the larger of its arithmetic (20 GMAC/s, depthwise 5) and its
//! traffic (10 GB/s). Runs pass through the same stopwatch as everywhere, on a clock that does not wait.

use super::profile::Profile;
use super::{Device, DeviceError, Facts, Options, Workload};
use edgezen_core::measurement::{Identity, Subject};
use edgezen_core::plainnet::kernel;
use edgezen_core::plainnet::kernel::Lowering;
use edgezen_core::plainnet::{Kernel, KernelKind};
use edgezen_core::units::Latency;
use edgezen_engine::onnx;
use edgezen_runner::sampler;
use edgezen_runner::sampler::Clock;
use edgezen_runner::{Conditions, Measured, Policy};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::cell::{Cell, RefCell};
use std::hash::Hasher;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

const NAME: &str = "simulated";

/// How the device behaves. Written as `delay=5ms,noise=0.01,slow_after=40,lose_after=100,fail_every=9`.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulation {
    /// Real time that each measurement takes.
    pub delay: Latency,
    /// Relative spread of single runs.
    pub noise: f64,
    /// After so many measurements everything takes half as long again, as if it had run hot.
    pub slow_after: Option<u32>,
    /// After so many measurements the device is gone.
    pub lose_after: Option<u32>,
    /// Every so-manieth measurement fails.
    pub fail_every: Option<u32>,
    /// A file that gets a line whenever a measurement begins.
    pub log: Option<PathBuf>,
}

impl Default for Simulation {
    fn default() -> Simulation {
        Simulation {
            delay: Latency::ZERO,
            noise: 0.01,
            slow_after: None,
            lose_after: None,
            fail_every: None,
            log: None,
        }
    }
}

impl FromStr for Simulation {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut simulation = Simulation::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').ok_or_else(|| format!("{part:?} is not KEY=VALUE"))?;
            let count = || value.parse::<u32>().map(Some).map_err(|e| format!("{part:?}: {e}"));
            match key {
                "delay" => simulation.delay = value.parse().map_err(|e| format!("{part:?}: {e}"))?,
                "noise" => {
                    let noise: f64 = value.parse().map_err(|e| format!("{part:?}: {e}"))?;
                    if !(0.0..1.0).contains(&noise) {
                        return Err(format!("{part:?}: from 0 to below 1"));
                    }
                    simulation.noise = noise;
                }
                "slow_after" => simulation.slow_after = count()?,
                "lose_after" => simulation.lose_after = count()?,
                "fail_every" => simulation.fail_every = count()?,
                "log" => simulation.log = Some(value.into()),
                _ => {
                    return Err(format!(
                        "unknown key {key:?}; known: delay, noise, slow_after, lose_after, fail_every, log"
                    ));
                }
            }
        }
        Ok(simulation)
    }
}

pub struct Simulated {
    identity: Identity,
    policy: Policy,
    seed: u64,
    simulation: Simulation,
    measured: u32,
}

/// # Errors
/// None; the signature is that of every driver.
pub fn open(_: &Profile, options: &Options) -> Result<Box<dyn Device>, DeviceError> {
    let identity = Identity {
        device: NAME.into(),
        runtime: "formula".into(),
        runtime_version: Some("1".into()),
        precision: "fp32".into(),
        batch: options.batch.max(1),
        threads: options.threads,
        cores: None,
        thermal_state: None,
    };
    Ok(Box::new(Simulated {
        identity,
        policy: options.policy(Policy::HOST),
        seed: options.seed,
        simulation: options.simulation.clone(),
        measured: 0,
    }))
}

/// Latency of `kernel` by the formula.
pub fn formula(kernel: &Kernel) -> Latency {
    let macs_per_ns = if kernel.kind == KernelKind::Dwconv { 5.0 } else { 20.0 };
    Latency::from_ns(3_000.0 + (kernel.macs() / macs_per_ns).max(kernel.bytes(4.0) / 10.0))
}

fn note(log: &Path) -> std::io::Result<()> {
    std::fs::OpenOptions::new().append(true).create(true).open(log)?.write_all(b"started\n")
}

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
        let mut facts = Facts::new();
        facts.insert("formula".into(), "3 us + max(MACs / 20 per ns, bytes / 10 per ns)".into());
        facts
    }

    fn measure(&mut self, workload: Workload<'_>) -> Result<Measured, DeviceError> {
        let Simulation { delay, noise, slow_after, lose_after, fail_every, ref log } = self.simulation;
        if let Some(log) = log {
            note(log).map_err(|e| DeviceError::Lost {
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
            Workload::Onnx(path) => {
                let bad = |e: onnx::OnnxError| DeviceError::BadFile {
                    path: path.to_owned(),
                    reason: e.to_string(),
                };
                let graph = onnx::read(path).and_then(onnx::Imported::whole).map_err(bad)?;
                (kernel::fused(&graph), path.display().to_string())
            }
        };
        let batch = self.identity.batch;
        let sum: Latency = kernels.iter().map(|k| formula(&k.with_batch(batch.max(k.batch)))).sum();
        let slow = if slow_after.is_some_and(|after| self.measured > after) { 1.5 } else { 1.0 };
        let mut hasher = rustc_hash::FxHasher::default();
        hasher.write(key.as_bytes());
        hasher.write_u64(self.seed);
        let rng = RefCell::new(Xoshiro256PlusPlus::seed_from_u64(hasher.finish()));
        let clock = FakeClock(Cell::new(0.0));
        let timing = sampler::sample(&clock, &self.policy, None, || {
            let spread: f64 = rng.borrow_mut().random_range(-1.0..1.0);
            clock.0.set(clock.0.get() + sum.ns() * slow * (1.0 + noise * spread));
            Ok::<f64, std::convert::Infallible>(1.0)
        })
        .map_err(|e| DeviceError::workload(workload, e))?;
        Ok(Measured { timing, before: Conditions::default(), after: Conditions::default() })
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
        Ok((kernels, format!("{subject:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_core::plainnet::published;

    fn network() -> Subject {
        Subject::network(&published::by_name("mobilenet_v2").unwrap(), 1)
    }

    #[test]
    fn latencies_follow_the_formula() {
        let mut device =
            crate::device::open(&crate::catalogue::of_repository().profiles, NAME, &Options::default())
                .unwrap();
        let measured = device.measure(Workload::Subject(&network())).unwrap();
        let kernels = published::by_name("mobilenet_v2").unwrap().kernels().unwrap();
        let want: Latency = kernels.iter().map(formula).sum();
        let median = measured.timing.summary().unwrap().median;
        assert!((median.ns() / want.ns() - 1.0).abs() < 0.01, "{median} {want}");
        // The same again, whatever was measured in between.
        assert_eq!(device.measure(Workload::Subject(&network())).unwrap(), measured);
    }

    #[test]
    fn faults_come_on_demand() {
        let simulation: Simulation = "slow_after=1,lose_after=3,fail_every=3".parse().unwrap();
        let mut device = crate::device::open(
            &crate::catalogue::of_repository().profiles,
            NAME,
            &Options { simulation, ..Options::default() },
        )
        .unwrap();
        let median = |m: Measured| m.timing.summary().unwrap().median.ns();
        let first = median(device.measure(Workload::Subject(&network())).unwrap());
        let second = median(device.measure(Workload::Subject(&network())).unwrap());
        assert!((second / first - 1.5).abs() < 0.01);
        let third = device.measure(Workload::Subject(&network()));
        assert!(matches!(third, Err(DeviceError::Workload { .. })));
        assert!(matches!(device.measure(Workload::Subject(&network())), Err(DeviceError::Lost { .. })));
        for bad in ["delay", "delay=5", "noise=2", "speed=3", "lose_after=x"] {
            assert!(bad.parse::<Simulation>().is_err(), "{bad}");
        }
    }
}
