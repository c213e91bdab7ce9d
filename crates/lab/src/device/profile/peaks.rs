//! Peak rates of a device, from the facts of its profile.

use super::Profile;
use edgezen_core::units::Latency;

/// Peak rates of a device: the two slopes and the floor of its roofline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peaks {
    pub macs_per_s: f64,
    pub bytes_per_s: f64,
    /// The least time of one kernel.
    pub launch: Latency,
}

impl Profile {
    /// Peak rates at `precision` with `threads` threads on the fastest cluster (a GPU ignores the threads). `None` where the
    /// profile lacks a number that is needed.
    pub fn peaks(&self, precision: &str, threads: u32) -> Option<Peaks> {
        let bytes_per_s = self.memory.as_ref()?.peak_gbps * 1e9;
        if let Some(gpu) = &self.gpu {
            let tera_ops = match precision {
                "fp32" => gpu.fp32_tflops,
                "fp16" => gpu.fp16_tflops,
                "int8" => gpu.int8_tops,
                _ => return None,
            };
            let launch = Latency::from_ns(gpu.launch_overhead_us * 1e3);
            return Some(Peaks { macs_per_s: tera_ops * 1e12 / 2.0, bytes_per_s, launch });
        }
        // Only fp32 rates are known of CPUs.
        let cluster = self.clusters.first().filter(|_| precision == "fp32")?;
        let cores = (cluster.cpus.len() as f64).min(f64::from(threads));
        let flop_per_s = cores * cluster.max_khz? as f64 * 1e3 * f64::from(cluster.fp32_flop_per_cycle?);
        Some(Peaks { macs_per_s: flop_per_s / 2.0, bytes_per_s, launch: Latency::ZERO })
    }
}
