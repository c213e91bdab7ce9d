//! Engines make a network run: a [`Graph`] goes in, something that can be run and timed comes out.
//!
//! tract folds batch normalisation into the convolution before it, as every inference runtime does; libtorch runs it on
//! its own, as eager PyTorch does. Weights are drawn from a seed, because latencies do not depend on their values.
//!
//! The rooms, lowest first. A room imports only rooms with a smaller number, as `tests/architecture` checks.
//!
//! 1. `guard`, `input`, `memory`, `library`, `numbers`: panics of other libraries, reading of files, the memory that is free,
//!    libraries that are opened while the program runs, and numbers of all widths in files
//! 2. `safetensors`: tensors in files
//! 3. `weights`: weights that are drawn from a seed, or those of a trained network
//! 4. `fusion`: which nodes of a graph one operator of a runtime computes
//! 5. `tract`, `torch`, `pytorch`: the runtimes, and networks as PyTorch modules
//! 6. `quantisation`: networks in 8-bit integers
//! 7. `imported`, `precision`: networks that were read from files of others; in which numbers a network is computed
//! 8. `onnx`, `tflite`: networks as ONNX files and as TensorFlow Lite files
//! 9. `model_file`: a graph as a file for a runtime
//! 10. `onnxruntime`, `litert`: runtimes that are not part of this program
//! 11. `agreement`: whether a runtime computes what tract computes
//! 12. `runtimes`: all runtimes, and how one is opened

pub mod fusion;
pub mod guard;
pub mod imported;
pub mod input;
pub mod library;
pub mod litert;
pub mod memory;
pub mod model_file;
pub mod numbers;
#[cfg(feature = "torch")]
pub mod torch;
mod tract;
pub mod weights;

#[cfg(feature = "onnx")]
pub mod onnx;
#[cfg(feature = "onnx")]
pub mod onnxruntime;

pub mod agreement;
pub mod precision;
pub mod pytorch;
pub mod quantisation;
pub mod runtimes;
pub mod safetensors;
pub mod tflite;

pub use tract::Tract;

use edgezen_core::plainnet::Graph;
use edgezen_core::plainnet::graph::Op;
use std::fmt;
use std::path::{Path, PathBuf};

/// A dense f32 tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub data: Vec<f32>,
}

/// A runtime that can run networks now.
pub trait Engine: Send + Sync {
    /// Its name in identities: `tract`, `torch`, …
    fn name(&self) -> &'static str;

    /// Version of the runtime, as it goes into a dataset's identity.
    fn version(&self) -> String;

    /// Prepares `graph` for `batch` images with weights drawn from `seed`.
    fn load(&self, graph: &Graph, batch: u32, seed: u64) -> Result<Box<dyn Loaded>, EngineError>;

    /// Whether a kernel is measured by repeating it ([`Repeated`](edgezen_core::plainnet::repeated::Repeated)), because a
    /// graph of one kernel takes longer than the kernel does in a network.
    fn repeats_kernels(&self) -> bool {
        false
    }

    /// The ending of the files that [`Engine::load_file`] reads; `None`: it reads none.
    fn file_ending(&self) -> Option<&'static str> {
        None
    }

    /// Prepares the network in a file of the runtime's own format for `batch` images, as it is. Timed runs have inputs drawn
    /// from `seed`.
    ///
    /// # Errors
    /// A file that cannot be read or run.
    fn load_file(&self, path: &Path, _batch: u32, _seed: u64) -> Result<Box<dyn Loaded>, EngineError> {
        let what = format!("networks in files, such as {}", path.display());
        Err(EngineError::Unsupported { engine: self.name(), what })
    }

    /// Prepares a file that this program wrote of `graph`. Its inputs and outputs are given as those of [`Engine::load`] are,
    /// whatever their order and their numbers in the file.
    ///
    /// # Errors
    /// A file that cannot be run; an engine that reads no such files.
    fn load_written(
        &self,
        _graph: &Graph,
        _file: &model_file::ModelFile,
        _batch: u32,
    ) -> Result<Box<dyn Loaded>, EngineError> {
        Err(EngineError::Unsupported { engine: self.name(), what: "networks in files".into() })
    }
}

/// A network that is ready to run.
pub trait Loaded {
    /// Runs once on `inputs` (NCHW), one tensor for each input of the graph.
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, EngineError>;

    /// Runs once on fixed inputs drawn from the seed; this is what is timed. Gives the [`checksum`] of
    /// the outputs, so that a wrong run does not pass for a fast one.
    fn run_once(&mut self) -> Result<f64, EngineError>;
}

/// Sum of up to 256 evenly spaced elements. The sum is computed within the timed run; a sum over all elements of a
/// large map would take a considerable part of the time of a small convolution.
pub fn checksum(output: &[f32]) -> f64 {
    let step = output.len().div_ceil(256).max(1);
    output.iter().step_by(step).map(|&value| f64::from(value)).sum()
}

/// Checks what every engine relies on: inputs come before their use, sizes are not zero.
fn check(graph: &Graph, engine: &'static str) -> Result<(), EngineError> {
    for (index, node) in graph.nodes.iter().enumerate() {
        let what = if node.inputs.iter().any(|&input| input >= index) {
            "a graph out of order"
        } else if (node.op == Op::Input) != node.inputs.is_empty() {
            "an operation without inputs"
        } else if node.shape.elements() == 0 {
            "an empty feature map"
        } else if node.op.is_foreign() {
            "an operation that only files of others have"
        } else {
            continue;
        };
        return Err(EngineError::Unsupported { engine, what: format!("{what} (node {index})") });
    }
    Ok(())
}

/// Checks that `inputs` are of these `shapes`.
fn check_inputs(inputs: &[Tensor], shapes: &[Vec<usize>]) -> Result<(), EngineError> {
    if inputs.len() != shapes.len() {
        let reason = format!("{} inputs were given, the graph has {}", inputs.len(), shapes.len());
        return Err(EngineError::Input { index: inputs.len().min(shapes.len()), reason });
    }
    for (index, (tensor, want)) in inputs.iter().zip(shapes).enumerate() {
        if tensor.shape != *want || tensor.data.len() != want.iter().product::<usize>() {
            return Err(EngineError::Input { index, reason: format!("{tensor}, expected {want:?}") });
        }
    }
    Ok(())
}

/// Why an engine could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("{engine} does not support {what}")]
    Unsupported { engine: &'static str, what: String },
    #[error("{engine} failed: {reason}")]
    Failed { engine: &'static str, reason: String },
    #[error("{engine} is out of memory: {reason}")]
    OutOfMemory { engine: &'static str, reason: String },
    #[error("input {index} has the wrong shape: {reason}")]
    Input { index: usize, reason: String },
    /// The library of a runtime is not on this computer.
    #[error("{engine} is not on this computer: there is no {file} in {}", places.join(", "))]
    Absent { engine: &'static str, file: &'static str, places: Vec<String> },
    /// A library that is no such runtime, or one that this program cannot use.
    #[error("{} cannot be used as {engine}: {reason}", path.display())]
    Library { engine: &'static str, path: PathBuf, reason: String },
    /// The runtime computes something else than tract does for the same network, weights and input.
    #[error("{engine} computes something else than tract: {difference}")]
    Disagrees { engine: &'static str, difference: String },
}

impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<_> = self.shape.iter().map(ToString::to_string).collect();
        write!(f, "tensor {}", dims.join("×"))
    }
}
