//! What is run: a subject of measurements, or a network in a file.

use edgezen_core::measurement::{Subject, SubjectError};
use edgezen_core::plainnet::Graph;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// What is run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    Subject(Subject),
    /// A file of the runtime's own format, run as it is.
    File(PathBuf),
    /// An ONNX file that this program wrote, with random weights. A runtime that does not run such files takes its graph from
    /// there.
    Written(PathBuf),
}

/// Why there is nothing to run.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    #[error(transparent)]
    Subject(#[from] SubjectError),
    #[error("{0}")]
    File(String),
}

impl Work {
    pub fn subject(&self) -> Option<&Subject> {
        match self {
            Work::Subject(subject) => Some(subject),
            Work::File(_) | Work::Written(_) => None,
        }
    }

    /// The graph to run; `None` for a file that is run as it is: one of the user's, and one that this program wrote where the
    /// runtime takes such files `as_it_is`.
    ///
    /// # Errors
    /// A subject without a graph, and a file that cannot be read.
    pub fn graph(&self, as_it_is: bool) -> Result<Option<Graph>, WorkError> {
        match self {
            Work::Subject(subject) => Ok(Some(subject.graph()?)),
            Work::File(_) => Ok(None),
            Work::Written(_) if as_it_is => Ok(None),
            Work::Written(path) => read(path).map(Some),
        }
    }

    /// Refuses a file that is not one of those that `runtime` runs as they are, whose names end with `.ending`.
    ///
    /// # Errors
    /// [`WorkError::File`].
    pub fn check(&self, runtime: &str, ending: Option<&str>) -> Result<(), WorkError> {
        let Work::File(path) = self else { return Ok(()) };
        let has = path.extension().and_then(|has| has.to_str());
        if ending.is_some_and(|wanted| has.is_some_and(|has| has.eq_ignore_ascii_case(wanted))) {
            return Ok(());
        }
        Err(WorkError::File(match ending {
            Some(ending) => format!("{runtime} runs .{ending} files as they are"),
            None => format!("{runtime} runs no files as they are"),
        }))
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Work::Subject(subject) => subject.fmt(f),
            Work::File(path) | Work::Written(path) => path.display().fmt(f),
        }
    }
}

#[cfg(feature = "onnxruntime")]
fn read(path: &Path) -> Result<Graph, WorkError> {
    let failed = |error: &dyn fmt::Display| WorkError::File(error.to_string());
    let network = edgezen_engine::onnx::read(path).map_err(|error| failed(&error))?;
    network.whole().map_err(|error| failed(&error))
}

#[cfg(not(feature = "onnxruntime"))]
fn read(_: &Path) -> Result<Graph, WorkError> {
    Err(WorkError::File("this runner was built without a reader of ONNX files".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_of_the_runtime_that_runs_them() {
        let said = |path: &str, ending: Option<&str>| {
            Work::File(path.into()).check("litert", ending).err().map(|error| error.to_string())
        };
        assert_eq!(said("/d/a.TFLITE", Some("tflite")), None);
        assert!(said("/d/a.onnx", Some("tflite")).unwrap().contains("litert runs .tflite files"));
        assert!(said("/d/a", None).unwrap().contains("no files"));
        Work::Written("/d/a.onnx".into()).check("litert", Some("tflite")).unwrap();
    }

    #[test]
    fn works_are_told_by_one_word() {
        let text = serde_json::to_string(&Work::File("/d/a.onnx".into())).unwrap();
        assert_eq!(text, r#"{"file":"/d/a.onnx"}"#);
        let error = Work::Written("/nowhere/a.onnx".into()).graph(false).unwrap_err().to_string();
        assert!(!error.is_empty() && Work::Written("/nowhere/a.onnx".into()).graph(true).unwrap().is_none());
    }
}
