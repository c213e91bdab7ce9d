//! The folder of a run while a search works in it: locked, and so that a finished run stays until a new one is whole.
//!
//! A search in an empty folder writes into it at once. Where a run is there already, the new results grow in a hidden
//! folder inside ([`renewal`]) and take its place when they are whole.

use super::{RunError, SavedSearch, manifest, read_manifest, write_manifest};
use crate::files::holding::names::run::{FILES, RESULT, RUN, VERIFIED};
use crate::files::holding::{Holding, refuse_others};
use crate::files::renewal::{self, Switch};
use crate::files::{self, FileLock, lock_folder, write_atomically};
use edgezen_core::files::FileError;
use manifest::Manifest;
use std::fs;
use std::path::{Path, PathBuf};

/// Says that the results that grow are those of the same run, prolonged or measured again.
const SAME_RUN: &str = "same-run";

/// What a folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// No run.
    Nothing,
    Unfinished,
    Finished,
    /// A finished run, and one that is to take its place and is not finished.
    Renewing,
}

/// A run folder that no other process works in until this value is dropped.
#[derive(Debug)]
pub struct RunFolder {
    dir: PathBuf,
    /// Where files are read and written: the folder itself, or the hidden one inside.
    home: PathBuf,
    _lock: FileLock,
}

impl RunFolder {
    /// Locks the folder `dir`, which is made if it is not there. A change of places that was cut off is completed.
    ///
    /// # Errors
    /// Another process works in it; it holds something else than a run; whatever the disk says.
    pub fn lock(dir: &Path) -> Result<RunFolder, RunError> {
        refuse_others(dir, Holding::Run)?;
        fs::create_dir_all(dir).map_err(FileError::io(dir))?;
        let lock = lock_folder(dir)?;
        renewal::complete(dir)?;
        let next = renewal::next(dir);
        let home = if is_there(&next.join(RUN)) { next } else { dir.to_owned() };
        files::clear_stale(&home);
        Ok(RunFolder { dir: dir.to_owned(), home, _lock: lock })
    }

    /// Where the files of the search that is under way are: its checkpoint, and its results until they are whole.
    pub fn home(&self) -> &Path {
        &self.home
    }

    pub fn content(&self) -> Content {
        let run = is_there(&self.dir.join(RUN));
        match (run, run && is_there(&self.dir.join(RESULT)), self.home != self.dir) {
            (_, true, true) => Content::Renewing,
            (_, true, false) => Content::Finished,
            (true, ..) | (.., true) => Content::Unfinished,
            (false, false, false) => Content::Nothing,
        }
    }

    /// Begins a new run. What a run or anybody else left under the names of its files stays until the new run is whole;
    /// without `force`, it is a reason not to begin.
    ///
    /// # Errors
    /// A run or a file of others that is in the way; whatever the disk says.
    pub fn begin(&mut self, manifest: &Manifest, force: bool) -> Result<(), RunError> {
        let in_the_way = FILES.iter().find(|name| is_there(&self.dir.join(name)));
        if !force {
            let dir = self.dir.clone();
            match (self.content(), in_the_way) {
                (Content::Finished, _) => return Err(RunError::Finished { dir }),
                (Content::Unfinished | Content::Renewing, _) => return Err(RunError::Unfinished { dir }),
                (Content::Nothing, Some(&name)) => return Err(RunError::Foreign { dir, name }),
                (Content::Nothing, None) => {}
            }
        }
        self.home = match in_the_way {
            Some(_) => renewal::begin(&self.dir)?,
            None => {
                renewal::abandon(&self.dir)?;
                self.dir.clone()
            }
        };
        write_manifest(&self.home, manifest)
    }

    /// Prepares for what changes the finished run in this folder, from where it ended.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn renew(&mut self, manifest: &Manifest, checkpoint: &SavedSearch) -> Result<(), RunError> {
        if self.home == self.dir {
            let next = renewal::begin(&self.dir)?;
            write_atomically(&next.join(SAME_RUN), b"")?;
            checkpoint.write(&next)?;
            // Last: it says that there is something to go on with.
            write_manifest(&next, manifest)?;
            self.home = next;
        }
        Ok(())
    }

    /// Whether the results under way are those of the finished run in this folder, prolonged or measured again.
    pub fn is_same_run(&self) -> bool {
        self.home != self.dir && is_there(&self.home.join(SAME_RUN))
    }

    /// Puts the results where the run is looked for, now that they are whole.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn finish(&mut self) -> Result<(), RunError> {
        if self.home == self.dir {
            return Ok(());
        }
        let (new, old): (Vec<&str>, Vec<&str>) =
            FILES.iter().partition(|name| is_there(&self.home.join(name)));
        let mut switch = Switch { new: names(&new), removed: names(&old), ..Switch::default() };
        if self.is_same_run() {
            // What was measured stays, and what is measured now stands beside it.
            switch.removed.retain(|name| name != VERIFIED);
            if new.contains(&VERIFIED) && is_there(&self.dir.join(VERIFIED)) {
                switch.kept_as.push((VERIFIED.into(), self.numbered()));
            }
        } else {
            switch.removed.extend((1..).map(numbered).take_while(|name| is_there(&self.dir.join(name))));
        }
        renewal::finish(&self.dir, &switch)?;
        self.home = self.dir.clone();
        Ok(())
    }

    /// The first name for an earlier record of measurements that is free.
    fn numbered(&self) -> String {
        (1..).map(numbered).find(|name| !is_there(&self.dir.join(name))).unwrap_or_default()
    }

    /// What is known of the run: that of its files which are there.
    ///
    /// # Errors
    /// A missing, damaged or newer file.
    pub fn manifest(&self) -> Result<Manifest, RunError> {
        read_manifest(&self.home)
    }
}

/// The files of the run in `dir`, for comparison with the name of an output.
pub fn files_of(dir: &Path) -> Vec<PathBuf> {
    FILES.iter().map(|name| dir.join(name)).collect()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// `verified-1.json`: measurements that later ones followed.
fn numbered(n: u32) -> String {
    format!("verified-{n}.json")
}

/// Whether the path has a file, or a link that leads nowhere.
fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::BudgetTable;
    use edgezen_core::proxy::Mode;
    use edgezen_core::search::Rules;

    fn manifest(seed: u64) -> Manifest {
        Manifest {
            schema_version: manifest::FORMAT.newest,
            tool_version: "0".into(),
            preset: None,
            space: "resnet".into(),
            kernels: None,
            varied_head: None,
            se: false,
            initial: String::new(),
            proxy: "zen".into(),
            objective: None,
            winner: None,
            batch: None,
            mode: Mode::Paper,
            resolution: 32,
            classes: 10,
            seed,
            rules: Rules::ISLANDS,
            begun_with: None,
            verify: 0,
            rescore: None,
            budget: BudgetTable::default(),
            shape: None,
            device: Vec::new(),
        }
    }

    fn finished(dir: &Path) {
        let mut folder = RunFolder::lock(dir).unwrap();
        assert_eq!(folder.content(), Content::Nothing);
        folder.begin(&manifest(1), false).unwrap();
        assert_eq!((folder.content(), folder.home()), (Content::Unfinished, dir));
        for name in ["best.txt", VERIFIED, RESULT] {
            fs::write(folder.home().join(name), "old").unwrap();
        }
        folder.finish().unwrap();
        assert_eq!(folder.content(), Content::Finished);
    }

    fn text(dir: &Path, name: &str) -> String {
        fs::read_to_string(dir.join(name)).unwrap_or_default()
    }

    #[test]
    fn a_finished_run_stays_until_a_new_one_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        finished(dir);
        fs::write(dir.join("notes.txt"), "mine").unwrap();
        let mut folder = RunFolder::lock(dir).unwrap();
        assert!(matches!(folder.begin(&manifest(2), false), Err(RunError::Finished { .. })));
        folder.begin(&manifest(2), true).unwrap();
        assert_eq!((folder.content(), folder.is_same_run()), (Content::Renewing, false));
        fs::write(folder.home().join("best.txt"), "half").unwrap();
        assert!(matches!(RunFolder::lock(dir), Err(RunError::File(FileError::Busy { .. }))));
        drop(folder);
        // The process ended here: the old run is as it was, and the new one can be gone on with.
        assert_eq!([text(dir, "best.txt"), text(dir, VERIFIED)], ["old", "old"]);
        assert_eq!(read_manifest(dir).unwrap().seed, 1);
        let mut folder = RunFolder::lock(dir).unwrap();
        assert_eq!(folder.manifest().unwrap().seed, 2);
        assert!(matches!(folder.begin(&manifest(3), false), Err(RunError::Unfinished { .. })));
        for name in ["best.txt", RESULT] {
            fs::write(folder.home().join(name), "new").unwrap();
        }
        folder.finish().unwrap();
        assert_eq!([text(dir, "best.txt"), text(dir, VERIFIED), text(dir, RESULT)], ["new", "", "new"]);
        assert_eq!((read_manifest(dir).unwrap().seed, text(dir, "notes.txt")), (2, "mine".into()));
        assert!(!renewal::next(dir).exists());
    }

    #[test]
    fn what_was_measured_outlives_what_is_measured_again() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        finished(dir);
        for round in ["second", "third"] {
            let mut folder = RunFolder::lock(dir).unwrap();
            let next = renewal::begin(dir).unwrap();
            fs::write(next.join(SAME_RUN), "").unwrap();
            write_manifest(&next, &manifest(1)).unwrap();
            folder.home = next;
            assert!(folder.is_same_run());
            for name in [VERIFIED, RESULT] {
                fs::write(folder.home().join(name), round).unwrap();
            }
            folder.finish().unwrap();
        }
        let measured = [VERIFIED, "verified-1.json", "verified-2.json"].map(|name| text(dir, name));
        assert_eq!(measured, ["third", "old", "second"]);
    }

    #[test]
    fn files_of_others_are_in_the_way() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        fs::write(dir.join("notes.txt"), "mine").unwrap();
        fs::write(dir.join("history.csv"), "mine").unwrap();
        let mut folder = RunFolder::lock(dir).unwrap();
        match folder.begin(&manifest(1), false) {
            Err(RunError::Foreign { name, .. }) => assert_eq!(name, "history.csv"),
            other => panic!("{other:?}"),
        }
        folder.begin(&manifest(1), true).unwrap();
        assert_eq!(text(dir, "history.csv"), "mine");
        drop(folder);
        assert_eq!(fs::read_dir(dir).unwrap().count(), 3, "two files, and the run that grows");
    }
}
