//! Engines make a network run: a [`Graph`] goes in, something that can be run and timed comes out.
//!
//! Batch normalisation is folded into the convolution before it, as every inference runtime does.
//! Weights are drawn from a seed: latencies do not depend on their values, and nothing has to be shipped.

use crate::plainnet::Graph;
use std::fmt;

/// A dense f32 tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub data: Vec<f32>,
}

/// A runtime.
pub trait Engine: Send + Sync {
    /// `tract`, `torch`, …
    fn name(&self) -> &'static str;

    /// Version of the runtime, as it goes into a dataset's identity.
    fn version(&self) -> String;

    /// Prepares `graph` for `batch` images with weights drawn from `seed`.
    fn load(&self, graph: &Graph, batch: u32, seed: u64) -> Result<Box<dyn Loaded>, EngineError>;
}

/// A network that is ready to run.
pub trait Loaded {
    /// Runs once on `inputs` (NCHW), one tensor for each input of the graph.
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, EngineError>;

    /// Runs once on fixed inputs drawn from the seed; this is what is timed. Gives the sum of the
    /// output's elements, so that a wrong run does not pass for a fast one.
    fn run_once(&mut self) -> Result<f64, EngineError>;
}

/// Why an engine could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("{engine} does not support {what}")]
    Unsupported { engine: &'static str, what: String },
    #[error("{engine} failed: {reason}")]
    Failed { engine: &'static str, reason: String },
    #[error("input {index} has the wrong shape: {reason}")]
    Input { index: usize, reason: String },
}

impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<_> = self.shape.iter().map(ToString::to_string).collect();
        write!(f, "tensor {}", dims.join("×"))
    }
}
