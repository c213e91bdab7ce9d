//! How far a measurement can be relied on.

use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Whether a measurement may be relied on. Flagged samples are kept: whoever fits decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    /// Of a network: nine of ten later measurements in the same state have their median inside its interval.
    Good,
    /// The interval of the median stayed wider than asked for.
    Noisy,
    /// The sentinel around it was not as fast as usual: a throttled or busy device.
    Drifted,
    /// The device was too hot or held its clock down, and did not get better by waiting.
    Throttled,
    /// The runs fall into two groups of different latency; the median is that of one of them.
    Bimodal,
    /// Imported, and the source does not say.
    Unknown,
}

impl Quality {
    pub const ALL: [Quality; 6] = [
        Quality::Good,
        Quality::Noisy,
        Quality::Drifted,
        Quality::Throttled,
        Quality::Bimodal,
        Quality::Unknown,
    ];

    /// Whether something is known to be wrong with it.
    pub fn is_doubtful(self) -> bool {
        !matches!(self, Quality::Good | Quality::Unknown)
    }

    /// Whether the device had another speed than usual, so that the measurement says nothing of the usual one.
    pub fn is_of_another_speed(self) -> bool {
        matches!(self, Quality::Drifted | Quality::Throttled)
    }

    pub fn name(self) -> &'static str {
        match self {
            Quality::Good => "good",
            Quality::Noisy => "noisy",
            Quality::Drifted => "drifted",
            Quality::Throttled => "throttled",
            Quality::Bimodal => "bimodal",
            Quality::Unknown => "unknown",
        }
    }
}

impl FromStr for Quality {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let known = || Quality::ALL.map(Quality::name).join(", ");
        Quality::ALL
            .into_iter()
            .find(|quality| quality.name() == text)
            .ok_or_else(|| format!("unknown quality {text:?}; known: {}", known()))
    }
}
