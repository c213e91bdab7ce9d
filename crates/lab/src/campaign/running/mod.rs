//! A campaign: a plan through a device into a dataset, journalled so that a kill loses at most the
//! measurement in flight.

use super::assemble;
use super::drift::{self, SENTINEL, SENTINEL_EVERY};
use super::journal::{self, Finished, Found, Header, Journal, JournalError, Line, Place};
use super::plan::Plan;
use crate::dataset;
use crate::dataset::{Dataset, DatasetError, LookupRow};
use crate::device;
use crate::device::{Continuity, Device, DeviceError, Facts, Vigilance, Workload};
use edgezen_core::files::FileError;
use edgezen_core::measurement::{Identity, Quality, Subject, Summary};
use edgezen_core::random::shuffle;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub const JOURNAL: &str = "journal.jsonl";
pub const PLAN: &str = "plan.json";
pub const LOOKUP_TABLE: &str = "lookup_table.csv";

/// Looks at the sentinel before anything else, on devices whose measurements are repeated: what is usual
/// must not be that of one moment.
const FIRST_LOOKS: usize = 3;

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
    /// Relative to what is usual.
    Sentinel {
        drift: f64,
    },
    /// These measurements are made again.
    Repeat {
        count: usize,
        reason: &'a str,
        finished: usize,
    },
    /// The device rests before it goes on; said again and again until it does.
    Resting {
        left: Duration,
        reason: &'a str,
    },
    /// Something that a person should know.
    Note(&'a str),
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
    /// Measurements that were made again.
    pub repeated: usize,
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
    #[error("{dir} was begun on another device, or with another runner: {difference}")]
    OtherDevice { dir: PathBuf, difference: String },
    #[error(transparent)]
    File(#[from] FileError),
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
        let (journal, header, lines) = self.open(device)?;
        device.begin(&header.session);
        let mut course = Course::new(self, device, progress, journal, header, lines);
        course.run()?;
        let outcome = assemble::finish(self.plan, self.dir, &course.header, &course.lines)?;
        course.device.finished();
        // Nobody can break off any more.
        let _ = course.pass_on_notes();
        Ok(outcome)
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
            (Some(mut found), Start::Resume) => {
                let restarted = self.check(&found, &header, device)?;
                let mut journal = Journal::resume(&path, &found)?;
                if restarted {
                    let line = Line::Session { environment: header.environment };
                    journal.add(&line)?;
                    found.lines.push(line);
                }
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
        crate::files::write_atomically(&dir.join(PLAN), self.plan.to_json().as_bytes())?;
        let journal = Journal::create(&path, &header)?;
        Ok((journal, header, Vec::new()))
    }

    fn header(&self, device: &dyn Device) -> Header {
        Header {
            version: journal::VERSION,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            created: crate::files::rfc3339(self.now),
            plan: self.plan.hash(),
            configurations: self.plan.subjects.len(),
            rounds: self.rounds.max(1),
            seed: self.seed,
            identity: device.identity().clone(),
            environment: device.facts(),
            session: device::unique_name(),
        }
    }

    /// Whether the device was started anew since.
    fn check(&self, found: &Found, ours: &Header, device: &dyn Device) -> Result<bool, CampaignError> {
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
        match device.continuity(latest(found)) {
            Continuity::Same => Ok(false),
            Continuity::Restarted(_) => Ok(true),
            Continuity::Other(difference) => {
                Err(CampaignError::OtherDevice { dir: self.dir.to_owned(), difference })
            }
        }
    }

    /// All passes, each over all configurations in a random order that the seed fixes: drift must not
    /// look like a trend over sizes.
    fn order(&self, rounds: u32) -> Vec<Place> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        let mut order = Vec::new();
        for round in 0..rounds {
            let mut pass: Vec<usize> = (0..self.plan.subjects.len()).collect();
            shuffle(&mut pass, &mut rng);
            order.extend(pass.into_iter().map(|index| Place { round, index }));
        }
        order
    }
}

/// What the device said of itself when it was last started.
fn latest(found: &Found) -> &Facts {
    let sessions = found.lines.iter().rev().filter_map(|line| match line {
        Line::Session { environment } => Some(environment),
        _ => None,
    });
    sessions.into_iter().next().unwrap_or(&found.header.environment)
}

/// A campaign under way.
struct Course<'a> {
    plan: &'a Plan,
    device: &'a mut dyn Device,
    progress: &'a mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    journal: Journal,
    header: Header,
    lines: Vec<Line>,
    vigilance: Option<Vigilance>,
    /// What is not measured yet.
    queue: VecDeque<Place>,
    /// Configurations that the device cannot run.
    failed: Vec<bool>,
    finished: usize,
    /// Measured since the last look at the sentinel.
    window: Vec<Place>,
    /// Repetitions of each measurement so far.
    attempts: FxHashMap<Place, u32>,
    /// The device showed at the last look that it is cool.
    cool: bool,
    /// The device did not get better by all the rests there are.
    hopeless: bool,
}

impl<'a> Course<'a> {
    fn new(
        campaign: &Campaign<'a>,
        device: &'a mut dyn Device,
        progress: &'a mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
        journal: Journal,
        header: Header,
        lines: Vec<Line>,
    ) -> Course<'a> {
        let done = Finished::of(&header, &lines);
        let order = campaign.order(header.rounds).into_iter();
        let queue = order.filter(|place| !done.has(place.round, place.index)).collect();
        let mut attempts = FxHashMap::default();
        for line in &lines {
            if let Line::Redo { of, .. } = line {
                of.iter().for_each(|&place| *attempts.entry(place).or_default() += 1);
            }
        }
        let after =
            lines.iter().rposition(|line| matches!(line, Line::Sentinel { .. })).map_or(0, |at| at + 1);
        let measured = |line: &&Line| matches!(line, Line::Sample { .. });
        let window = lines[after..].iter().filter(measured).flat_map(Line::places).collect();
        Course {
            plan: campaign.plan,
            vigilance: device.vigilance(),
            device,
            progress,
            failed: vec![false; header.configurations],
            finished: done.count(),
            journal,
            header,
            lines,
            queue,
            window,
            attempts,
            cool: false,
            hopeless: false,
        }
    }

    fn run(&mut self) -> Result<(), CampaignError> {
        let total = self.header.total();
        self.pass_on_notes()?;
        self.tell(Event::Begin { finished: self.finished, total })?;
        if self.queue.is_empty() {
            return Ok(());
        }
        // The device may have changed since the last look, which then lies long ago.
        let looks = if self.vigilance.is_some() { FIRST_LOOKS } else { 1 };
        for _ in drift::sentinels(&self.lines).count()..looks.saturating_sub(1) {
            self.look()?;
        }
        self.check()?;
        while let Some(place) = self.queue.pop_front() {
            if self.failed[place.index] {
                continue;
            }
            self.measure(place)?;
            if self.window.len() >= SENTINEL_EVERY || (self.queue.is_empty() && !self.window.is_empty()) {
                self.check()?;
            }
        }
        Ok(())
    }

    fn measure(&mut self, place: Place) -> Result<(), CampaignError> {
        let Place { round, index } = place;
        let plan = self.plan;
        let subject = &plan.subjects[index];
        let attempt = self.attempts.get(&place).copied().unwrap_or(0);
        let name = format!("r{round}-{index}-{attempt}");
        match self.device.measure_as(&name, Workload::Subject(subject)) {
            Ok(measured) => {
                let summary = measured.timing.summary();
                let complaint = self.vigilance.as_ref().and_then(|vigilance| vigilance.complaint(&measured));
                self.add(Line::Sample { index, round, attempt, measured: Box::new(measured) })?;
                self.finished += 1;
                self.window.push(place);
                self.pass_on_notes()?;
                if let Some(summary) = summary {
                    let finished = self.finished;
                    self.tell(Event::Measured { subject, summary: &summary, finished })?;
                }
                match complaint {
                    Some(reason) => {
                        self.window.pop();
                        self.rest(&reason)?;
                        self.repeat(&[place], Quality::Throttled, &reason)
                    }
                    None => Ok(()),
                }
            }
            Err(e @ DeviceError::Workload { .. }) => {
                let reason = e.to_string();
                self.add(Line::Failed { index, reason: reason.clone() })?;
                self.failed[index] = true;
                self.finished = Finished::of(&self.header, &self.lines).count();
                let finished = self.finished;
                self.tell(Event::Failed { subject, reason: &reason, finished })
            }
            Err(e) => Err(e.into()),
        }
    }

    /// Measures the sentinel; gives how much slower than usual it is.
    fn look(&mut self) -> Result<Option<f64>, CampaignError> {
        let kernel = SENTINEL.with_batch(self.device.identity().batch);
        let measured = match self.device.measure(Workload::Subject(&Subject::Kernel(kernel))) {
            Ok(measured) => measured,
            // The device cannot run this one kernel: the campaign goes on without a mark.
            Err(DeviceError::Workload { .. }) => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        let Some(summary) = measured.timing.summary() else { return Ok(None) };
        self.add(Line::Sentinel { median_ns: summary.median.ns() })?;
        self.cool = self.vigilance.as_ref().is_some_and(|vigilance| vigilance.is_cool(&measured));
        let tolerance = self.vigilance.as_ref().map_or(drift::DRIFT, |vigilance| vigilance.drift);
        let drift = drift::of_last(&self.lines, tolerance);
        self.tell(Event::Sentinel { drift })?;
        Ok(Some(drift))
    }

    /// Looks whether the device is still itself; what was measured since the last look is measured again
    /// if not.
    fn check(&mut self) -> Result<(), CampaignError> {
        let drift = self.look()?;
        let window = std::mem::take(&mut self.window);
        let (Some(drift), Some(vigilance)) = (drift, self.vigilance.clone()) else { return Ok(()) };
        if drift <= vigilance.drift {
            return Ok(());
        }
        // A moment's disturbance is none of the window's.
        let drift = self.look()?.map_or(drift, |again| again.min(drift));
        if drift <= vigilance.drift {
            return Ok(());
        }
        let reason = format!("the sentinel is {:.0} % slower than usual", 100.0 * drift);
        // Slow and cool: something else runs on it, and resting does not help.
        let throttled = drift > vigilance.throttled && !self.cool;
        if throttled {
            self.rest(&reason)?;
        }
        self.repeat(&window, if throttled { Quality::Throttled } else { Quality::Drifted }, &reason)
    }

    /// Lets the device rest until it is itself again, as long as there is hope.
    fn rest(&mut self, reason: &str) -> Result<(), CampaignError> {
        let Some(vigilance) = self.vigilance.clone() else { return Ok(()) };
        let rests = if self.hopeless { 1 } else { vigilance.rests.len() };
        for pause in vigilance.rests.iter().take(rests) {
            let start = Instant::now();
            while let Some(left) = pause.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) {
                self.tell(Event::Resting { left, reason })?;
                std::thread::sleep(left.min(Duration::from_millis(200)));
            }
            if self.look()?.is_none_or(|drift| drift <= vigilance.drift) {
                return Ok(());
            }
        }
        self.hopeless = true;
        Ok(())
    }

    /// Puts `places` at the head of the queue again; those that were repeated often enough are flagged.
    fn repeat(&mut self, places: &[Place], quality: Quality, reason: &str) -> Result<(), CampaignError> {
        let retries = self.vigilance.as_ref().map_or(0, |vigilance| vigilance.retries);
        let tried = |place: &Place| self.attempts.get(place).copied().unwrap_or(0);
        let usable = places.iter().copied().filter(|place| !self.failed[place.index]);
        let (again, enough): (Vec<Place>, Vec<Place>) = usable.partition(|place| tried(place) < retries);
        if !enough.is_empty() {
            self.add(Line::Flagged { of: enough, quality, reason: reason.to_owned() })?;
        }
        if again.is_empty() {
            return Ok(());
        }
        self.add(Line::Redo { of: again.clone(), reason: reason.to_owned() })?;
        self.finished -= again.len();
        for &place in again.iter().rev() {
            *self.attempts.entry(place).or_default() += 1;
            self.queue.push_front(place);
        }
        let finished = self.finished;
        self.tell(Event::Repeat { count: again.len(), reason, finished })
    }

    fn add(&mut self, line: Line) -> Result<(), JournalError> {
        self.journal.add(&line)?;
        self.lines.push(line);
        Ok(())
    }

    /// What the device wants a person to know.
    fn pass_on_notes(&mut self) -> Result<(), CampaignError> {
        for note in self.device.take_notes() {
            self.tell(Event::Note(&note))?;
        }
        Ok(())
    }

    fn tell(&mut self, event: Event<'_>) -> Result<(), CampaignError> {
        let total = self.header.total();
        if (self.progress)(event).is_break() && self.finished < total {
            return Err(CampaignError::Interrupted { finished: self.finished, total });
        }
        Ok(())
    }
}

/// The first field in which two identities differ.
pub fn difference(theirs: &Identity, ours: &Identity) -> String {
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
mod tests;
