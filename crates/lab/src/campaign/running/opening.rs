//! How a campaign begins: with a new journal, or with the one that is in the folder already.

use super::{Campaign, Start};
use crate::campaign::CampaignError;
use crate::campaign::folder::{JOURNAL, PLAN};
use crate::campaign::journal::{self, Header, Journal, Line, OpenedJournal};
use crate::dataset::{DatasetFolder, SAMPLES};
use crate::device;
use crate::device::{Continuity, Device, Facts};
use crate::files::{rfc3339, write_atomically};

/// A journal that measurements can be added to, and what it holds already.
pub struct Begun {
    pub journal: Journal,
    pub header: Header,
    pub lines: Vec<Line>,
}

/// Begins the journal of `campaign` in its `folder`, or goes on with the one that is there.
///
/// # Errors
/// A folder that holds something else; the disk's.
pub fn open(
    campaign: &Campaign<'_>,
    folder: &mut DatasetFolder,
    device: &dyn Device,
) -> Result<Begun, CampaignError> {
    let dir = || campaign.dir.to_owned();
    let header = header(campaign, device);
    let path = folder.home().join(JOURNAL);
    match (journal::read(&path)?, campaign.start) {
        (Some(mut earlier), Start::Resume) => {
            let restarted = check(campaign, &earlier, &header, device)?;
            let mut journal = Journal::resume(&path, &earlier)?;
            if restarted {
                let line = Line::Session { environment: header.environment };
                journal.add(&line)?;
                earlier.lines.push(line);
            }
            // It is written after the first line of the journal.
            if !folder.home().join(PLAN).exists() {
                write_plan(campaign, folder)?;
            }
            return Ok(Begun { journal, header: earlier.header, lines: earlier.lines });
        }
        (Some(earlier), Start::Fresh) => {
            let (finished, total) = (earlier.finished().count(), earlier.header.total());
            if finished < total || folder.is_renewing() {
                return Err(CampaignError::Unfinished { dir: dir(), finished, total });
            }
            return Err(CampaignError::Finished { dir: dir() });
        }
        // Killed before its first line was whole.
        (None, Start::Resume) if folder.is_renewing() => {}
        (None, Start::Fresh | Start::Resume) => match folder.in_the_way() {
            Some(JOURNAL) if journal::is_begun(&path)? && !folder.home().join(PLAN).exists() => {}
            Some(SAMPLES) => return Err(CampaignError::Finished { dir: dir() }),
            Some(name) => return Err(CampaignError::Foreign { dir: dir(), name }),
            None => {}
        },
        (_, Start::Force) => folder.begin()?,
    }
    let journal = Journal::create(&folder.home().join(JOURNAL), &header)?;
    write_plan(campaign, folder)?;
    Ok(Begun { journal, header, lines: Vec::new() })
}

fn write_plan(campaign: &Campaign<'_>, folder: &DatasetFolder) -> Result<(), CampaignError> {
    Ok(write_atomically(&folder.home().join(PLAN), campaign.plan.to_json().as_bytes())?)
}

fn header(campaign: &Campaign<'_>, device: &dyn Device) -> Header {
    Header {
        version: journal::FORMAT.newest,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        created: rfc3339(campaign.now),
        plan: campaign.plan.hash(),
        configurations: campaign.plan.subjects.len(),
        rounds: campaign.passes.most.max(1),
        enough_within: campaign.passes.enough_within,
        seed: campaign.seed,
        identity: device.identity().clone(),
        environment: device.facts(),
        session: device::unique_name(),
    }
}

/// Whether the device was started anew since the journal was begun.
///
/// # Errors
/// A journal of another plan, identity or device.
fn check(
    campaign: &Campaign<'_>,
    earlier: &OpenedJournal,
    ours: &Header,
    device: &dyn Device,
) -> Result<bool, CampaignError> {
    let dir = || campaign.dir.to_owned();
    let theirs = &earlier.header;
    if theirs.identity != ours.identity {
        return Err(CampaignError::OtherIdentity {
            dir: dir(),
            theirs: theirs.identity.to_string(),
            ours: ours.identity.to_string(),
            difference: theirs.identity.difference(&ours.identity),
        });
    }
    let same = |h: &Header| (h.plan.clone(), h.configurations, h.rounds, h.enough_within);
    if same(theirs) != same(ours) {
        return Err(CampaignError::OtherPlan { dir: dir() });
    }
    match device.continuity(latest(earlier)) {
        Continuity::Same => Ok(false),
        Continuity::Restarted(_) => Ok(true),
        Continuity::Other(difference) => Err(CampaignError::OtherDevice { dir: dir(), difference }),
    }
}

/// What the device said of itself when it was last started.
fn latest(journal: &OpenedJournal) -> &Facts {
    let sessions = journal.lines.iter().rev().filter_map(|line| match line {
        Line::Session { environment } => Some(environment),
        _ => None,
    });
    sessions.into_iter().next().unwrap_or(&journal.header.environment)
}
