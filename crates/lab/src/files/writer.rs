//! The one writer of files: a reader sees the old file or the new one, never a part. Pipes and devices are written into.

use super::temporary;
use edgezen_core::files::FileError;
use std::fs::{self, File, FileType, Permissions};
use std::io::{self, Write};
use std::path::Path;

/// Replaces `path` by `bytes` in one step: a reader sees the old file or the new one.
///
/// # Errors
/// Whatever the disk says; the old file is then unharmed.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_atomically_with(path, |file| file.write_all(bytes))
}

/// Replaces `path` in one step by what `write` writes. The new file has the permissions of the old one. A link is
/// replaced itself, and what it leads to stays as it is; a pipe or a device is written into.
///
/// # Errors
/// Whatever the disk says; the old file is then unharmed.
pub fn write_atomically_with(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), FileError> {
    write_with(path, Existing::Replaced, write)
}

/// What becomes of a file that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    Replaced,
    /// It stays, and unless it has the same content, that is an error.
    Kept,
}

/// What a path names.
pub enum Place {
    Nothing,
    /// A file with these permissions.
    File(Permissions),
    /// A link that leads to a file, to a folder, or nowhere.
    Link,
    /// A pipe or a device that takes bytes one after another, or an open file of this process.
    Stream,
}

/// What is at `path`.
///
/// # Errors
/// A folder, a disk, or what else cannot be written.
pub fn place(path: &Path) -> Result<Place, FileError> {
    if names_open_file(path) {
        return Ok(Place::Stream);
    }
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Place::Nothing),
        Err(error) => return Err(FileError::io(path)(error)),
    };
    let refused = |reason: &str| Err(FileError::NotWritable { path: path.to_owned(), reason: reason.into() });
    let kind = metadata.file_type();
    if kind.is_symlink() {
        let stream = fs::metadata(path).is_ok_and(|target| is_stream(target.file_type()));
        Ok(if stream { Place::Stream } else { Place::Link })
    } else if kind.is_file() {
        Ok(Place::File(metadata.permissions()))
    } else if is_stream(kind) {
        Ok(Place::Stream)
    } else if kind.is_dir() {
        refused("is a folder")
    } else {
        refused("is neither a file nor a pipe")
    }
}

#[cfg(unix)]
fn is_stream(kind: FileType) -> bool {
    use std::os::unix::fs::FileTypeExt;
    kind.is_fifo() || kind.is_char_device()
}

#[cfg(not(unix))]
fn is_stream(_: FileType) -> bool {
    false
}

/// Whether `path` is standard output.
pub fn is_stdout(path: &Path) -> bool {
    ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|name| path == Path::new(name))
}

/// Whether `path` names a file that this process has open: `/dev/stdout`, `/dev/fd/3`.
fn names_open_file(path: &Path) -> bool {
    let folder = path.parent();
    is_stdout(path)
        || path == Path::new("/dev/stderr")
        || folder == Some(Path::new("/dev/fd"))
        || folder == Some(Path::new("/proc/self/fd"))
}

/// Writes into a stream.
fn write_stream(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let mut file = match stdout_of(path) {
        Some(stdout) => stdout?,
        // Behind what others write into the same open file.
        None => File::options().append(true).open(path)?,
    };
    match write(&mut file).and_then(|()| file.flush()) {
        // Whoever read it has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Standard output as a file, if that is what `path` is. It is not opened anew: two openings of one file write over each
/// other.
fn stdout_of(path: &Path) -> Option<io::Result<File>> {
    #[cfg(unix)]
    if is_stdout(path) {
        use std::os::fd::AsFd;
        return Some(io::stdout().as_fd().try_clone_to_owned().map(File::from));
    }
    let _ = path;
    None
}

/// Writes a file whole, or into a stream.
///
/// # Errors
/// Whatever the disk says, and a file that is to be kept; the old file is unharmed.
pub fn write_with(
    path: &Path,
    existing: Existing,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), FileError> {
    let fail = |error| FileError::Io { path: path.to_owned(), error };
    let permissions = match place(path)? {
        Place::Stream => return write_stream(path, write).map_err(fail),
        Place::File(permissions) => Some(permissions),
        Place::Nothing | Place::Link => None,
    };
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = temporary::create(dir).map_err(fail)?;
    write(file.as_file_mut()).map_err(fail)?;
    if existing == Existing::Replaced {
        if let Some(permissions) = permissions {
            file.as_file().set_permissions(permissions).map_err(fail)?;
        }
        file.as_file().sync_all().map_err(fail)?;
        file.persist(path).map_err(|e| fail(e.error))?;
        return Ok(());
    }
    if permissions.is_some() && same_content(file.path(), path).map_err(fail)? {
        return Ok(());
    }
    file.as_file().sync_all().map_err(fail)?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(FileError::InTheWay { path: path.to_owned(), what: "exists already".into() })
        }
        Err(e) => Err(fail(e.error)),
    }
}

/// Whether two files hold the same bytes.
fn same_content(a: &Path, b: &Path) -> io::Result<bool> {
    use std::io::{BufRead, BufReader};
    let (mut a, mut b) = (File::open(a)?, File::open(b)?);
    if a.metadata()?.len() != b.metadata()?.len() {
        return Ok(false);
    }
    let (mut a, mut b) = (BufReader::new(&mut a), BufReader::new(&mut b));
    loop {
        let (left, right) = (a.fill_buf()?, b.fill_buf()?);
        let common = left.len().min(right.len());
        if common == 0 {
            return Ok(left.is_empty() && right.is_empty());
        }
        if left[..common] != right[..common] {
            return Ok(false);
        }
        a.consume(common);
        b.consume(common);
    }
}

/// Makes the folder `name` in `dir`, if it is not there; else what a killed process left half written in it is removed. A
/// link of that name would lead out of `dir`, and is refused.
///
/// # Errors
/// A link or a file of that name; whatever the disk says.
pub fn create_inside(dir: &Path, name: &str) -> Result<std::path::PathBuf, FileError> {
    let path = dir.join(name);
    match fs::create_dir(&path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made.map_err(FileError::io(&path))?,
    }
    let kind = fs::symlink_metadata(&path).map_err(FileError::io(&path))?.file_type();
    if kind.is_dir() {
        temporary::clear_stale(&path);
        return Ok(path);
    }
    let reason = if kind.is_symlink() { "is a link, and is not followed" } else { "is no folder" };
    Err(FileError::NotWritable { path, reason: reason.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_folder_inside_is_cleared_of_what_was_left_half_written() {
        let dir = tempfile::tempdir().unwrap();
        let folder = create_inside(dir.path(), "raw").unwrap();
        fs::write(folder.join(".edgezen-x1.tmp"), "half").unwrap();
        fs::write(folder.join("runs.parquet"), "whole").unwrap();
        create_inside(dir.path(), "raw").unwrap();
        let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["runs.parquet"]);
    }

    #[test]
    fn nothing_but_the_file_is_left_and_failures_leave_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write_atomically(&path, b"one").unwrap();
        let failed = write_atomically_with(&path, |file| {
            file.write_all(b"tw")?;
            Err(io::Error::other("the disk is full"))
        });
        assert!(failed.unwrap_err().to_string().contains("disk is full"));
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_kept_is_replaced_by_nothing_but_itself() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let keep = |text: &str| write_with(&path, Existing::Kept, |file| file.write_all(text.as_bytes()));
        keep("one").unwrap();
        keep("one").unwrap();
        assert!(matches!(keep("two"), Err(FileError::InTheWay { .. })));
        assert!(matches!(keep("onetwo"), Err(FileError::InTheWay { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert!(matches!(write_atomically(dir.path(), b""), Err(FileError::NotWritable { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn permissions_stay_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("a"), dir.path().join("link"));
        write_atomically(&path, b"one").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        write_atomically(&path, b"two").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        symlink(&path, &link).unwrap();
        let keep = write_with(&link, Existing::Kept, |file| file.write_all(b"three"));
        assert!(matches!(keep, Err(FileError::InTheWay { .. })));
        write_atomically(&link, b"three").unwrap();
        assert_eq!((fs::read(&path).unwrap(), fs::read(&link).unwrap()), (b"two".into(), b"three".into()));
        symlink(dir.path(), dir.path().join("out")).unwrap();
        assert!(matches!(create_inside(dir.path(), "out"), Err(FileError::NotWritable { .. })));
        create_inside(dir.path(), "in").unwrap();
        create_inside(dir.path(), "in").unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn pipes_and_devices_are_written_into() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        let name = std::ffi::CString::new(pipe.to_str().unwrap()).unwrap();
        // SAFETY: the name is a C string that lives for the call.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        write_atomically(&pipe, b"through").unwrap();
        assert_eq!(reader.join().unwrap(), b"through");
        assert!(is_stream(fs::metadata(&pipe).unwrap().file_type()));
        let link = dir.path().join("null");
        symlink("/dev/null", &link).unwrap();
        write_with(&link, Existing::Kept, |file| file.write_all(b"away")).unwrap();
        write_atomically(Path::new("/dev/null"), b"away").unwrap();
        assert!(is_stream(fs::metadata("/dev/null").unwrap().file_type()));
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
