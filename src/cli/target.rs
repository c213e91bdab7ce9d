//! The device argument of the commands that measure.

use super::failure::Failure;
use super::output::Output;
use super::{Global, predictors};
use crate::shipped;
use edgezen_lab::device;
use edgezen_lab::device::simulated::Simulation;
use edgezen_lab::device::{Device, Options};
use std::time::Duration;

/// Which device, and how to reach it.
#[derive(Clone, Debug, clap::Args)]
pub struct Target {
    /// Device to measure on: host, pixel2, …
    #[arg(long, value_name = "NAME")]
    pub device: String,
    #[command(flatten)]
    pub reach: Reach,
}

/// How to reach a device.
#[derive(Clone, Debug, clap::Args)]
pub struct Reach {
    /// Serial number of the phone, where several are attached
    #[arg(long, value_name = "S", env = "ANDROID_SERIAL")]
    pub serial: Option<String>,
    /// Longest wait for a phone whose link broke
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub patience: u64,
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
            patience: Duration::from_secs(self.patience),
            usual_probe_ns: predictors::usual_probe_ns(name),
            simulation: self.simulate.clone(),
            ..Options::default()
        }
    }
}

impl Target {
    /// Opens the device for measurements in `rounds` passes, and passes on what it has to say.
    pub fn open(&self, rounds: u32, global: Global) -> Result<Box<dyn Device>, Failure> {
        let options = self.reach.options(&self.device, rounds, global.seed);
        let mut device = device::open(&shipped::profiles(), &self.device, &options)?;
        notes(&mut *device, global.output());
        Ok(device)
    }
}

/// Passes on what a device has to say.
pub fn notes(device: &mut dyn Device, output: Output) {
    for note in device.take_notes() {
        output.note(format!("note: {note}"));
    }
}
