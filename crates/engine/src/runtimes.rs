//! All runtimes, those that are part of this program and those that are opened as shared libraries, and how one is opened.

use super::library::LibraryFile;
use super::litert::{self, LiteRt};
#[cfg(feature = "onnx")]
use super::model_file::ModelFile;
#[cfg(feature = "onnx")]
use super::onnx;
#[cfg(feature = "onnx")]
use super::onnxruntime::{self, OnnxRuntime};
use super::precision::Precision;
use super::{Engine, EngineError, Loaded, Tract};
use edgezen_core::plainnet::Graph;
#[cfg(feature = "onnx")]
use std::path::Path;
use std::path::PathBuf;

/// A runtime, not opened yet.
pub trait Runtime: Sync {
    /// Its name in identities: `tract`, `onnxruntime`, …
    fn name(&self) -> &'static str;

    /// What it is, for people.
    fn about(&self) -> &'static str;

    /// The precisions that networks can be run in, the usual one first.
    fn precisions(&self) -> &'static [&'static str] {
        &["fp32"]
    }

    /// The greatest number of threads that one network can be run with.
    fn most_threads(&self) -> u32 {
        1
    }

    /// The ending of the files that it runs as they are: what [`Engine::file_ending`] says once it is open.
    fn file_ending(&self) -> Option<&'static str> {
        None
    }

    /// Its library. `None`: it is part of this program.
    fn library(&self) -> Option<LibraryFile> {
        None
    }

    /// Opens it.
    ///
    /// # Errors
    /// Its library is in none of the folders, or cannot be used; a precision or a number of threads that it does not have.
    fn open(&self, how: &Opening<'_>) -> Result<Box<dyn Engine>, EngineError>;
}

/// How a runtime is opened.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// Folders with libraries, in the order in which they are looked through (see [`LibraryFile::find`]).
    pub folders: &'a [PathBuf],
    pub precision: &'a str,
    /// Threads that run a network.
    pub threads: u32,
}

/// All runtimes.
pub fn registry() -> &'static [&'static dyn Runtime] {
    &[
        &TractRuntime,
        #[cfg(feature = "onnx")]
        &OnnxRuntimeLibrary,
        &LiteRtLibrary,
    ]
}

/// The runtime called `name`.
pub fn by_name(name: &str) -> Option<&'static dyn Runtime> {
    registry().iter().copied().find(|runtime| runtime.name() == name)
}

/// Where the library of a runtime lies; `None` for one that is part of this program.
///
/// # Errors
/// [`EngineError::Absent`].
pub fn library_path(runtime: &dyn Runtime, folders: &[PathBuf]) -> Result<Option<PathBuf>, EngineError> {
    let Some(library) = runtime.library() else { return Ok(None) };
    library.find(folders).map(Some).ok_or_else(|| EngineError::Absent {
        engine: runtime.name(),
        file: library.name,
        places: folders.iter().map(|folder| folder.display().to_string()).collect(),
    })
}

/// Where the library of a runtime for another device lies, whose kind of processor is called `architecture`; `None` for a
/// runtime that is part of this program.
///
/// # Errors
/// [`EngineError::Absent`].
pub fn library_path_for(
    runtime: &dyn Runtime,
    architecture: &str,
    folders: &[PathBuf],
) -> Result<Option<PathBuf>, EngineError> {
    let Some(library) = runtime.library() else { return Ok(None) };
    library.find_for(architecture, folders).map(Some).ok_or_else(|| EngineError::Absent {
        engine: runtime.name(),
        file: library.name,
        places: folders.iter().map(|folder| folder.join(architecture).display().to_string()).collect(),
    })
}

/// The path of the library, where the runtime has the precision and the threads that are asked for.
fn checked(runtime: &dyn Runtime, how: &Opening<'_>) -> Result<Option<PathBuf>, EngineError> {
    let unsupported = |what: String| EngineError::Unsupported { engine: runtime.name(), what };
    if !runtime.precisions().contains(&how.precision) {
        let known = runtime.precisions().join(", ");
        return Err(unsupported(format!("{} (it has {known})", how.precision)));
    }
    if how.threads == 0 || how.threads > runtime.most_threads() {
        let most = runtime.most_threads();
        return Err(unsupported(format!("{} threads (at most {most})", how.threads)));
    }
    library_path(runtime, how.folders)
}

/// The precision that was checked already.
fn precision(how: &Opening<'_>) -> Precision {
    Precision::by_name(how.precision).unwrap_or(Precision::Fp32)
}

struct TractRuntime;

impl Runtime for TractRuntime {
    fn name(&self) -> &'static str {
        Tract.name()
    }

    fn about(&self) -> &'static str {
        "tract, which is part of this program"
    }

    #[cfg(feature = "onnx")]
    fn file_ending(&self) -> Option<&'static str> {
        Some("onnx")
    }

    fn open(&self, how: &Opening<'_>) -> Result<Box<dyn Engine>, EngineError> {
        checked(self, how)?;
        Ok(Box::new(TractWithFiles))
    }
}

/// [`Tract`], and what it makes of ONNX files.
struct TractWithFiles;

impl Engine for TractWithFiles {
    fn name(&self) -> &'static str {
        Tract.name()
    }

    fn version(&self) -> String {
        Tract.version()
    }

    fn load(&self, graph: &Graph, batch: u32, seed: u64) -> Result<Box<dyn Loaded>, EngineError> {
        Tract.load(graph, batch, seed)
    }

    #[cfg(feature = "onnx")]
    fn file_ending(&self) -> Option<&'static str> {
        Some("onnx")
    }

    #[cfg(feature = "onnx")]
    fn load_file(&self, path: &Path, batch: u32, seed: u64) -> Result<Box<dyn Loaded>, EngineError> {
        onnx::load(path, batch, seed)
            .map_err(|e| EngineError::Failed { engine: self.name(), reason: e.to_string() })
    }

    #[cfg(feature = "onnx")]
    fn load_written(
        &self,
        _graph: &Graph,
        file: &ModelFile,
        batch: u32,
    ) -> Result<Box<dyn Loaded>, EngineError> {
        onnx::load_bytes(&file.bytes, batch, 0)
            .map_err(|e| EngineError::Failed { engine: self.name(), reason: e.to_string() })
    }
}

#[cfg(feature = "onnx")]
struct OnnxRuntimeLibrary;

#[cfg(feature = "onnx")]
impl Runtime for OnnxRuntimeLibrary {
    fn name(&self) -> &'static str {
        onnxruntime::NAME
    }

    fn about(&self) -> &'static str {
        "ONNX Runtime's CPU provider, from its shared library"
    }

    fn file_ending(&self) -> Option<&'static str> {
        Some("onnx")
    }

    fn precisions(&self) -> &'static [&'static str] {
        &["fp32", "int8"]
    }

    fn most_threads(&self) -> u32 {
        256
    }

    fn library(&self) -> Option<LibraryFile> {
        Some(onnxruntime::FILE)
    }

    fn open(&self, how: &Opening<'_>) -> Result<Box<dyn Engine>, EngineError> {
        let path = checked(self, how)?.unwrap_or_default();
        Ok(Box::new(OnnxRuntime::open(&path, how.threads, precision(how))?))
    }
}

struct LiteRtLibrary;

impl Runtime for LiteRtLibrary {
    fn name(&self) -> &'static str {
        litert::NAME
    }

    fn about(&self) -> &'static str {
        "LiteRT with XNNPACK, from its shared library"
    }

    fn file_ending(&self) -> Option<&'static str> {
        Some("tflite")
    }

    fn precisions(&self) -> &'static [&'static str] {
        &["fp32", "int8"]
    }

    fn most_threads(&self) -> u32 {
        256
    }

    fn library(&self) -> Option<LibraryFile> {
        Some(litert::FILE)
    }

    fn open(&self, how: &Opening<'_>) -> Result<Box<dyn Engine>, EngineError> {
        let path = checked(self, how)?.unwrap_or_default();
        Ok(Box::new(LiteRt::open(&path, how.threads, precision(how))?))
    }
}
