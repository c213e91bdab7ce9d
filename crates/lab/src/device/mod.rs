//! Devices: something that measures. Each kind of device is one driver in the list below; what is
//! known of a device beforehand is its [`profile`].

pub mod adb;
pub mod android;
pub mod computer;
mod core;
pub mod gpu;
pub mod host;
pub mod profile;
pub mod simulated;
#[cfg(feature = "torch")]
pub mod torch;

use edgezen_core::measurement::{Identity, Subject};
use edgezen_engine::EngineError;
use edgezen_runner::conditions::{GpuState, PinError};
use edgezen_runner::{Measured, Policy};
use gpu::GpuError;
use profile::{Profile, ProfileError, Profiles};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Facts about a device, as they go into `environment.json`.
pub type Facts = serde_json::Map<String, serde_json::Value>;

/// An open device.
pub trait Device {
    /// What its measurements are the latencies of.
    fn identity(&self) -> &Identity;

    /// The device as it is now.
    fn facts(&self) -> Facts;

    /// Measures one workload.
    ///
    /// # Errors
    /// [`DeviceError::Workload`] concerns this workload only; anything else, the device.
    fn measure(&mut self, workload: Workload<'_>) -> Result<Measured, DeviceError>;

    /// Waits until the device is fit to measure again, at most so long. Devices that cannot tell do not
    /// wait.
    fn settle(&mut self, _patience: Duration) {}

    /// Length of a probe of the core's pace at its usual speed; `None` where the pace is not probed.
    fn usual_probe_ns(&self) -> Option<u64> {
        None
    }

    /// Tells the device which campaign its next measurements belong to.
    fn begin(&mut self, _session: &str) {}

    /// Measures `workload` under a name that is unique within the campaign. A device that keeps results
    /// answers a name that it knows with what it kept, so that nothing is measured twice.
    ///
    /// # Errors
    /// As [`Device::measure`].
    fn measure_as(&mut self, _name: &str, workload: Workload<'_>) -> Result<Measured, DeviceError> {
        self.measure(workload)
    }

    /// All results of the campaign are safe here; the device may forget them.
    fn finished(&mut self) {}

    /// When measurements have to be repeated. `None`: the device only flags what looks wrong.
    fn vigilance(&self) -> Option<Vigilance> {
        None
    }

    /// Whether this is still the device that gave the facts `earlier`, in the state it was in.
    fn continuity(&self, _earlier: &Facts) -> Continuity {
        Continuity::Same
    }

    /// What a person should know and has not been told yet.
    fn take_notes(&mut self) -> Vec<String> {
        Vec::new()
    }
}

/// When to repeat measurements, and how long to let the device cool down before that.
#[derive(Clone, Debug, PartialEq)]
pub struct Vigilance {
    /// A sentinel that is slower by more than this share: what was measured since the last one is
    /// measured again.
    pub drift: f64,
    /// A sentinel that is slower by more than this: the device is throttled, and rests before that.
    pub throttled: f64,
    /// Rests, one after another, until the device is itself again.
    pub rests: Vec<Duration>,
    /// Repetitions of one measurement, at most; after that it is flagged.
    pub retries: u32,
    /// A device that is hotter than this after a measurement was too hot during it.
    pub too_hot_c: Option<f64>,
    /// A device that is not hotter than this is not slow for heat.
    pub cool_c: Option<f64>,
    /// Thermal zones to watch, by type.
    pub zones: Vec<String>,
    /// Highest thermal status of Android.
    pub thermal_status: Option<u32>,
}

impl Vigilance {
    /// Why `measured` is that of a throttled device; `None` where nothing shows it.
    pub fn complaint(&self, measured: &Measured) -> Option<String> {
        let after = &measured.after;
        if let Some(reason) = after.gpu.as_ref().and_then(GpuState::throttled_by) {
            return Some(format!("the GPU's clocks are held down: {reason}"));
        }
        if after.throttled_since(&measured.before) {
            return Some("the highest clock was lowered during the measurement".to_owned());
        }
        if let (Some(status), Some(limit)) = (after.thermal_status, self.thermal_status)
            && status > limit
        {
            return Some(format!("thermal status {status}, allowed {limit}"));
        }
        let (hot, limit) = (after.hottest_c(&self.zones)?, self.too_hot_c?);
        (hot > limit).then(|| format!("{hot:.0} °C, allowed {limit:.0}"))
    }

    /// Whether the device shows that it is cool: resting would not help then. A device that shows nothing
    /// is not.
    pub fn is_cool(&self, measured: &Measured) -> bool {
        let after = &measured.after;
        let hottest = after.hottest_c(&self.zones);
        let told = hottest.is_some() || after.thermal_status.is_some();
        let below = hottest.zip(self.cool_c).is_none_or(|(hot, cool)| hot <= cool);
        told && below && self.complaint(measured).is_none()
    }
}

/// How a device relates to the one that began a campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Continuity {
    Same,
    /// The same one, started anew meanwhile; why we think so.
    Restarted(String),
    /// Another one, or changed so that measurements would not compare; why we think so.
    Other(String),
}

/// What a device can be asked to measure.
#[derive(Clone, Copy, Debug)]
pub enum Workload<'a> {
    Subject(&'a Subject),
    /// A network of someone else's, from an ONNX file, as it is.
    Onnx(&'a Path),
}

/// How to open a device.
#[derive(Clone, Debug)]
pub struct Options {
    /// Images per run.
    pub batch: u32,
    pub threads: u32,
    /// Cores to pin to; the driver chooses where it says nothing.
    pub cores: Option<Vec<u32>>,
    /// Which one, where several of a kind are attached.
    pub serial: Option<String>,
    /// Replaces the driver's own measuring policy.
    pub policy: Option<Policy>,
    /// Passes that each workload will be measured in: every pass does its share of the runs.
    pub rounds: u32,
    /// What an earlier session found to be the usual length of a probe of the core's pace.
    pub usual_probe_ns: Option<u64>,
    /// Of weights and inputs.
    pub seed: u64,
    /// Longest wait for a device whose link broke.
    pub patience: Duration,
    /// The number of the GPU, as libtorch counts them.
    pub gpu: Option<u32>,
    /// How a simulated device behaves.
    pub simulation: simulated::Simulation,
}

impl Options {
    /// What one pass measures, where the driver's own policy is `usual`.
    fn policy(&self, usual: Policy) -> Policy {
        self.policy.unwrap_or(usual).split(self.rounds)
    }
}

impl Default for Options {
    fn default() -> Options {
        let simulation = simulated::Simulation::default();
        Options {
            batch: 1,
            threads: 1,
            cores: None,
            serial: None,
            policy: None,
            rounds: 1,
            usual_probe_ns: None,
            seed: 0,
            patience: Duration::from_secs(60),
            gpu: None,
            simulation,
        }
    }
}

/// A kind of device that can be opened.
pub struct Driver {
    pub name: &'static str,
    pub about: &'static str,
    /// The kind of profile that it measures for.
    pub kind: profile::Kind,
    pub open: Open,
}

/// Opens the device that a profile describes.
pub type Open = fn(&Profile, &Options) -> Result<Box<dyn Device>, DeviceError>;

/// All drivers that are built in.
pub fn registry() -> &'static [Driver] {
    use profile::Kind;
    &[
        Driver {
            name: "host",
            about: "the CPU of this computer, through tract",
            kind: Kind::Host,
            open: host::open,
        },
        Driver {
            name: "adb",
            about: "the CPU of an Android phone, through a runner pushed over adb",
            kind: Kind::AndroidCpu,
            open: android::open,
        },
        #[cfg(feature = "torch")]
        Driver {
            name: "torch-cpu",
            about: "the CPU of this computer, through libtorch",
            kind: Kind::TorchCpu,
            open: torch::open,
        },
        #[cfg(feature = "torch")]
        Driver {
            name: "cuda",
            about: "an NVIDIA GPU of this computer, through libtorch",
            kind: Kind::NvidiaGpu,
            open: torch::open,
        },
        Driver {
            name: "simulated",
            about: "a made-up device, for tests and dry runs",
            kind: Kind::Simulated,
            open: simulated::open,
        },
    ]
}

/// Opens the device called `name`: its short name, or with its runtime (`pixel2@tract`).
///
/// # Errors
/// An unknown name, a device that nothing here measures on, or what the driver says.
pub fn open(profiles: &Profiles, name: &str, options: &Options) -> Result<Box<dyn Device>, DeviceError> {
    let (profile, driver) = find(profiles, name)?;
    let gpu = gpu_index(name).or(options.gpu);
    (driver.open)(&profile, &Options { gpu, ..options.clone() }).map_err(|error| match error {
        DeviceError::Gpu(GpuError::Other { device, found, .. }) => {
            let fitting = found.iter().flat_map(|name| gpu::fitting(profiles, name)).collect();
            GpuError::Other { device, found, fitting }.into()
        }
        other => other,
    })
}

/// The profile and the driver of the device called `name`, as for [`open`].
///
/// # Errors
/// An unknown name, or a device that nothing here measures on.
pub fn find(profiles: &Profiles, name: &str) -> Result<(Profile, &'static Driver), DeviceError> {
    let (short, rest) = name.split_once('@').unwrap_or((name, ""));
    let mut profile = match gpu_index(name) {
        Some(index) => gpu::profile(profiles, index)?,
        None => profiles.by_name(short)?,
    };
    let driver = registry().iter().find(|driver| driver.kind == profile.kind);
    let Some(driver) = driver else {
        let known = measurable(profiles);
        return Err(DeviceError::NotMeasured { name: profile.id, kind: profile.kind, known });
    };
    let identity = profile.measured_identity();
    let mut wanted = rest.split('@').filter(|part| !part.is_empty());
    if matches!(profile.kind, profile::Kind::TorchCpu | profile::Kind::NvidiaGpu) {
        // libtorch computes in several ways; the profile's is the usual one.
        let (runtime, precision) = (wanted.next(), wanted.next());
        let known = |name: Option<&str>, list: &[&str]| name.is_none_or(|name| list.contains(&name));
        if !known(runtime, &gpu::RUNTIMES) || !known(precision, &gpu::PRECISIONS) || wanted.next().is_some() {
            let what = format!(
                "measuring as {name} (runtimes: {}; precisions: {})",
                gpu::RUNTIMES.join(", "),
                gpu::PRECISIONS.join(", ")
            );
            return Err(DeviceError::Unsupported { device: profile.id, what });
        }
        profile.measure.runtime = Some(runtime.map_or(identity.runtime, str::to_owned));
        profile.measure.precision = Some(precision.map_or(identity.precision, str::to_owned));
        return Ok((profile, driver));
    }
    let fits = |wanted: Option<&str>, ours: &str| wanted.is_none_or(|wanted| wanted == ours);
    if !fits(wanted.next(), &identity.runtime) || !fits(wanted.next(), &identity.precision) {
        let what = format!("measuring as {name} (it is measured as {identity})");
        return Err(DeviceError::Unsupported { device: profile.id, what });
    }
    Ok((profile, driver))
}

/// The number of the GPU in `cuda:1` or `cuda:1@torch@fp32`.
fn gpu_index(name: &str) -> Option<u32> {
    name.split('@').next()?.strip_prefix("cuda:")?.parse().ok()
}

/// Names of the devices that have a profile and a driver.
fn measurable(profiles: &Profiles) -> Vec<String> {
    let drivers: Vec<profile::Kind> = registry().iter().map(|driver| driver.kind).collect();
    profiles.usable().filter(|profile| drivers.contains(&profile.kind)).map(|profile| profile.id).collect()
}

/// A name that nobody else has used: of a campaign, or of a process.
pub fn unique_name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    format!("{now:x}-{:x}", std::process::id())
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error("{name} cannot be measured by this program: {kind}; it can measure: {}", known.join(", "))]
    NotMeasured { name: String, kind: profile::Kind, known: Vec<String> },
    #[error("{device}: {what} is not supported")]
    Unsupported { device: String, what: String },
    /// nvidia-smi, and what it says.
    #[error("{0}")]
    Gpu(#[from] GpuError),
    #[error("{device}: {error}")]
    Pin { device: String, error: PinError },
    #[error("{device} was lost: {reason}")]
    Lost { device: String, reason: String },
    #[error("{device} is in use by {owner}")]
    Busy { device: String, owner: String },
    /// The phone cannot be reached, or not yet.
    #[error("{0}")]
    Link(#[from] adb::LinkError),
    #[error("more than one phone is attached: {}", serials.join(", "))]
    Several { serials: Vec<String> },
    #[error("there is no runner for {device} ({triple}); looked in {}", places.join(", "))]
    NoRunner { device: String, triple: String, places: Vec<String> },
    #[error("the runner does not work on {device}: {reason}")]
    Runner { device: String, reason: String },
    #[error("{device} is not fit to measure: {}", findings.join("; "))]
    Unfit { device: String, findings: Vec<String>, remedies: Vec<String> },
    /// This workload cannot be measured; others can.
    #[error("{workload}: {reason}")]
    Workload { workload: String, reason: String },
    #[error("{path}: {reason}")]
    BadFile { path: PathBuf, reason: String },
}

impl DeviceError {
    fn workload(workload: Workload<'_>, reason: impl std::fmt::Display) -> DeviceError {
        let workload = match workload {
            Workload::Subject(subject) => subject.to_string(),
            Workload::Onnx(path) => path.display().to_string(),
        };
        DeviceError::Workload { workload, reason: reason.to_string() }
    }

    fn engine(workload: Workload<'_>, error: &EngineError) -> DeviceError {
        DeviceError::workload(workload, error)
    }
}
