//! Where the libraries of runtimes are looked for, and which are there.

use crate::files::home::data_folder;
use edgezen_engine::library::version_beside;
use edgezen_engine::runtimes::{self, Opening, Runtime};
use serde::Serialize;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The environment variable that names a folder with libraries of runtimes, which is looked through before all others.
pub const VARIABLE: &str = "EDGEZEN_RUNTIMES";

/// The command that fetches the libraries.
pub const SETUP: &str = "scripts/setup-runtimes";

/// The folders in which libraries of runtimes are looked for, in this order: the one that [`VARIABLE`] names, `runtimes` in the
/// user's data folder, and the packages of an active Python environment. The current folder is not among them: a library is a
/// program, and where somebody works says nothing about whom they trust.
pub fn folders() -> Vec<PathBuf> {
    folders_of(&|name| env::var_os(name), data_folder())
}

fn folders_of(variable: &dyn Fn(&str) -> Option<OsString>, data: Option<PathBuf>) -> Vec<PathBuf> {
    let folder = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let mut folders: Vec<PathBuf> = folder(VARIABLE).into_iter().collect();
    folders.extend(data.map(|data| data.join("runtimes")));
    let versions = folder("VIRTUAL_ENV").and_then(|python| std::fs::read_dir(python.join("lib")).ok());
    let mut packages: Vec<PathBuf> =
        versions.into_iter().flatten().flatten().map(|entry| entry.path().join("site-packages")).collect();
    packages.retain(|path| path.is_dir());
    packages.sort();
    folders.extend(packages);
    folders
}

/// A runtime, and whether it can be used on this computer.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    pub name: &'static str,
    pub about: &'static str,
    pub precisions: &'static [&'static str],
    /// `None`: it cannot be used.
    pub version: Option<String>,
    /// Its library; `None` where it is part of this program, or is not there.
    pub library: Option<PathBuf>,
    /// Why it cannot be used; `None` if it can.
    pub missing: Option<String>,
    /// The command that brings it here, where it is missing.
    pub remedy: Option<String>,
}

/// All runtimes.
pub fn found() -> Vec<Found> {
    let folders = folders();
    runtimes::registry().iter().map(|&runtime| found_in(runtime, &folders)).collect()
}

fn found_in(runtime: &dyn Runtime, folders: &[PathBuf]) -> Found {
    let library = runtimes::library_path(runtime, folders);
    let precision = runtime.precisions().first().copied().unwrap_or("fp32");
    let opened = runtime.open(&Opening { folders, precision, threads: 1 });
    Found {
        name: runtime.name(),
        about: runtime.about(),
        precisions: runtime.precisions(),
        version: opened.as_ref().ok().map(|engine| engine.version()),
        library: library.ok().flatten(),
        remedy: opened.is_err().then(|| SETUP.to_owned()),
        missing: opened.err().map(|error| error.to_string()),
    }
}

/// The processors of phones that runtimes are fetched for, as Rust and the folders of libraries call them.
pub const OF_PHONES: &str = "aarch64";

/// A runtime whose library lies on this computer to be copied to a phone.
#[derive(Clone, Debug, Serialize)]
pub struct ForPhones {
    pub name: &'static str,
    /// The processors that the library is for.
    pub architecture: &'static str,
    pub precisions: &'static [&'static str],
    /// `None`: part of every runner, or not there.
    pub library: Option<PathBuf>,
    /// As its file or the one beside it says; `None` where neither does. The library cannot be opened here.
    pub version: Option<String>,
    /// Why phones cannot be measured with it; `None`: nothing is missing on this computer.
    pub missing: Option<String>,
    /// The command that brings it here, where it is missing.
    pub remedy: Option<String>,
}

/// All runtimes that phones can be measured with.
pub fn for_phones() -> Vec<ForPhones> {
    let folders = folders();
    runtimes::registry().iter().map(|&runtime| for_phones_in(runtime, &folders)).collect()
}

fn for_phones_in(runtime: &dyn Runtime, folders: &[PathBuf]) -> ForPhones {
    let library = if env::consts::ARCH == OF_PHONES {
        runtimes::library_path(runtime, folders)
    } else {
        runtimes::library_path_for(runtime, OF_PHONES, folders)
    };
    let path = library.as_ref().ok().cloned().flatten();
    ForPhones {
        name: runtime.name(),
        architecture: OF_PHONES,
        precisions: runtime.precisions(),
        version: path.as_deref().and_then(|path| version_beside(path).or_else(|| version_in_name(path))),
        library: path,
        remedy: library.is_err().then(|| format!("{SETUP} {OF_PHONES}")),
        missing: library.err().map(|error| error.to_string()),
    }
}

/// `1.32.0` in `libonnxruntime.so.1.32.0`.
fn version_in_name(path: &Path) -> Option<String> {
    let (_, version) = path.file_name()?.to_str()?.split_once(".so.")?;
    Some(version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_have_an_order_and_the_current_one_is_not_among_them() {
        let dir = tempfile::tempdir().unwrap();
        let packages = dir.path().join("lib/python3.11/site-packages");
        std::fs::create_dir_all(&packages).unwrap();
        let of = |given: &str| {
            let value = |name: &str| match name {
                VARIABLE => Some(OsString::from(given)),
                "VIRTUAL_ENV" => Some(dir.path().as_os_str().to_owned()),
                _ => None,
            };
            folders_of(&value, Some("/data/edgezen".into()))
        };
        assert_eq!(of("/mine"), [PathBuf::from("/mine"), "/data/edgezen/runtimes".into(), packages.clone()]);
        assert_eq!(of(""), [PathBuf::from("/data/edgezen/runtimes"), packages]);
        assert!(folders_of(&|_| None, None).is_empty());
    }

    #[test]
    fn what_is_missing_is_named_with_the_remedy() {
        let empty = tempfile::tempdir().unwrap();
        for &runtime in runtimes::registry() {
            let found = found_in(runtime, &[empty.path().to_owned()]);
            if runtime.library().is_none() {
                assert!(found.version.is_some() && found.missing.is_none() && found.remedy.is_none());
                continue;
            }
            assert!(found.missing.unwrap().contains(&empty.path().display().to_string()));
            assert_eq!((found.version, found.remedy.as_deref()), (None, Some(SETUP)));
        }
    }

    #[test]
    fn libraries_for_phones_lie_in_a_folder_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let folders = [dir.path().to_owned()];
        let of = |name: &str| for_phones_in(runtimes::by_name(name).unwrap(), &folders);
        assert!(of("tract").missing.is_none() && of("tract").library.is_none());
        let missing = of("litert");
        assert!(missing.missing.unwrap().contains(OF_PHONES));
        assert_eq!(missing.remedy.as_deref(), Some("scripts/setup-runtimes aarch64"));
        let own = dir.path().join(OF_PHONES);
        std::fs::create_dir(&own).unwrap();
        std::fs::write(own.join("libLiteRt.so"), "").unwrap();
        std::fs::write(own.join("libLiteRt.so.version"), "2.3.0\n").unwrap();
        std::fs::write(own.join("libonnxruntime.so.1.32.0"), "").unwrap();
        for (name, version) in [("litert", "2.3.0"), ("onnxruntime", "1.32.0")] {
            let found = of(name);
            assert_eq!((found.version.as_deref(), found.missing), (Some(version), None));
        }
    }
}
