//! What a campaign tells while it runs.

use edgezen_core::measurement::{Subject, Summary};
use std::time::Duration;

/// What has just happened.
#[derive(Debug)]
pub enum Event<'a> {
    Begin {
        finished: usize,
        total: usize,
    },
    Measured {
        subject: &'a Subject,
        summary: &'a Summary,
        finished: usize,
    },
    Failed {
        subject: &'a Subject,
        reason: &'a str,
        finished: usize,
    },
    /// Relative to what is usual.
    Sentinel {
        drift: f64,
    },
    /// These measurements are made again.
    Repeat {
        count: usize,
        reason: &'a str,
        finished: usize,
    },
    /// The device rests before it goes on; said again and again until it does.
    Resting {
        left: Duration,
        reason: &'a str,
    },
    /// Something that a person should know.
    Note(&'a str),
}
