//! A lock file for each phone on this computer, so that only one program at a time measures on it.
//!
//! The system releases the lock when the process ends, also when it is killed. Against other computers that reach the
//! same phone, a property on the phone names its user (see [`System::mark`](super::System::mark)).

use crate::device::DeviceError;
use crate::files::FileLock;
pub use crate::files::LockError;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The lock of a phone; it is held until this value is dropped.
#[derive(Debug)]
pub struct Lock {
    _lock: FileLock,
}

impl Lock {
    /// Takes the lock of the device with this serial number, which messages call `device`; `me` is the name of this process.
    ///
    /// # Errors
    /// Somebody holds it, or the file cannot be written.
    pub fn of_device(serial: &str, device: &str, me: &str) -> Result<Lock, DeviceError> {
        Lock::take(serial, &format!("{me}, which measures on it")).map_err(|error| match error {
            LockError::Held { owner } => DeviceError::Busy { device: device.to_owned(), owner },
            LockError::Io { .. } => {
                DeviceError::Lost { device: device.to_owned(), reason: error.to_string() }
            }
        })
    }

    /// Takes the lock of the phone `serial`. Others that want it are told that it is in use by `owner`.
    ///
    /// # Errors
    /// Somebody holds it, or the file cannot be written, or its folder may be written by others.
    pub fn take(serial: &str, owner: &str) -> Result<Lock, LockError> {
        let folder = folder();
        own(&folder).map_err(|error| LockError::Io { path: folder.clone(), error })?;
        Lock::take_in(&folder, serial, owner)
    }

    fn take_in(folder: &Path, serial: &str, owner: &str) -> Result<Lock, LockError> {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        let path = folder.join(format!("{}.lock", serial.chars().map(plain).collect::<String>()));
        Ok(Lock { _lock: FileLock::take(&path, owner)? })
    }
}

/// The folder of all lock files of this user: in the one that the system gives the user for such files, else in that of
/// all temporary files, where anybody may write, under a name that holds the user's number.
fn folder() -> PathBuf {
    let given = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    match given.filter(|dir| dir.is_absolute() && dir.is_dir()) {
        Some(dir) => dir.join("edgezen-phones"),
        None => std::env::temp_dir().join(format!("edgezen-phones-{}", user())),
    }
}

/// Number of the user that this process runs as.
fn user() -> u32 {
    #[cfg(unix)]
    // SAFETY: takes nothing, touches no memory and cannot fail.
    unsafe {
        libc::geteuid()
    }
    #[cfg(not(unix))]
    0
}

/// Makes the folder for this user alone, if it is not there, and checks that nobody else may write into it: whoever could
/// would choose which files are opened.
fn own(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    match builder.create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    let metadata = fs::symlink_metadata(folder)?;
    if !metadata.is_dir() {
        return Err(io::Error::other("this is no folder; remove it"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if metadata.uid() != user() {
            return Err(io::Error::other(
                "this folder belongs to another user; set XDG_RUNTIME_DIR to one of yours",
            ));
        }
        if metadata.mode() & 0o022 != 0 {
            return Err(io::Error::other("others may write into this folder; chmod 700 it, or remove it"));
        }
    }
    Ok(())
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

    #[cfg(unix)]
    #[test]
    fn a_folder_of_others_is_refused() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("phones");
        own(&folder).unwrap();
        own(&folder).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(own(&folder).unwrap_err().to_string().contains("others may write"));
        let link = dir.path().join("link");
        symlink(&folder, &link).unwrap();
        assert!(own(&link).unwrap_err().to_string().contains("no folder"));
    }
}
