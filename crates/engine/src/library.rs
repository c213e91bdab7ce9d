//! Shared libraries that are opened while the program runs: runtimes that are not part of it.

use std::ffi::{CStr, CString, c_void};
use std::path::{Path, PathBuf};

/// A shared library of another project: how its file is called, and where Python packages hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LibraryFile {
    /// `libonnxruntime.so`; a version may follow: a dot, numbers and dots.
    pub name: &'static str,
    /// The folder of it below `site-packages`.
    pub package: &'static str,
}

impl LibraryFile {
    /// The first of these libraries in `folders`. Each is looked at itself, then its folder for this kind of processor, then
    /// the place that the library has in a folder of Python packages.
    pub fn find(&self, folders: &[PathBuf]) -> Option<PathBuf> {
        let places = |folder: &PathBuf| {
            [folder.clone(), folder.join(std::env::consts::ARCH), folder.join(self.package)]
        };
        folders.iter().flat_map(places).find_map(|folder| self.in_folder(&folder))
    }

    /// The first of these libraries for another device, whose kind of processor is called `architecture` (`aarch64`): in a
    /// folder of that name in one of `folders`. Elsewhere lie those for this computer.
    pub fn find_for(&self, architecture: &str, folders: &[PathBuf]) -> Option<PathBuf> {
        folders.iter().find_map(|folder| self.in_folder(&folder.join(architecture)))
    }

    /// The library in this very folder; of several versions the one whose name is the last.
    fn in_folder(&self, folder: &Path) -> Option<PathBuf> {
        let is_it = |name: &str| {
            let is_version = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            name.strip_prefix(self.name)
                .is_some_and(|rest| rest.is_empty() || rest.strip_prefix('.').is_some_and(is_version))
        };
        let entries = std::fs::read_dir(folder).ok()?.flatten();
        let files = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_it));
        files.map(|entry| entry.path()).filter(|path| path.is_file()).max()
    }
}

/// The file beside the library at `path` that tells its version, where the library itself does not.
pub fn version_file(path: &Path) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".version");
    beside.into()
}

/// The version in the [`version_file`] of the library at `path`; `None` where there is no such file, or no version in it.
pub fn version_beside(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(version_file(path)).ok()?;
    let text = text.trim();
    let is_version = !text.is_empty() && text.len() < 40 && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_version.then(|| text.to_owned())
}

/// An open library. It stays open until the program ends, because what it started (threads, caches) does not end before.
#[derive(Clone, Copy, Debug)]
pub struct Library {
    #[cfg_attr(not(unix), allow(dead_code))]
    handle: *mut c_void,
}

impl Library {
    /// Opens the library in a file. Its initialisers run.
    ///
    /// # Errors
    /// What the system says of the file.
    #[cfg(unix)]
    pub fn open(path: &Path) -> Result<Library, String> {
        use std::os::unix::ffi::OsStrExt;
        // A name without a slash would be looked for elsewhere.
        let path = std::path::absolute(path).map_err(|e| e.to_string())?;
        let name = CString::new(path.as_os_str().as_bytes()).map_err(|e| e.to_string())?;
        // SAFETY: `name` ends with a zero. What the initialisers of the library do is up to it: whoever installed it in one of
        // the places that are looked at trusts it.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        if handle.is_null() { Err(last_error()) } else { Ok(Library { handle }) }
    }

    /// # Errors
    /// Always: only Unix is known.
    #[cfg(not(unix))]
    pub fn open(_: &Path) -> Result<Library, String> {
        Err("libraries are opened on Unix only".into())
    }

    /// Address of the function or variable called `name`.
    ///
    /// # Errors
    /// The library has none of that name.
    pub fn symbol(&self, name: &CStr) -> Result<*const c_void, String> {
        #[cfg(unix)]
        // SAFETY: the handle came from `dlopen` and was never closed; `name` ends with a zero.
        let address = unsafe { libc::dlsym(self.handle, name.as_ptr()) };
        #[cfg(not(unix))]
        let address: *const c_void = std::ptr::null();
        if address.is_null() {
            return Err(format!("it has no {}", name.to_string_lossy()));
        }
        Ok(address.cast_const())
    }
}

#[cfg(unix)]
fn last_error() -> String {
    // SAFETY: `dlerror` gives null or a text that stays until the next call by this thread; it is copied at once.
    let text = unsafe {
        let text = libc::dlerror();
        (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
    };
    text.unwrap_or_else(|| "the system gives no reason".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: LibraryFile = LibraryFile { name: "libthing.so", package: "thing/capi" };

    #[test]
    fn libraries_are_found_in_three_places_and_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (dir.path().join("first"), dir.path().join("second"));
        let write = |path: PathBuf| {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        };
        let folders = [first.clone(), second.clone()];
        assert_eq!(FILE.find(&folders), None);
        write(first.join("libthing.sox"));
        write(first.join("libthing_more.so"));
        write(first.join("libthing.so.version"));
        assert_eq!(FILE.find(&folders), None);
        write(second.join("thing/capi/libthing.so.1.30.0"));
        write(second.join("thing/capi/libthing.so.1.32.0"));
        assert_eq!(FILE.find(&folders), Some(second.join("thing/capi/libthing.so.1.32.0")));
        write(second.join(std::env::consts::ARCH).join("libthing.so"));
        assert_eq!(FILE.find(&folders), Some(second.join(std::env::consts::ARCH).join("libthing.so")));
        write(first.join("libthing.so"));
        assert_eq!(FILE.find(&folders), Some(first.join("libthing.so")));
        // For another processor only its own folders count.
        assert_eq!(FILE.find_for("pdp11", &folders), None);
        write(second.join("pdp11/libthing.so.2"));
        assert_eq!(FILE.find_for("pdp11", &folders), Some(second.join("pdp11/libthing.so.2")));
    }

    #[test]
    fn what_is_no_library_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("libthing.so");
        assert!(Library::open(&path).is_err());
        std::fs::write(&path, "not a library").unwrap();
        assert!(!Library::open(&path).unwrap_err().is_empty());
    }
}
