//! Whether the device still runs at its usual speed: the sentinel is measured, a hot device rests, and what was measured
//! meanwhile is measured again.

use super::under_way::UnderWay;
use crate::campaign::drift;
use crate::campaign::journal::{Line, Turn};
use crate::campaign::sentinel::SENTINEL;
use crate::campaign::{CampaignError, Event, state};
use crate::device::{DeviceError, Workload};
use edgezen_core::measurement::{Quality, Subject};
use edgezen_runner::Measured;
use std::time::{Duration, Instant};

impl UnderWay<'_> {
    /// Measures the sentinel; returns how much slower than usual it is, as a share.
    pub(super) fn look(&mut self) -> Result<Option<f64>, CampaignError> {
        let tolerance = self.vigilance.as_ref().map_or(drift::DRIFT, |vigilance| vigilance.drift);
        Ok(self.look_ns()?.map(|_| drift::of_last(&self.lines, tolerance)))
    }

    /// Measures the sentinel, in nanoseconds; `None` on a device that cannot run it.
    pub(super) fn look_ns(&mut self) -> Result<Option<f64>, CampaignError> {
        let kernel = SENTINEL.with_batch(self.device.identity().batch);
        let measured = match self.device.measure(Workload::Subject(&Subject::Kernel(kernel))) {
            Ok(measured) => measured,
            // A device that cannot run this kernel is measured without a sentinel.
            Err(DeviceError::Workload { .. }) => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        let Some(summary) = measured.timing.summary() else { return Ok(None) };
        self.add(Line::Sentinel { median_ns: summary.median.ns() })?;
        self.busy = state::busy(std::slice::from_ref(&measured));
        if let Some(vigilance) = &self.vigilance {
            self.complaint = vigilance.complaint(&measured);
            self.first_c = self.first_c.or_else(|| measured.after.hottest_c(&vigilance.zones));
            self.cool = vigilance.is_cool(&measured, self.first_c);
        }
        let tolerance = self.vigilance.as_ref().map_or(drift::DRIFT, |vigilance| vigilance.drift);
        let drift = drift::of_last(&self.lines, tolerance);
        self.tell(Event::Sentinel { drift })?;
        Ok(Some(summary.median.ns()))
    }

    /// Checks whether the device still runs at its usual speed. If not, what was measured since the last check is
    /// measured again.
    pub(super) fn check(&mut self) -> Result<(), CampaignError> {
        if let Some(plateau_ns) = self.plateau_ns {
            return self.check_plateau(plateau_ns);
        }
        let drift = self.look()?;
        let window = std::mem::take(&mut self.window);
        self.unchecked = 0;
        let (Some(drift), Some(vigilance)) = (drift, self.vigilance.clone()) else { return Ok(()) };
        if drift <= vigilance.drift {
            // Measured while nothing is done about a sign of throttling, so that its end is noticed.
            if self.hopeless {
                match self.complaint.clone() {
                    Some(reason) => self.rest(&reason)?,
                    None => self.hopeless = false,
                }
            }
            return Ok(());
        }
        // A disturbance of one moment says nothing about the measurements before it: the sentinel is measured twice.
        let drift = self.look()?.map_or(drift, |again| again.min(drift));
        if drift <= vigilance.drift {
            return Ok(());
        }
        // A device that is slow and shows that it is cool, or how busy it is, is slow because of something else than heat, and
        // resting would not help.
        let busy = self.busy.clone().or_else(|| state::busy(&self.measured_in(&window)));
        let throttled = drift > vigilance.throttled && !self.cool && busy.is_none();
        let cause = busy.map_or_else(
            || if throttled { ", perhaps of heat".to_owned() } else { String::new() },
            |busy| format!("; {busy}"),
        );
        let reason = format!("the sentinel is {:.0} % slower than usual{cause}", 100.0 * drift);
        if throttled {
            self.rest(&reason)?;
        }
        self.repeat(&window, if throttled { Quality::Throttled } else { Quality::Drifted }, &reason)
    }

    /// What was measured in these turns since the last look at the sentinel.
    fn measured_in(&self, window: &[Turn]) -> Vec<Measured> {
        let latest = self.lines.iter().rev().take(2 * window.len() + 2);
        let measured = latest.filter_map(|line| match line {
            Line::Sample { index, round, measured, .. } => {
                window.contains(&Turn { round: *round, index: *index }).then(|| (**measured).clone())
            }
            _ => None,
        });
        measured.take(window.len()).collect()
    }

    /// Lets the device rest until it runs at its usual speed again, or all rests are used up.
    pub(super) fn rest(&mut self, reason: &str) -> Result<(), CampaignError> {
        let Some(vigilance) = self.vigilance.clone() else { return Ok(()) };
        let rests = if self.hopeless { 1 } else { vigilance.rests.len() };
        for pause in vigilance.rests.iter().take(rests) {
            let start = Instant::now();
            while let Some(left) = pause.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) {
                self.tell(Event::Resting { left, reason })?;
                std::thread::sleep(left.min(Duration::from_millis(200)));
            }
            let usual = self.look()?.is_none_or(|drift| drift <= vigilance.drift);
            if usual && self.complaint.is_none() {
                self.hopeless = false;
                return Ok(());
            }
        }
        self.hopeless = true;
        Ok(())
    }

    /// Puts `turns` at the head of the queue again. Those that were repeated as often as is allowed are flagged instead.
    pub(super) fn repeat(
        &mut self,
        turns: &[Turn],
        quality: Quality,
        reason: &str,
    ) -> Result<(), CampaignError> {
        let retries = self.vigilance.as_ref().map_or(0, |vigilance| vigilance.retries);
        let tried = |turn: &Turn| self.attempts.get(turn).copied().unwrap_or(0);
        let usable = turns.iter().copied().filter(|turn| !self.failed[turn.index]);
        let (again, enough): (Vec<Turn>, Vec<Turn>) = usable.partition(|turn| tried(turn) < retries);
        if !enough.is_empty() {
            self.add(Line::Flagged { of: enough, quality, reason: reason.to_owned() })?;
        }
        if again.is_empty() {
            return Ok(());
        }
        self.add(Line::Redo { of: again.clone(), reason: reason.to_owned() })?;
        self.finished -= again.len();
        for &turn in again.iter().rev() {
            *self.attempts.entry(turn).or_default() += 1;
            self.queue.push_front(turn);
        }
        let finished = self.finished;
        self.tell(Event::Repeat { count: again.len(), reason, finished })
    }
}
