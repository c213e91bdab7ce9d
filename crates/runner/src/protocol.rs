//! The protocol between this program and the runner on a device: jobs and replies, one JSON object a line.
//!
//! The runner first sends [`Reply::Ready`]. Then it answers each [`Job`] line with one [`Reply`] line, in order. It also
//! answers a line that it cannot read, so that the other side never waits for a reply that does not come.

use super::{Conditions, Metered, Policy, Running, Timing, Work};
use edgezen_core::files::Format;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Increment when a job or a reply changes its meaning; either side refuses another version.
pub const VERSION: u32 = 4;

/// What a line with a job must say of its version.
pub const FORMAT: Format =
    Format { name: "job", field: "protocol", oldest: VERSION, newest: VERSION, most_bytes: 64 << 20 };

/// Something to measure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    pub protocol: u32,
    /// The name of the job, which the reply repeats. A job whose reply is on the device already is not run again: that
    /// reply is sent once more (see [`super::results`]).
    pub id: String,
    pub work: Work,
    pub running: Running,
    /// Whether the runtime's outputs are compared with tract's before anything is timed.
    pub compare: bool,
    /// Images per run.
    pub batch: u32,
    /// The seed of weights and inputs.
    pub seed: u64,
    pub policy: Policy,
}

/// One line from the runner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// Sent once, before any job is read.
    Ready {
        protocol: u32,
        runner_version: String,
        /// What networks can be run in. Runners of version 2 of this protocol had one runtime, and named it otherwise.
        #[serde(default)]
        runtimes: Vec<RuntimeHere>,
        /// Architecture and system that the runner was built for.
        target: String,
        cores: Vec<u32>,
    },
    Done {
        id: String,
        measured: Box<Measured>,
    },
    /// The job could not be run; the next one can.
    Failed {
        /// Absent where the job could not be read.
        id: Option<String>,
        fault: Fault,
        reason: String,
    },
    /// Something that does not spoil the results.
    Warning {
        reason: String,
    },
}

/// A runtime that the runner knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeHere {
    pub name: String,
    /// `None`: it cannot be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Why it cannot be used; `None` if it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

/// What sort of failure a job ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The line is no job.
    BadJob,
    /// The job is of another version of this protocol.
    Protocol,
    /// The structure cannot be read, or does not fit its input.
    Subject,
    /// The runtime is not there, or cannot be used in this precision or with so many threads.
    Runtime,
    /// The runtime refuses the network, fails at it, or computes something else than tract does.
    Engine,
    /// The same input gave another output.
    Inconsistent,
    /// The clock went backwards.
    Clock,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::BadJob => "not a job",
            Fault::Protocol => "another protocol",
            Fault::Subject => "not a network",
            Fault::Runtime => "the runtime cannot be used",
            Fault::Engine => "the engine failed",
            Fault::Inconsistent => "outputs differ",
            Fault::Clock => "the clock is wrong",
        })
    }
}

/// A timing, with the conditions before and after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    pub timing: Timing,
    pub before: Conditions,
    pub after: Conditions,
    /// Time that the engine took to make the network ready to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_ns: Option<u64>,
    /// The most memory that the network took while it was loaded and run, beyond what the process held before. The file of the
    /// network is part of it where it was read into memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_bytes: Option<u64>,
    /// What is known of the outputs. `None` where nobody says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Outputs>,
    /// The energy of a run, or why it is not known. `None` where nobody asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy: Option<Metered>,
}

/// What is known of the outputs of a network that was timed: a wrong run may be a fast one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outputs {
    /// They are those of tract, with which the other runtimes are compared.
    Reference,
    /// They were compared with tract's before anything was timed, and agree.
    Compared,
    /// They were compared with nothing.
    Unchecked,
}
