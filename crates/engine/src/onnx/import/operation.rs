//! One operator of the file with what is known of its operands.

use super::value::Value;
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto};

/// An operator, as the shape functions see it.
#[derive(Clone, Copy)]
pub struct Operation<'o> {
    pub node: &'o NodeProto,
    pub inputs: &'o [Option<&'o Value>],
}

/// Why an operator's output shape is not known.
#[derive(Clone, Debug, PartialEq)]
pub enum Problem {
    /// The operator has no shape function here.
    NoRule,
    /// It depends on what the operator (or one before it) computes.
    Data(String),
    /// The operands do not fit together.
    Wrong(String),
}

pub type Dims = Vec<usize>;

impl<'o> Operation<'o> {
    /// The operator's name, without regard to who defined it.
    pub fn kind(&self) -> &'o str {
        &self.node.op_type
    }

    pub fn input(&self, at: usize) -> Option<&'o Value> {
        self.inputs.get(at).copied().flatten()
    }

    /// Shape of an operand that must be there.
    pub fn dims(&self, at: usize) -> Result<&'o [usize], Problem> {
        match self.input(at).map(|value| &value.dims) {
            Some(Ok(dims)) => Ok(dims),
            Some(Err(cause)) => Err(Problem::Data(cause.clone())),
            None => Err(self.wrong(format!("operand {at} is missing"))),
        }
    }

    pub fn rank(&self, at: usize) -> Result<usize, Problem> {
        Ok(self.dims(at)?.len())
    }

    /// Elements of an operand that decide about shapes.
    pub fn integers(&self, at: usize) -> Result<Option<Vec<i64>>, Problem> {
        let Some(value) = self.input(at) else { return Ok(None) };
        match value.integers() {
            Some(list) => Ok(Some(list)),
            None => Err(match &value.dims {
                Err(cause) => Problem::Data(cause.clone()),
                Ok(_) => Problem::Data(self.kind().to_owned()),
            }),
        }
    }

    /// A list that older versions of an operator have as an attribute and newer ones as an operand.
    pub fn list(&self, name: &str, at: usize) -> Result<Option<Vec<i64>>, Problem> {
        match self.attribute(name) {
            Some(attribute) => Ok(Some(attribute.ints.clone())),
            None => self.integers(at),
        }
    }

    pub fn attribute(&self, name: &str) -> Option<&'o AttributeProto> {
        self.node.attribute.iter().find(|attribute| attribute.name == name)
    }

    pub fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |attribute| attribute.i)
    }

    pub fn ints(&self, name: &str) -> Option<&'o [i64]> {
        self.attribute(name).map(|attribute| &attribute.ints[..])
    }

    pub fn float(&self, name: &str) -> Option<f64> {
        self.attribute(name).map(|attribute| f64::from(attribute.f))
    }

    pub fn text(&self, name: &str) -> &'o str {
        self.attribute(name).and_then(|attribute| std::str::from_utf8(&attribute.s).ok()).unwrap_or("")
    }

    /// An axis of a tensor of `rank` dimensions, counted from the end where it is negative.
    pub fn axis(&self, axis: i64, rank: usize) -> Result<usize, Problem> {
        let from_start = if axis < 0 { axis + rank as i64 } else { axis };
        usize::try_from(from_start)
            .ok()
            .filter(|&axis| axis < rank)
            .ok_or_else(|| self.wrong(format!("axis {axis} of {rank}")))
    }

    pub fn axes(&self, axes: &[i64], rank: usize) -> Result<Vec<usize>, Problem> {
        axes.iter().map(|&axis| self.axis(axis, rank)).collect()
    }

    pub fn wrong(&self, what: impl Into<String>) -> Problem {
        Problem::Wrong(format!("{} {:?}: {}", self.kind(), self.node.name, what.into()))
    }
}

/// The subgraph that an operator has under `name`.
pub fn subgraph<'a>(node: &'a NodeProto, name: &str) -> Option<&'a GraphProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)?.g.as_ref()
}
