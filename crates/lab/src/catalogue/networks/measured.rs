//! What is measured of a network that was named.

use super::{AnyNetwork, NetworkError};
use crate::campaign::network_latency::MeasuredNetwork;
use edgezen_core::plainnet::ShapeError;
use edgezen_engine::onnx::OnnxError;

/// Why a network cannot be measured.
#[derive(Debug, thiserror::Error)]
pub enum NotMeasurable {
    /// A code of another search space, whose blocks are graphs of their own.
    #[error(transparent)]
    Blocks(#[from] NetworkError),
    #[error(transparent)]
    Shape(#[from] ShapeError),
    #[error("{name} cannot be measured: {error}")]
    NoFile { name: String, error: OnnxError },
}

impl AnyNetwork {
    /// What is measured of it: a file as it is, a structure or a graph with random weights.
    ///
    /// # Errors
    /// Codes of other search spaces, and graphs that cannot be written as one file.
    pub fn measured(self) -> Result<MeasuredNetwork, NotMeasurable> {
        match self {
            AnyNetwork::PlainNet(model) => Ok(MeasuredNetwork::PlainNet(Box::new(model))),
            AnyNetwork::Onnx(path, _) | AnyNetwork::Tflite(path, _) => Ok(MeasuredNetwork::File(path.into())),
            AnyNetwork::Encoded(..) => {
                let (name, mut graphs) = (self.name(), self.graphs()?);
                match (graphs.pop(), graphs.is_empty()) {
                    (Some(graph), true) => MeasuredNetwork::of_graph(name.clone(), graph)
                        .map_err(|error| NotMeasurable::NoFile { name, error }),
                    _ => {
                        let model = self.into_model("measuring needs")?;
                        Ok(MeasuredNetwork::PlainNet(Box::new(model)))
                    }
                }
            }
        }
    }
}
