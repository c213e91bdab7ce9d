//! [LiteRT](https://ai.google.dev/edge/litert), the successor of TensorFlow Lite, opened as a shared library while the program
//! runs: the CPU, through XNNPACK.
//!
//! A graph goes in as the `.tflite` file that `export` would write, in memory.

mod api;
mod model;

use crate::library::{self, Library, LibraryFile};
use crate::model_file::{Content, ModelFile, ModelFormat};
use crate::precision::Precision;
use crate::{Engine, EngineError, Loaded, input};
use api::Api;
use edgezen_core::digest::sha256;
use edgezen_core::plainnet::Graph;
use model::{Model, Order, Settings};
use std::path::Path;

pub const NAME: &str = "litert";

/// Its library, as Python's package `ai-edge-litert` holds it.
pub const FILE: LibraryFile = LibraryFile { name: "libLiteRt.so", package: "ai_edge_litert" };

/// Largest file: distances in it have 31 bits.
const MOST_BYTES: u64 = 1 << 31;

/// LiteRT from one library, for a number of threads.
pub struct LiteRt {
    api: Api,
    version: String,
    threads: u32,
    precision: Precision,
}

impl LiteRt {
    /// Opens the library in `path`.
    ///
    /// # Errors
    /// What is there is not LiteRT, or lacks a function that is needed.
    pub fn open(path: &Path, threads: u32, precision: Precision) -> Result<LiteRt, EngineError> {
        let refused = |reason: String| EngineError::Library { engine: NAME, path: path.to_owned(), reason };
        let library = Library::open(path).map_err(refused)?;
        let api = Api::open(library).map_err(refused)?;
        let version = version(path).map_err(|error| refused(error.to_string()))?;
        Ok(LiteRt { api, version, threads: threads.max(1), precision })
    }

    fn compile(
        &self,
        bytes: Vec<u8>,
        batch: u32,
        seed: u64,
        order: Order,
    ) -> Result<Box<dyn Loaded>, EngineError> {
        let settings = Settings { threads: self.threads, batch: batch.max(1), seed };
        Ok(Box::new(Model::new(self.api, bytes, &settings, order)?))
    }
}

/// The library does not tell its version. It stands in a file beside the library, or in the name of the Python package's
/// folder of facts; otherwise the first digits of the library's own checksum stand for it.
fn version(path: &Path) -> std::io::Result<String> {
    if let Some(version) = library::version_beside(path) {
        return Ok(version);
    }
    let packages = path.parent().filter(|folder| folder.ends_with(FILE.package)).and_then(Path::parent);
    let names = packages.and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let of_package = names.filter_map(|entry| {
        let name = entry.file_name().to_str()?.to_owned();
        Some(name.strip_prefix(FILE.package)?.strip_prefix('-')?.strip_suffix(".dist-info")?.to_owned())
    });
    if let Some(version) = of_package.max() {
        return Ok(version);
    }
    let digest = sha256(std::fs::read(path)?);
    Ok(format!("sha256-{}", &digest[..12.min(digest.len())]))
}

impl Engine for LiteRt {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> String {
        self.version.clone()
    }

    fn load(&self, graph: &Graph, batch: u32, seed: u64) -> Result<Box<dyn Loaded>, EngineError> {
        let content = Content { batch, seed, precision: self.precision };
        let ModelFile { bytes, maps } = ModelFormat::Tflite.write(NAME, graph, content)?;
        self.compile(bytes, batch, seed, Order::of(graph, maps.as_ref()))
    }

    /// Around a graph of a single kernel its weights stay in the fastest cache, which they do not in a network.
    fn repeats_kernels(&self) -> bool {
        true
    }

    fn file_ending(&self) -> Option<&'static str> {
        Some("tflite")
    }

    fn load_file(&self, path: &Path, batch: u32, seed: u64) -> Result<Box<dyn Loaded>, EngineError> {
        let bytes = input::read_at_most(path, MOST_BYTES).map_err(|error| failed(error.to_string()))?;
        self.compile(bytes, batch, seed, Order::AsInFile)
    }

    fn load_written(
        &self,
        graph: &Graph,
        file: &ModelFile,
        batch: u32,
    ) -> Result<Box<dyn Loaded>, EngineError> {
        self.compile(file.bytes.clone(), batch, 0, Order::of(graph, file.maps.as_ref()))
    }
}

fn failed(reason: String) -> EngineError {
    EngineError::Failed { engine: NAME, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stands_beside_the_library() {
        let dir = tempfile::tempdir().unwrap();
        let packages = dir.path().join("site-packages");
        let library = packages.join("ai_edge_litert/libLiteRt.so");
        std::fs::create_dir_all(library.parent().unwrap()).unwrap();
        std::fs::write(&library, "abc").unwrap();
        // The checksum of "abc" begins so.
        assert_eq!(version(&library).unwrap(), "sha256-ba7816bf8f01");
        std::fs::create_dir(packages.join("ai_edge_litert-2.3.0.dist-info")).unwrap();
        std::fs::create_dir(packages.join("ai_edge_litert_sdk-9.9.9.dist-info")).unwrap();
        assert_eq!(version(&library).unwrap(), "2.3.0");
        std::fs::write(packages.join("ai_edge_litert/libLiteRt.so.version"), "2.4.1\n").unwrap();
        assert_eq!(version(&library).unwrap(), "2.4.1");
        assert!(version(Path::new("/nowhere/libLiteRt.so")).is_err());
    }
}
