//! What a file holds, as plain data.

use crate::quantisation::Affine;
use crate::tflite::flatbuffer::encode::{Table, Value};
use crate::tflite::schema::element;

/// The one subgraph of a file.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub description: String,
    pub tensors: Vec<Tensor>,
    pub operators: Vec<Operator>,
    /// Indices of tensors.
    pub inputs: Vec<usize>,
    pub outputs: Vec<usize>,
}

/// A map or a constant.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub name: String,
    pub shape: Vec<u32>,
    pub element: Element,
    /// Little-endian elements of a constant.
    pub data: Option<Vec<u8>>,
    pub quantisation: Option<Quantisation>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    F32,
    I32,
    I8,
}

impl Element {
    /// Its number in the schema.
    pub fn number(self) -> i8 {
        match self {
            Element::F32 => element::FLOAT32,
            Element::I32 => element::INT32,
            Element::I8 => element::INT8,
        }
    }
}

/// What the integers of a tensor stand for: (q − zero point) · scale. One of each, or one for each place along `axis`.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantisation {
    pub scales: Vec<f32>,
    pub zero_points: Vec<i64>,
    pub axis: i32,
}

impl Quantisation {
    /// The one scale and zero point of a map.
    pub fn single(&self) -> Option<Affine> {
        match (&self.scales[..], &self.zero_points[..]) {
            (&[scale], &[zero]) => i8::try_from(zero).ok().map(|zero_point| Affine { scale, zero_point }),
            _ => None,
        }
    }
}

impl From<Affine> for Quantisation {
    fn from(affine: Affine) -> Quantisation {
        Quantisation { scales: vec![affine.scale], zero_points: vec![affine.zero_point.into()], axis: 0 }
    }
}

/// One step.
#[derive(Clone, Debug)]
pub struct Operator {
    /// Its name in the schema.
    pub name: &'static str,
    pub inputs: Vec<usize>,
    pub output: usize,
    pub options: Options,
}

/// An activation inside an operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fused {
    #[default]
    None,
    Relu,
    Relu6,
}

impl Fused {
    fn value(self) -> Value {
        Value::I8(match self {
            Fused::None => 0,
            Fused::Relu => 1,
            Fused::Relu6 => 3,
        })
    }
}

/// How windows reach over the edges of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// The output has ceil(side / stride) places; of the zeros that this takes, the smaller half stands before the map.
    Same,
    Valid,
}

impl Padding {
    fn value(self) -> Value {
        Value::I8(match self {
            Padding::Same => 0,
            Padding::Valid => 1,
        })
    }
}

/// What an operator is told besides its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Options {
    /// Nothing, and no table of options.
    None,
    /// Nothing, in a table of the type of this number.
    Empty(u8),
    Conv {
        padding: Padding,
        stride: u32,
        act: Fused,
    },
    Depthwise {
        padding: Padding,
        stride: u32,
        multiplier: u32,
        act: Fused,
    },
    /// Sides of windows and strides, height first.
    Pool {
        padding: Padding,
        kernel: [u32; 2],
        stride: [u32; 2],
    },
    Linear {
        act: Fused,
    },
    Add {
        act: Fused,
    },
    Mul {
        act: Fused,
    },
    Concat {
        axis: i32,
    },
    /// A mean along axes, which stay with one place each, or vanish.
    Reduce {
        keep: bool,
    },
}

impl Options {
    /// The number of the table's type, and the table.
    pub fn table(self) -> Option<(u8, Table)> {
        let number = |value: u32| Value::I32(i32::try_from(value).unwrap_or(i32::MAX));
        let new = Table::default;
        Some(match self {
            Options::None => return None,
            Options::Empty(kind) => (kind, new()),
            Options::Conv { padding, stride, act } => {
                let table = new().with(0, padding.value()).with(1, number(stride)).with(2, number(stride));
                (1, table.with(3, act.value()).with(4, number(1)).with(5, number(1)))
            }
            Options::Depthwise { padding, stride, multiplier, act } => {
                let table = new().with(0, padding.value()).with(1, number(stride)).with(2, number(stride));
                let table = table.with(3, number(multiplier)).with(4, act.value());
                (2, table.with(5, number(1)).with(6, number(1)))
            }
            Options::Pool { padding, kernel, stride } => {
                let table = new().with(0, padding.value());
                let table = table.with(1, number(stride[1])).with(2, number(stride[0]));
                let table = table.with(3, number(kernel[1])).with(4, number(kernel[0]));
                (5, table.with(5, Fused::None.value()))
            }
            Options::Linear { act } => (8, new().with(0, act.value())),
            Options::Concat { axis } => (10, new().with(0, Value::I32(axis)).with(1, Fused::None.value())),
            Options::Add { act } => (11, new().with(0, act.value())),
            Options::Mul { act } => (21, new().with(0, act.value())),
            Options::Reduce { keep } => (27, new().with(0, Value::Bool(keep))),
        })
    }
}
