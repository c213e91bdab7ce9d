//! From the sum over kernels to the whole network.
//!
//! T = scale · Σ kernels + depthwise · Σ depthwise kernels + per_output · elements written + per_kernel · count and a
//! constant, with non-negative coefficients, fitted to relative errors. A kernel that is measured on its own finds its
//! input in the cache and its output in memory that it has touched before; in a network it does not (docs/decisions/006-kernels-in-a-network.md).

use crate::predictor::Terms;
use crate::predictor::ranges::{NS, within};
use serde::{Deserialize, Serialize};

/// The correction, for the whole batch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetLevel {
    pub scale: f64,
    /// What depthwise convolutions take beside `scale`, for each nanosecond of theirs.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub depthwise: f64,
    /// For each element that a kernel writes.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub per_output_ns: f64,
    pub per_kernel_ns: f64,
    pub constant_ns: f64,
    /// Networks that it was fitted to; with none it is the identity.
    pub networks: u32,
}

fn is_nothing(value: &f64) -> bool {
    *value == 0.0
}

impl NetLevel {
    pub const IDENTITY: NetLevel = NetLevel {
        scale: 1.0,
        depthwise: 0.0,
        per_output_ns: 0.0,
        per_kernel_ns: 0.0,
        constant_ns: 0.0,
        networks: 0,
    };

    /// Nanoseconds of the network whose kernels have these sums.
    pub fn apply_ns(&self, terms: &Terms) -> f64 {
        self.scale * terms.latency.ns()
            + self.depthwise * terms.depthwise.ns()
            + self.per_output_ns * terms.outputs
            + self.per_kernel_ns * f64::from(terms.kernels)
            + self.constant_ns
    }

    /// What is wrong with a correction that was read from a file.
    pub fn check(&self) -> Result<(), String> {
        within("scale", self.scale, &(1e-6..=1e6))?;
        within("depthwise", self.depthwise, &(0.0..=1e6))?;
        within("per_output_ns", self.per_output_ns, &NS)?;
        within("per_kernel_ns", self.per_kernel_ns, &NS)?;
        within("constant_ns", self.constant_ns, &NS)
    }
}
