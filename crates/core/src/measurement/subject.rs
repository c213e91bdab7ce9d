//! What was measured: a kernel, a block or a network.

use crate::plainnet::kernel::{KernelError, MAX_BATCH};
use crate::plainnet::lowering::Lowering;
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
    #[error("{0}")]
    Kernel(#[from] KernelError),
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
    /// A structure that cannot be read or does not fit its resolution; numbers that are out of range.
    pub fn graph(&self) -> Result<Graph, SubjectError> {
        if let Some(value) = self.batch().filter(|batch| !(1..=MAX_BATCH).contains(batch)) {
            return Err(KernelError::Range { field: "batch", value, most: MAX_BATCH }.into());
        }
        match self {
            Subject::Kernel(kernel) => {
                kernel.check_to_run()?;
                Ok(kernel.graph())
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::KernelKind;
    use crate::plainnet::graph::Act;

    #[test]
    fn numbers_that_nothing_can_have_are_refused_before_a_graph_is_made() {
        let kernel = Kernel {
            kind: KernelKind::Conv,
            batch: 1,
            in_c: 8,
            out_c: 8,
            in_h: 8,
            in_w: 8,
            kernel: 3,
            stride: 1,
            groups: 1,
            act: Act::Relu,
            residual: false,
            window: None,
        };
        assert!(Subject::Kernel(kernel).graph().is_ok());
        for (bad, word) in [
            (Kernel { kernel: 0, ..kernel }, "kernel 0"),
            (Kernel { kernel: 3000, ..kernel }, "even"),
            (Kernel { stride: 0, ..kernel }, "stride 0"),
            (Kernel { groups: 0, ..kernel }, "groups 0"),
            (Kernel { groups: 3, ..kernel }, "3 groups"),
            (Kernel { in_c: 1_000_000_000, ..kernel }, "in_c 1000000000"),
            (Kernel { batch: 1 << 31, ..kernel }, "batch"),
            (Kernel { kind: KernelKind::Linear, in_c: 1 << 20, in_h: 8192, ..kernel }, "too large"),
        ] {
            let error = Subject::Kernel(bad).graph().unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        let block =
            |resolution| Subject::Block { structure: "SuperResIDWE2K3(8,8,1,8,1)".into(), resolution };
        assert!(block(16).graph().is_ok());
        assert!(block(1_000_000_000).graph().unwrap_err().to_string().contains("resolution 1000000000"));
        let network = |classes, batch| Subject::Network {
            name: None,
            structure: "SuperConvK3BNRELU(3,8,2,1)".into(),
            resolution: 32,
            classes,
            se: false,
            batch,
        };
        assert!(network(10, 1).graph().is_ok());
        assert!(network(2_147_483_647, 1).graph().unwrap_err().to_string().contains("classes"));
        assert!(network(10, u32::MAX).graph().unwrap_err().to_string().contains("batch"));
        let deep = "SuperResK3K3(8,8,1,8,1000)".repeat(101);
        let deep = Subject::Block { structure: deep, resolution: 8 };
        assert!(deep.graph().unwrap_err().to_string().contains("101000 layers"));
    }
}
