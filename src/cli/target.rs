//! The device argument of the commands that measure.

use super::failure::Failure;
use super::output::{self, Output};
use super::{Global, predictors};
use crate::shipped;
use edgezen_core::measurement::SUSTAINED;
use edgezen_core::units::Latency;
use edgezen_lab::campaign::networks::{self, Step};
use edgezen_lab::catalogue::Usual;
use edgezen_lab::device;
use edgezen_lab::device::android::PhoneOptions;
use edgezen_lab::device::host_cpu::HostOptions;
use edgezen_lab::device::linux::BoardOptions;
use edgezen_lab::device::simulated::Simulation;
use edgezen_lab::device::{Device, DeviceName, DriverOptions, Options};
use indicatif::ProgressBar;
use std::path::PathBuf;
use std::time::Duration;

/// Options that say which device to measure on, and how to reach it.
#[derive(Clone, Debug, clap::Args)]
pub struct Target {
    /// Device to measure on: host, pixel2, …
    #[arg(long, value_name = "NAME")]
    pub device: String,
    /// Threads that run a network, each on a core of its own; the same as @Nt behind the device's name
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub threads: Option<u32>,
    /// State to measure in: sustained heats the device until neither speed nor temperature change any more, and measures there; the
    /// same as @sustained behind the device's name [default: as the device's profile says]
    #[arg(long, value_name = "STATE", value_enum)]
    pub state: Option<State>,
    #[command(flatten)]
    pub reach: Reach,
}

/// A thermal state that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum State {
    Sustained,
}

/// Options of the drivers.
#[derive(Clone, Debug, clap::Args)]
pub struct Reach {
    /// Serial number of the phone, where several are attached
    #[arg(long, value_name = "S", env = "ANDROID_SERIAL")]
    pub serial: Option<String>,
    /// The board, as ssh knows it: pi@board, or a name of your ssh configuration
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// A pool of phones and boards: one of its units that is free is measured, by profile all of them together
    #[arg(long, value_name = "FILE", conflicts_with = "host")]
    pub pool: Option<PathBuf>,
    /// Only units of the pool with this tag
    #[arg(long, value_name = "TAG", requires = "pool")]
    pub tag: Option<String>,
    /// Longest wait for a phone or board whose link broke
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub patience: u64,
    /// Numbers of the cores to measure on, such as 4,5,6,7 [default: as the device's profile says]
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    pub cores: Option<Vec<u32>>,
    /// Measure although the phone or board is not the one that the device's profile describes
    #[arg(long, visible_alias = "other-board")]
    pub other_phone: bool,
    /// Behaviour of the simulated device: delay=5ms,noise=0.01,launches=0.02,load=0.3,slow_after=N,lose_after=N,fail_every=N
    #[arg(long, value_name = "SPEC", env = "EDGEZEN_SIMULATE", hide = true, default_value = "")]
    pub simulate: Simulation,
}

impl Reach {
    /// Options for measurements in `rounds` passes on the device called `name`; `seed` is that of weights and inputs. The
    /// usual pace of the core is taken from the device's predictor.
    pub fn options(&self, name: &str, rounds: u32, seed: u64) -> Options {
        self.options_for(self.serial.clone(), name, rounds, seed)
    }

    /// The same for the phone with this serial number.
    pub fn options_for(&self, serial: Option<String>, name: &str, rounds: u32, seed: u64) -> Options {
        let Usual { probe_ns: usual_probe_ns, sentinel_ns: usual_sentinel_ns } = predictors::usual(name);
        let patience = Duration::from_secs(self.patience);
        let phone = PhoneOptions { serial, patience, other_phone: self.other_phone };
        let board = BoardOptions { host: self.host.clone(), patience, other_board: self.other_phone };
        Options {
            seed,
            rounds,
            cores: self.cores.clone(),
            usual_probe_ns,
            usual_sentinel_ns,
            driver: DriverOptions::default().with(phone).with(board).with(self.simulate.clone()).with(host()),
            ..Options::default()
        }
    }
}

/// Options of this computer's CPU: launches are started with this program.
pub fn host() -> HostOptions {
    HostOptions { launcher: super::launch::launcher() }
}

/// Options for drivers that only list devices: those of phones, with this serial number if there is one.
pub fn phone(serial: Option<String>) -> DriverOptions {
    DriverOptions::default().with(PhoneOptions { serial, ..PhoneOptions::default() })
}

/// Options for drivers that only list devices, or measure in the usual way: those of the board that `ssh` knows by this name, if
/// there is one.
pub fn board(host: Option<String>) -> BoardOptions {
    BoardOptions { host, ..BoardOptions::default() }
}

/// What is asked of a measurement of networks beside their latency.
#[derive(Clone, Copy, Debug, Default)]
pub struct How {
    /// What the launches share for timing each network. `None`: until its median is known.
    pub time: Option<Duration>,
    /// Whether the caches are emptied before each run.
    pub cold_caches: bool,
    /// Whether the energy is read.
    pub energy: bool,
}

impl Target {
    /// The name of the device with its number of threads, if `--threads` says one, and with its state, if `--state` does.
    pub fn name(&self) -> Result<String, Failure> {
        let name = self.with_threads()?;
        Ok(match self.state {
            Some(State::Sustained) if !DeviceName::parse(&name).sustained => format!("{name}@{SUSTAINED}"),
            _ => name,
        })
    }

    fn with_threads(&self) -> Result<String, Failure> {
        let named = DeviceName::parse(&self.device).threads;
        match (self.threads, named) {
            (None, _) => Ok(self.device.clone()),
            (Some(threads), None) => Ok(format!("{}@{threads}t", self.device)),
            (Some(threads), Some(named)) if threads == named => Ok(self.device.clone()),
            (Some(threads), Some(named)) => {
                Err(Failure::usage(format!("{} names {named} threads, and --threads {threads}", self.device))
                    .remedy("leave out one of them"))
            }
        }
    }

    /// Opens the device for measuring networks in several launches, and prints its notes.
    pub fn open(&self, how: How, global: Global) -> Result<Box<dyn Device>, Failure> {
        let name = self.name()?;
        let options = networks::options(self.reach.of_free_unit(&name)?.options(
            &name,
            networks::LAUNCHES,
            global.seed,
        ));
        let How { time, cold_caches, energy } = how;
        let options = Options { time, cold_caches, energy, ..options };
        let mut device = device::open(&shipped::profiles(), &name, &options)?;
        notes(&mut *device, global.output());
        Ok(device)
    }
}

/// Shows beside the bar what happens between the launches.
pub fn show_step(bar: &ProgressBar, step: Step<'_>) {
    match step {
        Step::Launch(_) => bar.set_message(""),
        Step::Sentinel => bar.set_message("the sentinel"),
        Step::Heating { so_far, sentinel } => bar.set_message(heating(so_far, sentinel)),
        Step::Resting { left, reason } => bar
            .set_message(output::message(&format!("{reason}: cooling down, {} s left", left.as_secs() + 1))),
    }
}

/// How far the heating of a device is.
pub fn heating(so_far: Duration, sentinel: Latency) -> String {
    format!("heating, {} s so far, the sentinel takes {sentinel}", so_far.as_secs())
}

/// Prints what a device wants a person to know.
pub fn notes(device: &mut dyn Device, output: Output) {
    for note in device.take_notes() {
        output.note(format!("note: {note}"));
    }
}
