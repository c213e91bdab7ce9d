//! Copying files to a device, each under a name that tells its content, so that it is copied once.

use super::{Link, LinkError};
use edgezen_core::digest;
use edgezen_core::foreign::shell_word;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A file on this computer, read.
pub struct LocalFile {
    /// Its name without folders.
    pub name: String,
    pub bytes: Vec<u8>,
    pub sha256: String,
}

impl LocalFile {
    /// # Errors
    /// It cannot be read, or has no name that is text.
    pub fn read(path: &Path) -> std::io::Result<LocalFile> {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| std::io::Error::other("its name is no text"))?.to_owned();
        let bytes = std::fs::read(path)?;
        let sha256 = digest::sha256(&bytes);
        Ok(LocalFile { name, bytes, sha256 })
    }

    /// All files of a folder, by name; none where there is no such folder.
    ///
    /// # Errors
    /// One that cannot be read.
    pub fn all_in(folder: &Path) -> std::io::Result<Vec<LocalFile>> {
        let Ok(entries) = std::fs::read_dir(folder) else { return Ok(Vec::new()) };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| path.is_file());
        paths.sort();
        paths.iter().map(|path| LocalFile::read(path)).collect()
    }
}

/// A folder on the device that holds certain files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Path on the device.
    pub path: String,
    /// Checksum of its files' names and checksums.
    pub sha256: String,
}

/// Copies `file` to the path `remote` on the device, unless it is there already, and makes it executable.
///
/// # Errors
/// The link's.
pub fn push_file(link: &mut dyn Link, file: &LocalFile, remote: &str) -> Result<(), LinkError> {
    if is_there(link, file, remote)? {
        return Ok(());
    }
    // The file has another name at first, because a link that breaks leaves an incomplete file.
    let half = format!("{remote}.part");
    link.push(&file.bytes, &half, Duration::from_secs(120))?;
    let whole = is_there(link, file, &half)?;
    let (from, to) = (shell_word(&half), shell_word(remote));
    let moved = link.shell(&format!("chmod 755 {from} && mv -f {from} {to}"), Duration::from_secs(30))?;
    if !whole || !moved.ok() {
        let reason = if whole { moved.complaint() } else { "the file arrived damaged".into() };
        let what = format!("writing {remote}");
        return Err(LinkError::Refused { serial: link.name().clone(), what, reason });
    }
    Ok(())
}

/// Whether `file` is at the path `remote`. Its date becomes today's, because old files are removed.
fn is_there(link: &mut dyn Link, file: &LocalFile, remote: &str) -> Result<bool, LinkError> {
    // Old devices have no sha256sum; on them only the length is compared.
    let path = shell_word(remote);
    let command =
        format!("[ -f {path} ] && {{ touch {path}; sha256sum {path} 2>/dev/null || wc -c < {path}; }}");
    let finished = link.shell(&command, Duration::from_secs(30))?;
    let word = finished.stdout.split_whitespace().next().unwrap_or_default();
    Ok(finished.ok() && (word == file.sha256 || word == file.bytes.len().to_string()))
}

/// Copies `files` into a folder below `dir` that is called after `stem` and after their content; those that are there already
/// are not copied again.
///
/// # Errors
/// The link's.
pub fn push_folder(
    link: &mut dyn Link,
    files: &[LocalFile],
    dir: &str,
    stem: &str,
) -> Result<Folder, LinkError> {
    let all: String = files.iter().map(|file| format!("{} {}\n", file.sha256, file.name)).collect();
    let sha256 = digest::sha256(all.as_bytes());
    let path = format!("{dir}/{stem}-{}", &sha256[..12]);
    for file in files {
        push_file(link, file, &format!("{path}/{}", file.name))?;
    }
    Ok(Folder { path, sha256 })
}

#[cfg(test)]
mod tests {
    use super::super::fake::LocalLink;
    use super::*;

    #[test]
    fn a_file_is_pushed_once() {
        let folder = tempfile::tempdir().unwrap();
        let local = folder.path().join("runner");
        std::fs::write(&local, b"#!/bin/sh\n").unwrap();
        let file = LocalFile::read(&local).unwrap();
        let remote = folder.path().join("machine/runner-1").display().to_string();
        let mut link = LocalLink::new(folder.path());
        push_file(&mut link, &file, &remote).unwrap();
        let commands = link.log.len();
        push_file(&mut link, &file, &remote).unwrap();
        assert_eq!(link.log.len(), commands + 1);
        // Damaged on the device: pushed again.
        std::fs::write(&remote, b"#!/bin/s").unwrap();
        push_file(&mut link, &file, &remote).unwrap();
        assert_eq!(std::fs::read(&remote).unwrap(), b"#!/bin/sh\n");
        let error = push_file(&mut link, &file, "/proc/nowhere/runner").unwrap_err();
        assert!(!error.may_pass(), "{error}");
        assert!(LocalFile::read(&folder.path().join("none")).is_err());
    }

    #[test]
    fn a_file_in_use_does_not_grow_old() {
        let folder = tempfile::tempdir().unwrap();
        let local = folder.path().join("runner");
        std::fs::write(&local, b"a").unwrap();
        let file = LocalFile::read(&local).unwrap();
        let remote = folder.path().join("there").display().to_string();
        let mut link = LocalLink::new(folder.path());
        push_file(&mut link, &file, &remote).unwrap();
        let long_ago = std::time::SystemTime::now() - Duration::from_secs(40 * 86_400);
        std::fs::File::options().append(true).open(&remote).unwrap().set_modified(long_ago).unwrap();
        push_file(&mut link, &file, &remote).unwrap();
        let age = std::fs::metadata(&remote).unwrap().modified().unwrap().elapsed().unwrap_or_default();
        assert!(age < Duration::from_secs(86_400), "{age:?}");
    }

    #[test]
    fn a_folder_is_called_after_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let (here, machine) =
            (folder.path().join("here"), folder.path().join("machine").display().to_string());
        std::fs::create_dir(&here).unwrap();
        std::fs::write(here.join("libb.so"), "b").unwrap();
        std::fs::write(here.join("liba.so"), "a").unwrap();
        let mut link = LocalLink::new(folder.path());
        let mut pushed = || {
            let files = LocalFile::all_in(&here).unwrap();
            push_folder(&mut link, &files, &machine, "lib").unwrap()
        };
        let first = pushed();
        assert!(first.path.starts_with(&format!("{machine}/lib-")));
        assert_eq!(std::fs::read(format!("{}/liba.so", first.path)).unwrap(), b"a");
        assert_eq!(pushed(), first);
        std::fs::write(here.join("liba.so"), "other").unwrap();
        let second = pushed();
        assert_ne!(second.path, first.path);
        assert_eq!(std::fs::read(format!("{}/liba.so", second.path)).unwrap(), b"other");
        assert!(LocalFile::all_in(&here.join("none")).unwrap().is_empty());
    }
}
