//! One plan, measured on several units of one device.

use crate::campaign::folder::{JOURNAL, PLAN};
use crate::campaign::journal::{self, Header, Journal};
use crate::campaign::{Campaign, CampaignError, CampaignOutcome, Event, Plan, Start, assembled};
use crate::dataset::{DatasetFolder, SAMPLES};
use crate::device::{self, Device, DeviceError, Facts, Passes};
use crate::files::{rfc3339, write_atomically};
use crate::pool::error::PoolError;
use crate::pool::merging::{self, UnitReport};
use crate::pool::parts::{self, ANCHORS, Numbers, Part};
use crate::pool::work::Work;
use edgezen_core::foreign::Name;
use edgezen_core::measurement::Identity;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;

/// Configurations that every unit measures, so that they can be compared; at most a tenth of the plan.
const COMPARED: usize = 5;

/// What several units are to measure together.
pub struct SharedProfile<'a> {
    pub plan: &'a Plan,
    pub dir: &'a Path,
    /// Whether to go on with an unfinished profile.
    pub resume: bool,
    pub rounds: u32,
    pub seed: u64,
    /// Seconds since 1970, for the provenance.
    pub now: u64,
    pub units: &'a [Name],
}

/// A profile that several units measured.
#[derive(Debug)]
pub struct SharedOutcome {
    pub outcome: CampaignOutcome,
    pub units: Vec<UnitReport>,
    /// Units that did not stay until the end, with the reason.
    pub lost: Vec<(String, String)>,
}

/// Opens a unit, by its name, in the thread that measures on it.
pub type Open<'a> = dyn Fn(&Name) -> Result<Box<dyn Device>, DeviceError> + Sync + 'a;
/// Hears what happens on a unit, and may break off.
pub type Progress<'a> = dyn Fn(&Name, Event<'_>) -> ControlFlow<()> + Sync + 'a;

impl SharedProfile<'_> {
    /// Measures what is not measured yet, and makes one dataset of it. Every unit has a thread of its own.
    ///
    /// # Errors
    /// See [`PoolError`]; in all cases every finished measurement is kept, and [`SharedProfile::resume`] goes on.
    pub fn run(&self, open: &Open<'_>, progress: &Progress<'_>) -> Result<SharedOutcome, PoolError> {
        let mut folder = DatasetFolder::lock(self.dir)?;
        let numbers = Numbers::of(self.plan);
        let known = self.begin(&folder, &numbers)?;
        let work = self.work(&known);
        let lost: Vec<(String, CampaignError)> = std::thread::scope(|scope| {
            let threads: Vec<_> = self
                .units
                .iter()
                .map(|unit| {
                    let (work, known, numbers) = (&work, &known, &numbers);
                    (unit, scope.spawn(move || self.serve(unit, work, known, numbers, open, progress)))
                })
                .collect();
            let ended_early = |unit: &Name| {
                let reason = "its thread ended early".to_owned();
                CampaignError::from(DeviceError::Lost { device: unit.to_string(), reason })
            };
            let joined = threads.into_iter().filter_map(|(unit, thread)| {
                let ended = thread.join().unwrap_or_else(|_| Err(ended_early(unit)));
                ended.err().map(|error| (unit.to_string(), error))
            });
            joined.collect()
        });
        self.finish(&mut folder, &numbers, lost)
    }

    /// Checks what is in the folder, and gives the parts that are there.
    fn begin(&self, folder: &DatasetFolder, numbers: &Numbers) -> Result<Vec<Part>, PoolError> {
        let dir = || self.dir.to_owned();
        let path = folder.home().join(PLAN);
        let units = self.dir.join(parts::UNITS).is_dir();
        if units && folder.home().join(SAMPLES).exists() {
            return Err(CampaignError::Finished { dir: dir() }.into());
        }
        if !units {
            if let Some(name) = folder.in_the_way() {
                return Err(CampaignError::Foreign { dir: dir(), name }.into());
            }
            write_atomically(&path, self.plan.to_json().as_bytes())?;
            let units = self.dir.join(parts::UNITS);
            std::fs::create_dir(&units).map_err(edgezen_core::files::FileError::io(&units))?;
            return Ok(Vec::new());
        }
        let theirs = Plan::read(&path).map_err(|_| PoolError::OtherPlan { dir: dir() })?;
        if theirs != *self.plan {
            return Err(PoolError::OtherPlan { dir: dir() });
        }
        let known = parts::read(self.dir, numbers)?;
        if known
            .iter()
            .filter_map(|part| part.journal.as_ref())
            .any(|journal| journal.header.rounds != self.rounds)
        {
            return Err(PoolError::OtherPlan { dir: dir() });
        }
        if !self.resume {
            let total = self.plan.subjects.len();
            return Err(PoolError::Unfinished { dir: dir(), finished: finished(&known).len(), total });
        }
        Ok(known)
    }

    /// What is left: neither measured, nor in an open part of a unit that is here, nor among those that all units measure.
    fn work(&self, known: &[Part]) -> Work {
        let mut taken = finished(known);
        let ours = |part: &&Part| self.units.contains(&part.unit) && part.is_open();
        for part in known.iter().filter(ours) {
            taken.extend(part.progress().1);
        }
        taken.extend(self.compared());
        let free = (0..self.plan.subjects.len()).filter(|index| !taken.contains(index)).collect();
        Work::new(free, self.units.len(), self.units.len())
    }

    /// The configurations that all units measure, spread over the plan.
    fn compared(&self) -> Vec<usize> {
        let total = self.plan.subjects.len();
        let number = if self.units.len() > 1 { COMPARED.min(total / 10) } else { 0 };
        (0..number).map(|i| i * total / number).collect()
    }

    /// Measures on one unit until nothing is left. What it does not finish goes to the others.
    fn serve(
        &self,
        unit: &Name,
        work: &Work,
        known: &[Part],
        numbers: &Numbers,
        open: &Open<'_>,
        progress: &Progress<'_>,
    ) -> Result<(), CampaignError> {
        let mut next =
            known.iter().filter(|part| part.unit == *unit).map(|part| part.number + 1).max().unwrap_or(1);
        let has_anchors = known.iter().any(|part| part.unit == *unit && part.number == ANCHORS);
        // The thread began with a lease: the parts that it has already, and the one that all units measure.
        let mut first: Vec<(usize, Plan)> = known
            .iter()
            .filter(|part| part.unit == *unit && part.is_open())
            .map(|part| (part.number, part.plan.clone()))
            .collect();
        let compared = self.compared();
        if !has_anchors && !compared.is_empty() {
            first.insert(0, (ANCHORS, self.part_of(&compared)));
        }
        let mut opened = Opened { open, device: None };
        let begun = first
            .iter()
            .try_for_each(|(number, plan)| self.measure(unit, *number, plan, &mut opened, progress));
        let rest = match &begun {
            Ok(()) => Vec::new(),
            // Every unit measures those that all compare; if all are lost, a later start does it.
            Err(_) => self.unfinished(unit, &first, numbers, &compared),
        };
        work.give_back(rest);
        begun?;
        while let Some(indices) = work.take() {
            let (number, plan) = (next, self.part_of(&indices));
            next += 1;
            let measured = self.measure(unit, number, &plan, &mut opened, progress);
            let rest = match &measured {
                Ok(()) => Vec::new(),
                Err(_) => self.unfinished(unit, &[(number, plan)], numbers, &[]),
            };
            work.give_back(rest);
            measured?;
        }
        if let Some(device) = &mut opened.device {
            device.finished();
        }
        Ok(())
    }

    /// The configurations of these parts of a unit that are not measured, except some.
    fn unfinished(
        &self,
        unit: &Name,
        parts: &[(usize, Plan)],
        numbers: &Numbers,
        except: &[usize],
    ) -> Vec<usize> {
        let read = parts::read(self.dir, numbers).unwrap_or_default();
        let rest = parts.iter().flat_map(|(number, plan)| {
            let part = read.iter().find(|part| part.unit == *unit && part.number == *number);
            part.map_or_else(|| numbers.all(plan), |part| part.progress().1)
        });
        rest.filter(|index| !except.contains(index)).collect()
    }

    fn part_of(&self, indices: &[usize]) -> Plan {
        let subjects = indices.iter().map(|&index| self.plan.subjects[index].clone()).collect();
        Plan { subjects, ..*self.plan }
    }

    fn measure(
        &self,
        unit: &Name,
        number: usize,
        plan: &Plan,
        opened: &mut Opened<'_>,
        progress: &Progress<'_>,
    ) -> Result<(), CampaignError> {
        let device = match &mut opened.device {
            Some(device) => device,
            none => none.insert((opened.open)(unit)?),
        };
        let campaign = Campaign {
            plan,
            dir: &parts::folder(self.dir, unit, number),
            start: Start::Resume,
            passes: Passes::exactly(self.rounds),
            // Not all parts are measured in the same order.
            seed: self.seed.wrapping_add(number as u64),
            now: self.now,
            keep: true,
        };
        campaign.run(device.as_mut(), &mut |event| progress(unit, event)).map(|_| ())
    }

    /// Makes one dataset of all parts.
    fn finish(
        &self,
        folder: &mut DatasetFolder,
        numbers: &Numbers,
        lost: Vec<(String, CampaignError)>,
    ) -> Result<SharedOutcome, PoolError> {
        let parts = parts::read(self.dir, numbers)?;
        let (done, total) = (finished(&parts).len(), self.plan.subjects.len());
        let reasons: Vec<(String, String)> =
            lost.iter().map(|(unit, error)| (unit.clone(), error.to_string())).collect();
        if done < total {
            let first = lost.into_iter().next().map(|(_, error)| Box::new(error));
            return Err(PoolError::Incomplete { finished: done, total, units: reasons, first });
        }
        let header = Header {
            version: journal::FORMAT.newest,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            created: rfc3339(self.now),
            plan: self.plan.hash(),
            configurations: total,
            rounds: self.rounds.max(1),
            enough_within: None,
            seed: self.seed,
            identity: Identity::new(
                Name::resembling("unknown"),
                Name::resembling("unknown"),
                Name::resembling("fp32"),
            ),
            environment: Facts::new(),
            session: device::unique_name(),
        };
        let merged = merging::merge(&parts, total, header)?;
        let mut journal =
            Journal::create(&folder.home().join(JOURNAL), &merged.header).map_err(CampaignError::from)?;
        for line in &merged.lines {
            journal.add(line).map_err(CampaignError::from)?;
        }
        let outcome = assembled(self.plan, folder.home(), &merged.header, &merged.lines)?;
        folder.finish()?;
        Ok(SharedOutcome { outcome, units: merged.units, lost: reasons })
    }
}

/// A unit that is opened for its first part, and stays so for the others.
struct Opened<'a> {
    open: &'a Open<'a>,
    device: Option<Box<dyn Device>>,
}

/// The configurations that some part holds completely.
fn finished(parts: &[Part]) -> BTreeSet<usize> {
    parts.iter().flat_map(|part| part.progress().0).collect()
}

#[cfg(test)]
mod tests;
