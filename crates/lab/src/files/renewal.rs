//! Finished results are renewed as a whole. The new files grow in a hidden folder beside the old ones; when all of them
//! are there, a list of what is to happen is written, and then they change places.
//!
//! A process that is killed before the list is written leaves the old results as they were. One that is killed after it
//! leaves the list, and whoever uses the folder next does what is left to do: a writer, who holds the lock of the folder
//! (see [`lock_folder`]), by [`complete`], and a reader by [`settle`]. So a killed process leaves nobody half of the old
//! results and half of the new ones.

use super::{create_inside, lock_folder, read_at_most, write_atomically};
use edgezen_core::files::FileError;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

/// The folder of the new files.
const NEXT: &str = ".next";
/// The list of what is to happen; it says that the new files are whole.
const SWITCH: &str = "switch.json";

/// What happens to the files when the results change places, by paths inside the folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// Old files that stay under another name.
    pub kept_as: Vec<(String, String)>,
    /// Old files that go.
    pub removed: Vec<String>,
    /// New files.
    pub new: Vec<String>,
}

/// The folder in which the new files of the results in `dir` grow; it need not exist.
pub fn next(dir: &Path) -> PathBuf {
    dir.join(NEXT)
}

/// Makes that folder anew and empty.
///
/// # Errors
/// Whatever the disk says.
pub fn begin(dir: &Path) -> Result<PathBuf, FileError> {
    abandon(dir)?;
    create_inside(dir, NEXT)
}

/// Gives up what grew there.
///
/// # Errors
/// Whatever the disk says.
pub fn abandon(dir: &Path) -> Result<(), FileError> {
    let next = next(dir);
    match fs::symlink_metadata(&next) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(FileError::io(&next)(error)),
        // Removes a link itself, never what it leads to.
        Ok(_) => fs::remove_dir_all(&next).map_err(FileError::io(&next)),
    }
}

/// How long a reader waits for a process that is changing places, which takes some milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// Before the results in `dir` are read: completes a change of places that was cut off, and waits for one that is under
/// way. Nothing is locked or written where there is none.
///
/// # Errors
/// Whatever the disk says; a process that does not come to an end.
pub fn settle(dir: &Path) -> Result<(), FileError> {
    let start = Instant::now();
    while next(dir).join(SWITCH).exists() {
        match lock_folder(dir) {
            Ok(_lock) => return complete(dir),
            Err(FileError::Busy { .. }) if start.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The new files take the place of the old ones.
///
/// # Errors
/// Whatever the disk says. [`complete`] then does what is left to do.
pub fn finish(dir: &Path, switch: &Switch) -> Result<(), FileError> {
    let path = next(dir).join(SWITCH);
    let text = serde_json::to_string_pretty(switch).map_err(|e| FileError::damaged(&path, e))?;
    write_atomically(&path, text.as_bytes())?;
    complete(dir)
}

/// Completes a change of places that was cut off; without one, nothing happens.
///
/// # Errors
/// Whatever the disk says; a list that leads out of the folder.
pub fn complete(dir: &Path) -> Result<(), FileError> {
    let next = next(dir);
    let path = next.join(SWITCH);
    let bytes = match read_at_most(&path, 1 << 20) {
        Err(error) if error.is_missing() => return Ok(()),
        read => read?,
    };
    let switch: Switch = serde_json::from_slice(&bytes).map_err(|e| FileError::damaged(&path, e))?;
    let names = switch.kept_as.iter().flat_map(|(from, to)| [from, to]);
    for name in names.chain(&switch.removed).chain(&switch.new) {
        if !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(FileError::damaged(&path, format!("{name:?} leads out of the folder")));
        }
    }
    for (from, to) in &switch.kept_as {
        // Done already: what is called `from` now may be the new file.
        if fs::symlink_metadata(dir.join(to)).is_err() {
            rename(&dir.join(from), &dir.join(to))?;
        }
    }
    for name in &switch.removed {
        remove(&dir.join(name))?;
    }
    for name in &switch.new {
        if let Some(folder) = Path::new(name).parent().and_then(Path::to_str).filter(|name| !name.is_empty())
        {
            create_inside(dir, folder)?;
        }
        rename(&next.join(name), &dir.join(name))?;
    }
    // The list goes last: without it, whatever is left would look like results that still grow.
    for entry in fs::read_dir(&next).map_err(FileError::io(&next))?.flatten() {
        if entry.file_name() != SWITCH {
            remove(&entry.path())?;
        }
    }
    remove(&path)?;
    fs::remove_dir(&next).map_err(FileError::io(&next))
}

/// Renames a file, unless it is not there (any more).
fn rename(from: &Path, to: &Path) -> Result<(), FileError> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        renamed => renamed.map_err(FileError::io(to)),
    }
}

/// Removes a file, or a folder with all that is in it.
fn remove(path: &Path) -> Result<(), FileError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(FileError::io(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A folder with old results and a note of the user's, and new results that are whole.
    fn folder() -> (tempfile::TempDir, Switch) {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a", "b", "measured", "notes", "raw/runs"] {
            put(&dir.path().join(name), "old");
        }
        let next = begin(dir.path()).unwrap();
        for name in ["a", "measured", "raw/runs", "left"] {
            put(&next.join(name), "new");
        }
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let switch = Switch {
            kept_as: vec![("measured".into(), "measured-1".into())],
            removed: names(&["b"]),
            new: names(&["a", "measured", "raw/runs"]),
        };
        (dir, switch)
    }

    fn check(dir: &Path) {
        let text = |name: &str| fs::read_to_string(dir.join(name)).unwrap_or_default();
        let texts = ["a", "b", "measured", "measured-1", "notes", "raw/runs"].map(text);
        assert_eq!(texts, ["new", "", "new", "old", "old", "new"]);
        assert!(!next(dir).exists());
    }

    #[test]
    fn all_files_change_places() {
        let (dir, switch) = folder();
        complete(dir.path()).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("a")).unwrap(), "old", "it was not whole");
        finish(dir.path(), &switch).unwrap();
        check(dir.path());
        complete(dir.path()).unwrap();
        check(dir.path());
    }

    #[test]
    fn what_was_cut_off_is_completed() {
        // As if the process had been killed after so many of the steps.
        for steps in 0..6 {
            let (dir, switch) = folder();
            let (here, next) = (dir.path(), next(dir.path()));
            put(&next.join(SWITCH), &serde_json::to_string(&switch).unwrap());
            let done: [&dyn Fn(); 5] = [
                &|| fs::rename(here.join("measured"), here.join("measured-1")).unwrap(),
                &|| fs::remove_file(here.join("b")).unwrap(),
                &|| fs::rename(next.join("a"), here.join("a")).unwrap(),
                &|| fs::rename(next.join("measured"), here.join("measured")).unwrap(),
                &|| fs::rename(next.join("raw/runs"), here.join("raw/runs")).unwrap(),
            ];
            done.iter().take(steps).for_each(|step| step());
            complete(here).unwrap();
            check(here);
        }
    }

    #[test]
    fn a_reader_completes_what_was_cut_off() {
        let (dir, switch) = folder();
        settle(dir.path()).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("a")).unwrap(), "old", "it was not whole");
        put(&next(dir.path()).join(SWITCH), &serde_json::to_string(&switch).unwrap());
        // Another process is at it; it ends.
        let lock = lock_folder(dir.path()).unwrap();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| settle(dir.path()));
            drop(lock);
            reader.join().unwrap().unwrap();
        });
        check(dir.path());
    }

    #[test]
    fn nothing_leads_out_of_the_folder() {
        let (dir, mut switch) = folder();
        switch.removed.push("../x".into());
        assert!(matches!(finish(dir.path(), &switch), Err(FileError::Damaged { .. })));
        assert_eq!(fs::read_to_string(dir.path().join("b")).unwrap(), "old");
        abandon(dir.path()).unwrap();
        abandon(dir.path()).unwrap();
        #[cfg(unix)]
        {
            let other = tempfile::tempdir().unwrap();
            put(&other.path().join("x"), "theirs");
            std::os::unix::fs::symlink(other.path(), next(dir.path())).unwrap();
            begin(dir.path()).unwrap();
            assert!(other.path().join("x").exists());
        }
    }
}
