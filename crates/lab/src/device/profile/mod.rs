//! Device profiles: facts about a device, each with its source, and how to measure on it.
//!
//! A profile is one TOML file (schema 1) and no code. The shipped ones are compiled into the program;
//! a file of the user's takes precedence (see [`by_name`]). Reading a profile checks it, so that later
//! code may rely on every number being in range.

mod check;
mod error;
mod lookup;
mod position;

pub use error::ProfileError;
pub use lookup::{Entry, Origin, Profiles, read};

use edgezen_core::files::Format;
use edgezen_core::measurement::Identity;
use edgezen_core::space;
use edgezen_core::space::SearchSpace;
use edgezen_core::units::Latency;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The newest format that this program reads. Raised when a field changes its meaning or goes away, and
/// when a new field may not be ignored.
pub const SCHEMA: u32 = 1;

/// What can be read. Schema 0 passes here, and is refused with its line when the fields are checked.
pub const FORMAT: Format =
    Format { name: "device profile", field: "schema", oldest: 0, newest: SCHEMA, most_bytes: 16 << 20 };

/// What is known of a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Format of the file: [`SCHEMA`].
    pub schema: u32,
    /// The name on the command line and in identities: lower case, digits, `-`, `_`.
    pub id: String,
    /// Other names for it, such as a phone's code name. Absent: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    pub kind: Kind,
    /// One line for people. Absent: the name of the SoC or GPU, else of the kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Written by a program and not looked over since. Absent: by hand.
    #[serde(default)]
    pub generated: bool,
    /// How to recognise the device. Absent: never recognised by itself.
    #[serde(default, rename = "match")]
    pub matching: Matching,
    /// What the short name means.
    pub default: DefaultIdentity,
    /// What a search for this device assumes where the command line says nothing.
    pub search: SearchDefaults,
    /// Absent: not known, or no SoC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soc: Option<Soc>,
    /// Groups of equal CPU cores, the fastest first. Absent: not known; read them from the device.
    #[serde(default, rename = "cluster", skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<Cluster>,
    /// Absent: not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// The GPU that networks run on. Absent: they run on the CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu: Option<Gpu>,
    /// Absent: the defaults of [`Measure`].
    #[serde(default)]
    pub measure: Measure,
    /// Absent: nothing is required.
    #[serde(default)]
    pub require: Require,
    /// Absent: temperatures are not watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thermal: Option<Thermal>,
    /// Absent: networks run inside this program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runner: Option<Runner>,
    /// Where facts come from: path of a field (`cluster.gold.max_khz`) or of a table (`gpu`) -> source.
    /// A field without an entry of its own takes the nearest enclosing one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, String>,
    /// Every fact of the file, in the file's order of tables; filled when the profile is read.
    #[serde(skip)]
    facts: Vec<Fact>,
}

/// What sort of device, and so which driver measures on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The computer that this program runs on.
    Host,
    /// Invented: answers from formulas, for tests and for trying the program out.
    Simulated,
    /// The CPU of an Android phone.
    AndroidCpu,
    /// The CPU of a Linux board.
    LinuxCpu,
    NvidiaGpu,
    /// The CPU of the computer that this program runs on, through libtorch.
    TorchCpu,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Host => "host",
            Kind::Simulated => "simulated",
            Kind::AndroidCpu => "android-cpu",
            Kind::LinuxCpu => "linux-cpu",
            Kind::NvidiaGpu => "nvidia-gpu",
            Kind::TorchCpu => "torch-cpu",
        })
    }
}

/// What a device says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matching {
    /// Values of Android's `ro.product.device`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub product_device: Vec<String>,
    /// Value of Android's `ro.board.platform`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Names that the GPU's driver gives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpu_name: Vec<String>,
    /// Beginnings of `/proc/device-tree/model`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub board_model: Vec<String>,
}

/// The identity that the device's short name stands for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefaultIdentity {
    /// `tract`, `tflite`, `tensorrt`, …
    pub runtime: String,
    /// `fp32`, `fp16` or `int8`.
    pub precision: String,
    /// Images per run.
    pub batch: u32,
    pub threads: u32,
    /// Cores that the threads are kept on. Absent: does not matter, or not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cores: Option<String>,
    /// `warm`, `sustained`. Absent: not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thermal_state: Option<String>,
}

/// What a search for this device assumes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchDefaults {
    /// Name of the search space: `resnet` or `mobilenet`.
    pub space: String,
    /// Side of the square input image.
    pub resolution: u32,
    pub classes: u32,
    /// Most layers of a network, whatever the budget. Absent: see `layers_by_latency`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<u32>,
    /// Most layers by the latency budget per image, budgets rising. Exactly one of the two is given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers_by_latency: Vec<LayerLimit>,
}

/// One row of `layers_by_latency`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerLimit {
    /// Budget per image in milliseconds.
    pub ms: f64,
    pub layers: u32,
}

/// The system on a chip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Soc {
    pub name: String,
    /// Absent: not known (as for all the others here).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_nm: Option<u32>,
    /// Cache shared by the CPU clusters. 0: there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l3_kib: Option<u32>,
    /// Cache between the whole chip and the memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_cache_kib: Option<u32>,
}

/// A group of equal CPU cores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// `gold`, `silver`, …: unique within the profile.
    pub name: String,
    /// Numbers of its cores.
    pub cpus: Vec<u32>,
    /// Design of the core. Absent: not known (as for all the others here).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub core: Option<String>,
    /// Implementer and part as in `/proc/cpuinfo`: `0x51/0x800`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub midr: Option<String>,
    /// Highest clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_khz: Option<u64>,
    /// Per core, unless `l2_shared`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l2_kib: Option<u32>,
    /// Whether the cores share one L2 cache of `l2_kib`. Absent: no.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub l2_shared: bool,
    /// Additions and multiplications per cycle and core, a fused one counting as two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fp32_flop_per_cycle: Option<u32>,
    /// Whether the vector unit computes in half precision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fp16: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    #[serde(rename = "type")]
    pub kind: String,
    /// Peak bandwidth, 10⁹ bytes per second.
    pub peak_gbps: f64,
    /// What a streaming benchmark reaches. Absent: not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_gbps: Option<f64>,
}

/// A GPU. Rates are peaks and count a fused multiply-add as two operations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gpu {
    pub name: String,
    /// Streaming multiprocessors.
    pub sms: u32,
    pub cuda_cores: u32,
    pub tensor_cores: u32,
    pub base_mhz: u32,
    pub boost_mhz: u32,
    pub fp32_tflops: f64,
    /// With tensor cores where there are any.
    pub fp16_tflops: f64,
    pub int8_tops: f64,
    pub l2_kib: u32,
    /// The least time that one kernel takes.
    pub launch_overhead_us: f64,
    /// Power limit. Absent: not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tdp_w: Option<u32>,
}

/// How measurements on the device are made; every field has a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Measure {
    /// What this program measures with. Absent: the runtime of the default identity. (They differ where
    /// the default is a foreign table's: a Pixel 2 is TFLite there, and measured with tract.)
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// Absent: as the default identity (so for `batch` and `threads`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<u32>,
    /// Hexadecimal mask of the cores to stay on. Absent: any core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taskset: Option<String>,
    /// Warm-up ends when both this many runs…
    pub warmup_min_runs: u32,
    /// … and this time have passed.
    pub warmup_min_ms: u32,
    /// At least this many timed runs.
    pub runs: u32,
    /// Time after which a kernel's timed runs end.
    pub max_ms: u32,
    /// Fresh processes per kernel.
    pub launches: u32,
    /// Clock to fix each cluster at, by its name; needs root. Absent: left alone.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub lock_khz: BTreeMap<String, u64>,
    /// Thermal state that results are meant for: `warm`, `sustained`. Absent: not controlled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

impl Default for Measure {
    /// 10 warm-up runs and 0.5 s, then 30 runs (the paper's) and at most 10 s, in one process.
    fn default() -> Measure {
        Measure {
            runtime: None,
            precision: None,
            batch: None,
            threads: None,
            taskset: None,
            warmup_min_runs: 10,
            warmup_min_ms: 500,
            runs: 30,
            max_ms: 10_000,
            launches: 1,
            lock_khz: BTreeMap::new(),
            state: None,
        }
    }
}

/// What must hold before and while measuring. Absent: not required.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Require {
    pub airplane_mode: bool,
    /// `on-dim`, `on`, `off`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub screen: Option<String>,
    /// Least charge of the battery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub battery_min_pct: Option<u32>,
    /// `allowed`, `forbidden`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charging: Option<String>,
    /// Highest thermal status of Android, 0 (none) to 6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thermal_status_max: Option<u32>,
    /// Highest temperature at the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_temp_max_c: Option<f64>,
    /// Most that the sentinel kernel may slow down, as a share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentinel_drift_max: Option<f64>,
    /// That the process was seen to stay on its cores.
    pub same_core_verified: bool,
}

/// Temperatures to watch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thermal {
    /// Thermal zones by type, `*` at the end stands for anything; never by index, which changes.
    pub zones_by_type: Vec<String>,
    /// Measuring stops at this temperature. Absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort_c: Option<f64>,
    /// Pauses before each new try, rising.
    pub cooldown_s: Vec<u32>,
}

/// The program that runs networks on the device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runner {
    /// Folder on the device.
    pub push_dir: String,
    /// Rust target that the runner is built for.
    pub triple: String,
    /// Environment variables. Absent: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
}

/// One fact of a profile.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fact {
    /// `cluster.gold.max_khz`.
    pub path: String,
    pub value: String,
    /// Absent: the profile names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Peak rates of a device: the two slopes and the floor of its roofline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peaks {
    pub macs_per_s: f64,
    pub bytes_per_s: f64,
    /// The least time of one kernel.
    pub launch: Latency,
}

impl Profile {
    /// Reads a profile; `file` is only named in errors.
    ///
    /// # Errors
    /// Not TOML, an unknown field, a wrong type, a newer schema, or a value that fails a check.
    pub fn parse(text: &str, file: &str) -> Result<Profile, ProfileError> {
        position::check_schema(text, file)?;
        let mut profile: Profile =
            toml::from_str(text).map_err(|error| position::syntax(text, file, &error))?;
        profile.facts = position::facts(text, &profile.sources);
        profile.validate().map_err(|problem| position::invalid(text, file, problem))?;
        Ok(profile)
    }

    /// All facts about the device, with their sources.
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// Whether `name` is the id or an alias.
    pub fn is_called(&self, name: &str) -> bool {
        self.id == name || self.aliases.iter().any(|alias| alias == name)
    }

    /// One line for people.
    pub fn title(&self) -> String {
        let part = || self.soc.as_ref().map(|soc| &soc.name).or(self.gpu.as_ref().map(|gpu| &gpu.name));
        self.description.clone().or_else(|| part().cloned()).unwrap_or_else(|| self.kind.to_string())
    }

    /// The identity that the short name means.
    pub fn identity(&self) -> Identity {
        let default = &self.default;
        Identity {
            device: self.id.clone(),
            runtime: default.runtime.clone(),
            runtime_version: None,
            precision: default.precision.clone(),
            batch: default.batch,
            threads: default.threads,
            cores: default.cores.clone(),
            thermal_state: default.thermal_state.clone(),
        }
    }

    /// The identity of what this program itself measures on the device; the runtime's version is left
    /// to the runtime.
    pub fn measured_identity(&self) -> Identity {
        let measure = &self.measure;
        let default = self.identity();
        Identity {
            runtime: measure.runtime.clone().unwrap_or(default.runtime),
            precision: measure.precision.clone().unwrap_or(default.precision),
            batch: measure.batch.unwrap_or(default.batch),
            threads: measure.threads.unwrap_or(default.threads),
            cores: measure.taskset.clone().or(default.cores),
            thermal_state: measure.state.clone().or(default.thermal_state),
            ..default
        }
    }

    /// The search space of this device.
    pub fn space(&self) -> Option<&'static dyn SearchSpace> {
        space::by_name(&self.search.space)
    }

    /// Peak rates at `precision` with `threads` threads on the fastest cluster (threads do not matter to
    /// a GPU). Nothing where the profile does not hold all that is needed.
    pub fn peaks(&self, precision: &str, threads: u32) -> Option<Peaks> {
        let bytes_per_s = self.memory.as_ref()?.peak_gbps * 1e9;
        if let Some(gpu) = &self.gpu {
            let tera_ops = match precision {
                "fp32" => gpu.fp32_tflops,
                "fp16" => gpu.fp16_tflops,
                "int8" => gpu.int8_tops,
                _ => return None,
            };
            let launch = Latency::from_ns(gpu.launch_overhead_us * 1e3);
            return Some(Peaks { macs_per_s: tera_ops * 1e12 / 2.0, bytes_per_s, launch });
        }
        // Only fp32 rates are known of CPUs.
        let cluster = self.clusters.first().filter(|_| precision == "fp32")?;
        let cores = (cluster.cpus.len() as f64).min(f64::from(threads));
        let flop_per_s = cores * cluster.max_khz? as f64 * 1e3 * f64::from(cluster.fp32_flop_per_cycle?);
        Some(Peaks { macs_per_s: flop_per_s / 2.0, bytes_per_s, launch: Latency::ZERO })
    }
}

impl SearchDefaults {
    /// Most layers for a budget **per image**: between two rows of the table the line between them,
    /// rounded; beyond its ends the nearest row. Without a budget the table's last row.
    pub fn max_layers(&self, budget: Option<Latency>) -> Option<u32> {
        if self.layers.is_some() {
            return self.layers;
        }
        let table = &self.layers_by_latency;
        let last = table.last()?;
        let Some(budget) = budget.map(Latency::ms) else { return Some(last.layers) };
        let Some(above) = table.iter().position(|row| budget <= row.ms) else { return Some(last.layers) };
        let high = table[above];
        let Some(low) = above.checked_sub(1).map(|below| table[below]) else { return Some(high.layers) };
        let share = (budget - low.ms) / (high.ms - low.ms);
        let layers = f64::from(low.layers) + share * (f64::from(high.layers) - f64::from(low.layers));
        Some(layers.round() as u32)
    }
}

#[cfg(test)]
mod tests;
