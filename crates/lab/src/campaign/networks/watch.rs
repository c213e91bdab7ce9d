//! Whether the device kept its speed while networks were measured: the sentinel is measured before the first launch and after
//! the last one, and compared with its latency while the data of the device's predictor were taken.

use super::Step;
use crate::campaign::sentinel::SENTINEL;
use crate::campaign::state;
use crate::device::{Device, DeviceError, Vigilance, Workload};
use edgezen_core::measurement::Subject;
use edgezen_core::stats;
use edgezen_core::units::Latency;
use std::time::Duration;

/// How often the sentinel is measured on each side: what counts must not be decided by one moment.
const LOOKS: usize = 3;

/// How long a rest goes on before it is reported again.
const TICK: Duration = Duration::from_millis(500);

/// The sentinel on one side of the measurements.
struct Look {
    ns: f64,
    /// Whether the device showed that it is cool.
    cool: bool,
    /// The sign of throttling.
    complaint: Option<String>,
    /// What other programs did meanwhile, where that was enough to slow it.
    busy: Option<String>,
}

/// The sentinel before the measurements.
pub struct Watch {
    vigilance: Vigilance,
    /// The sentinel while the data of the device's predictor were taken, in nanoseconds.
    usual_ns: Option<f64>,
    before: Look,
    first_c: Option<f64>,
}

impl Watch {
    /// Measures the sentinel, and lets a device that is throttled, or slower than usual and not known to be cool or busy, rest
    /// first.
    /// `None`: nobody is watchful on this device, or it cannot run the sentinel.
    ///
    /// # Errors
    /// Those that concern the device.
    pub fn begin(
        device: &mut dyn Device,
        progress: &mut dyn FnMut(Step<'_>),
    ) -> Result<Option<Watch>, DeviceError> {
        let Some(vigilance) = device.vigilance() else { return Ok(None) };
        let usual_ns = device.usual_sentinel_ns().map(|ns| ns as f64);
        let mut first_c = None;
        let Some(mut before) = look(device, &vigilance, &mut first_c, progress)? else { return Ok(None) };
        for pause in &vigilance.rests {
            let Some(reason) = why_rest(&before, usual_ns, &vigilance) else { break };
            rest(device, *pause, &reason, progress);
            match look(device, &vigilance, &mut first_c, progress)? {
                Some(again) => before = again,
                None => break,
            }
        }
        Ok(Some(Watch { vigilance, usual_ns, before, first_c }))
    }

    /// Measures the sentinel again. Gives the reason for which the measurements between are not to be relied on; `None` where
    /// there is none.
    ///
    /// # Errors
    /// Those that concern the device.
    pub fn end(
        mut self,
        device: &mut dyn Device,
        progress: &mut dyn FnMut(Step<'_>),
    ) -> Result<Option<String>, DeviceError> {
        let after = look(device, &self.vigilance, &mut self.first_c, progress)?;
        let tolerances = (self.vigilance.drift, self.vigilance.throttled);
        Ok(after.and_then(|after| {
            let said = verdict(self.before.ns, after.ns, self.usual_ns, tolerances)?;
            let busy = after.busy.or(self.before.busy).map(|busy| format!("; {busy}"));
            Some(said + &busy.unwrap_or_default())
        }))
    }
}

/// Why the device should rest before anything is measured.
fn why_rest(look: &Look, usual_ns: Option<f64>, vigilance: &Vigilance) -> Option<String> {
    let slower = usual_ns.map(|usual| look.ns / usual - 1.0);
    let slow = slower.filter(|&slower| slower > vigilance.throttled && !look.cool && look.busy.is_none());
    let slow = || {
        slow.map(|slower| {
            format!("the sentinel is {:.0} % slower than usual, perhaps of heat", 100.0 * slower)
        })
    };
    look.complaint.clone().or_else(slow)
}

/// Why measurements between two sentinels are doubtful. `within` is the greatest difference between the two, as a share;
/// `from_usual` that from the usual one, which was measured on another day.
fn verdict(before: f64, after: f64, usual: Option<f64>, (within, from_usual): (f64, f64)) -> Option<String> {
    let off = |ns: f64, of: f64| ns / of - 1.0;
    let than = |share: f64| {
        format!("{:.0} % {}", 100.0 * share.abs(), if share > 0.0 { "slower" } else { "quicker" })
    };
    let drift = off(after, before);
    if drift.abs() > within {
        return Some(format!(
            "the sentinel took {} before and {} after, {}: the device did not keep its speed",
            Latency::from_ns(before),
            Latency::from_ns(after),
            than(drift)
        ));
    }
    let usual = usual?;
    let worst =
        [before, after].into_iter().max_by(|a, b| off(*a, usual).abs().total_cmp(&off(*b, usual).abs()))?;
    let share = off(worst, usual);
    (share.abs() > from_usual).then(|| {
        format!(
            "the sentinel takes {}, and took {} while the predictor's data were measured: the device is {}",
            Latency::from_ns(worst),
            Latency::from_ns(usual),
            than(share)
        )
    })
}

/// Measures the sentinel. `None` where the device cannot run it.
fn look(
    device: &mut dyn Device,
    vigilance: &Vigilance,
    first_c: &mut Option<f64>,
    progress: &mut dyn FnMut(Step<'_>),
) -> Result<Option<Look>, DeviceError> {
    let subject = Subject::Kernel(SENTINEL.with_batch(device.identity().batch));
    let (mut medians, mut all) = (Vec::new(), Vec::new());
    let (mut cool, mut complaint) = (true, None);
    for _ in 0..LOOKS {
        progress(Step::Sentinel);
        let measured = match device.measure(Workload::Subject(&subject)) {
            Ok(measured) => measured,
            Err(DeviceError::Workload { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        *first_c = first_c.or_else(|| measured.after.hottest_c(&vigilance.zones));
        cool &= vigilance.is_cool(&measured, *first_c);
        complaint = complaint.or_else(|| vigilance.complaint(&measured));
        medians.extend(measured.timing.summary().map(|summary| summary.median.ns()));
        all.push(measured);
    }
    let busy = state::busy(&all);
    Ok(stats::median(&medians).filter(|&ns| ns > 0.0).map(|ns| Look { ns, cool, complaint, busy }))
}

fn rest(device: &mut dyn Device, pause: Duration, reason: &str, progress: &mut dyn FnMut(Step<'_>)) {
    let mut left = pause;
    while !left.is_zero() {
        progress(Step::Resting { left, reason });
        device.rest(left.min(TICK));
        left = left.saturating_sub(TICK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentinel_decides() {
        let said = |before, after, usual| verdict(before, after, usual, (0.05, 0.10));
        assert_eq!(said(100.0, 104.0, None), None);
        let drift = said(100_000.0, 127_000.0, None).unwrap();
        assert!(drift.contains("27 % slower") && drift.contains("0.100 ms"), "{drift}");
        assert!(said(100.0, 90.0, None).unwrap().contains("10 % quicker"));
        // Another day, within a tenth.
        assert_eq!(said(108.0, 109.0, Some(100.0)), None);
        let other = said(138_000.0, 138_200.0, Some(100_000.0)).unwrap();
        assert!(other.contains("38 % slower") && other.contains("predictor's data"), "{other}");
        assert!(said(80.0, 81.0, Some(100.0)).unwrap().contains("20 % quicker"));
    }
}
