//! Reading a meter while something goes on.

use super::result::{NoEnergy, Power};
use super::sensor::{Kind, Sensor};
use crate::clock::Clock;
use crate::conditions;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// The shortest and the longest time between two readings.
pub const SOONEST: Duration = Duration::from_millis(5);
pub const LATEST: Duration = Duration::from_millis(250);

/// Readings of which fewer are different say nothing of a gauge.
const DIFFERENT: usize = 3;

/// The first part of a time whose readings do not count: gauges tell the mean of a while, and that while reaches back.
const LAG: f64 = 1.0 / 3.0;

/// More cores than any device has.
const CORES: u32 = 1024;

/// The readings of a time, each with its moment in ns.
pub struct Readings(pub(super) Vec<(u64, f64)>);

/// Does `work`, and reads the meter before it, every so often during it, and after it, in a thread that keeps away from the cores of this one.
pub fn watch<T>(
    sensor: &mut dyn Sensor,
    clock: &(impl Clock + Sync),
    every: Duration,
    work: impl FnOnce() -> T,
) -> (T, Readings) {
    let ours = conditions::affinity().unwrap_or_default();
    let others: Vec<u32> = (0..CORES).filter(|core| !ours.contains(core)).collect();
    let (begun, begin) = mpsc::channel::<()>();
    let (ended, end) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            // Where there is no other core, it stays on ours.
            let _ = conditions::ask_for(&others);
            let mut read = || sensor.read().map(|value| (clock.now_ns(), value));
            let mut readings: Vec<(u64, f64)> = read().into_iter().collect();
            drop(begun);
            while end.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                readings.extend(read());
            }
            readings.extend(read());
            readings
        });
        // It ends without a message when the first reading is there.
        let _ = begin.recv();
        let done = work();
        drop(ended);
        (done, Readings(reader.join().unwrap_or_default()))
    })
}

impl Readings {
    pub fn values(&self) -> Vec<f64> {
        self.counted().iter().map(|(_, value)| *value).collect()
    }

    /// Those that a gauge gave while the work went on, without the first ones.
    fn counted(&self) -> &[(u64, f64)] {
        let all = &self.0[..];
        let (Some((start, _)), Some((end, _))) = (all.first(), all.last()) else { return all };
        let from = start + ((end - start) as f64 * LAG) as u64;
        let first = all.partition_point(|(at, _)| *at < from);
        // The last reading came after the work.
        all.get(first..all.len() - 1).unwrap_or_default()
    }

    /// The mean power of the time.
    ///
    /// # Errors
    /// Too few readings.
    pub fn power(&self, kind: Kind) -> Result<Power, NoEnergy> {
        let (Some((start, from)), Some((end, to))) = (self.0.first(), self.0.last()) else {
            return Err(NoEnergy::Stale);
        };
        let seconds = end.saturating_sub(*start) as f64 / 1e9;
        match kind {
            Kind::Counter if seconds > 0.0 => {
                let steps = self.0.windows(2).map(|pair| pair[1].1 - pair[0].1);
                let step = steps.filter(|&joules| joules > 0.0).min_by(f64::total_cmp);
                Ok(Power {
                    seconds,
                    watts: (to - from) / seconds,
                    readings: self.0.len() as u32,
                    step_w: step.map(|joules| joules / seconds),
                })
            }
            Kind::Counter => Err(NoEnergy::Stale),
            Kind::Gauge => {
                let mut watts: Vec<f64> = self.values().into_iter().map(f64::abs).collect();
                if watts.is_empty() {
                    return Err(NoEnergy::Stale);
                }
                let mean = watts.iter().sum::<f64>() / watts.len() as f64;
                watts.sort_by(f64::total_cmp);
                let steps = watts.windows(2).map(|pair| pair[1] - pair[0]);
                let step_w = steps.filter(|&step| step > 0.0).min_by(f64::total_cmp);
                Ok(Power { seconds, watts: mean, readings: watts.len() as u32, step_w })
            }
        }
    }
}

/// Whether these readings of a gauge, of both parts together, are so many different ones that it is read often enough.
pub fn is_fresh(idle: &Readings, busy: &Readings) -> bool {
    let mut all: Vec<u64> = idle.values().into_iter().chain(busy.values()).map(f64::to_bits).collect();
    all.sort_unstable();
    all.dedup();
    all.len() >= DIFFERENT
}
