//! When measurements have to be repeated because the device was hot or slow.

use edgezen_runner::Measured;
use edgezen_runner::conditions::GpuState;
use std::time::Duration;

/// When to repeat measurements, and how long to let the device cool down before that.
#[derive(Clone, Debug, PartialEq)]
pub struct Vigilance {
    /// When the sentinel is slower than usual by more than this share, everything that was measured since the previous
    /// look at the sentinel is measured again.
    pub drift: f64,
    /// When the sentinel is slower by more than this share, the device counts as throttled and rests first.
    pub throttled: f64,
    /// Durations of the rests, one after another, until the sentinel is as fast as usual.
    pub rests: Vec<Duration>,
    /// Greatest number of repetitions of one measurement; after that it is only flagged.
    pub retries: u32,
    /// A measurement that leaves the device hotter than this, in °C, was made on too hot a device.
    pub too_hot_c: Option<f64>,
    /// A device that is at most this hot, in °C, is not slow because of heat.
    pub cool_c: Option<f64>,
    /// Types of the thermal zones to watch.
    pub zones: Vec<String>,
    /// Highest thermal status of Android at which a measurement counts.
    pub thermal_status: Option<u32>,
}

impl Vigilance {
    /// The sign in `measured` that the device was throttled; `None` where there is no sign.
    pub fn complaint(&self, measured: &Measured) -> Option<String> {
        let after = &measured.after;
        if let Some(reason) = after.gpu.as_ref().and_then(GpuState::throttled_by) {
            return Some(format!("the GPU's clocks are held down: {reason}"));
        }
        if after.throttled_since(&measured.before) {
            return Some("the highest clock was lowered during the measurement".to_owned());
        }
        if let (Some(status), Some(limit)) = (after.thermal_status, self.thermal_status)
            && status > limit
        {
            return Some(format!("thermal status {status}, allowed {limit}"));
        }
        let (hot, limit) = (after.hottest_c(&self.zones)?, self.too_hot_c?);
        (hot > limit).then(|| format!("{hot:.0} °C, allowed {limit:.0}"))
    }

    /// Whether the device shows that it is cool, so that a rest would not make it faster. A device that reports neither
    /// a temperature nor a thermal status does not show it.
    pub fn is_cool(&self, measured: &Measured) -> bool {
        let after = &measured.after;
        let hottest = after.hottest_c(&self.zones);
        let told = hottest.is_some() || after.thermal_status.is_some();
        let below = hottest.zip(self.cool_c).is_none_or(|(hot, cool)| hot <= cool);
        told && below && self.complaint(measured).is_none()
    }
}
