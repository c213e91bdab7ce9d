//! Failures as Python's exceptions, by the package's own table of exit codes.

use edgezen::cli::Failure;
use pyo3::prelude::*;

/// The exception for a failure: the class of its exit code, with its message and its remedy.
pub fn raised(py: Python<'_>, failure: &Failure) -> PyErr {
    let exception = || {
        let by_code = py.import("edgezen.errors")?.getattr("by_code")?;
        by_code.call1((failure.exit as u8, failure.message.as_str(), failure.remedy.as_deref()))
    };
    match exception() {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}
