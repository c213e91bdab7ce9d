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
use edgezen_lab::device::complaint::Complaint;
use edgezen_lab::device::host_cpu::HostOptions;
use edgezen_lab::device::linux::BoardOptions;
use edgezen_lab::device::simulated::Simulation;
use edgezen_lab::device::{Device, DeviceName, DriverOptions, Means, Options};
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

/// Seconds of the longest wait for a phone or board, if nobody says otherwise.
const PATIENCE: u64 = 60;

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
    #[arg(long, value_name = "SECONDS", default_value_t = PATIENCE)]
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
    /// Refuses what says nothing of the device called `name`, such as the serial number of a phone for a board. A serial number
    /// that only the environment gives is for phones alone, and refused nowhere.
    ///
    /// # Errors
    /// A device that nothing here measures on; an option that the device does not heed.
    pub fn check(&self, name: &str) -> Result<(), Failure> {
        heeded(name, &self.options_given())
    }

    /// The name of an option that was given, for commands that measure nothing. A serial number that only the environment gives
    /// does not count.
    pub fn given(&self) -> Option<&'static str> {
        self.options_given().into_iter().find_map(|(given, _, option, _)| given.then_some(option))
    }

    fn options_given(&self) -> [Given; 6] {
        [
            serial(self.serial.as_ref()),
            host_named(self.host.as_ref()),
            (self.pool.is_some(), Means::Pool, "--pool", "pools are of phones and boards"),
            (self.cores.is_some(), Means::Cores, "--cores", "the device chooses"),
            (self.other_phone, Means::OtherUnit, "--other-phone", "it is for phones and boards"),
            (self.patience != PATIENCE, Means::OtherUnit, "--patience", "it is for phones and boards"),
        ]
    }

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

/// Whether an option was given, what it says, its name, and why it may say nothing.
pub type Given = (bool, Means, &'static str, &'static str);

/// `--serial`, unless it comes from the environment: that is for phones alone, and refused nowhere.
pub fn serial(serial: Option<&String>) -> Given {
    let given = serial.is_some_and(|serial| std::env::var("ANDROID_SERIAL").ok().as_ref() != Some(serial));
    (given, Means::Serial, "--serial", "it names a phone, as --device android-generic or pixel2")
}

/// `--host`.
pub fn host_named(host: Option<&String>) -> Given {
    (host.is_some(), Means::Host, "--host", "it names a board, as --device linux-generic or raspberrypi4")
}

/// Refuses options that the device called `name` does not heed.
///
/// # Errors
/// A device that nothing here measures on; an option that says nothing of it.
pub fn heeded(name: &str, options: &[Given]) -> Result<(), Failure> {
    let (profile, driver) = device::find(&shipped::profiles(), name)?;
    let heeds = driver.heeds();
    match options.iter().find(|(given, means, ..)| *given && !heeds.contains(means)) {
        Some((_, _, option, why)) => {
            let message = format!("{option} says nothing of {}, which is {}", profile.id, driver.about());
            Err(Failure::usage(message).remedy(format!("leave out {option}: {why}")))
        }
        None => Ok(()),
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
        self.reach.check(&name)?;
        warn_unfit(&unfit(&name), global.output());
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

/// What makes the device called `name` unfit to measure now, as `devices doctor` says it; nothing of a device that is not known.
pub fn unfit(name: &str) -> Vec<Complaint> {
    device::find(&shipped::profiles(), name).map_or_else(|_| Vec::new(), |(_, driver)| driver.unfit())
}

/// Warns of what `devices doctor` calls unfit.
pub fn warn_unfit(complaints: &[Complaint], output: Output) {
    for complaint in complaints {
        output.note(format!("warning: not fit to measure now: {}", complaint.finding));
        output.note(format!("  try: {}", complaint.remedy));
    }
}

/// Prints what a device wants a person to know.
pub fn notes(device: &mut dyn Device, output: Output) {
    for note in device.take_notes() {
        output.note(format!("note: {note}"));
    }
}
