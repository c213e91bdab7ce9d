//! Measuring a few networks well: several passes over all of them, minutes or seconds apart, so that no median is that of
//! one lucky or unlucky moment.

use crate::device::{Device, DeviceError, Workload};
use edgezen_core::measurement::{Quality, Summary};
use edgezen_runner::Timing;
use std::time::Duration;

/// Passes over the networks; the runs of all passes are taken together.
pub const ROUNDS: u32 = 3;
/// Further passes over those that are still noisy, after the device has settled.
pub const EXTRA_ROUNDS: u32 = 6;
/// Longest wait before each network of a further pass.
const SETTLE: Duration = Duration::from_secs(20);

/// Measures each workload; `progress` is called with the index of the one that comes next.
///
/// Latencies are those of the whole batch. An entry without samples is `None`.
///
/// # Errors
/// Whatever the device says of the first workload that it cannot measure.
pub fn measure(
    device: &mut dyn Device,
    workloads: &[Workload<'_>],
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Option<(Summary, Quality)>>, DeviceError> {
    let mut timings: Vec<Vec<Timing>> = vec![Vec::new(); workloads.len()];
    for round in 0..ROUNDS + EXTRA_ROUNDS {
        for (i, (workload, timings)) in workloads.iter().zip(&mut timings).enumerate() {
            let steady = matches!(edgezen_runner::pooled(timings.iter()), Some((_, Quality::Good)));
            if round >= ROUNDS && steady {
                continue;
            }
            if round >= ROUNDS {
                device.settle(SETTLE);
            }
            progress(i);
            timings.push(device.measure(*workload)?.timing);
        }
    }
    Ok(timings.iter().map(edgezen_runner::pooled).collect())
}
