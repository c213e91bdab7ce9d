//! Where the libraries of runtimes, and descriptions of tools, are looked for.

use crate::files::home::data_folder;
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// The environment variable that names a folder with libraries of runtimes and descriptions of tools, which is looked through
/// before all others.
pub const VARIABLE: &str = "EDGEZEN_RUNTIMES";

/// The folders in which libraries of runtimes are looked for, in this order: the one that [`VARIABLE`] names, `runtimes` in the
/// user's data folder, and the packages of an active Python environment. The current folder is not among them: a library is a
/// program, and where somebody works says nothing about whom they trust.
pub fn folders() -> Vec<PathBuf> {
    folders_of(&|name| env::var_os(name), data_folder())
}

/// The folders in which descriptions of tools are looked for: the first two of [`folders`]. Not the current folder, for the same
/// reason: a description says which program is started.
pub fn description_folders() -> Vec<PathBuf> {
    descriptions_of(&|name| env::var_os(name), data_folder())
}

fn descriptions_of(variable: &dyn Fn(&str) -> Option<OsString>, data: Option<PathBuf>) -> Vec<PathBuf> {
    let given = variable(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    given.into_iter().chain(data.map(|data| data.join("runtimes"))).collect()
}

fn folders_of(variable: &dyn Fn(&str) -> Option<OsString>, data: Option<PathBuf>) -> Vec<PathBuf> {
    let mut folders = descriptions_of(variable, data);
    let python = variable("VIRTUAL_ENV").filter(|value| !value.is_empty()).map(PathBuf::from);
    let versions = python.and_then(|python| std::fs::read_dir(python.join("lib")).ok());
    let mut packages: Vec<PathBuf> =
        versions.into_iter().flatten().flatten().map(|entry| entry.path().join("site-packages")).collect();
    packages.retain(|path| path.is_dir());
    packages.sort();
    folders.extend(packages);
    folders
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
        let descriptions = |given: &str| {
            let value = |_: &str| Some(OsString::from(given));
            descriptions_of(&value, Some("/data/edgezen".into()))
        };
        assert_eq!(descriptions("/mine"), [PathBuf::from("/mine"), "/data/edgezen/runtimes".into()]);
        assert_eq!(descriptions(""), [PathBuf::from("/data/edgezen/runtimes")]);
    }
}
