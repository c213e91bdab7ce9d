//! Why nothing was measured.

use super::gpu::GpuError;
use super::profile::{Kind, ProfileError};
use super::remote::LinkError;
use super::tool::ToolError;
use super::workload::Workload;
use edgezen_core::foreign::ForeignText;
use edgezen_engine::EngineError;
use edgezen_runner::conditions::PinError;
use std::path::PathBuf;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// No driver of this build measures devices of this kind.
    #[error("{name} cannot be measured by this program: {kind}; it can measure: {}", known.join(", "))]
    NotMeasured { name: String, kind: Kind, known: Vec<String> },
    #[error("{device}: {what} is not supported")]
    Unsupported { device: String, what: String },
    #[error("{device}: there is no runtime {runtime:?}; there are {}", known.join(", "))]
    NoSuchRuntime { device: String, runtime: String, known: Vec<String> },
    #[error("{device}: {runtime} has no precision {precision}; it has {}", known.join(", "))]
    NoSuchPrecision { device: String, runtime: String, precision: String, known: Vec<String> },
    #[error("{device}: measuring with {threads} threads: {runtime} has at most {}", threads_of(*most))]
    TooManyThreads { device: String, runtime: String, threads: u32, most: u32 },
    /// What `nvidia-smi` says, or the reason why it says nothing.
    #[error("{0}")]
    Gpu(#[from] GpuError),
    #[error("{device}: {error}")]
    Pin { device: String, error: PinError },
    #[error("{device} was lost: {reason}")]
    Lost { device: String, reason: String },
    #[error("{device} is in use by {owner}")]
    Busy { device: String, owner: String },
    /// What the device or its runner answers cannot be true.
    #[error("{device} answers what cannot be true: {reason}")]
    Implausible { device: String, reason: ForeignText },
    /// The phone or board cannot be reached now.
    #[error("{0}")]
    Link(#[from] LinkError),
    /// A board is reached through a host, and none is named.
    #[error("{device} is a board, and nothing says which host it is")]
    NoHost { device: String },
    #[error("{host:?} is no host for ssh")]
    BadHost { host: ForeignText },
    #[error("more than one phone is attached: {}", serials.join(", "))]
    Several { serials: Vec<String> },
    /// The phone or board is not the one that was asked for.
    #[error("{device} is not a {profile}: {difference}")]
    OtherPhone { device: String, profile: String, difference: String },
    #[error("there is no runner for {device} ({triple}); looked in {}", places.join(", "))]
    NoRunner { device: String, triple: String, places: Vec<String> },
    #[error("the runner does not work on {device}: {reason}")]
    Runner { device: String, reason: String },
    /// The library of the runtime, for a device of another kind than this computer, is not on this computer.
    #[error("{device}: {error}")]
    NoLibrary { device: String, architecture: String, error: Box<EngineError>, instead: String },
    /// No runner on the device can use the runtime.
    #[error("{device} cannot be measured with {runtime}: {reason}")]
    NoRuntime { device: String, runtime: String, reason: String, remedy: String },
    #[error("{device} is not fit to measure: {}", findings.join("; "))]
    Unfit { device: String, findings: Vec<String>, remedies: Vec<String> },
    /// A process that was to measure could not be started, or is not one that measures.
    #[error("{device}: the process that measures does not work: {reason}")]
    Launch { device: String, reason: String },
    /// The runtime that was asked for cannot be used here.
    #[error("{device}: {error}")]
    Runtime { device: String, error: EngineError },
    /// The tool that was to measure does not work; no call of it has given a latency yet.
    #[error("{tool}{}: {error}", workload.as_ref().map(|name| format!(" with {name}")).unwrap_or_default())]
    Tool {
        tool: String,
        /// What it was called with; `None` where it was opened.
        workload: Option<String>,
        /// The file that describes it.
        description: PathBuf,
        error: Box<ToolError>,
    },
    /// This workload cannot be measured; others can.
    #[error("{workload}: {reason}")]
    Workload { workload: String, reason: String },
    #[error("{path}: {reason}")]
    BadFile { path: PathBuf, reason: String },
    /// A file of a network that another runtime runs.
    #[error("{file}: {device} runs no such file: {reason}")]
    OtherFormat { device: String, file: String, reason: String },
}

impl DeviceError {
    /// Whether only one workload cannot be measured, and others can.
    pub fn is_of_workload(&self) -> bool {
        matches!(
            self,
            DeviceError::Workload { .. } | DeviceError::BadFile { .. } | DeviceError::OtherFormat { .. }
        )
    }

    pub(super) fn workload(workload: Workload<'_>, reason: impl std::fmt::Display) -> DeviceError {
        DeviceError::Workload { workload: workload.to_string(), reason: reason.to_string() }
    }
}

/// A number of threads in words.
fn threads_of(count: u32) -> String {
    if count == 1 { "one thread".to_owned() } else { format!("{count} threads") }
}
