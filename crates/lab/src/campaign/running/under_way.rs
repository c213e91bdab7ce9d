//! The loop of a campaign: one configuration after another, each on disk before the next one begins.

use super::Campaign;
use super::opening::Begun;
use crate::campaign::drift::{self, SENTINEL_EVERY};
use crate::campaign::journal::{Finished, Header, Journal, JournalError, Line, Turn};
use crate::campaign::plan::Plan;
use crate::campaign::{CampaignError, Event, enough};
use crate::device::{Device, DeviceError, Vigilance, Workload};
use edgezen_core::measurement::Quality;
use edgezen_core::random::shuffle;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::ops::ControlFlow;

/// Number of times that the sentinel is measured before anything else, on devices whose measurements are repeated: what
/// is usual must not be decided by one moment.
const FIRST_LOOKS: usize = 3;

/// A campaign under way.
pub struct UnderWay<'a> {
    pub(super) plan: &'a Plan,
    pub(super) device: &'a mut dyn Device,
    pub(super) progress: &'a mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    pub(super) journal: Journal,
    pub(super) header: Header,
    pub(super) lines: Vec<Line>,
    pub(super) vigilance: Option<Vigilance>,
    /// What is not measured yet.
    pub(super) queue: VecDeque<Turn>,
    /// Configurations that the device cannot run.
    pub(super) failed: Vec<bool>,
    pub(super) finished: usize,
    /// Measured since the last look at the sentinel.
    pub(super) window: Vec<Turn>,
    /// Measurements that were flagged at once since then.
    pub(super) unchecked: usize,
    /// Repetitions of each measurement so far.
    pub(super) attempts: FxHashMap<Turn, u32>,
    /// Whether the device showed that it was cool when the sentinel was last measured.
    pub(super) cool: bool,
    /// The sign of throttling when the sentinel was last measured.
    pub(super) complaint: Option<String>,
    /// What other programs did while the sentinel was last measured, where that was enough to slow it.
    pub(super) busy: Option<String>,
    /// Temperature of the hottest watched zone after the first sentinel of this session, in °C.
    pub(super) first_c: Option<f64>,
    /// Whether the device was still slow, or throttled, after all rests. From then on it rests at the looks at the sentinel
    /// alone, and only once.
    pub(super) hopeless: bool,
    /// The sentinel on the plateau of this session, in nanoseconds, where the device was heated.
    pub(super) plateau_ns: Option<f64>,
}

impl<'a> UnderWay<'a> {
    pub fn new(
        campaign: &Campaign<'a>,
        device: &'a mut dyn Device,
        progress: &'a mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
        begun: Begun,
    ) -> UnderWay<'a> {
        let Begun { journal, header, lines } = begun;
        let done = Finished::of(&header, &lines);
        let order = order(campaign.plan.subjects.len(), header.rounds, campaign.seed).into_iter();
        let queue = order.filter(|turn| !done.has(turn.round, turn.index)).collect();
        let mut attempts = FxHashMap::default();
        for line in &lines {
            if let Line::Redo { of, .. } = line {
                of.iter().for_each(|&turn| *attempts.entry(turn).or_default() += 1);
            }
        }
        let after =
            lines.iter().rposition(|line| matches!(line, Line::Sentinel { .. })).map_or(0, |at| at + 1);
        let measured = |line: &&Line| matches!(line, Line::Sample { .. });
        let window = lines[after..].iter().filter(measured).flat_map(Line::turns).collect();
        UnderWay {
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
            unchecked: 0,
            attempts,
            cool: false,
            complaint: None,
            busy: None,
            first_c: None,
            hopeless: false,
            plateau_ns: None,
        }
    }

    pub fn run(&mut self) -> Result<(), CampaignError> {
        let total = self.header.total();
        self.pass_on_notes()?;
        self.tell(Event::Begin { finished: self.finished, total })?;
        if self.queue.is_empty() {
            return Ok(());
        }
        self.heat()?;
        // In a campaign that is resumed, the last sentinel lies long ago, and the device may have changed since.
        let looks = if self.vigilance.is_some() { FIRST_LOOKS } else { 1 };
        for _ in drift::sentinels(&self.lines).count()..looks.saturating_sub(1) {
            self.look()?;
        }
        self.check()?;
        while let Some(turn) = self.queue.pop_front() {
            if self.failed[turn.index] || self.is_enough(turn)? {
                continue;
            }
            self.measure(turn)?;
            let since = self.window.len() + self.unchecked;
            if since >= SENTINEL_EVERY || (self.queue.is_empty() && since > 0) {
                self.check()?;
            }
        }
        Ok(())
    }

    /// Whether earlier passes tell enough of this configuration; the journal then says so.
    fn is_enough(&mut self, turn: Turn) -> Result<bool, CampaignError> {
        let Some(within) = self.header.enough_within else { return Ok(false) };
        if !enough::known(&self.lines, turn, within) {
            return Ok(false);
        }
        self.add(Line::Enough { index: turn.index })?;
        self.finished = Finished::of(&self.header, &self.lines).count();
        Ok(true)
    }

    fn measure(&mut self, turn: Turn) -> Result<(), CampaignError> {
        let Turn { round, index } = turn;
        let plan = self.plan;
        let subject = &plan.subjects[index];
        let attempt = self.attempts.get(&turn).copied().unwrap_or(0);
        let name = format!("r{round}-{index}-{attempt}");
        match self.device.measure_as(&name, Workload::Subject(subject)) {
            Ok(measured) => {
                let summary = measured.timing.summary();
                let complaint = self.vigilance.as_ref().and_then(|vigilance| vigilance.complaint(&measured));
                self.add(Line::Sample { index, round, attempt, measured: Box::new(measured) })?;
                self.finished += 1;
                self.window.push(turn);
                self.pass_on_notes()?;
                if let Some(summary) = summary {
                    let finished = self.finished;
                    self.tell(Event::Measured { subject, summary: &summary, finished })?;
                }
                match complaint {
                    // Neither a rest nor a repetition helps.
                    Some(reason) if self.hopeless => {
                        self.window.pop();
                        self.add(Line::Flagged { of: vec![turn], quality: Quality::Throttled, reason })?;
                        self.unchecked += 1;
                        Ok(())
                    }
                    Some(reason) => {
                        self.window.pop();
                        self.rest(&reason)?;
                        self.repeat(&[turn], Quality::Throttled, &reason)
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

    pub(super) fn add(&mut self, line: Line) -> Result<(), JournalError> {
        self.journal.add(&line)?;
        self.lines.push(line);
        Ok(())
    }

    /// Passes on what the device wants a person to know.
    pub(super) fn pass_on_notes(&mut self) -> Result<(), CampaignError> {
        for note in self.device.take_notes() {
            self.tell(Event::Note(&note))?;
        }
        Ok(())
    }

    pub(super) fn tell(&mut self, event: Event<'_>) -> Result<(), CampaignError> {
        let total = self.header.total();
        if (self.progress)(event).is_break() && self.finished < total {
            return Err(CampaignError::Interrupted { finished: self.finished, total });
        }
        Ok(())
    }
}

/// All passes, each over all configurations in a random order that the seed fixes, so that drift does not look like an
/// effect of the size of kernels.
fn order(configurations: usize, rounds: u32, seed: u64) -> Vec<Turn> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut order = Vec::new();
    for round in 0..rounds {
        let mut pass: Vec<usize> = (0..configurations).collect();
        shuffle(&mut pass, &mut rng);
        order.extend(pass.into_iter().map(|index| Turn { round, index }));
    }
    order
}
