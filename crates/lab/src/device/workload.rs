//! What a device can be asked to measure.

use edgezen_core::measurement::Subject;
use edgezen_runner::Work;
use std::fmt;
use std::path::Path;

/// What a device can be asked to measure.
#[derive(Clone, Copy, Debug)]
pub enum Workload<'a> {
    Subject(&'a Subject),
    /// A network in a file of the device's runtime, ONNX or another, executed as it is.
    File(&'a Path),
    /// A network that has no structure string: this program wrote it to an ONNX file, with random weights. A runtime that reads
    /// no ONNX takes its graph from there.
    Written(&'a Path),
}

impl fmt::Display for Workload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Workload::Subject(subject) => subject.fmt(f),
            Workload::File(path) | Workload::Written(path) => path.display().fmt(f),
        }
    }
}

impl Workload<'_> {
    /// The same as a value of its own, for another process.
    pub(super) fn to_work(self) -> Work {
        match self {
            Workload::Subject(subject) => Work::Subject(subject.clone()),
            Workload::File(path) => Work::File(path.to_owned()),
            Workload::Written(path) => Work::Written(path.to_owned()),
        }
    }

    /// A text that no other workload has.
    pub(super) fn key(&self) -> String {
        match self {
            Workload::Subject(subject) => format!("{subject:?}"),
            Workload::File(path) => format!("file {}", path.display()),
            Workload::Written(path) => format!("written {}", path.display()),
        }
    }
}
