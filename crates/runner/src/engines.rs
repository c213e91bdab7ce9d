//! The runtimes of one process, each opened when it is first needed.

use super::protocol::RuntimeHere;
use super::running::{OpenError, Running};
use edgezen_engine::Engine;
use edgezen_engine::runtimes::{Opening, Runtime, registry};
use std::path::PathBuf;

/// The runtimes of one process.
pub struct Engines {
    runtimes: &'static [&'static dyn Runtime],
    /// Folders with libraries of runtimes.
    folders: Vec<PathBuf>,
    /// The one that was opened last, and how.
    opened: Option<(Running, Box<dyn Engine>)>,
}

impl Engines {
    /// All runtimes; their libraries are looked for in `folders`.
    pub fn new(folders: Vec<PathBuf>) -> Engines {
        Engines::of(registry(), folders)
    }

    /// These runtimes alone.
    pub fn of(runtimes: &'static [&'static dyn Runtime], folders: Vec<PathBuf>) -> Engines {
        Engines { runtimes, folders, opened: None }
    }

    /// Which of them can be used. Libraries are opened to find that out.
    pub fn here(&self) -> Vec<RuntimeHere> {
        let here = |runtime: &&'static dyn Runtime| {
            let precision = runtime.precisions().first().copied().unwrap_or("fp32");
            let opened = runtime.open(&Opening { folders: &self.folders, precision, threads: 1 });
            RuntimeHere {
                name: runtime.name().to_owned(),
                version: opened.as_ref().ok().map(|engine| engine.version()),
                missing: opened.err().map(|error| error.to_string()),
            }
        };
        self.runtimes.iter().map(here).collect()
    }

    /// The runtime that runs networks in this way.
    ///
    /// # Errors
    /// There is none of this name, or it cannot be used here in this way.
    pub fn open(&mut self, running: &Running) -> Result<&dyn Engine, OpenError> {
        let kept = self.opened.take().filter(|(how, _)| how == running);
        let opened = match kept {
            Some(kept) => kept,
            None => (running.clone(), running.open(self.runtimes, &self.folders)?),
        };
        Ok(self.opened.insert(opened).1.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_here_and_what_is_not() {
        let empty = tempfile::tempdir().unwrap();
        let mut engines = Engines::new(vec![empty.path().to_owned()]);
        for RuntimeHere { name, version, missing } in engines.here() {
            let is_part = name == "tract";
            assert_eq!((version.is_some(), missing.is_none()), (is_part, is_part), "{name}");
        }
        assert_eq!(engines.open(&Running::tract()).unwrap().name(), "tract");
        let litert = Running { runtime: "litert".into(), ..Running::tract() };
        assert!(engines.open(&litert).is_err());
        assert_eq!(engines.open(&Running::tract()).unwrap().name(), "tract");
    }
}
