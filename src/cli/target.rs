//! The device argument of the commands that measure.

use super::failure::Failure;
use super::predictors;
use crate::device::simulated::Simulation;
use crate::device::{self, Device, Options};

/// Which device, and how to reach it.
#[derive(Clone, Debug, clap::Args)]
pub struct Target {
    /// Device to measure on: host, …
    #[arg(long, value_name = "NAME")]
    pub device: String,
    #[command(flatten)]
    pub reach: Reach,
}

/// How to reach a device.
#[derive(Clone, Debug, clap::Args)]
pub struct Reach {
    /// Serial number, where several of a kind are attached
    #[arg(long, value_name = "S", env = "ANDROID_SERIAL")]
    pub serial: Option<String>,
    /// Behaviour of the simulated device: delay=5ms,noise=0.01,slow_after=N,lose_after=N,fail_every=N
    #[arg(long, value_name = "SPEC", env = "EDGEZEN_SIMULATE", hide = true, default_value = "")]
    pub simulate: Simulation,
}

impl Reach {
    /// Options for measurements in `rounds` passes on the device called `name`; `seed` is that of weights and
    /// inputs. What its predictor knows of the core's usual pace is taken over.
    pub fn options(&self, name: &str, rounds: u32, seed: u64) -> Options {
        Options {
            seed,
            rounds,
            serial: self.serial.clone(),
            usual_probe_ns: predictors::usual_probe_ns(name),
            simulation: self.simulate.clone(),
            ..Options::default()
        }
    }
}

impl Target {
    /// Opens the device for measurements in `rounds` passes; `seed` is that of weights and inputs.
    pub fn open(&self, rounds: u32, seed: u64) -> Result<Box<dyn Device>, Failure> {
        Ok(device::open(&self.device, &self.reach.options(&self.device, rounds, seed))?)
    }
}
