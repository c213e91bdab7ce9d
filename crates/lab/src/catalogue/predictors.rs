//! Finding predictors: in folders, and among the shipped ones.

use super::Shipped;
use crate::files;
use edgezen_core::files::FileError;
use edgezen_core::predictor::file::FORMAT;
use edgezen_core::predictor::loaded::Loaded;
use std::path::{Path, PathBuf};

/// Where a predictor was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Compiled into the program.
    Shipped {
        text: &'static str,
    },
    File(PathBuf),
}

/// A predictor that could be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `v100@tensorrt@fp16`.
    pub id: String,
    pub origin: Origin,
}

impl Entry {
    /// Reads and checks it.
    ///
    /// # Errors
    /// See [`read`].
    pub fn load(&self) -> Result<Loaded, FileError> {
        match &self.origin {
            Origin::File(path) => read(path),
            Origin::Shipped { text } => {
                Loaded::parse(text.as_bytes(), &PathBuf::from(format!("predictors/{}.json", self.id)))
            }
        }
    }
}

/// Where predictors are looked for: in folders, in their order, then among the shipped ones.
#[derive(Clone, Debug)]
pub struct Predictors {
    shipped: Shipped,
    folders: Vec<PathBuf>,
}

impl Predictors {
    /// Folders that do not exist are passed over.
    pub fn new(shipped: Shipped, folders: Vec<PathBuf>) -> Predictors {
        Predictors { shipped, folders }
    }

    /// All predictors. An identity may occur several times; the first one counts.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.folders.iter().flat_map(|folder| in_folder(folder)).collect();
        let shipped = |&(name, text): &(&str, &'static str)| Entry {
            id: name.to_owned(),
            origin: Origin::Shipped { text },
        };
        entries.extend(self.shipped.iter().map(shipped));
        entries
    }
}

/// Folders with the user's own predictors: the one in the current folder, then the one for all projects.
pub fn user_folders() -> Vec<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")));
    let user = data.map(|data| data.join("edgezen/predictors"));
    std::iter::once(PathBuf::from("predictors")).chain(user).collect()
}

/// Reads and checks a predictor file.
///
/// # Errors
/// A missing, damaged, too new or nonsensical file.
pub fn read(path: &Path) -> Result<Loaded, FileError> {
    Loaded::parse(&files::read(&FORMAT, path)?, path)
}

/// Writes the text of a predictor file in one step.
///
/// # Errors
/// A predictor that has no text, because JSON cannot hold one of its numbers; whatever the disk says.
pub fn write(path: &Path, text: serde_json::Result<String>) -> Result<(), FileError> {
    files::write_atomically(path, text.map_err(|e| FileError::damaged(path, e))?.as_bytes())
}

/// The predictor files of a folder, by name; none where the folder cannot be read.
fn in_folder(folder: &Path) -> Vec<Entry> {
    let mut entries: Vec<Entry> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let id = path.file_name()?.to_str()?.strip_suffix(".json")?.to_owned();
            // device@runtime@precision; other files are none of our business.
            (id.split('@').count() == 3).then_some(Entry { id, origin: Origin::File(path) })
        })
        .collect();
    entries.sort_by(|a, b| a.id.cmp(&b.id));
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_first_and_foreign_files_are_ignored() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["host@tract@fp32.json", "notes.json", "a@b.json", "x@y@z.txt"] {
            std::fs::write(dir.path().join(name), "{}").unwrap();
        }
        let shipped: Shipped = &[("a@b@c", "{}")];
        let folders = vec![dir.path().to_owned(), dir.path().join("absent")];
        let entries = Predictors::new(shipped, folders).entries();
        assert_eq!(entries[0].id, "host@tract@fp32");
        assert_eq!(entries.len(), 2);
        assert!(entries[0].load().is_err());
    }
}
