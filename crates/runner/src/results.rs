//! The runner's own record of its replies: one JSON line for each job, which is on the device's disk before the reply is
//! sent.
//!
//! A connection that breaks therefore loses nothing. When the same job is asked for again, the runner sends the line that
//! is there; while an earlier runner still works on the job, the new one waits for it.

use super::protocol::Reply;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// An open record, locked against other runners.
#[derive(Debug)]
pub struct Results {
    file: File,
    /// Length of the part that is whole.
    whole: u64,
}

impl Results {
    /// Opens or creates the record at `path`; waits while another runner holds it.
    ///
    /// # Errors
    /// The disk's.
    pub fn open(path: &Path) -> io::Result<Results> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        lock(&file)?;
        let mut results = Results { file, whole: 0 };
        let bytes = results.read()?;
        // A runner that was killed while it wrote leaves the beginning of a line.
        results.whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at as u64 + 1);
        results.file.set_len(results.whole)?;
        Ok(results)
    }

    /// The reply to job `id`, if there is one. Lines that cannot be read are passed over.
    pub fn find(&mut self, id: &str) -> Option<Reply> {
        let bytes = self.read().ok()?;
        // Parsing every line of a long record would take longer than a small job.
        let needle = serde_json::to_string(id).ok()?;
        let lines = bytes.split(|&byte| byte == b'\n');
        let near = |line: &&[u8]| {
            let head = &line[..line.len().min(64 + needle.len())];
            head.windows(needle.len()).any(|part| part == needle.as_bytes())
        };
        lines.filter(near).find_map(|line| {
            let reply: Reply = serde_json::from_slice(line).ok()?;
            let found = match &reply {
                Reply::Done { id, .. } => Some(id),
                Reply::Failed { id, .. } => id.as_ref(),
                Reply::Ready { .. } | Reply::Warning { .. } => None,
            };
            (found? == id).then_some(reply)
        })
    }

    /// Adds a line; it is on disk when this returns.
    ///
    /// # Errors
    /// The disk's; the record is then as before.
    pub fn add(&mut self, reply: &Reply) -> io::Result<()> {
        let mut line = serde_json::to_vec(reply)?;
        line.push(b'\n');
        let written = self
            .file
            .seek(SeekFrom::Start(self.whole))
            .and_then(|_| self.file.write_all(&line))
            .and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => self.whole += line.len() as u64,
            Err(_) => self.file.set_len(self.whole)?,
        }
        written
    }

    fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(0))?;
        self.file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// Waits for the lock; it goes with the file, even by a kill.
#[cfg(unix)]
fn lock(file: &File) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    // SAFETY: the descriptor is open as long as `file` lives.
    match unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(not(unix))]
fn lock(file: &File) -> io::Result<()> {
    file.lock()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Fault;

    fn reply(id: &str) -> Reply {
        Reply::Failed { id: Some(id.into()), fault: Fault::Engine, reason: format!("of {id}") }
    }

    #[test]
    fn what_was_written_is_found_after_any_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("results.jsonl");
        let mut results = Results::open(&path).unwrap();
        assert_eq!(results.find("r0-1"), None);
        results.add(&reply("r0-1")).unwrap();
        results.add(&reply("r0-12")).unwrap();
        assert_eq!(results.find("r0-1"), Some(reply("r0-1")));
        drop(results);
        let all = std::fs::read(&path).unwrap();
        let first = all.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        for cut in first..all.len() {
            std::fs::write(&path, &all[..cut]).unwrap();
            let mut results = Results::open(&path).unwrap();
            assert_eq!(results.find("r0-1"), Some(reply("r0-1")), "cut at {cut}");
            assert_eq!(results.find("r0-12"), None, "cut at {cut}");
            results.add(&reply("r0-2")).unwrap();
            assert_eq!(results.find("r0-2"), Some(reply("r0-2")));
        }
    }

    #[test]
    fn rubbish_in_the_record_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("results.jsonl");
        let good = serde_json::to_string(&reply("a")).unwrap();
        std::fs::write(
            &path,
            format!("\u{0}\u{1}rubbish \"a\"\n{{\"reply\":\"done\",\"id\":\"a\"}}\n{good}\n"),
        )
        .unwrap();
        assert_eq!(Results::open(&path).unwrap().find("a"), Some(reply("a")));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_leaves_the_record_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("results.jsonl");
        let mut results = Results::open(&path).unwrap();
        results.add(&reply("a")).unwrap();
        results.file = File::options().read(true).write(true).open("/dev/full").unwrap();
        assert!(results.add(&reply("b")).is_err());
        drop(results);
        let mut results = Results::open(&path).unwrap();
        assert_eq!((results.find("a"), results.find("b")), (Some(reply("a")), None));
    }
}
