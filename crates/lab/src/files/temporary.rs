//! Temporary files: each is locked while it is written, so that one that a killed process left behind can be told from
//! one that is in use.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;
use tempfile::{Builder, NamedTempFile};

const PREFIX: &str = ".edgezen-";
const SUFFIX: &str = ".tmp";

/// How often a file is made anew that somebody else took for a stale one before it was locked.
const TRIES: usize = 8;

/// A new temporary file in `dir`. Who may read it is what the system says of any new file.
///
/// # Errors
/// Whatever the disk says.
pub fn create(dir: &Path) -> io::Result<NamedTempFile> {
    for _ in 0..TRIES {
        let mut builder = Builder::new();
        builder.prefix(PREFIX).suffix(SUFFIX);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // The system takes away what the process's mask says.
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let file = builder.tempfile_in(dir)?;
        // Where the file system knows no locks, nobody clears stale files either.
        let _ = file.as_file().lock();
        if is_at(file.as_file(), file.path()) {
            return Ok(file);
        }
    }
    Err(io::Error::other("another process removes every temporary file"))
}

/// Removes the temporary files in `dir` that no process writes any more. What cannot be removed stays.
pub fn clear_stale(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_ours = name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
        if !is_ours || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let path = entry.path();
        let Ok(file) = open_without_following(OpenOptions::new().read(true), &path) else { continue };
        if file.try_lock().is_ok() && is_at(&file, &path) {
            let _ = fs::remove_file(&path);
        }
    }
}

/// Opens a file, and fails if `path` is a link.
pub fn open_without_following(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // A pipe that somebody put there must not hold us up.
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC);
    }
    options.open(path)
}

/// Whether `path` is still the name of `file`.
pub fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => same(&open, &named),
        _ => false,
    }
}

/// Whether both are one file.
#[cfg(unix)]
pub fn same(a: &fs::Metadata, b: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Whether both are one file; elsewhere than on Unix it is not known, and a name that exists counts.
#[cfg(not(unix))]
pub fn same(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_files_are_cleared_and_those_in_use_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let stale = dir.path().join(".edgezen-abc.tmp");
        let foreign = dir.path().join(".edgezen-notes.txt");
        fs::write(&stale, "half").unwrap();
        fs::write(&foreign, "mine").unwrap();
        let used = create(dir.path()).unwrap();
        clear_stale(dir.path());
        assert!(!stale.exists() && foreign.exists() && used.path().exists());
        let path = used.path().to_owned();
        let (_, kept) = used.keep().unwrap();
        clear_stale(dir.path());
        assert_eq!(kept, path);
        assert!(!path.exists(), "its file was closed, so nobody writes it");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_with_such_a_name_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mine = dir.path().join("mine");
        fs::write(&mine, "mine").unwrap();
        let link = dir.path().join(".edgezen-link.tmp");
        std::os::unix::fs::symlink(&mine, &link).unwrap();
        clear_stale(dir.path());
        assert_eq!(fs::read_to_string(&link).unwrap(), "mine");
        assert!(open_without_following(OpenOptions::new().read(true), &link).is_err());
    }
}
