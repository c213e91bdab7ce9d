//! What was measured: a kernel, a block or a network.

use crate::plainnet::kernel::Lowering;
use crate::plainnet::{Graph, Kernel, Model, Shape, ShapeError, Variant, graph, notation};
use crate::zoo::{CodeError, Encoded};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Subject {
    Kernel(Kernel),
    /// One super block on its own, without classifier; `resolution` is that of its input.
    Block {
        structure: String,
        resolution: u32,
    },
    /// A whole network with its classifier.
    Network {
        name: Option<String>,
        structure: String,
        resolution: u32,
        classes: u32,
        se: bool,
        batch: u32,
    },
    /// A network outside PlainNet, by its code.
    Encoded {
        code: Code,
        batch: u32,
    },
}

/// An [`Encoded`] that is text in files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Code(pub Encoded);

impl From<Code> for String {
    fn from(code: Code) -> String {
        code.0.to_string()
    }
}

impl TryFrom<String> for Code {
    type Error = CodeError;
    fn try_from(text: String) -> Result<Code, CodeError> {
        text.parse().map(Code)
    }
}

/// Why a subject cannot be turned into something that runs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    #[error("{0}")]
    Structure(#[from] notation::ParseError),
    #[error("{0}")]
    Shape(#[from] ShapeError),
    #[error("{0} is known by its blocks only, and cannot be run as a whole")]
    Blocks(String),
}

impl Subject {
    /// `kernel`, `block`, `network`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Subject::Kernel(_) => "kernel",
            Subject::Block { .. } => "block",
            Subject::Network { .. } | Subject::Encoded { .. } => "network",
        }
    }

    pub fn encoded(network: Encoded, batch: u32) -> Subject {
        Subject::Encoded { code: Code(network), batch }
    }

    pub fn network(model: &Model, batch: u32) -> Subject {
        Subject::Network {
            name: model.name.clone(),
            structure: model.network.to_string(),
            resolution: model.resolution,
            classes: model.classes,
            se: model.se,
            batch,
        }
    }

    /// Images per run, where the subject says so; a block takes its identity's.
    pub fn batch(&self) -> Option<u32> {
        match self {
            Subject::Kernel(kernel) => Some(kernel.batch),
            Subject::Block { .. } => None,
            Subject::Network { batch, .. } | Subject::Encoded { batch, .. } => Some(*batch),
        }
    }

    /// The graph that is measured, for one image.
    ///
    /// # Errors
    /// A structure that cannot be read or does not fit its resolution.
    pub fn graph(&self) -> Result<Graph, SubjectError> {
        match self {
            Subject::Kernel(kernel) => Ok(kernel.graph()),
            Subject::Block { structure, resolution } => {
                let network = notation::parse(structure)?;
                let in_c = network.blocks.first().map_or(0, |block| block.in_c());
                let input = Shape::square(u32::try_from(in_c).unwrap_or(0), *resolution);
                if network.blocks.is_empty() {
                    return Err(ShapeError::Empty.into());
                }
                Ok(graph::body(&network.blocks, input, Variant::BUILT)?)
            }
            Subject::Network { structure, resolution, classes, se, .. } => {
                let network = notation::parse(structure)?;
                let model =
                    Model { name: None, network, resolution: *resolution, classes: *classes, se: *se };
                Ok(model.graph()?)
            }
            Subject::Encoded { code, .. } => {
                let parts: [_; 1] =
                    code.0.parts().try_into().map_err(|_| SubjectError::Blocks(code.0.to_string()))?;
                let [part] = parts;
                Ok(part.graph)
            }
        }
    }

    /// Its kernels for one image, as a runtime that works like `lowering` launches them.
    ///
    /// # Errors
    /// A structure that cannot be read or does not fit its resolution.
    pub fn kernels(&self, lowering: Lowering) -> Result<Vec<Kernel>, SubjectError> {
        match self {
            Subject::Kernel(kernel) => Ok(vec![*kernel]),
            Subject::Encoded { code, .. } => {
                Ok(code.0.parts().iter().flat_map(|part| lowering.kernels(&part.graph)).collect())
            }
            Subject::Block { .. } | Subject::Network { .. } => Ok(lowering.kernels(&self.graph()?)),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Kernel(kernel) => write!(f, "{kernel}"),
            Subject::Block { structure, resolution } => write!(f, "{structure} @{resolution}"),
            Subject::Network { name: Some(name), .. } => f.write_str(name),
            Subject::Network { structure, resolution, .. } => write!(f, "{structure} @{resolution}"),
            Subject::Encoded { code, .. } => code.0.fmt(f),
        }
    }
}
