//! Files of unknown origin, read: never more bytes than a file of its kind can have, and never a device without end.

use edgezen_core::files::FileError;
use edgezen_core::units::Bytes;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Opens a file or a pipe for reading.
///
/// # Errors
/// What the operating system says; a folder or a device.
pub fn open(path: &Path) -> Result<File, FileError> {
    // Asked before it is opened: opening a device may have effects, or never end.
    let kind = std::fs::metadata(path).map_err(FileError::io(path))?;
    if kind.is_dir() {
        return Err(FileError::damaged(path, "it is a folder, not a file"));
    }
    if is_device(&kind) {
        return Err(FileError::damaged(path, "it is a device, not a file"));
    }
    File::open(path).map_err(FileError::io(path))
}

#[cfg(unix)]
fn is_device(kind: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    kind.file_type().is_char_device() || kind.file_type().is_block_device()
}

#[cfg(not(unix))]
fn is_device(_: &std::fs::Metadata) -> bool {
    false
}

/// The bytes of a file that is not larger than `most`.
///
/// # Errors
/// Whatever the disk says; files that are larger, folders and devices.
pub fn read_at_most(path: &Path, most: u64) -> Result<Vec<u8>, FileError> {
    let file = open(path)?;
    let size = file.metadata().map_err(FileError::io(path))?.len();
    let larger =
        || FileError::damaged(path, format!("it is larger than {} ({most} bytes)", Bytes(most as f64)));
    if size > most {
        return Err(larger());
    }
    let mut bytes = Vec::new();
    let capacity = usize::try_from(size).unwrap_or(0).saturating_add(1);
    bytes.try_reserve_exact(capacity).map_err(|e| FileError::io(path)(std::io::Error::other(e)))?;
    // Counted while reading: a pipe does not know its size beforehand.
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(FileError::io(path))?;
    if bytes.len() as u64 > most { Err(larger()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_files_folders_and_devices_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        assert!(read_at_most(&path, 9).unwrap_err().is_missing());
        std::fs::write(&path, [0xFF; 9]).unwrap();
        assert_eq!(read_at_most(&path, 9).unwrap().len(), 9);
        assert!(read_at_most(&path, 8).unwrap_err().to_string().contains("8 bytes"));
        assert!(read_at_most(dir.path(), 9).unwrap_err().to_string().contains("folder"));
        #[cfg(unix)]
        assert!(read_at_most(Path::new("/dev/zero"), 9).unwrap_err().to_string().contains("device"));
    }
}
