//! What the operating system refuses, in words: what is in the way at a path, and what to do next.

use super::missing;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

/// Why a file or folder could not be read or written.
#[derive(Debug, PartialEq, Eq)]
pub enum Trouble {
    Absent,
    /// A folder is needed where this file is.
    File(PathBuf),
    /// A file is needed where a folder is.
    Folder,
    /// The user may not do this with what is at the path.
    Forbidden,
    /// The user may make nothing in this folder.
    ForbiddenIn(PathBuf),
    ReadOnly,
    Full,
    /// Whatever else the system says.
    Other(String),
}

impl Trouble {
    /// What `error` means at `path`.
    pub fn of(path: &Path, error: &Error) -> Trouble {
        match error.kind() {
            ErrorKind::NotFound => Trouble::Absent,
            ErrorKind::AlreadyExists | ErrorKind::NotADirectory => match file_on_the_way(path) {
                Some(file) => Trouble::File(file),
                None => Trouble::Other(error.to_string()),
            },
            ErrorKind::IsADirectory => Trouble::Folder,
            ErrorKind::PermissionDenied => match std::fs::symlink_metadata(path) {
                Err(absent) if absent.kind() == ErrorKind::NotFound => {
                    Trouble::ForbiddenIn(nearest_folder(path))
                }
                _ => Trouble::Forbidden,
            },
            ErrorKind::ReadOnlyFilesystem => Trouble::ReadOnly,
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Trouble::Full,
            _ => Trouble::Other(error.to_string()),
        }
    }

    /// Whether another command line would do: the path itself is wrong.
    pub fn is_usage(&self) -> bool {
        matches!(self, Trouble::Absent | Trouble::File(_) | Trouble::Folder)
    }

    /// What is wrong at `path`.
    pub fn message(&self, path: &Path) -> String {
        let at = path.display();
        match self {
            Trouble::Absent => format!("{at}: there is no such file or folder"),
            Trouble::File(file) if file == path => format!("{at} is a file, where a folder is needed"),
            Trouble::File(file) => format!("{at}: {} is a file, where a folder is needed", file.display()),
            Trouble::Folder => format!("{at} is a folder, where a file is needed"),
            Trouble::Forbidden => format!("{at}: you have no permission to use it so"),
            Trouble::ForbiddenIn(folder) => {
                format!("{at}: you have no permission to make anything in {}", folder.display())
            }
            Trouble::ReadOnly => format!("{at}: its file system can only be read"),
            Trouble::Full => format!("{at}: no space is left for it"),
            Trouble::Other(said) => format!("{at}: {said}"),
        }
    }

    /// What to do about it; `None` where that is not known.
    pub fn remedy(&self, path: &Path) -> Option<String> {
        let may = |path: &Path| {
            format!("another place; ls -ld {} says who may write there, and chmod changes it", path.display())
        };
        match self {
            Trouble::Absent => Some(missing::remedy(path)),
            Trouble::File(file) => Some(format!(
                "another place, or move {} away: no option replaces it by a folder",
                file.display()
            )),
            Trouble::Folder => Some("the name of a file in it".to_owned()),
            Trouble::Forbidden => Some(may(path)),
            Trouble::ForbiddenIn(folder) => Some(may(folder)),
            Trouble::ReadOnly => Some("another place, on a disk that can be written".to_owned()),
            Trouble::Full => Some(format!(
                "make room (df -h {} shows how much there is), or another place; what was whole before is unharmed",
                nearest_folder(path).display()
            )),
            Trouble::Other(_) => None,
        }
    }
}

/// The first part of `path`, from its end, that exists; `None` where that is a folder.
fn file_on_the_way(path: &Path) -> Option<PathBuf> {
    let found = path.ancestors().find(|part| std::fs::symlink_metadata(part).is_ok())?;
    (!found.is_dir()).then(|| found.to_owned())
}

/// The folder of `path`, or the first one above it that exists.
fn nearest_folder(path: &Path) -> PathBuf {
    let above = path.ancestors().skip(1).filter(|part| !part.as_os_str().is_empty());
    above.into_iter().find(|part| part.is_dir()).unwrap_or(Path::new(".")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trouble_says_what_is_there_and_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("mine");
        std::fs::write(&file, "mine").unwrap();
        let inside = file.join("a/b");
        let made = std::fs::create_dir_all(&file).unwrap_err();
        assert_eq!(Trouble::of(&file, &made), Trouble::File(file.clone()));
        let below = std::fs::create_dir_all(&inside).unwrap_err();
        assert_eq!(Trouble::of(&inside, &below), Trouble::File(file.clone()));
        let folder = std::fs::write(dir.path(), "x").unwrap_err();
        assert_eq!(Trouble::of(dir.path(), &folder), Trouble::Folder);
        let absent = dir.path().join("no/such");
        let folder = dir.path().to_owned();
        for (path, kind, usage, trouble, words) in [
            (&absent, ErrorKind::NotFound, true, Trouble::Absent, "no such file"),
            (&absent, ErrorKind::PermissionDenied, false, Trouble::ForbiddenIn(folder), "no permission"),
            (&file, ErrorKind::PermissionDenied, false, Trouble::Forbidden, "no permission"),
            (&file, ErrorKind::ReadOnlyFilesystem, false, Trouble::ReadOnly, "only be read"),
            (&file, ErrorKind::StorageFull, false, Trouble::Full, "no space"),
            (&file, ErrorKind::QuotaExceeded, false, Trouble::Full, "no space"),
        ] {
            let found = Trouble::of(path, &kind.into());
            assert_eq!((&found, found.is_usage()), (&trouble, usage), "{kind}");
            let message = found.message(path);
            assert!(message.contains(words) && message.contains(&*path.to_string_lossy()), "{message}");
            assert!(found.remedy(path).is_some_and(|remedy| !remedy.is_empty()), "{kind}");
        }
        assert_eq!(nearest_folder(Path::new("no-such-file")), Path::new("."));
        assert!(Trouble::of(&file, &ErrorKind::TimedOut.into()).remedy(&file).is_none());
    }
}
