//! Failures as Python's exceptions, by the package's own table of exit codes.

use edgezen::cli::Failure;
use edgezen::cli::in_process::in_arguments;
use pyo3::prelude::*;

/// The exception for a failure of a command: the class of its exit code, with its message and its remedy in the words of somebody who
/// gave arguments of Python.
pub fn raised(py: Python<'_>, command: &str, failure: &Failure) -> PyErr {
    let said = |text: &str| in_arguments(&[command.to_owned()], text);
    let exception = || {
        let by_code = py.import("edgezen.errors")?.getattr("by_code")?;
        by_code.call1((failure.exit as u8, said(&failure.message), failure.remedy.as_deref().map(said)))
    };
    match exception() {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}
