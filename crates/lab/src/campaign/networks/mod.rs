//! Measuring a few networks well: several launches of each, apart in time, and what they say together. A measurement is
//! good if a later one will give the same within its interval; `docs/measuring.md` says how that is judged.

mod energy;
mod watch;

pub use energy::EnergyReading;

use super::heating::heat;
use super::state;
use crate::device::{Device, DeviceError, Options, Workload};
use edgezen_core::measurement::{Agreement, Doubt, MachineState, Quality, Summary, launches};
use edgezen_core::stats;
use edgezen_core::units::{Bytes, Latency};
use edgezen_runner::{Measured, NoEnergy, Outputs, TimedBy, Timing};
use std::time::{Duration, Instant};
use watch::Watch;

/// Launches of every network.
pub const LAUNCHES: u32 = 5;
/// Launches of networks whose first ones differ too much.
pub const MOST_LAUNCHES: u32 = 8;
/// The slowest hundredth of fewer runs than this says little: MLPerf Inference asks for so many queries of a single stream.
pub const RUNS_FOR_P99: u32 = 1_024;
/// The least time between two launches of one network.
const APART: Duration = Duration::from_millis(500);
/// Longest wait for a core at its usual pace before a further launch.
const SETTLE: Duration = Duration::from_secs(1);

/// What the launches of one network say together. Latencies are those of the whole batch, until
/// [`Reading::per_image`].
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Statistics of the runs of all launches. The median is that of the launches' medians, and its interval the one for a
    /// later launch; with a single launch, both are those of its runs.
    pub summary: Summary,
    pub p99: Latency,
    /// The first run of a launch: the median of all launches. `None` where the device does not tell.
    pub first: Option<Latency>,
    /// Time that it took to make the network ready: the median of all launches. `None` where the device does not tell.
    pub load: Option<Latency>,
    /// The most memory that the network took in any launch. `None` where the device does not tell.
    pub peak: Option<Bytes>,
    /// What is known of the outputs. `None` where the device does not tell.
    pub outputs: Option<Outputs>,
    /// The energy of a run, or why it is not known. `None` where nobody asked for it.
    pub energy: Option<Result<EnergyReading, NoEnergy>>,
    /// Whose clock was read.
    pub timed_by: TimedBy,
    /// The median of each launch, in the order in which they were made.
    pub launches: Vec<Latency>,
    /// `None` for a single launch.
    pub agreement: Option<Agreement>,
    pub state: MachineState,
    /// Why it is not good; `None` if it is.
    pub doubt: Option<Doubt>,
}

impl Reading {
    /// What `launches` of one network say; `None` if they hold no samples.
    fn of(launches: &[Measured], throttled: &dyn Fn(&Measured) -> Option<String>) -> Option<Reading> {
        let timings = || launches.iter().map(|launch| &launch.timing);
        let (pooled, _) = edgezen_runner::pooled(timings())?;
        let medians = edgezen_runner::launch_medians(timings());
        let state = state::of(launches, throttled);
        let agreement = Agreement::of(&medians, state.spread());
        let tolerance = timings().map(|timing| timing.noisy_half_width).fold(f64::INFINITY, f64::min);
        let doubt = launches::doubt(agreement.as_ref(), &state, tolerance);
        let summary = match &agreement {
            Some(agreement) => Summary { median: agreement.median, ci95: agreement.interval(), ..pooled },
            None => pooled,
        };
        let median_of = |values: Vec<f64>| stats::median(&values).map(Latency::from_ns);
        let usual = timings().filter_map(|timing| timing.usual_probe_ns).min();
        let calm: Vec<f64> = timings().flat_map(|timing| timing.undisturbed_ns(usual)).collect();
        let runs = if calm.is_empty() { timings().flat_map(Timing::per_run_ns).collect() } else { calm };
        Some(Reading {
            summary,
            p99: stats::quantile(&stats::sorted(&runs), 0.99).map(Latency::from_ns)?,
            first: median_of(timings().filter_map(|timing| timing.first_ns).map(|ns| ns as f64).collect()),
            load: median_of(
                launches.iter().filter_map(|launch| launch.load_ns).map(|ns| ns as f64).collect(),
            ),
            peak: launches
                .iter()
                .filter_map(|launch| launch.peak_bytes)
                .max()
                .map(|bytes| Bytes(bytes as f64)),
            outputs: launches.first()?.outputs,
            energy: EnergyReading::of(launches),
            timed_by: timings().next()?.timed_by,
            launches: medians.iter().map(|launch| launch.median).collect(),
            agreement,
            state,
            doubt,
        })
    }

    /// Whether p99 is of enough runs, each of them timed by itself.
    pub fn p99_is_reliable(&self) -> bool {
        self.summary.k == 1 && self.summary.runs >= RUNS_FOR_P99
    }

    pub fn quality(&self) -> Quality {
        self.doubt.as_ref().map_or(Quality::Good, Doubt::quality)
    }

    /// Whether more launches could make it good: where the launches differ, but not where other programs or heat alone are
    /// in the way.
    fn may_improve(&self) -> bool {
        match &self.doubt {
            Some(Doubt::Launches(_) | Doubt::OneLaunch | Doubt::Disturbed { .. }) => true,
            Some(Doubt::Throttled(_) | Doubt::Drifted(_) | Doubt::Others { .. }) | None => false,
        }
    }

    /// The same, if the device did not keep its speed for this reason.
    fn drifted(self, reason: &str) -> Reading {
        let doubt = match self.doubt {
            Some(Doubt::Throttled(reason)) => Doubt::Throttled(reason),
            _ => Doubt::Drifted(reason.to_owned()),
        };
        Reading { doubt: Some(doubt), ..self }
    }

    /// The same with the latencies of a batch divided by its number of images. How long loading took stays.
    #[must_use]
    pub fn per_image(self, batch: u32) -> Reading {
        let batch = f64::from(batch.max(1));
        let Summary { median, mean, min, p10, p90, ci95, runs, k } = self.summary;
        let pair = |(low, high): (Latency, Latency)| (low / batch, high / batch);
        let summary = Summary {
            median: median / batch,
            mean: mean / batch,
            min: min / batch,
            p10: p10 / batch,
            p90: p90 / batch,
            ci95: pair(ci95),
            runs,
            k,
        };
        let of_image = |a: Agreement| Agreement { median: a.median / batch, range: pair(a.range), ..a };
        Reading {
            summary,
            p99: self.p99 / batch,
            first: self.first.map(|first| first / batch),
            energy: self.energy.map(|energy| energy.map(|energy| energy.per_image(batch))),
            launches: self.launches.into_iter().map(|median| median / batch).collect(),
            agreement: self.agreement.map(of_image),
            doubt: self.doubt.map(|doubt| match doubt {
                Doubt::Launches(agreement) => Doubt::Launches(of_image(agreement)),
                other => other,
            }),
            ..self
        }
    }
}

/// `options` for a device that is to measure networks: every measurement is a launch.
#[must_use]
pub fn options(options: Options) -> Options {
    Options { rounds: LAUNCHES, launches: true, ..options }
}

/// What happens while networks are measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step<'a> {
    /// The next launch begins: that of the workload with this index.
    Launch(usize),
    /// The sentinel is measured.
    Sentinel,
    /// The device rests before anything is measured. This comes again and again until the rest is over.
    Resting { left: Duration, reason: &'a str },
    /// The device is heated up to its plateau before anything is measured. This comes again and again until it is there.
    Heating { so_far: Duration, sentinel: Latency },
}

/// Measures each workload. The device is one that was opened with [`options`].
///
/// All are launched once before any is launched again, so that the launches of each lie apart. An entry without samples is
/// `None`. On devices whose measurements are watched, the sentinel is measured before and after: where it is not as fast as it
/// was, or as it was while the data of the device's predictor were taken, no reading is good.
///
/// # Errors
/// Whatever the device says of the first workload that it cannot measure.
pub fn measure(
    device: &mut dyn Device,
    workloads: &[Workload<'_>],
    progress: &mut dyn FnMut(Step<'_>),
) -> Result<Vec<Option<Reading>>, DeviceError> {
    launched(device, workloads, progress, Err)?.into_iter().collect()
}

/// The same; where one workload cannot be measured, the others are.
///
/// # Errors
/// What the device says that concerns all workloads.
pub fn measure_each(
    device: &mut dyn Device,
    workloads: &[Workload<'_>],
    progress: &mut dyn FnMut(Step<'_>),
) -> Result<Vec<Answer>, DeviceError> {
    let bear = |error: DeviceError| if error.is_of_workload() { Ok(error) } else { Err(error) };
    launched(device, workloads, progress, bear)
}

/// What became of one workload.
pub type Answer = Result<Option<Reading>, DeviceError>;

/// Measures each workload; `bear` gives back the errors that end all of it.
fn launched(
    device: &mut dyn Device,
    workloads: &[Workload<'_>],
    progress: &mut dyn FnMut(Step<'_>),
    bear: impl Fn(DeviceError) -> Result<DeviceError, DeviceError>,
) -> Result<Vec<Answer>, DeviceError> {
    let vigilance = device.vigilance();
    if let Some(plateau) = device.plateau() {
        let zones = vigilance.as_ref().map_or(&[][..], |rules| &rules.zones);
        let mut tell = |so_far, sentinel| -> Result<(), DeviceError> {
            progress(Step::Heating { so_far, sentinel });
            Ok(())
        };
        heat(device, plateau, zones, &mut tell)?;
    }
    let watch = Watch::begin(device, progress)?;
    let throttled = |measured: &Measured| vigilance.as_ref().and_then(|rules| rules.complaint(measured));
    let mut of_each: Vec<Launches> = workloads.iter().map(|_| Launches::default()).collect();
    for launch in 0..MOST_LAUNCHES {
        for (i, (workload, launches)) in workloads.iter().zip(&mut of_each).enumerate() {
            if launches.failed.is_some() {
                continue;
            }
            let further = launch >= LAUNCHES;
            if further {
                if !Reading::of(&launches.made, &throttled).is_some_and(|reading| reading.may_improve()) {
                    continue;
                }
                device.settle(SETTLE);
            }
            launches.wait(device);
            progress(Step::Launch(i));
            match device.measure(*workload) {
                Ok(measured) => launches.made.push(measured),
                Err(error) => launches.failed = Some(bear(error)?),
            }
            launches.ended = Some(Instant::now());
        }
    }
    let drift = watch.map(|watch| watch.end(device, progress)).transpose()?.flatten();
    let reading = |launches: &Launches| {
        let reading = Reading::of(&launches.made, &throttled)?;
        Some(match &drift {
            Some(reason) => reading.drifted(reason),
            None => reading,
        })
    };
    let answer = |mut launches: Launches| launches.failed.take().map_or_else(|| Ok(reading(&launches)), Err);
    Ok(of_each.into_iter().map(answer).collect())
}

/// The launches of one workload so far.
#[derive(Default)]
struct Launches {
    made: Vec<Measured>,
    /// When the last one ended.
    ended: Option<Instant>,
    /// Why there are no more.
    failed: Option<DeviceError>,
}

impl Launches {
    /// Waits until the last launch is long enough ago.
    fn wait(&self, device: &mut dyn Device) {
        // A device that is measured hot would cool down.
        if device.plateau().is_some() {
            return;
        }
        let passed = self.ended.map(|ended| ended.elapsed());
        if let Some(left) = passed.and_then(|passed| APART.checked_sub(passed)) {
            device.rest(left);
        }
    }
}

#[cfg(test)]
mod tests;
