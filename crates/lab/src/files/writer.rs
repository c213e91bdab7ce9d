//! The one writer of files: a reader sees the old file or the new one, never a part.

use edgezen_core::files::FileError;
use std::io::Write;
use std::path::Path;

/// Replaces `path` by `bytes` in one step: a reader sees the old file or the new one.
///
/// # Errors
/// Whatever the disk says; the old file is then unharmed.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_atomically_with(path, |file| file.write_all(bytes))
}

/// Replaces `path` in one step by what `write` writes.
///
/// # Errors
/// Whatever the disk says; the old file is then unharmed.
pub fn write_atomically_with(
    path: &Path,
    write: impl FnOnce(&mut std::fs::File) -> std::io::Result<()>,
) -> Result<(), FileError> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let fail = || FileError::io(path);
    let mut file = tempfile::Builder::new()
        .prefix(".edgezen-")
        .suffix(".tmp")
        .permissions_if_unix()
        .tempfile_in(dir)
        .map_err(fail())?;
    write(file.as_file_mut()).map_err(fail())?;
    file.as_file().sync_all().map_err(fail())?;
    file.persist(path).map_err(|e| FileError::Io { path: path.to_owned(), error: e.error })?;
    Ok(())
}

/// Temporary files are private by default; what we hand over is as readable as any new file.
trait ReadableByAll {
    fn permissions_if_unix(&mut self) -> &mut Self;
}

impl ReadableByAll for tempfile::Builder<'_, '_> {
    #[cfg(unix)]
    fn permissions_if_unix(&mut self) -> &mut Self {
        use std::os::unix::fs::PermissionsExt;
        self.permissions(std::fs::Permissions::from_mode(0o644))
    }
    #[cfg(not(unix))]
    fn permissions_if_unix(&mut self) -> &mut Self {
        self
    }
}
