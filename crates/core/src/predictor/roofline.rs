//! The roofline of a device: a bound on the latency of any kernel, from its peak rates.

use crate::plainnet::Kernel;
use crate::predictor::ranges::{RATES, within};
use crate::units::Latency;

/// The least that the device is known to need: peak rates and the cost of starting anything.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roofline {
    /// 10^9 multiply-accumulates per second.
    pub peak_gmacs_per_s: f64,
    /// 10^9 bytes per second.
    pub gbytes_per_s: f64,
    pub launch_ns: f64,
    /// Multiprocessors of a GPU; absent elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processors: Option<u32>,
    /// Where the figures come from.
    pub source: String,
}

impl Roofline {
    /// Checks the numbers of a file.
    ///
    /// # Errors
    /// Rates of no device.
    pub fn check(&self) -> Result<(), String> {
        within("peak_gmacs_per_s", self.peak_gmacs_per_s, &RATES)?;
        within("gbytes_per_s", self.gbytes_per_s, &RATES)?;
        within("launch_ns", self.launch_ns, &(0.0..=1e12))?;
        within("processors", self.processors.unwrap_or(1), &(1..=1_000_000))
    }

    /// What no prediction may fall below: caches beat the memory bus, but not by more than this.
    pub fn floor_ns(&self, kernel: &Kernel, bytes_per_element: f64) -> f64 {
        const CACHES: f64 = 4.0;
        (self.bound(kernel, bytes_per_element).ns() / CACHES).max(1.0)
    }

    /// No run of `kernel` from memory is quicker.
    pub fn bound(&self, kernel: &Kernel, bytes_per_element: f64) -> Latency {
        let compute = kernel.macs() / self.peak_gmacs_per_s;
        let memory = kernel.bytes(bytes_per_element) / self.gbytes_per_s;
        Latency::from_ns(self.launch_ns + compute.max(memory))
    }
}
