//! Some configurations of a dataset measured once more, on another day: no predictor that is fitted to the dataset can be
//! more accurate than the two measurements agree.

use super::networks::{self, Reading, Step};
use crate::dataset::Dataset;
use crate::device::{Device, DeviceError, Workload};
use crate::files::{open_without_following, rfc3339};
use edgezen_core::measurement::Sample;
use edgezen_core::stats;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};

/// One configuration of this many is repeated, and at least [`LEAST`] of them.
const SHARE: usize = 20;
const LEAST: usize = 5;

/// Every repetition is a line of this file in the dataset's folder.
const FILE: &str = "repeats.jsonl";

/// What to repeat.
#[derive(Debug)]
pub struct Repeat<'a> {
    dataset: &'a Dataset,
    dir: &'a Path,
    chosen: Vec<&'a Sample>,
}

/// The two measurements of each configuration, and how far they are apart.
#[derive(Debug, Serialize)]
pub struct Repeated {
    pub dataset: String,
    pub date: String,
    /// Median over the configurations of the difference, regardless of its sign.
    pub median_difference_percent: f64,
    pub worst_difference_percent: f64,
    /// Median with its sign: the device as a whole is slower (positive) or faster.
    pub shift_percent: f64,
    pub rows: Vec<RepeatedRow>,
}

/// One configuration, measured twice. Latencies are those of the whole batch.
#[derive(Debug, Serialize)]
pub struct RepeatedRow {
    pub configuration: String,
    pub then_ms: f64,
    pub now_ms: f64,
    pub difference_percent: f64,
}

/// Why a dataset was not repeated.
#[derive(Debug, thiserror::Error)]
pub enum RepeatError {
    #[error("{} is of another identity: {difference}", dir.display())]
    OtherIdentity { dir: PathBuf, difference: String },
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error("no samples came back")]
    NothingMeasured,
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: std::io::Error },
}

impl<'a> Repeat<'a> {
    /// Draws the configurations to repeat from the dataset in `dir`.
    pub fn of(dataset: &'a Dataset, dir: &'a Path, seed: u64) -> Repeat<'a> {
        Repeat { dataset, dir, chosen: choose(&dataset.samples, seed) }
    }

    /// How many measurements it takes, if none is too noisy.
    pub fn measurements(&self) -> usize {
        self.chosen.len() * networks::LAUNCHES as usize
    }

    /// Measures, and adds the result to the dataset's folder. `now` are the seconds since 1970; `progress` is called
    /// before each measurement.
    ///
    /// # Errors
    /// A device of another identity than the dataset's, whatever the device says, or a file that cannot be written.
    pub fn run(
        &self,
        device: &mut dyn Device,
        now: u64,
        progress: &mut dyn FnMut(),
    ) -> Result<Repeated, RepeatError> {
        if *device.identity() != self.dataset.identity {
            let difference = self.dataset.identity.difference(device.identity());
            return Err(RepeatError::OtherIdentity { dir: self.dir.to_owned(), difference });
        }
        let workloads: Vec<Workload<'_>> =
            self.chosen.iter().map(|sample| Workload::Subject(&sample.subject)).collect();
        let readings = networks::measure(device, &workloads, &mut |step| match step {
            Step::Launch(_) => progress(),
            Step::Sentinel | Step::Resting { .. } | Step::Heating { .. } => {}
        })?;
        device.finished();
        let repeated = self.compared(&readings, now).ok_or(RepeatError::NothingMeasured)?;
        append(&self.dir.join(FILE), &repeated)?;
        Ok(repeated)
    }

    /// The rows and their statistics; `None` if nothing was measured.
    fn compared(&self, readings: &[Option<Reading>], now: u64) -> Option<Repeated> {
        let rows: Vec<RepeatedRow> = self
            .chosen
            .iter()
            .zip(readings)
            .filter_map(|(sample, reading)| {
                let (then, now) = (sample.median, reading.as_ref()?.summary.median);
                Some(RepeatedRow {
                    configuration: sample.subject.to_string(),
                    then_ms: then.ms(),
                    now_ms: now.ms(),
                    difference_percent: 100.0 * (now.ns() / then.ns() - 1.0),
                })
            })
            .collect();
        let signed: Vec<f64> = rows.iter().map(|row| row.difference_percent).collect();
        let sizes: Vec<f64> = signed.iter().map(|difference| difference.abs()).collect();
        Some(Repeated {
            dataset: self.dir.display().to_string(),
            date: rfc3339(now),
            median_difference_percent: stats::median(&sizes)?,
            worst_difference_percent: sizes.iter().copied().fold(0.0, f64::max),
            shift_percent: stats::median(&signed)?,
            rows,
        })
    }
}

/// Adds `repeated` to the file at `path` as one line.
fn append(path: &Path, repeated: &Repeated) -> Result<(), RepeatError> {
    let write = || {
        let line = serde_json::to_string(repeated)? + "\n";
        let mut options = std::fs::OpenOptions::new();
        let mut file = open_without_following(options.append(true).create(true), path)?;
        file.write_all(line.as_bytes())
    };
    write().map_err(|error| RepeatError::Io { path: path.to_owned(), error })
}

/// A share of the samples, drawn with the seed. Samples of doubtful quality are left out where there are others: they
/// would show their own noise and not a difference between days.
fn choose(samples: &[Sample], seed: u64) -> Vec<&Sample> {
    let mut good: Vec<&Sample> = samples.iter().filter(|sample| !sample.quality.is_doubtful()).collect();
    if good.is_empty() {
        good = samples.iter().collect();
    }
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    for i in (1..good.len()).rev() {
        good.swap(i, rng.random_range(0..=i));
    }
    good.truncate((samples.len() / SHARE).max(LEAST));
    good
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::{Campaign, Event, Plan, Start};
    use crate::device::profile::Profiles;
    use crate::device::simulated::Simulation;
    use crate::device::{self, DriverOptions, Options, Passes};
    use edgezen_core::plainnet::lowering::Lowering;
    use edgezen_core::space;
    use std::ops::ControlFlow;

    fn simulated(spec: &str, batch: u32) -> Box<dyn Device> {
        let simulation: Simulation = spec.parse().unwrap();
        let driver = DriverOptions::default().with(simulation);
        let options = Options { driver, batch, ..Options::default() };
        device::open(&Profiles::of_repository(), "simulated", &options).unwrap()
    }

    #[test]
    fn a_device_that_became_slower_shows() {
        let dir = tempfile::tempdir().unwrap();
        let space = space::by_name("mobilenet").unwrap();
        let plan = Plan::draw(&[space], 40, 1, Lowering::Fused, 3).unwrap();
        let campaign = Campaign {
            plan: &plan,
            dir: dir.path(),
            start: Start::Fresh,
            passes: Passes::exactly(1),
            seed: 1,
            now: 0,
            keep: false,
        };
        let mut go_on = |_: Event<'_>| ControlFlow::Continue(());
        let dataset = campaign.run(simulated("", 1).as_mut(), &mut go_on).unwrap().dataset;
        let repeat = Repeat::of(&dataset, dir.path(), 0);
        let mut measured = 0;
        let repeated = repeat.run(simulated("slow_after=0", 1).as_mut(), 0, &mut || measured += 1).unwrap();
        assert_eq!((repeated.rows.len(), measured), (LEAST, repeat.measurements()));
        assert!((repeated.shift_percent - 50.0).abs() < 3.0, "{repeated:?}");
        let text = std::fs::read_to_string(dir.path().join(FILE)).unwrap();
        assert_eq!(text.lines().count(), 1);
        assert!(text.starts_with("{\"dataset\":"), "{text}");
        let other = repeat.run(simulated("", 2).as_mut(), 0, &mut || ());
        assert!(matches!(other, Err(RepeatError::OtherIdentity { .. })));
    }
}
