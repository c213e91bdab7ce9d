//! What a campaign reports while it runs.

use edgezen_core::measurement::{Subject, Summary};
use edgezen_core::units::Latency;
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
    /// The sentinel was measured; `drift` is how much slower than usual it is, as a share.
    Sentinel {
        drift: f64,
    },
    /// `count` measurements will be made again.
    Repeat {
        count: usize,
        reason: &'a str,
        finished: usize,
    },
    /// The device rests before the campaign goes on. This event comes again and again until the rest is over.
    Resting {
        left: Duration,
        reason: &'a str,
    },
    /// The device is heated up to its plateau before the campaign goes on. This event comes again and again until it is there.
    Heating {
        so_far: Duration,
        sentinel: Latency,
    },
    /// Something that a person should know.
    Note(&'a str),
}
