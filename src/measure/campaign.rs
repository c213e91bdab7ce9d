//! A campaign: a plan through a device into a dataset, journalled so that a kill loses at most the
//! measurement in flight.

use super::journal::{self, Finished, Found, Header, Journal, JournalError, Line};
use super::plan::Plan;
use crate::dataset::{
    self, Dataset, DatasetError, Identity, LookupRow, Provenance, Quality, RawRun, Sample, Subject, Summary,
};
use crate::device::{Device, DeviceError, Workload};
use crate::plainnet::graph::Act;
use crate::plainnet::{Kernel, KernelKind};
use crate::{runner, stats};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

pub const JOURNAL: &str = "journal.jsonl";
pub const PLAN: &str = "plan.json";
pub const LOOKUP_TABLE: &str = "lookup_table.csv";

/// Measurements between two looks at the sentinel.
const SENTINEL_EVERY: usize = 20;

/// Samples between two sentinels that were slower than usual by more than this are flagged.
const DRIFT: f64 = 0.10;

/// A kernel of middling size, measured again and again to see whether the device has changed.
const SENTINEL: Kernel = Kernel {
    kind: KernelKind::Conv,
    batch: 1,
    in_c: 64,
    out_c: 64,
    in_h: 28,
    in_w: 28,
    kernel: 3,
    stride: 1,
    groups: 1,
    act: Act::Relu,
    residual: false,
};

/// How to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// A folder that holds unfinished work is refused.
    Fresh,
    /// Goes on where the journal ends; begins if there is none.
    Resume,
}

/// What to measure, and where the results go.
#[derive(Debug)]
pub struct Campaign<'a> {
    pub plan: &'a Plan,
    pub dir: &'a Path,
    pub start: Start,
    /// Passes over the plan, each in another order: the runs of one configuration then lie minutes apart,
    /// and one slow moment does not make its median.
    pub rounds: u32,
    /// Of the order of measurements.
    pub seed: u64,
    /// Seconds since 1970, for the provenance.
    pub now: u64,
}

/// What has just happened.
#[derive(Debug)]
pub enum Event<'a> {
    Begin {
        finished: usize,
        total: usize,
    },
    Measured {
        subject: &'a Subject,
        summary: &'a Summary,
        finished: usize,
    },
    Failed {
        subject: &'a Subject,
        reason: &'a str,
        finished: usize,
    },
    /// Relative to the first sentinel of the journal.
    Sentinel {
        drift: f64,
    },
}

/// A finished campaign.
#[derive(Debug)]
pub struct Outcome {
    pub dataset: Dataset,
    /// Configurations that the device could not run.
    pub failed: Vec<(Subject, String)>,
    pub lookup: Vec<LookupRow>,
    /// How much slower than usual the slowest sentinel was.
    pub worst_drift: f64,
}

/// Why a campaign ended early.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    #[error("{dir} holds an unfinished profile ({finished} of {total} measurements)")]
    Unfinished { dir: PathBuf, finished: usize, total: usize },
    #[error("{dir} holds a dataset without a journal, which was not measured by this command")]
    Foreign { dir: PathBuf },
    #[error("{dir} holds the journal of another plan; it cannot be resumed with these options")]
    OtherPlan { dir: PathBuf },
    #[error("{dir} holds a journal of {theirs}, this device is {ours}: {difference}")]
    OtherIdentity { dir: PathBuf, theirs: String, ours: String, difference: String },
    #[error("interrupted after {finished} of {total} measurements; all of them are in the journal")]
    Interrupted { finished: usize, total: usize },
    #[error("nothing could be measured; the first failure was {0}")]
    NothingMeasured(String),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Dataset(#[from] DatasetError),
}

impl Campaign<'_> {
    /// Measures what is not measured yet, then writes the dataset. `progress` may break off.
    ///
    /// # Errors
    /// See [`CampaignError`]; in all cases the journal keeps every finished measurement.
    pub fn run(
        &self,
        device: &mut dyn Device,
        progress: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<Outcome, CampaignError> {
        let (mut journal, header, mut lines) = self.open(device)?;
        let total = header.total();
        let done = Finished::of(&header, &lines);
        let mut finished = done.count();
        let interrupted = |finished| CampaignError::Interrupted { finished, total };
        if progress(Event::Begin { finished, total }).is_break() {
            return Err(interrupted(finished));
        }

        let mut add = |line: Line, lines: &mut Vec<Line>| -> Result<(), JournalError> {
            journal.add(&line)?;
            lines.push(line);
            Ok(())
        };
        let mut since_sentinel = 0;
        let mut failed = vec![false; header.configurations];
        for (round, index) in self.order(header.rounds) {
            if done.has(round, index) || failed[index] {
                continue;
            }
            if since_sentinel % SENTINEL_EVERY == 0
                && let Some(line) = sentinel(device)?
            {
                add(line, &mut lines)?;
                if progress(Event::Sentinel { drift: drift(&lines) }).is_break() {
                    return Err(interrupted(finished));
                }
            }
            since_sentinel += 1;
            let subject = &self.plan.subjects[index];
            let flow = match device.measure(Workload::Subject(subject)) {
                Ok(measured) => {
                    let summary = measured.timing.summary();
                    add(Line::Sample { index, round, measured: Box::new(measured) }, &mut lines)?;
                    finished += 1;
                    summary.map_or(ControlFlow::Continue(()), |summary| {
                        progress(Event::Measured { subject, summary: &summary, finished })
                    })
                }
                Err(e @ DeviceError::Workload { .. }) => {
                    let reason = e.to_string();
                    add(Line::Failed { index, reason: reason.clone() }, &mut lines)?;
                    failed[index] = true;
                    finished += (0..header.rounds).filter(|&other| !done.has(other, index)).count();
                    progress(Event::Failed { subject, reason: &reason, finished })
                }
                Err(e) => return Err(e.into()),
            };
            if flow.is_break() && finished < total {
                return Err(interrupted(finished));
            }
        }
        if since_sentinel > 0
            && let Some(line) = sentinel(device)?
        {
            add(line, &mut lines)?;
        }
        self.finish(&header, &lines)
    }

    /// The journal, and what it holds already.
    fn open(&self, device: &dyn Device) -> Result<(Journal, Header, Vec<Line>), CampaignError> {
        let dir = self.dir;
        let io = |error| DatasetError::Io { path: dir.to_owned(), error };
        std::fs::create_dir_all(dir).map_err(io)?;
        let path = dir.join(JOURNAL);
        let found = journal::read(&path)?;
        let header = self.header(device);
        match (found, self.start) {
            (Some(found), Start::Resume) => {
                self.check(&found, &header)?;
                let journal = Journal::resume(&path, &found)?;
                return Ok((journal, found.header, found.lines));
            }
            (Some(found), Start::Fresh) => {
                let (finished, total) = (found.finished().count(), found.header.total());
                if finished < total {
                    return Err(CampaignError::Unfinished { dir: dir.to_owned(), finished, total });
                }
                // The finished one steps aside; its measurements stay.
                let old = dir.join(format!("journal-{}.jsonl", found.header.created.replace(':', "")));
                std::fs::rename(&path, old).map_err(io)?;
            }
            (None, _) => {
                if dir.join(dataset::SAMPLES).exists() {
                    return Err(CampaignError::Foreign { dir: dir.to_owned() });
                }
            }
        }
        dataset::write_atomically(&dir.join(PLAN), self.plan.to_json().as_bytes())?;
        let journal = Journal::create(&path, &header)?;
        Ok((journal, header, Vec::new()))
    }

    fn header(&self, device: &dyn Device) -> Header {
        Header {
            version: journal::VERSION,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            created: dataset::rfc3339(self.now),
            plan: self.plan.hash(),
            configurations: self.plan.subjects.len(),
            rounds: self.rounds.max(1),
            seed: self.seed,
            identity: device.identity().clone(),
            environment: device.facts(),
        }
    }

    fn check(&self, found: &Found, ours: &Header) -> Result<(), CampaignError> {
        let theirs = &found.header;
        if theirs.identity != ours.identity {
            return Err(CampaignError::OtherIdentity {
                dir: self.dir.to_owned(),
                theirs: theirs.identity.to_string(),
                ours: ours.identity.to_string(),
                difference: difference(&theirs.identity, &ours.identity),
            });
        }
        let same = |h: &Header| (h.plan.clone(), h.configurations, h.rounds);
        if same(theirs) != same(ours) {
            return Err(CampaignError::OtherPlan { dir: self.dir.to_owned() });
        }
        Ok(())
    }

    /// All passes, each over all configurations in a random order that the seed fixes: drift must not
    /// look like a trend over sizes.
    fn order(&self, rounds: u32) -> Vec<(u32, usize)> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        let mut order = Vec::new();
        for round in 0..rounds {
            let mut pass: Vec<usize> = (0..self.plan.subjects.len()).collect();
            for i in (1..pass.len()).rev() {
                pass.swap(i, rng.random_range(0..=i));
            }
            order.extend(pass.into_iter().map(|index| (round, index)));
        }
        order
    }

    fn finish(&self, header: &Header, lines: &[Line]) -> Result<Outcome, CampaignError> {
        let drifted = drifted(lines);
        let mut samples = Vec::new();
        let mut raw = Vec::new();
        let mut failed = Vec::new();
        // In the order of the plan, whatever the order of measuring.
        for (index, subject) in self.plan.subjects.iter().enumerate() {
            let mut passes = Vec::new();
            let mut slow = 0;
            let mut reason = None;
            for (line, &drifted) in lines.iter().zip(&drifted) {
                match line {
                    Line::Sample { index: at, round, measured } if *at == index => {
                        passes.push((*round, &measured.timing));
                        slow += usize::from(drifted);
                    }
                    Line::Failed { index: at, reason: why } if *at == index => reason = Some(why.clone()),
                    _ => {}
                }
            }
            let pooled = runner::pooled(passes.iter().map(|(_, timing)| *timing));
            let (None, Some((summary, quality))) = (&reason, pooled) else {
                failed.push((subject.clone(), reason.unwrap_or_else(|| "no samples came back".into())));
                continue;
            };
            // One slow pass of three does not move the median.
            let quality = if 2 * slow > passes.len() { Quality::Drifted } else { quality };
            let sample = u32::try_from(samples.len()).unwrap_or(u32::MAX);
            for (round, timing) in passes {
                raw.push(RawRun { sample, round, run: -1, ns: timing.first_ns, k: 1, undisturbed: None });
                let k = timing.k;
                let calm = |run: usize| {
                    let probe = timing.probes_ns.get(run)?;
                    timing.usual_probe_ns.map(|usual| runner::pace::undisturbed(*probe, usual))
                };
                let runs = timing.samples_ns.iter().enumerate().zip(0..);
                raw.extend(runs.map(|((i, &ns), run)| RawRun {
                    sample,
                    round,
                    run,
                    ns,
                    k,
                    undisturbed: calm(i),
                }));
            }
            let subject = subject.clone();
            samples.push(Sample { subject, median: summary.median, summary: Some(summary), quality });
        }
        if samples.is_empty() {
            let reason = failed.first().map_or("an empty plan".into(), |(_, reason)| reason.clone());
            return Err(CampaignError::NothingMeasured(reason));
        }
        let mut environment = header.environment.clone();
        let sentinels: Vec<f64> = sentinels(lines).collect();
        environment.insert("sentinel_median_ns".into(), serde_json::json!(sentinels));
        let usual = lines.iter().filter_map(|line| match line {
            Line::Sample { measured, .. } => measured.timing.usual_probe_ns,
            _ => None,
        });
        if let Some(usual) = usual.min() {
            environment.insert("usual_probe_ns".into(), serde_json::json!(usual));
        }
        let dataset = Dataset {
            identity: header.identity.clone(),
            samples,
            provenance: Provenance {
                source: "measured by edgezen profile".into(),
                licence: "CC0-1.0".into(),
                created: header.created.clone(),
                tool_version: header.tool_version.clone(),
                notes: failed.iter().map(|(s, reason)| format!("not measured: {s}: {reason}")).collect(),
            },
            environment,
        };
        dataset::write_raw(self.dir, &raw)?;
        let lookup = dataset::lookup_table(&dataset, &self.dir.join(LOOKUP_TABLE))?;
        dataset::write(self.dir, &dataset)?;
        let usual = stats::median(&sentinels).unwrap_or(0.0);
        let worst = sentinels.iter().fold(usual, |worst, &s| worst.max(s));
        let worst_drift = if usual > 0.0 { worst / usual - 1.0 } else { 0.0 };
        Ok(Outcome { dataset, failed, lookup, worst_drift })
    }
}

/// `None` where the device cannot run this one kernel: the campaign then goes on without a mark.
fn sentinel(device: &mut dyn Device) -> Result<Option<Line>, CampaignError> {
    let kernel = SENTINEL.with_batch(device.identity().batch);
    match device.measure(Workload::Subject(&Subject::Kernel(kernel))) {
        Ok(measured) => Ok(measured.timing.summary().map(|s| Line::Sentinel { median_ns: s.median.ns() })),
        Err(DeviceError::Workload { .. }) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

fn sentinels(lines: &[Line]) -> impl Iterator<Item = f64> {
    lines.iter().filter_map(|line| match line {
        Line::Sentinel { median_ns } => Some(*median_ns),
        _ => None,
    })
}

/// The last sentinel against the first.
fn drift(lines: &[Line]) -> f64 {
    match (sentinels(lines).next(), sentinels(lines).last()) {
        (Some(first), Some(last)) => last / first - 1.0,
        _ => 0.0,
    }
}

/// For each line, whether the sentinels before and after it both ran slower than the median of all.
fn drifted(lines: &[Line]) -> Vec<bool> {
    let usual = stats::median(&sentinels(lines).collect::<Vec<_>>());
    let slow = |line: &Line| match (line, usual) {
        (Line::Sentinel { median_ns }, Some(usual)) => Some(*median_ns > usual * (1.0 + DRIFT)),
        _ => None,
    };
    let carry = |flags: &mut dyn Iterator<Item = Option<bool>>| -> Vec<bool> {
        let mut last = false;
        flags
            .map(|flag| {
                last = flag.unwrap_or(last);
                last
            })
            .collect()
    };
    let before = carry(&mut lines.iter().map(slow));
    let mut after = carry(&mut lines.iter().rev().map(slow));
    after.reverse();
    before.into_iter().zip(after).map(|(before, after)| before && after).collect()
}

/// The first field in which two identities differ.
fn difference(theirs: &Identity, ours: &Identity) -> String {
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
    let pairs = fields(theirs).into_iter().zip(fields(ours));
    let differing = pairs.into_iter().find(|(a, b)| a != b);
    differing.map_or_else(String::new, |((name, a), (_, b))| format!("{name} {a} there, {b} here"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::simulated::Simulation;
    use crate::device::{self, Options};
    use crate::space;

    fn plan(samples: usize) -> Plan {
        Plan::draw(&[space::by_name("mobilenet").unwrap()], samples, 1, 3).unwrap()
    }

    fn device(spec: &str, batch: u32) -> Box<dyn Device> {
        let simulation: Simulation = spec.parse().unwrap();
        device::open("simulated", &Options { simulation, batch, ..Options::default() }).unwrap()
    }

    fn campaign<'a>(plan: &'a Plan, dir: &'a Path, start: Start) -> Campaign<'a> {
        Campaign { plan, dir, start, rounds: 2, seed: 1, now: 0 }
    }

    fn go_on(_: Event<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    #[test]
    fn a_plan_becomes_a_dataset() {
        let dir = tempfile::tempdir().unwrap();
        let plan = plan(40);
        let outcome =
            campaign(&plan, dir.path(), Start::Fresh).run(device("", 1).as_mut(), &mut go_on).unwrap();
        let read = Dataset::read(dir.path()).unwrap();
        assert_eq!(read, outcome.dataset);
        let subjects: Vec<Subject> = read.samples.iter().map(|s| s.subject.clone()).collect();
        assert_eq!(subjects, plan.subjects);
        assert!(read.samples.iter().all(|s| s.quality == Quality::Good));
        assert!(!outcome.lookup.is_empty());
        for file in ["raw/runs.parquet", "lookup_table.csv", "plan.json", "README.md", "environment.json"] {
            assert!(dir.path().join(file).exists(), "{file}");
        }
        // Finished: a new one may begin, and the old journal is kept.
        campaign(&plan, dir.path(), Start::Fresh).run(device("", 1).as_mut(), &mut go_on).unwrap();
        assert!(dir.path().join("journal-1970-01-01T000000Z.jsonl").exists());
    }

    #[test]
    fn a_lost_device_can_be_resumed() {
        let dir = tempfile::tempdir().unwrap();
        let plan = plan(40);
        let lost = campaign(&plan, dir.path(), Start::Fresh)
            .run(device("lose_after=15", 1).as_mut(), &mut go_on)
            .unwrap_err();
        assert!(matches!(lost, CampaignError::Device(DeviceError::Lost { .. })), "{lost}");
        let refused = campaign(&plan, dir.path(), Start::Fresh).run(device("", 1).as_mut(), &mut go_on);
        assert!(matches!(refused, Err(CampaignError::Unfinished { finished: 14, .. })), "{refused:?}");
        let other = campaign(&plan, dir.path(), Start::Resume).run(device("", 2).as_mut(), &mut go_on);
        let message = other.unwrap_err().to_string();
        assert!(message.contains("batch 1 there, 2 here"), "{message}");
        let other = Plan::draw(&[space::by_name("mobilenet").unwrap()], 40, 1, 4).unwrap();
        let other = campaign(&other, dir.path(), Start::Resume).run(device("", 1).as_mut(), &mut go_on);
        assert!(matches!(other, Err(CampaignError::OtherPlan { .. })));
        let mut measured = 0;
        let outcome = campaign(&plan, dir.path(), Start::Resume)
            .run(device("", 1).as_mut(), &mut |event| {
                measured += usize::from(matches!(event, Event::Measured { .. }));
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(measured, 2 * plan.subjects.len() - 14);
        assert_eq!(outcome.dataset.samples.len(), plan.subjects.len());
    }

    #[test]
    fn failures_and_interruptions_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let plan = plan(30);
        let mut seen = 0;
        let stop = campaign(&plan, dir.path(), Start::Fresh)
            .run(device("", 1).as_mut(), &mut |event| {
                seen += usize::from(matches!(event, Event::Measured { .. }));
                if seen == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .unwrap_err();
        assert!(matches!(stop, CampaignError::Interrupted { finished: 5, .. }), "{stop}");
        let outcome = campaign(&plan, dir.path(), Start::Resume)
            .run(device("fail_every=10", 1).as_mut(), &mut go_on)
            .unwrap();
        assert!(!outcome.failed.is_empty());
        let all = outcome.dataset.samples.len() + outcome.failed.len();
        assert_eq!(all, plan.subjects.len());
        assert_eq!(outcome.dataset.provenance.notes.len(), outcome.failed.len());
    }

    #[test]
    fn samples_between_slow_sentinels_are_flagged() {
        let s = |median_ns| Line::Sentinel { median_ns };
        let f = |index| Line::Failed { index, reason: String::new() };
        let lines = [s(10.0), f(0), s(12.0), f(1), s(12.0), f(2), s(10.0), f(3), s(10.0)];
        let flags = drifted(&lines);
        assert_eq!([flags[1], flags[3], flags[5], flags[7]], [false, true, false, false]);
    }
}
