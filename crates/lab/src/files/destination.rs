//! A file that somebody named as the place of a result.

use super::holding::refuse_owned;
use super::temporary::{clear_stale, same};
use super::writer::{self, Existing, Place};
use edgezen_core::files::FileError;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file that somebody named as the place of a result. What is there stays, unless it may be replaced or holds the same.
#[derive(Clone, Debug)]
pub struct Destination {
    path: PathBuf,
    force: bool,
}

impl Destination {
    /// The place `path`; with `force`, a file that is there is replaced. `inputs` are the files that the result is made
    /// of, as far as they exist.
    ///
    /// # Errors
    /// A folder or a disk, a file that is also an input, by whatever name, and the name of a file of a run, a dataset, a plan of jobs or
    /// a training: those are written by what makes such results, and by nothing else.
    pub fn new(
        path: impl Into<PathBuf>,
        force: bool,
        inputs: &[impl AsRef<Path>],
    ) -> Result<Destination, FileError> {
        let destination = Destination::own(path, force, inputs)?;
        if !destination.is_stream() {
            refuse_owned(&destination.path)?;
        }
        Ok(destination)
    }

    /// The same for a file of a run, a dataset, a plan of jobs or a training, which what makes such results writes.
    ///
    /// # Errors
    /// A folder or a disk, and a file that is also an input, by whatever name.
    pub fn own(
        path: impl Into<PathBuf>,
        force: bool,
        inputs: &[impl AsRef<Path>],
    ) -> Result<Destination, FileError> {
        let path = path.into();
        if !matches!(writer::place(&path)?, Place::Stream) {
            let inputs = inputs.iter().map(AsRef::as_ref);
            if let Some(input) = inputs.into_iter().find(|input| is_same(&path, input)) {
                return Err(FileError::SameFile { path, input: input.to_owned() });
            }
            if let Some(folder) = path.parent() {
                clear_stale(if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
            }
        }
        Ok(Destination { path, force })
    }

    /// The same, where nothing may be there yet unless it may be replaced: for results that take long, so that their
    /// place is known to be free before they are computed.
    ///
    /// # Errors
    /// As [`Destination::new`]; a file that is there and may not be replaced.
    pub fn free(
        path: impl Into<PathBuf>,
        force: bool,
        inputs: &[impl AsRef<Path>],
    ) -> Result<Destination, FileError> {
        let destination = Destination::new(path, force, inputs)?;
        match writer::place(&destination.path)? {
            Place::File(_) | Place::Link if !force => {
                Err(FileError::InTheWay { path: destination.path, what: "exists already".into() })
            }
            _ => Ok(destination),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a file that is there may be replaced.
    pub fn force(&self) -> bool {
        self.force
    }

    /// Whether the result goes to standard output.
    pub fn is_stdout(&self) -> bool {
        writer::is_stdout(&self.path)
    }

    /// Whether the result goes into a pipe or a device, of which nothing can be read back.
    pub fn is_stream(&self) -> bool {
        matches!(writer::place(&self.path), Ok(Place::Stream))
    }

    /// Whether `bytes` could be written, as far as what is there says: for a result of several files, of which none is written
    /// before all may be.
    ///
    /// # Errors
    /// A file with another content that may not be replaced; what cannot be written or compared.
    pub fn check(&self, bytes: &[u8]) -> Result<(), FileError> {
        let in_the_way = || FileError::InTheWay { path: self.path.clone(), what: "exists already".into() };
        match writer::place(&self.path)? {
            Place::Nothing | Place::Stream => Ok(()),
            _ if self.force => Ok(()),
            Place::Link => Err(in_the_way()),
            Place::File(_) => match fs::read(&self.path).map_err(FileError::io(&self.path))? == bytes {
                true => Ok(()),
                false => Err(in_the_way()),
            },
        }
    }

    /// Writes the result whole.
    ///
    /// # Errors
    /// Whatever the disk says; a file with another content that may not be replaced.
    pub fn write(&self, bytes: &[u8]) -> Result<(), FileError> {
        self.write_with(|file| file.write_all(bytes))
    }

    /// The same with what `write` writes.
    ///
    /// # Errors
    /// As [`Destination::write`].
    pub fn write_with(&self, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), FileError> {
        let existing = if self.force { Existing::Replaced } else { Existing::Kept };
        writer::write_with(&self.path, existing, write)
    }
}

/// Whether two paths name one file, by links or other spellings too.
fn is_same(a: &Path, b: &Path) -> bool {
    match (fs::metadata(a), fs::metadata(b)) {
        (Ok(first), Ok(second)) if cfg!(unix) => first.is_file() && same(&first, &second),
        (Ok(_), Ok(_)) => fs::canonicalize(a).ok().is_some_and(|a| fs::canonicalize(b).ok() == Some(a)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: &[&str] = &[];

    #[test]
    fn what_is_there_stays_without_force() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        Destination::free(&path, false, NONE).unwrap().write(b"one").unwrap();
        let kept = Destination::new(&path, false, NONE).unwrap();
        kept.check(b"one").unwrap();
        kept.write(b"one").unwrap();
        assert!(matches!(kept.check(b"two"), Err(FileError::InTheWay { .. })));
        Destination::new(&path, true, NONE).unwrap().check(b"two").unwrap();
        Destination::new(dir.path().join("free"), false, NONE).unwrap().check(b"two").unwrap();
        assert!(matches!(kept.write(b"two"), Err(FileError::InTheWay { .. })));
        assert!(matches!(Destination::free(&path, false, NONE), Err(FileError::InTheWay { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"one");
        Destination::free(&path, true, NONE).unwrap().write(b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert!(matches!(Destination::new(dir.path(), true, NONE), Err(FileError::NotWritable { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn an_input_is_no_output_by_any_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "in").unwrap();
        let (soft, hard) = (dir.path().join("soft"), dir.path().join("hard"));
        std::os::unix::fs::symlink(&path, &soft).unwrap();
        fs::hard_link(&path, &hard).unwrap();
        for name in [path.clone(), dir.path().join("./a"), soft, hard] {
            let refused = Destination::new(&name, true, &[&path]);
            assert!(matches!(refused, Err(FileError::SameFile { .. })), "{}", name.display());
        }
        Destination::new(dir.path().join("b"), false, &[&path]).unwrap();
        assert!(Destination::new("/dev/null", false, &["/dev/null"]).unwrap().is_stream());
    }
}
