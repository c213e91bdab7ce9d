//! Jobs and results as JSON lines: what goes to the runner on a device and what comes back.
//!
//! The runner greets with [`Reply::Ready`], then answers each [`Job`] line with one [`Reply`] line, in
//! order. A line it cannot read is answered, too, so that nobody waits for ever.

use super::{Conditions, Policy, Timing};
use crate::dataset::Subject;
use serde::{Deserialize, Serialize};

/// Increment when a job or a reply changes its meaning; either side refuses another version.
pub const VERSION: u32 = 1;

/// Something to measure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    pub protocol: u32,
    /// Comes back with the reply.
    pub id: u64,
    pub subject: Subject,
    /// Images per run.
    pub batch: u32,
    /// Of weights and inputs.
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
        engine: String,
        engine_version: String,
        /// Architecture and system that the runner was built for.
        target: String,
        cores: Vec<u32>,
    },
    Done {
        id: u64,
        measured: Box<Measured>,
    },
    /// The job could not be run; the next one can.
    Failed {
        id: Option<u64>,
        reason: String,
    },
}

/// A timing with the conditions round it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    pub timing: Timing,
    pub before: Conditions,
    pub after: Conditions,
}
