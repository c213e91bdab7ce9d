//! Why a text stands for no network, or not for one that a command can take.

use super::Kind;
use crate::runs::RunError;
use edgezen_core::files::FileError;
use edgezen_core::plainnet::ShapeError;
use edgezen_core::plainnet::notation::ParseError;
use edgezen_core::zoo::{CodeError, Space};
use edgezen_engine::imported::Size;
use std::path::PathBuf;

/// Why a text stands for no network, or not for one that can be taken.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    #[error("unknown network {text:?}: no name, no file, no run folder and no structure string")]
    Unknown {
        text: String,
        /// Similar names, the nearest first; none where no name is similar.
        near: Vec<String>,
    },
    #[error(transparent)]
    Structure(#[from] ParseError),
    #[error(transparent)]
    Shape(#[from] ShapeError),
    #[error("{error}")]
    Code {
        error: CodeError,
        /// Of which the text is no code.
        space: Option<Space>,
        /// Codes that are similar to it, the nearest first; none where none is similar.
        near: Vec<String>,
    },
    #[error("--classes must be at least 1")]
    NoClasses,
    #[error("--resolution {0}: only .onnx and .tflite files may have other than square images")]
    NotSquare(Size),
    /// An option that has no meaning for a network of this kind.
    #[error("{option} has no effect on {net}, which is {kind}")]
    NoEffect { net: String, kind: Kind, option: &'static str },
    /// A network that cannot be taken, because it has no structure string.
    #[error("{net} is {kind}, which has no structure string; {need} one")]
    NoStructure {
        net: String,
        kind: Kind,
        /// What needs one: `a score needs`.
        need: &'static str,
    },
    /// A folder that no search wrote.
    #[error("{}: a folder, but not that of a run: it has no run.toml", path.display())]
    Folder { path: PathBuf },
    /// The folder of a run that has found nothing yet.
    #[error("{}: the run has not found a network yet: there is no best.txt", path.display())]
    Unfinished { path: PathBuf },
    #[error(transparent)]
    Run(#[from] RunError),
    /// A file that leaves height and width open, or fixes them to others than are asked for.
    #[error("{}: {reason}", path.display())]
    Resolution { path: PathBuf, reason: String },
    /// A file that is in order, and whose shapes depend on the image or on an operator that is not known.
    #[error("{}: {reason}", path.display())]
    Shapes { path: PathBuf, reason: String },
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: std::io::Error },
    #[error("{}: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
}

impl From<CodeError> for NetworkError {
    fn from(error: CodeError) -> NetworkError {
        NetworkError::Code { error, space: None, near: Vec::new() }
    }
}

impl From<FileError> for NetworkError {
    fn from(error: FileError) -> NetworkError {
        match error {
            FileError::Io { path, error } => NetworkError::Io { path, error },
            FileError::Damaged { path, reason } => NetworkError::Damaged { path, reason },
            other => NetworkError::Run(RunError::File(other)),
        }
    }
}
