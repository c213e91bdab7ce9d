//! What a convolution is, and what is known of its output.

use crate::plainnet::Shape;

/// A convolution with padding (kernel − 1)/2; a linear layer is one on maps of side 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv {
    pub input: Shape,
    pub output: Shape,
    pub kernel: usize,
    pub stride: usize,
    pub groups: usize,
}

/// Sum and sum of squares of a channel over a part of the batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sums {
    pub sum: f64,
    pub squares: f64,
}

impl Conv {
    /// Zeros before the first row and column.
    pub fn padding(&self) -> usize {
        (self.kernel - 1) / 2
    }
    /// Input channels of a group.
    pub fn group_in(&self) -> usize {
        self.input.c as usize / self.groups
    }
    /// Output channels of a group.
    pub fn group_out(&self) -> usize {
        self.output.c as usize / self.groups
    }
    /// Inputs of one output.
    pub fn fan_in(&self) -> usize {
        self.group_in() * self.kernel * self.kernel
    }
    /// Number of weights.
    pub fn weights(&self) -> usize {
        self.output.c as usize * self.fan_in()
    }
}
