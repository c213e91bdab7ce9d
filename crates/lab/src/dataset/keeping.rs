//! The folder of a dataset while something is written into it: locked, and so that a dataset that is there stays until the
//! new one is whole.

use super::environment::ENVIRONMENT;
use super::folder::{README, SAMPLES};
use super::raw::RAW;
use super::{Dataset, DatasetError, folder};
use crate::files::holding::names::dataset as names;
use crate::files::holding::{Holding, refuse_others};
use crate::files::renewal::{self, Switch};
use crate::files::{FileLock, clear_stale, lock_folder};
use edgezen_core::files::FileError;
use std::fs;
use std::path::{Path, PathBuf};

/// One line for each finished measurement.
pub const JOURNAL: &str = names::JOURNAL;
/// What is measured.
pub const PLAN: &str = names::PLAN;
/// What a block costs on this device.
pub const LOOKUP_TABLE: &str = names::LOOKUP_TABLE;

/// What is made of the measurements.
const MADE: [&str; 5] = [SAMPLES, ENVIRONMENT, README, RAW, LOOKUP_TABLE];
/// The measurements themselves: they stay under another name when others take their place.
const MEASURED: [(&str, &str, &str); 2] = [(JOURNAL, "journal", "jsonl"), (PLAN, "plan", "json")];

/// A dataset's folder that no other process works in until this value is dropped.
#[derive(Debug)]
pub struct DatasetFolder {
    dir: PathBuf,
    home: PathBuf,
    _lock: FileLock,
}

impl DatasetFolder {
    /// Locks the folder `dir`, which is made if it is not there. A change of places that was cut off is completed.
    ///
    /// # Errors
    /// Another process works in it; it holds something else than a dataset; whatever the disk says.
    pub fn lock(dir: &Path) -> Result<DatasetFolder, FileError> {
        refuse_others(dir, Holding::Dataset)?;
        fs::create_dir_all(dir).map_err(FileError::io(dir))?;
        let lock = lock_folder(dir)?;
        renewal::complete(dir)?;
        let next = renewal::next(dir);
        let home = if is_there(&next.join(JOURNAL)) { next } else { dir.to_owned() };
        clear_stale(&home);
        Ok(DatasetFolder { dir: dir.to_owned(), home, _lock: lock })
    }

    /// Where the files are read and written until they are whole: the folder itself, or a hidden one inside.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Whether new measurements, which are to take the place of others, are under way.
    pub fn is_renewing(&self) -> bool {
        self.home != self.dir
    }

    /// A file in the folder itself that new ones would replace.
    pub fn in_the_way(&self) -> Option<&'static str> {
        let names = MADE.into_iter().chain(MEASURED.map(|(name, ..)| name));
        names.into_iter().find(|name| is_there(&self.dir.join(name)))
    }

    /// Begins new files; those that are there stay until the new ones are whole.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn begin(&mut self) -> Result<(), FileError> {
        self.home = match self.in_the_way() {
            Some(_) => renewal::begin(&self.dir)?,
            None => self.dir.clone(),
        };
        Ok(())
    }

    /// Puts the files where the dataset is looked for, now that they are whole.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn finish(&mut self) -> Result<(), FileError> {
        if !self.is_renewing() {
            return Ok(());
        }
        let names = MADE.into_iter().chain(MEASURED.map(|(name, ..)| name));
        let new: Vec<&str> = names.filter(|name| is_there(&self.home.join(name))).collect();
        let old = MADE.iter().filter(|name| !new.contains(name));
        let kept = MEASURED.iter().filter(|(name, ..)| is_there(&self.dir.join(name)));
        let switch = Switch {
            kept_as: kept
                .map(|&(name, stem, ending)| (name.to_owned(), self.numbered(stem, ending)))
                .collect(),
            removed: old.map(|&name| name.to_owned()).collect(),
            new: new.into_iter().map(str::to_owned).collect(),
        };
        renewal::finish(&self.dir, &switch)?;
        self.home = self.dir.clone();
        Ok(())
    }

    /// `journal-1.jsonl`, or the first such name that is free.
    fn numbered(&self, stem: &str, ending: &str) -> String {
        let name = |n: u32| format!("{stem}-{n}.{ending}");
        (1..).map(name).find(|name| !is_there(&self.dir.join(name))).unwrap_or_default()
    }
}

/// Writes `dataset` into the folder `dir`. What is there under the names of its files is a reason not to, unless `force`
/// says that it may be replaced.
///
/// # Errors
/// A dataset or a file of others that is in the way, another process that works in the folder, and whatever the disk says.
pub fn write_whole(dir: &Path, dataset: &Dataset, force: bool) -> Result<(), DatasetError> {
    let mut folder = DatasetFolder::lock(dir)?;
    if let Some(name) = folder.in_the_way().filter(|_| !force) {
        let what = if name == README { format!("holds a {name}") } else { "holds a dataset".to_owned() };
        return Err(FileError::InTheWay { path: dir.to_owned(), what }.into());
    }
    folder.begin()?;
    folder::write(folder.home(), dataset)?;
    Ok(folder.finish()?)
}

/// The files of the dataset in `dir`, for comparison with the name of an output.
pub fn files_of(dir: &Path) -> Vec<PathBuf> {
    MADE.into_iter().chain(MEASURED.map(|(name, ..)| name)).map(|name| dir.join(name)).collect()
}

fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Environment, Provenance};
    use edgezen_core::measurement::{Identity, Sample, Subject};
    use edgezen_core::units::Latency;

    fn dataset(source: &str) -> Dataset {
        let subject = Subject::Block { structure: "SuperResK3K3(16,32,2,16,1)".into(), resolution: 56 };
        Dataset {
            identity: Identity::new("test", "tract", "fp32"),
            samples: vec![Sample::imported(subject, Latency::from_ms(1.0))],
            provenance: Provenance {
                source: source.into(),
                licence: "MIT".into(),
                created: crate::files::rfc3339(0),
                tool_version: "0".into(),
                notes: vec![],
            },
            environment: Environment::default(),
        }
    }

    #[test]
    fn a_dataset_is_replaced_only_where_that_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        write_whole(dir, &dataset("one"), false).unwrap();
        let refused = write_whole(dir, &dataset("two"), false).unwrap_err();
        assert!(refused.to_string().contains("holds a dataset"), "{refused}");
        assert_eq!(Dataset::read(dir).unwrap(), dataset("one"));
        fs::write(dir.join(JOURNAL), "measured").unwrap();
        fs::write(dir.join(LOOKUP_TABLE), "of the old").unwrap();
        fs::write(dir.join("notes"), "mine").unwrap();
        write_whole(dir, &dataset("two"), true).unwrap();
        assert_eq!(Dataset::read(dir).unwrap(), dataset("two"));
        assert_eq!(fs::read_to_string(dir.join("journal-1.jsonl")).unwrap(), "measured");
        assert!(dir.join("notes").exists() && !dir.join(LOOKUP_TABLE).exists());
        // A process was killed while the files changed places: a reader sees the new dataset, and not a part of it.
        let next = renewal::begin(dir).unwrap();
        folder::write(&next, &dataset("three")).unwrap();
        fs::rename(next.join(SAMPLES), dir.join(SAMPLES)).unwrap();
        let switch =
            Switch { new: [SAMPLES, ENVIRONMENT, README].map(str::to_owned).to_vec(), ..Switch::default() };
        fs::write(next.join("switch.json"), serde_json::to_string(&switch).unwrap()).unwrap();
        assert_eq!(Dataset::read(dir).unwrap(), dataset("three"));
        let _held = DatasetFolder::lock(dir).unwrap();
        let busy = write_whole(dir, &dataset("three"), true).unwrap_err();
        assert!(busy.to_string().contains("in use"), "{busy}");
    }

    #[test]
    fn a_readme_of_others_is_in_the_way() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(README), "mine").unwrap();
        let refused = write_whole(dir.path(), &dataset("one"), false).unwrap_err();
        assert!(refused.to_string().contains(README), "{refused}");
        assert_eq!(fs::read_to_string(dir.path().join(README)).unwrap(), "mine");
    }
}
