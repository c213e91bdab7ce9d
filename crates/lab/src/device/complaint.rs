//! What is wrong with a device for measuring, and what to do about it.

use serde::Serialize;
use std::fmt;

/// Something that makes measurements worse, and what to do about it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Complaint {
    pub severity: Severity,
    pub finding: String,
    pub remedy: String,
}

/// How much a complaint weighs; the worse one is the greater one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Results are usable, but noisier, or valid under fewer conditions.
    Caution,
    /// Results would be wrong.
    Unfit,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Caution => "caution",
            Severity::Unfit => "unfit",
        })
    }
}
