//! The tables of a profile: facts about the device, and how to measure on it.

use edgezen_core::foreign::{Name, PlainPath};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a device of this profile says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matching {
    /// Values of Android's `ro.product.device`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub product_device: Vec<String>,
    /// Value of Android's `ro.board.platform`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Names that NVIDIA's driver gives the GPU.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpu_name: Vec<String>,
    /// Values that `/proc/device-tree/model` may begin with.
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
    /// The runtime that this program measures with. Absent: the runtime of the default identity. The two differ where the
    /// default comes from a published table: for a Pixel 2 that is TFLite, while this program measures with tract.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// Absent: as the default identity (so for `batch` and `threads`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<u32>,
    /// Hexadecimal mask of the cores to measure on. Absent: any core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taskset: Option<String>,
    /// Warm-up ends after at least this many runs, and at least `warmup_min_ms`.
    pub warmup_min_runs: u32,
    /// Least duration of the warm-up.
    pub warmup_min_ms: u32,
    /// At least this many timed runs.
    pub runs: u32,
    /// The timed runs of a kernel end after this time.
    pub max_ms: u32,
    /// Number of new processes that measure each kernel.
    pub launches: u32,
    /// The clock at which each cluster, by its name, is locked; this needs root. Absent: it is not locked.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub lock_khz: BTreeMap<String, u64>,
    /// Whether Android's fixed performance mode is switched on meanwhile: clocks that the phone can hold, since Android 11.
    /// Absent: no.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub fixed_performance: bool,
    /// Thermal state that results are meant for: `warm`, `sustained`. Absent: not controlled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// When the device counts as heated up, in the state `sustained`.
    pub plateau: Plateau,
}

/// When a device that is heated has reached its plateau: its speed is the same in both halves of a window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plateau {
    /// Length of the window.
    pub window_s: u32,
    /// Greatest share by which the sentinel differs between its halves.
    pub within: f64,
    /// Heating ends without a plateau after this time.
    pub most_s: u32,
}

impl Default for Plateau {
    /// Three minutes, within 2 %, for half an hour at most: a phone comes to its plateau after five to fifteen minutes. A judgement.
    fn default() -> Plateau {
        Plateau { window_s: 180, within: 0.02, most_s: 1800 }
    }
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
            fixed_performance: false,
            state: None,
            plateau: Plateau::default(),
        }
    }
}

/// What must hold before and during measurements. Absent: not required.
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
    /// Highest temperature of the surface, the battery, or (of a GPU) the chip at the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_temp_max_c: Option<f64>,
    /// Greatest share by which the sentinel kernel may be slower than usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentinel_drift_max: Option<f64>,
    /// Whether the process must be seen to stay on its core.
    pub same_core_verified: bool,
}

/// Temperatures to watch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thermal {
    /// Types of thermal zones; a `*` at the end matches any text. (The index of a zone may change between boots.)
    pub zones_by_type: Vec<String>,
    /// Measuring stops at this temperature. Absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort_c: Option<f64>,
    /// Durations of the pauses before each further attempt, rising.
    pub cooldown_s: Vec<u32>,
}

/// The program that runs networks on the device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runner {
    /// Folder on the device.
    pub push_dir: PlainPath,
    /// Rust target that the runner is built for.
    pub triple: Name,
    /// Environment variables. Absent: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
}
