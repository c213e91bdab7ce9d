//! The parts of a shared profile on disk: `units/<unit>/<number>`, each the folder of a campaign with a plan and a journal of its own.
//! All that is known of the progress is read from there.

use crate::campaign::folder::{JOURNAL, PLAN};
use crate::campaign::journal::{self, OpenedJournal};
use crate::campaign::{CampaignError, Plan};
use crate::files::holding::names::dataset as names;
use edgezen_core::files::FileError;
use edgezen_core::foreign::Name;
use rustc_hash::FxHashMap;
use std::path::{Path, PathBuf};

/// The folder of all parts.
pub const UNITS: &str = names::UNITS;

/// The number of the part that every unit measures, by which they are compared.
pub const ANCHORS: usize = 0;

/// One part.
#[derive(Debug)]
pub struct Part {
    pub unit: Name,
    pub number: usize,
    pub plan: Plan,
    /// `None`: nothing was measured yet.
    pub journal: Option<OpenedJournal>,
    /// The number in the whole plan of each configuration of this part.
    pub indices: Vec<usize>,
}

/// The numbers of configurations in a plan, by their text.
pub struct Numbers(FxHashMap<String, usize>);

impl Numbers {
    pub fn of(plan: &Plan) -> Numbers {
        let texts = plan.subjects.iter().map(|subject| serde_json::to_string(subject).unwrap_or_default());
        Numbers(texts.enumerate().map(|(index, text)| (text, index)).collect())
    }

    /// The numbers of all configurations of a part that is known to belong to the whole plan.
    pub fn all(&self, part: &Plan) -> Vec<usize> {
        let text = |subject| serde_json::to_string(subject).unwrap_or_default();
        part.subjects.iter().filter_map(|subject| self.0.get(&text(subject)).copied()).collect()
    }

    /// The numbers in the whole plan of a part's configurations.
    ///
    /// # Errors
    /// One that the whole plan does not have.
    fn in_whole(&self, part: &Plan, path: &Path) -> Result<Vec<usize>, FileError> {
        let number = |subject: &_| {
            let text = serde_json::to_string(subject).unwrap_or_default();
            self.0
                .get(&text)
                .copied()
                .ok_or_else(|| FileError::damaged(path, format!("{subject} is not in the whole plan")))
        };
        part.subjects.iter().map(number).collect()
    }
}

/// The folder of a part.
pub fn folder(dir: &Path, unit: &Name, number: usize) -> PathBuf {
    dir.join(UNITS).join(unit.to_string()).join(number.to_string())
}

/// All parts below `dir`, by unit and number.
///
/// # Errors
/// A plan or a journal that cannot be read.
pub fn read(dir: &Path, numbers: &Numbers) -> Result<Vec<Part>, CampaignError> {
    let mut parts = Vec::new();
    for unit in names_in(&dir.join(UNITS))? {
        let Ok(unit) = Name::parse(&unit) else { continue };
        for number in names_in(&dir.join(UNITS).join(unit.to_string()))? {
            let Ok(number) = number.parse() else { continue };
            let dir = folder(dir, &unit, number);
            let path = dir.join(PLAN);
            // Killed before anything was begun.
            if !path.is_file() {
                continue;
            }
            let plan = Plan::read(&path).map_err(|error| FileError::damaged(&path, error.to_string()))?;
            let journal = journal::read(&dir.join(JOURNAL))?;
            let indices = numbers.in_whole(&plan, &path)?;
            parts.push(Part { unit: unit.clone(), number, plan, journal, indices });
        }
    }
    parts.sort_by(|a, b| (&a.unit, a.number).cmp(&(&b.unit, b.number)));
    Ok(parts)
}

fn names_in(folder: &Path) -> Result<Vec<String>, FileError> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(FileError::io(folder))?,
    };
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

impl Part {
    /// The configurations of this part, by their numbers in the whole plan, that are finished and those that are not.
    pub fn progress(&self) -> (Vec<usize>, Vec<usize>) {
        let Some(journal) = &self.journal else { return (Vec::new(), self.indices.clone()) };
        let finished = journal.finished();
        let is_done = |local: usize| (0..journal.header.rounds).all(|round| finished.has(round, local));
        let (done, open): (Vec<_>, Vec<_>) =
            self.indices.iter().copied().enumerate().partition(|&(local, _)| is_done(local));
        let indices = |of: Vec<(usize, usize)>| of.into_iter().map(|(_, index)| index).collect();
        (indices(done), indices(open))
    }

    /// Whether a campaign has to go on here.
    pub fn is_open(&self) -> bool {
        !self.progress().1.is_empty()
    }
}
