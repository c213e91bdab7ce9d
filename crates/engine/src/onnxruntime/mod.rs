//! [ONNX Runtime](https://onnxruntime.ai), opened as a shared library while the program runs: the CPU, with all rewriting of
//! the graph, threads that sleep while they wait, and weights from the file.
//!
//! A graph goes in as the ONNX file that `export` would write, in memory.

mod api;
mod session;

use crate::library::{Library, LibraryFile};
use crate::model_file::{Content, ModelFile, ModelFormat};
use crate::precision::Precision;
use crate::{Engine, EngineError, Loaded};
use edgezen_core::plainnet::Graph;
use session::{Environment, Session, Settings, Source};
use std::path::Path;
use std::sync::Arc;

pub const NAME: &str = "onnxruntime";

/// Its library, as Python's package `onnxruntime` holds it.
pub const FILE: LibraryFile = LibraryFile { name: "libonnxruntime.so", package: "onnxruntime/capi" };

/// ONNX Runtime from one library, for a number of threads.
pub struct OnnxRuntime {
    environment: Arc<Environment>,
    version: String,
    threads: u32,
    precision: Precision,
}

impl OnnxRuntime {
    /// Opens the library in `path`.
    ///
    /// # Errors
    /// What is there is not ONNX Runtime, or too old.
    pub fn open(path: &Path, threads: u32, precision: Precision) -> Result<OnnxRuntime, EngineError> {
        let refused = |reason: String| EngineError::Library { engine: NAME, path: path.to_owned(), reason };
        let library = Library::open(path).map_err(refused)?;
        let (api, version) = api::Api::open(library).map_err(refused)?;
        let environment = Arc::new(Environment::new(api).map_err(refused)?);
        Ok(OnnxRuntime { environment, version, threads: threads.max(1), precision })
    }

    fn session(
        &self,
        source: Source<'_>,
        optimised: Option<&Path>,
        batch: u32,
        seed: u64,
    ) -> Result<Session, EngineError> {
        let settings = Settings { threads: self.threads, optimised };
        Session::new(Arc::clone(&self.environment), source, settings, batch.max(1), seed)
    }

    /// The ONNX file of `graph`, in this engine's precision.
    fn file_of(&self, graph: &Graph, batch: u32, seed: u64) -> Result<Vec<u8>, EngineError> {
        let content = Content { batch, seed, precision: self.precision };
        Ok(ModelFormat::Onnx.write(NAME, graph, content)?.bytes)
    }

    /// Writes `graph` to the file `to` as ONNX Runtime runs it on this computer: after fusing operations and rearranging maps.
    ///
    /// # Errors
    /// A graph that cannot be loaded, or a file that cannot be written.
    pub fn write_optimised(&self, graph: &Graph, batch: u32, to: &Path) -> Result<(), EngineError> {
        let bytes = self.file_of(graph, batch, 0)?;
        self.session(Source::Bytes(&bytes), Some(to), batch, 0).map(drop)
    }
}

impl Engine for OnnxRuntime {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> String {
        self.version.clone()
    }

    fn load(&self, graph: &Graph, batch: u32, seed: u64) -> Result<Box<dyn Loaded>, EngineError> {
        let bytes = self.file_of(graph, batch, seed)?;
        Ok(Box::new(self.session(Source::Bytes(&bytes), None, batch, seed)?))
    }

    /// On x86 the maps of convolutions lie in blocks of channels. A graph of a single convolution rearranges its input and its
    /// output.
    fn repeats_kernels(&self) -> bool {
        true
    }

    fn file_ending(&self) -> Option<&'static str> {
        Some("onnx")
    }

    fn load_file(&self, path: &Path, batch: u32, seed: u64) -> Result<Box<dyn Loaded>, EngineError> {
        Ok(Box::new(self.session(Source::File(path), None, batch, seed)?))
    }

    fn load_written(
        &self,
        _graph: &Graph,
        file: &ModelFile,
        batch: u32,
    ) -> Result<Box<dyn Loaded>, EngineError> {
        Ok(Box::new(self.session(Source::Bytes(&file.bytes), None, batch, 0)?))
    }
}

fn failed(reason: String) -> EngineError {
    EngineError::Failed { engine: NAME, reason }
}
