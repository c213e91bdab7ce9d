//! In which runtime, precision and number of threads a network is run.

use edgezen_engine::runtimes::{Opening, Runtime};
use edgezen_engine::{Engine, EngineError};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// In which runtime, precision and number of threads a network is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Running {
    /// Its name in identities: `tract`, `onnxruntime`, …
    pub runtime: String,
    /// `fp32` or `int8`.
    pub precision: String,
    pub threads: u32,
}

/// Why a runtime could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("there is no runtime {name:?} (there are: {})", known.join(", "))]
    Unknown { name: String, known: Vec<&'static str> },
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Running {
    /// tract, which is part of every runner and which every other runtime is compared with.
    pub fn tract() -> Running {
        Running { runtime: "tract".into(), precision: "fp32".into(), threads: 1 }
    }

    /// The runtime of its name among `runtimes`.
    ///
    /// # Errors
    /// [`OpenError::Unknown`].
    pub fn known(&self, runtimes: &[&'static dyn Runtime]) -> Result<&'static dyn Runtime, OpenError> {
        runtimes.iter().copied().find(|runtime| runtime.name() == self.runtime).ok_or_else(|| {
            let known = runtimes.iter().map(|runtime| runtime.name()).collect();
            OpenError::Unknown { name: self.runtime.clone(), known }
        })
    }

    /// Opens it, one of `runtimes`; its library is looked for in `folders`.
    ///
    /// # Errors
    /// There is none of this name, or it cannot be used here in this way.
    pub fn open(
        &self,
        runtimes: &[&'static dyn Runtime],
        folders: &[PathBuf],
    ) -> Result<Box<dyn Engine>, OpenError> {
        let runtime = self.known(runtimes)?;
        let how = Opening { folders, precision: &self.precision, threads: self.threads };
        Ok(runtime.open(&how)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_engine::runtimes::registry;

    #[test]
    fn what_cannot_be_opened_says_why() {
        let why = |running: Running| running.open(registry(), &[]).err().map(|error| error.to_string());
        assert_eq!(why(Running::tract()), None);
        let names = why(Running { runtime: "abacus".into(), ..Running::tract() }).unwrap();
        assert!(names.contains("\"abacus\"") && names.contains("onnxruntime"), "{names}");
        let integers = why(Running { precision: "int8".into(), ..Running::tract() }).unwrap();
        assert!(integers.contains("int8"), "{integers}");
        let threads = why(Running { threads: 2, ..Running::tract() }).unwrap();
        assert!(threads.contains("2 threads"), "{threads}");
        let absent = why(Running { runtime: "litert".into(), ..Running::tract() }).unwrap();
        assert!(absent.contains("libLiteRt.so"), "{absent}");
    }
}
