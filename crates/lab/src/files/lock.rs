//! Locks on files and folders. The system releases a lock when its process ends, also when that is killed.

use super::temporary::{self, clear_stale, open_without_following};
use edgezen_core::files::FileError;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The lock file of a folder. It is there while the folder is in use, and where a process was killed.
const LOCK: &str = ".edgezen-lock";

/// How often a lock is taken anew whose file was removed meanwhile by its last owner.
const TRIES: usize = 64;

/// A lock that is held until this value is dropped.
#[derive(Debug)]
pub struct FileLock {
    file: File,
    path: PathBuf,
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("in use by {owner}")]
    Held { owner: String },
    #[error("{path}: {error}")]
    Io { path: PathBuf, error: io::Error },
}

impl FileLock {
    /// Takes the lock whose file is `path`, and makes the file if there is none. Others that want it are told that it is
    /// held by `owner`.
    ///
    /// # Errors
    /// Somebody holds it, or `path` is a link or no file, or cannot be written.
    pub fn take(path: &Path, owner: &str) -> Result<FileLock, LockError> {
        let io = |error| LockError::Io { path: path.to_owned(), error };
        for _ in 0..TRIES {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            let mut file = open_without_following(&mut options, path).map_err(io)?;
            let metadata = file.metadata().map_err(io)?;
            if !metadata.is_file() || links(&metadata) > 1 {
                return Err(io(io::Error::other("this is no lock file of edgezen")));
            }
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(LockError::Held { owner: held_by(&mut file) }),
                Err(TryLockError::Error(error)) => return Err(io(error)),
            }
            // The last owner may have removed the file after it was opened here.
            if !temporary::is_at(&file, path) {
                continue;
            }
            file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).map_err(io)?;
            file.write_all(owner.as_bytes()).map_err(io)?;
            return Ok(FileLock { file, path: path.to_owned() });
        }
        Err(io(io::Error::other("other processes remove the lock file again and again")))
    }
}

impl Drop for FileLock {
    /// Removes the file while it is still locked, so that nobody else's is removed.
    fn drop(&mut self) {
        if temporary::is_at(&self.file, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Names of one file.
fn links(metadata: &fs::Metadata) -> u64 {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        metadata.nlink()
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        1
    }
}

/// What the owner of a lock wrote into its file.
fn held_by(file: &mut File) -> String {
    let mut bytes = Vec::new();
    let _ = file.take(200).read_to_end(&mut bytes);
    let text: String = String::from_utf8_lossy(&bytes).chars().filter(|c| !c.is_control()).collect();
    if text.trim().is_empty() { "another process".to_owned() } else { text.trim().to_owned() }
}

/// Keeps the folder `dir` for this process until the lock is dropped, and clears what killed processes left half
/// written in it.
///
/// # Errors
/// Another process works in the folder, or the lock file cannot be written.
pub fn lock_folder(dir: &Path) -> Result<FileLock, FileError> {
    let path = dir.join(LOCK);
    match FileLock::take(&path, &format!("edgezen, process {}", std::process::id())) {
        Ok(lock) => {
            clear_stale(dir);
            Ok(lock)
        }
        Err(LockError::Held { owner }) => Err(FileError::Busy { path: dir.to_owned(), owner }),
        // The folder is what the user named, and what cannot be written.
        Err(LockError::Io { error, .. }) if is_forbidden(&error) => Err(FileError::io(dir)(error)),
        Err(LockError::Io { path, error }) => Err(FileError::Io { path, error }),
    }
}

/// Whether nothing may be written, whatever the name of the file.
fn is_forbidden(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_one_hears_of_the_first_and_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(".edgezen-1.tmp"), "half").unwrap();
        let first = lock_folder(dir.path()).unwrap();
        match lock_folder(dir.path()) {
            Err(FileError::Busy { owner, .. }) => {
                assert!(owner.contains(&std::process::id().to_string()), "{owner}");
            }
            other => panic!("{other:?}"),
        }
        drop(first);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        drop(lock_folder(dir.path()).unwrap());
        // A killed process leaves the file behind, and nobody holds it.
        fs::write(dir.path().join(LOCK), "edgezen, process 1").unwrap();
        lock_folder(dir.path()).unwrap();
    }

    #[test]
    fn many_that_want_one_lock_have_it_one_after_another() {
        let dir = tempfile::tempdir().unwrap();
        let held = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let Ok(lock) = lock_folder(dir.path()) else { continue };
                        assert_eq!(held.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                        held.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
    }

    #[cfg(unix)]
    #[test]
    fn neither_links_nor_files_with_other_names_are_touched() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        let lock = dir.path().join(LOCK);
        std::os::unix::fs::symlink(&victim, &lock).unwrap();
        assert!(matches!(lock_folder(dir.path()), Err(FileError::Io { .. })));
        fs::remove_file(&lock).unwrap();
        fs::hard_link(&victim, &lock).unwrap();
        assert!(matches!(lock_folder(dir.path()), Err(FileError::Io { .. })));
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    }
}
