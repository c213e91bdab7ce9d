//! A lock file for each phone on this computer, so that only one program at a time measures on it.
//!
//! The system releases the lock when the process ends, also when it is killed. Against other computers that reach the
//! same phone, a property on the phone names its user (see [`crate::device::android`]).

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The lock of a phone; it is held until this value is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("in use by {owner}")]
    Held { owner: String },
    #[error("{path}: {error}")]
    Io { path: PathBuf, error: std::io::Error },
}

impl Lock {
    /// Takes the lock of the phone `serial`. Others that want it are told that it is in use by `owner`.
    ///
    /// # Errors
    /// Somebody holds it, or the file cannot be written.
    pub fn take(serial: &str, owner: &str) -> Result<Lock, LockError> {
        Lock::take_in(&folder(), serial, owner)
    }

    fn take_in(folder: &Path, serial: &str, owner: &str) -> Result<Lock, LockError> {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        let path = folder.join(format!("{}.lock", serial.chars().map(plain).collect::<String>()));
        let io = |error| LockError::Io { path: path.clone(), error };
        std::fs::create_dir_all(folder).map_err(io)?;
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                let _ = file.read_to_string(&mut owner);
                let owner = if owner.trim().is_empty() { "another run" } else { owner.trim() }.to_owned();
                return Err(LockError::Held { owner });
            }
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).map_err(io)?;
        file.write_all(owner.as_bytes()).map_err(io)?;
        Ok(Lock { _file: file })
    }
}

/// The folder of all lock files of this user.
fn folder() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_RUNTIME_DIR")
        .filter(|dir| dir.is_dir())
        .unwrap_or_else(std::env::temp_dir)
        .join("edgezen-phones")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_one_hears_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take_in(dir.path(), "10.0.0.7:5555", "process 7").unwrap();
        Lock::take_in(dir.path(), "10.0.0.8:5555", "process 8").unwrap();
        match Lock::take_in(dir.path(), "10.0.0.7:5555", "process 9") {
            Err(LockError::Held { owner }) => assert_eq!(owner, "process 7"),
            other => panic!("{other:?}"),
        }
        drop(first);
        Lock::take_in(dir.path(), "10.0.0.7:5555", "process 9").unwrap();
    }
}
