//! What a latency is the latency *of*.

use crate::plainnet::kernel::Lowering;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Measurements and predictors of different identity never mix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Name of the device profile.
    pub device: String,
    /// `tract`, `tensorrt`, `tflite`, …
    pub runtime: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_version: Option<String>,
    /// `fp32`, `fp16`, `int8`.
    pub precision: String,
    /// Images per run.
    pub batch: u32,
    pub threads: u32,
    /// Core mask or pinned cores, where they matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<String>,
    /// `warm`, `sustained`, … where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thermal_state: Option<String>,
}

impl Identity {
    /// One image and one thread; nothing is known of versions, cores and heat.
    pub fn new(
        device: impl Into<String>,
        runtime: impl Into<String>,
        precision: impl Into<String>,
    ) -> Identity {
        Identity {
            device: device.into(),
            runtime: runtime.into(),
            runtime_version: None,
            precision: precision.into(),
            batch: 1,
            threads: 1,
            cores: None,
            thermal_state: None,
        }
    }

    /// The first field in which this identity, found elsewhere, differs from `here`: `batch 1 there, 2 here`. Empty
    /// where they are equal.
    pub fn difference(&self, here: &Identity) -> String {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".into());
        let fields = |i: &Identity| {
            [
                ("device", i.device.clone()),
                ("runtime", i.runtime.clone()),
                ("runtime version", text(&i.runtime_version)),
                ("precision", i.precision.clone()),
                ("batch", i.batch.to_string()),
                ("threads", i.threads.to_string()),
                ("cores", text(&i.cores)),
                ("thermal state", text(&i.thermal_state)),
            ]
        };
        let pairs = fields(self).into_iter().zip(fields(here));
        let differing = pairs.into_iter().find(|(a, b)| a != b);
        differing.map_or_else(String::new, |((name, a), (_, b))| format!("{name} {a} there, {b} here"))
    }

    /// What the runtime makes of a graph. A version is known of what was measured; without one, the rows are a
    /// table's or derived from another runtime's.
    pub fn lowering(&self) -> Lowering {
        Lowering::of_runtime(&self.runtime, &self.precision, self.runtime_version.is_some())
    }
}

impl fmt::Display for Identity {
    /// `pixel2@tflite@fp32`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}@{}", self.device, self.runtime, self.precision)
    }
}

impl FromStr for Identity {
    type Err = String;
    /// Reads `device@runtime@precision`; one image, one thread.
    fn from_str(text: &str) -> Result<Identity, String> {
        match text.split('@').collect::<Vec<_>>()[..] {
            [device, runtime, precision] if ![device, runtime, precision].contains(&"") => {
                Ok(Identity::new(device, runtime, precision))
            }
            _ => Err(format!("{text:?} is not device@runtime@precision")),
        }
    }
}
