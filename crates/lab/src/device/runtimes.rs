//! Which runtimes are there: those of this program, those in libraries, and tools that somebody described.

pub use super::runtime_places::{VARIABLE, description_folders, folders};

use super::tool::{Session, Tool, ToolEntry, Tools};
use edgezen_engine::runtimes::{self, Opening, Runtime};
use serde::Serialize;
use std::path::PathBuf;

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
}
