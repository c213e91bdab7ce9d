//! Finished units of work, one file each: a search, or the training of one network. The name of a file is a digest of what
//! was asked for, so that a unit is found again by whoever asks for the same, and by nobody else.

use crate::files;
use crate::files::write_atomically;
use edgezen_core::digest::sha256;
use edgezen_core::files::{FileError, Format};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Folder of the units, beside the results.
pub const FOLDER: &str = "table1-units";

const FORMAT: Format =
    Format { name: "unit of table1", field: "version", oldest: 1, newest: 1, most_bytes: 64 << 20 };

/// What is in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored<A, R> {
    version: u32,
    asked: A,
    result: R,
}

/// What was asked for, and the result, of the unit in the file `path`.
///
/// # Errors
/// A file that is absent, damaged, of another version, or of another kind of unit.
pub fn read<A: DeserializeOwned, R: DeserializeOwned>(path: &Path) -> Result<(A, R), FileError> {
    let Stored { asked, result, .. } = files::read_json::<Stored<A, R>>(&FORMAT, path)?;
    Ok((asked, result))
}

/// The folder of finished units.
#[derive(Clone, Debug)]
pub struct Units {
    folder: PathBuf,
}

impl Units {
    pub fn new(folder: &Path) -> Units {
        Units { folder: folder.to_owned() }
    }

    /// The name of the unit `asked`: 32 digits.
    fn name(asked: &impl Serialize) -> Result<String, FileError> {
        let text = serde_json::to_string(asked).map_err(|e| FileError::damaged(Path::new(FOLDER), e))?;
        Ok(sha256(&text).chars().take(32).collect())
    }

    /// The place of something that belongs to the unit `asked`, such as the folder of its checkpoint.
    ///
    /// # Errors
    /// What cannot be written as JSON.
    pub fn place(&self, asked: &impl Serialize, ending: &str) -> Result<PathBuf, FileError> {
        Ok(self.folder.join(format!("{}.{ending}", Units::name(asked)?)))
    }

    /// The result of the unit `asked`, if it is finished.
    ///
    /// # Errors
    /// A file that is damaged, or of another version.
    pub fn find<A, R>(&self, asked: &A) -> Result<Option<R>, FileError>
    where
        A: Serialize + DeserializeOwned + PartialEq,
        R: DeserializeOwned,
    {
        let path = self.place(asked, "json")?;
        match read::<A, R>(&path) {
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
            Ok((there, result)) if there == *asked => Ok(Some(result)),
            Ok(_) => Err(FileError::damaged(&path, "it is of another unit; delete it to compute this one")),
        }
    }

    /// Keeps the result of the unit `asked`, and gives it as it will be found: the last bit of a number may be lost in
    /// the file.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn keep<R>(&self, asked: &impl Serialize, result: &R) -> Result<R, FileError>
    where
        R: Serialize + DeserializeOwned,
    {
        let path = self.place(asked, "json")?;
        let damaged = |error: serde_json::Error| FileError::damaged(&path, error);
        let stored = Stored { version: FORMAT.newest, asked, result };
        let text = serde_json::to_string_pretty(&stored).map_err(damaged)?;
        write_atomically(&path, format!("{text}\n").as_bytes())?;
        serde_json::from_str(&serde_json::to_string(result).map_err(damaged)?).map_err(damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_found_by_what_was_asked_and_by_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let units = Units::new(dir.path());
        let asked = ("net".to_owned(), 3_u64);
        assert_eq!(units.find::<_, f64>(&asked).unwrap(), None);
        let value = units.keep(&asked, &(0.1_f64 + 0.2)).unwrap();
        assert_eq!(units.find::<_, f64>(&asked).unwrap(), Some(value));
        assert_eq!(units.find::<_, f64>(&("net".to_owned(), 4_u64)).unwrap(), None);
        let path = units.place(&asked, "json").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"net\"", "\"ten\"")).unwrap();
        assert!(matches!(units.find::<_, f64>(&asked), Err(FileError::Damaged { .. })));
        std::fs::write(&path, text.replace("\"version\": 1", "\"version\": 2")).unwrap();
        assert!(matches!(units.find::<_, f64>(&asked), Err(FileError::Newer { .. })));
    }
}
