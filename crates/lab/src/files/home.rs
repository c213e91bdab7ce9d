//! Where the user's own files are looked for by name: in a folder of the current one, then in the user's data folder.

use edgezen_core::files::FileError;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The folder of the user's own files for all projects: `$XDG_DATA_HOME/edgezen`, else `~/.local/share/edgezen`. `None`
/// where the environment names neither.
pub fn data_folder() -> Option<PathBuf> {
    data_folder_of(&|name| env::var_os(name))
}

fn data_folder_of(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // A path that is not absolute would mean another folder in every folder, and the standard says to ignore it.
    let folder = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = folder("XDG_DATA_HOME").or_else(|| Some(folder("HOME")?.join(".local/share")))?;
    Some(data.join("edgezen"))
}

/// The folders in which own files of a kind are looked for, in this order: `predictors` means `./predictors`, then the
/// folder of that name in the user's data folder.
pub fn own_folders(kind: &str) -> Vec<PathBuf> {
    std::iter::once(PathBuf::from(kind)).chain(data_folder().map(|data| data.join(kind))).collect()
}

/// What lies in `folder`, by name; nothing where there is no such folder.
///
/// # Errors
/// A folder that cannot be read: what it holds is not known, and must not be taken for nothing.
pub fn listed(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_absent(error.kind()) => return Ok(Vec::new()),
        Err(error) => return Err(FileError::io(folder)(error)),
    };
    let paths: Result<Vec<PathBuf>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(FileError::io(folder))?;
    paths.sort();
    Ok(paths)
}

/// Whether there is a file (or anything else) at `path`.
///
/// # Errors
/// A folder on the way that cannot be read.
pub fn is_there(path: &Path) -> Result<bool, FileError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if is_absent(error.kind()) => Ok(false),
        Err(error) => Err(FileError::io(path)(error)),
    }
}

fn is_absent(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_says_where_the_data_folder_is() {
        let of = |xdg: &str, home: &str| {
            let value = |name: &str| match name {
                "XDG_DATA_HOME" => Some(OsString::from(xdg)),
                _ => Some(OsString::from(home)),
            };
            data_folder_of(&value).map(|path| path.display().to_string())
        };
        assert_eq!(of("/data", "/home/a").as_deref(), Some("/data/edgezen"));
        assert_eq!(of("", "/home/a").as_deref(), Some("/home/a/.local/share/edgezen"));
        assert_eq!(of("relative", "/home/a").as_deref(), Some("/home/a/.local/share/edgezen"));
        assert_eq!(of("", ""), None);
    }

    #[cfg(unix)]
    #[test]
    fn an_absent_folder_is_empty_and_an_unreadable_one_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("predictors");
        assert!(listed(&folder).unwrap().is_empty());
        fs::write(&folder, "a file").unwrap();
        assert!(listed(&folder).unwrap().is_empty() && !is_there(&folder.join("a")).unwrap());
        fs::remove_file(&folder).unwrap();
        // A link to itself cannot be read by anybody.
        std::os::unix::fs::symlink(&folder, &folder).unwrap();
        assert!(listed(&folder).is_err() && is_there(&folder.join("a")).is_err());
    }
}
