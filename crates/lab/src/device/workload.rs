//! What a device can be asked to measure.

use edgezen_core::measurement::Subject;
use std::path::Path;

/// What a device can be asked to measure.
#[derive(Clone, Copy, Debug)]
pub enum Workload<'a> {
    Subject(&'a Subject),
    /// A network in an ONNX file, executed as it is.
    Onnx(&'a Path),
}
