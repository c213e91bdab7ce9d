//! Which runtimes are there: those of this program, those in libraries, and tools that somebody described.

pub use super::runtime_places::{VARIABLE, description_folders, folders};

use super::tool::{Session, Tool, ToolEntry, Tools};
use edgezen_engine::library::version_beside;
use edgezen_engine::runtimes::{self, Opening, Runtime};
use serde::Serialize;
use std::env;
use std::path::{Path, PathBuf};

/// The command that fetches the libraries.
pub const SETUP: &str = "scripts/setup-runtimes";

/// A runtime, and whether it can be used on this computer.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    pub name: String,
    pub about: String,
    pub precisions: Vec<String>,
    /// `None`: it cannot be used.
    pub version: Option<String>,
    /// Its library; `None` where it is part of this program, or is not there.
    pub library: Option<PathBuf>,
    /// The file that describes it, if it is a tool.
    pub description: Option<PathBuf>,
    /// Why it cannot be used; `None` if it can.
    pub missing: Option<String>,
    /// What brings it here, where it is missing.
    pub remedy: Option<String>,
}

/// All runtimes, the tools last. A tool is called where its version is asked for.
pub fn found() -> Vec<Found> {
    let folders = folders();
    let of_program = runtimes::registry().iter().map(|&runtime| found_in(runtime, &folders));
    of_program.chain(Tools::of_user().entries().into_iter().map(found_tool)).collect()
}

fn found_in(runtime: &dyn Runtime, folders: &[PathBuf]) -> Found {
    let library = runtimes::library_path(runtime, folders);
    let precision = runtime.precisions().first().copied().unwrap_or("fp32");
    let opened = runtime.open(&Opening { folders, precision, threads: 1 });
    Found {
        name: runtime.name().to_owned(),
        about: runtime.about().to_owned(),
        precisions: runtime.precisions().iter().map(|&name| name.to_owned()).collect(),
        version: opened.as_ref().ok().map(|engine| engine.version()),
        library: library.ok().flatten(),
        description: None,
        remedy: opened.is_err().then(|| format!("{SETUP} fetches it")),
        missing: opened.err().map(|error| error.to_string()),
    }
}

fn found_tool(entry: ToolEntry) -> Found {
    let bare = Found {
        name: entry.name,
        about: String::new(),
        precisions: Vec::new(),
        version: None,
        library: None,
        description: None,
        missing: None,
        remedy: None,
    };
    let Tool { description, file } = match entry.tool {
        Ok(tool) => tool,
        Err(error) => return Found { missing: Some(error.to_string()), ..bare },
    };
    let (about, precisions) = (description.about.clone(), description.precisions.clone());
    let opened = Session::open(Tool { description, file: file.clone() }, 1);
    Found {
        about,
        precisions,
        version: opened.as_ref().ok().map(|session| session.version.clone()),
        remedy: opened.as_ref().err().map(|error| error.remedy(&file)),
        missing: opened.err().map(|error| error.to_string()),
        description: Some(file),
        ..bare
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
    fn what_is_missing_is_named_with_the_remedy() {
        let empty = tempfile::tempdir().unwrap();
        for &runtime in runtimes::registry() {
            let found = found_in(runtime, &[empty.path().to_owned()]);
            if runtime.library().is_none() {
                assert!(found.version.is_some() && found.missing.is_none() && found.remedy.is_none());
                continue;
            }
            assert!(found.missing.unwrap().contains(&empty.path().display().to_string()));
            assert!(found.version.is_none() && found.remedy.unwrap().contains(SETUP));
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
