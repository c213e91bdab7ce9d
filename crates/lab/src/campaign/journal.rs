//! The journal of a campaign: one JSON line for each finished measurement, which is on disk before the next measurement
//! begins.
//!
//! The dataset is made of the journal alone. The first line is the header. Lines are only added, never changed; a last
//! line that was cut off, because the program was killed while it wrote, is dropped when the journal is opened again.

use super::heating::Heated;
use super::plan;
use crate::device::Facts;
use crate::files;
use edgezen_core::files::{FileError, Format};
use edgezen_core::measurement::{Identity, Quality};
use edgezen_core::units::Latency;
use edgezen_runner::Measured;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What the header says of its version, which grows when a line changes its meaning. A long campaign writes some
/// gigabytes.
pub const FORMAT: Format =
    Format { name: "journal of a campaign", field: "version", oldest: 1, newest: 4, most_bytes: 64 << 30 };

/// The first line: what is measured, on what, and in how many passes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    pub version: u32,
    pub tool_version: String,
    /// RFC 3339, UTC.
    pub created: String,
    /// SHA-256 of the plan.
    pub plan: String,
    /// Configurations in the plan.
    pub configurations: usize,
    /// Passes over the plan.
    pub rounds: u32,
    /// After two passes that agree within this share, a configuration is not measured again. `None`: all are measured in every
    /// pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enough_within: Option<f64>,
    pub seed: u64,
    pub identity: Identity,
    pub environment: Facts,
    /// A name that no other campaign has. Results that are still on the device are found again by it.
    #[serde(default)]
    pub session: String,
}

/// One line after the header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum Line {
    /// Configuration `index` of the plan was measured in pass `round`; `attempt` counts repetitions.
    Sample {
        index: usize,
        round: u32,
        #[serde(default)]
        attempt: u32,
        measured: Box<Measured>,
    },
    /// Configuration `index` cannot be measured on this device; no pass tries it again.
    Failed { index: usize, reason: String },
    /// Configuration `index` is known well enough; no further pass measures it.
    Enough { index: usize },
    /// The sentinel was measured (see [`super::drift`]).
    Sentinel { median_ns: f64 },
    /// These measurements are to be made again, because the device was slower than usual. Their first results stay in
    /// the journal, and no longer count.
    Redo { of: Vec<Turn>, reason: String },
    /// These measurements were repeated as often as is allowed. They count as they are, and are flagged.
    Flagged { of: Vec<Turn>, quality: Quality, reason: String },
    /// The device was heated up to its plateau, on which it is measured.
    Heated { heated: Heated },
    /// The device was restarted; these are its facts afterwards.
    Session { environment: Facts },
}

/// One measurement of a plan: that of configuration `index` in pass `round`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    pub round: u32,
    pub index: usize,
}

impl Line {
    /// The configuration that was measured, failed, or is known.
    pub fn index(&self) -> Option<usize> {
        match self {
            Line::Sample { index, .. } | Line::Failed { index, .. } | Line::Enough { index } => Some(*index),
            _ => None,
        }
    }

    /// The measurements that this line is about: one, or several.
    pub fn turns(&self) -> Vec<Turn> {
        match self {
            Line::Sample { index, round, .. } => vec![Turn { round: *round, index: *index }],
            Line::Redo { of, .. } | Line::Flagged { of, .. } => of.clone(),
            _ => Vec::new(),
        }
    }
}

/// Why a journal could not be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error(transparent)]
    File(#[from] FileError),
}

/// A journal that was read from disk.
#[derive(Debug)]
pub struct OpenedJournal {
    pub header: Header,
    pub lines: Vec<Line>,
    /// Bytes up to the end of the last whole line.
    whole: u64,
}

/// Most bytes of the first line, which holds what a device says of itself.
const MOST_OF_HEADER: u64 = 1 << 20;

/// Most passes over a plan; more are a typing mistake.
pub const MOST_ROUNDS: u32 = 1_000;

impl Header {
    /// Number of measurements: configurations times passes.
    pub fn total(&self) -> usize {
        self.configurations.saturating_mul(self.rounds as usize)
    }

    /// Checks that the numbers are those of a campaign, before anything is sized by them.
    fn check(&self) -> Result<(), String> {
        if !(1..=plan::MAX_SAMPLES).contains(&self.configurations) {
            let Header { configurations, .. } = self;
            return Err(format!("{configurations} configurations; a plan has 1 to {}", plan::MAX_SAMPLES));
        }
        if let Some(share) = self.enough_within.filter(|share| !(share.is_finite() && *share >= 0.0)) {
            return Err(format!("passes that agree within {share}, which is no share"));
        }
        if !(1..=MOST_ROUNDS).contains(&self.rounds) {
            return Err(format!("{} passes; a campaign has 1 to {MOST_ROUNDS}", self.rounds));
        }
        Ok(())
    }
}

/// Which measurements are finished: one flag for each pass and each configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished(Vec<Vec<bool>>);

impl Finished {
    pub fn of(header: &Header, lines: &[Line]) -> Finished {
        let mut done = vec![vec![false; header.configurations]; header.rounds as usize];
        for line in lines {
            match *line {
                Line::Sample { index, round, .. } => {
                    if let Some(done) = done.get_mut(round as usize).and_then(|pass| pass.get_mut(index)) {
                        *done = true;
                    }
                }
                Line::Failed { index, .. } | Line::Enough { index } => {
                    done.iter_mut().filter_map(|pass| pass.get_mut(index)).for_each(|done| *done = true);
                }
                Line::Redo { ref of, .. } => {
                    for turn in of {
                        if let Some(done) =
                            done.get_mut(turn.round as usize).and_then(|pass| pass.get_mut(turn.index))
                        {
                            *done = false;
                        }
                    }
                }
                Line::Sentinel { .. } | Line::Heated { .. } | Line::Flagged { .. } | Line::Session { .. } => {
                }
            }
        }
        Finished(done)
    }

    pub fn has(&self, round: u32, index: usize) -> bool {
        self.0[round as usize][index]
    }

    pub fn count(&self) -> usize {
        self.0.iter().flatten().filter(|&&done| done).count()
    }
}

impl OpenedJournal {
    pub fn finished(&self) -> Finished {
        Finished::of(&self.header, &self.lines)
    }
}

/// Reads the journal at `path`. `None` if there is none, or nothing whole in it.
///
/// # Errors
/// A file that is damaged in other ways than a cut-off last line, or too new.
pub fn read(path: &Path) -> Result<Option<OpenedJournal>, JournalError> {
    let bytes = match files::read(&FORMAT, path) {
        Err(error) if error.is_missing() => return Ok(None),
        read => read?,
    };
    // What follows the last line break was being written when the program was killed.
    let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    let mut lines = bytes[..whole].split(|&b| b == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
    let Some((_, first)) = lines.next() else { return Ok(None) };
    let header: Header = FORMAT.parse(path, first)?;
    let damaged = |line: usize, reason: String| FileError::damaged_line(path, line + 1, reason);
    header.check().map_err(|reason| damaged(0, reason))?;
    let mut parsed = Vec::new();
    for (number, line) in lines {
        let line: Line = serde_json::from_slice(line).map_err(|e| damaged(number, e.to_string()))?;
        if let Line::Sample { measured, .. } = &line {
            measured.timing.check().map_err(|e| damaged(number, e.to_string()))?;
        }
        if let Line::Sentinel { median_ns } = line {
            Latency::measured_ns(median_ns).map_err(|e| damaged(number, e.to_string()))?;
        }
        if let Some(index) = line.index()
            && index >= header.configurations
        {
            return Err(damaged(number, format!("configuration {index} is not in the plan")).into());
        }
        for Turn { round, index } in line.turns() {
            if round >= header.rounds {
                return Err(damaged(number, format!("there is no pass {round}")).into());
            }
            if index >= header.configurations {
                return Err(damaged(number, format!("configuration {index} is not in the plan")).into());
            }
        }
        parsed.push(line);
    }
    Ok(Some(OpenedJournal { header, lines: parsed, whole: whole as u64 }))
}

/// The first line of the journal at `path`. `None` if there is none, or no whole line in it.
///
/// # Errors
/// A line that is damaged, or too new.
pub fn header(path: &Path) -> Result<Option<Header>, JournalError> {
    let file = match files::open(path) {
        Err(error) if error.is_missing() => return Ok(None),
        opened => opened?,
    };
    let mut line = Vec::new();
    let mut first = std::io::BufReader::new(file).take(MOST_OF_HEADER);
    first.read_until(b'\n', &mut line).map_err(FileError::io(path))?;
    if line.pop() != Some(b'\n') {
        return Ok(None);
    }
    let header: Header = FORMAT.parse(path, &line)?;
    header.check().map_err(|reason| FileError::damaged_line(path, 1, reason))?;
    Ok(Some(header))
}

/// Whether the file at `path` is a journal, or the first bytes of one: a process may be killed while it writes the first
/// line.
///
/// # Errors
/// Whatever the disk says.
pub fn is_begun(path: &Path) -> Result<bool, FileError> {
    let mut first = Vec::new();
    let mut options = OpenOptions::new();
    let file = files::open_without_following(options.read(true), path).map_err(FileError::io(path))?;
    file.take(BEGINNING.len() as u64).read_to_end(&mut first).map_err(FileError::io(path))?;
    Ok(BEGINNING.starts_with(&first))
}

/// The first bytes of the header.
const BEGINNING: &[u8] = b"{\"version\":";

/// An open journal. Whoever opens one holds the lock of its folder.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Starts a journal, in place of any file that was at `path`.
    ///
    /// # Errors
    /// The disk's.
    pub fn create(path: &Path, header: &Header) -> Result<Journal, JournalError> {
        let mut journal = Journal::open(path)?;
        journal.file.set_len(0).map_err(FileError::io(path))?;
        journal.write(header)?;
        Ok(journal)
    }

    /// Goes on after the whole lines of the journal that was `found`; the rest of a line that was cut off is removed.
    ///
    /// # Errors
    /// The disk's.
    pub fn resume(path: &Path, found: &OpenedJournal) -> Result<Journal, JournalError> {
        let mut journal = Journal::open(path)?;
        journal.file.set_len(found.whole).map_err(FileError::io(path))?;
        journal.file.seek(SeekFrom::End(0)).map_err(FileError::io(path))?;
        Ok(journal)
    }

    fn open(path: &Path) -> Result<Journal, JournalError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = files::open_without_following(&mut options, path).map_err(FileError::io(path))?;
        Ok(Journal { path: path.to_owned(), file })
    }

    /// Adds a line; it is on disk when this returns.
    ///
    /// # Errors
    /// The disk's.
    pub fn add(&mut self, line: &Line) -> Result<(), JournalError> {
        self.write(line)
    }

    fn write(&mut self, value: &impl Serialize) -> Result<(), JournalError> {
        let json = serde_json::to_string(value).map_err(|e| FileError::io(&self.path)(e.into()))?;
        self.file.write_all((json + "\n").as_bytes()).map_err(FileError::io(&self.path))?;
        Ok(self.file.sync_data().map_err(FileError::io(&self.path))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            version: FORMAT.newest,
            tool_version: "0".into(),
            created: "now".into(),
            plan: "p".into(),
            configurations: 9,
            rounds: 2,
            enough_within: None,
            seed: 1,
            identity: Identity::new("d", "r", "fp32"),
            environment: Facts::new(),
            session: "s".into(),
        }
    }

    fn failed(index: usize) -> Line {
        Line::Failed { index, reason: "no".into() }
    }

    #[test]
    fn any_cut_leaves_the_whole_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        assert!(read(&path).unwrap().is_none());
        let mut journal = Journal::create(&path, &header()).unwrap();
        let of = vec![Turn { round: 1, index: 2 }];
        let redo = Line::Redo { of, reason: "drift".into() };
        let lines = [failed(3), Line::Sentinel { median_ns: 5000.5 }, redo, failed(4)];
        lines.iter().for_each(|line| journal.add(line).unwrap());
        drop(journal);
        let all = std::fs::read(&path).unwrap();
        for cut in 0..=all.len() {
            std::fs::write(&path, &all[..cut]).unwrap();
            let whole = all[..cut].iter().filter(|&&b| b == b'\n').count();
            assert_eq!(super::header(&path).unwrap(), (whole > 0).then(header));
            let Some(found) = read(&path).unwrap() else {
                assert_eq!(whole, 0);
                continue;
            };
            assert_eq!(found.header, header());
            assert_eq!(found.lines, lines[..whole - 1]);
            let mut journal = Journal::resume(&path, &found).unwrap();
            journal.add(&failed(5)).unwrap();
            drop(journal);
            let again = read(&path).unwrap().unwrap();
            assert_eq!(again.lines.len(), whole);
            assert_eq!(again.lines.last(), Some(&failed(5)));
        }
    }

    #[test]
    fn numbers_that_no_campaign_has_are_refused_before_anything_is_sized_by_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        let write = |header: &Header, line: &str| {
            let header = serde_json::to_string(header).unwrap();
            std::fs::write(&path, format!("{header}\n{line}\n")).unwrap();
            read(&path).map(|journal| journal.is_some()).map_err(|e| e.to_string())
        };
        assert_eq!(write(&header(), r#"{"line":"sentinel","median_ns":5000.5}"#), Ok(true));
        for (bad, word) in [
            (Header { configurations: 1_000_000_000_000, ..header() }, "1000000000000 configurations"),
            (Header { configurations: usize::MAX, ..header() }, "configurations"),
            (Header { configurations: 0, ..header() }, "0 configurations"),
            (Header { rounds: u32::MAX, ..header() }, "passes"),
        ] {
            let error = write(&bad, "").unwrap_err();
            assert!(error.contains(word) && error.contains("line 1"), "{error}");
        }
        let sample = |samples: &str, k: u32, probes: &str| {
            format!(
                r#"{{"line":"sample","index":0,"round":0,"measured":{{"timing":{{"first_ns":5000,"warmup_runs":1,"k":{k},"samples_ns":{samples},"probes_ns":{probes},"usual_probe_ns":null,"checksum":1.0,"noisy_half_width":0.05}},"before":{{"clocks_khz":{{"4":1900800}}}},"after":{{}}}}}}"#
            )
        };
        assert_eq!(write(&header(), &sample("[5000,6000]", 1, "[]")), Ok(true));
        for (samples, k, probes) in [
            ("[0,6000]", 1, "[]"),
            ("[5000,18446744073709551615]", 1, "[]"),
            ("[5000]", 0, "[]"),
            ("[5000]", 1_000_000, "[]"),
            ("[]", 1, "[]"),
            ("[5000]", 1, "[1,2]"),
        ] {
            let error = write(&header(), &sample(samples, k, probes)).unwrap_err();
            assert!(error.contains("line 2"), "{error}");
        }
        assert!(write(&header(), r#"{"line":"sentinel","median_ns":0}"#).is_err());
    }

    #[test]
    fn what_is_no_journal_is_told_from_one_that_was_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        for (text, begun) in [("", true), ("{\"ver", true), ("notes", false), ("{}", false)] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(is_begun(&path).unwrap(), begun, "{text}");
        }
        drop(Journal::create(&path, &header()).unwrap());
        assert!(is_begun(&path).unwrap());
    }

    #[test]
    fn damage_in_the_middle_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        let mut journal = Journal::create(&path, &header()).unwrap();
        journal.add(&failed(0)).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        drop(journal);
        std::fs::write(&path, text.clone() + "rubbish\n").unwrap();
        assert!(matches!(read(&path), Err(JournalError::File(FileError::DamagedLine { line: 3, .. }))));
        std::fs::write(&path, text.clone() + "{\"line\":\"failed\",\"index\":9,\"reason\":\"\"}\n").unwrap();
        assert!(matches!(read(&path), Err(JournalError::File(FileError::DamagedLine { line: 3, .. }))));
        std::fs::write(&path, text.replace("\"version\":4", "\"version\":5")).unwrap();
        assert!(matches!(read(&path), Err(JournalError::File(FileError::Newer { found: 5, .. }))));
    }
}
