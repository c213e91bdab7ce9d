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

    /// The output cut into tasks of `images` images, each with the number of its first image. They do not straddle the parts of the
    /// batch, of `per_part` images each, and do not depend on the number of threads.
    pub fn tasks<'o, T>(
        &self,
        out: &'o mut [T],
        per_part: usize,
        images: usize,
    ) -> Vec<(usize, &'o mut [T])> {
        let image = self.output.elements() as usize;
        let parts = out.chunks_mut(per_part * image).enumerate();
        let tasks = parts.flat_map(|(part, out)| {
            let tasks = out.chunks_mut(images * image).enumerate();
            tasks.map(move |(i, out)| (part * per_part + i * images, out))
        });
        tasks.collect()
    }
}

/// The sums of each part of the batch and channel, from those of tasks with their part.
pub fn by_part(parts: usize, channels: usize, tasks: Vec<(usize, Vec<Sums>)>) -> Vec<Sums> {
    let mut sums = vec![Sums::default(); parts * channels];
    for (part, task) in tasks {
        for (sum, task) in sums[part * channels..].iter_mut().zip(task) {
            sum.sum += task.sum;
            sum.squares += task.squares;
        }
    }
    sums
}
