//! Builds a graph of operations that are read from a file one after the other.

use super::merge::merge;
use edgezen_core::plainnet::graph::{Act, Op};
use edgezen_core::plainnet::{Graph, Shape, Window};

pub use super::merge::Soft;

/// A graph so far.
pub struct Builder {
    graph: Graph,
    soft: Vec<Soft>,
    /// Nodes that something outside the graph reads.
    kept: Vec<usize>,
}

/// An element-wise operation of two maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pair {
    Sum,
    Product,
    Other,
}

/// An element-wise operation of a map and a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constant {
    Added,
    /// Any other that scales or shifts.
    Affine,
    /// The larger or the smaller of both.
    Clamp,
    Other,
}

impl Builder {
    /// An empty graph for about so many nodes.
    pub fn with_capacity(nodes: usize) -> Builder {
        let graph = Graph { nodes: Vec::with_capacity(nodes) };
        Builder { graph, soft: Vec::with_capacity(nodes), kept: Vec::new() }
    }

    /// The finished graph; chains of element-wise operations are joined.
    pub fn finish(mut self, outputs: &[usize]) -> Graph {
        self.kept.extend(outputs);
        merge(self.graph, self.soft, &self.kept)
    }

    /// Keeps nodes that something outside the graph reads.
    pub fn keep(&mut self, nodes: impl Iterator<Item = usize>) {
        self.kept.extend(nodes);
    }

    pub fn input(&mut self, shape: Shape) -> usize {
        self.soft.push(Soft::No);
        self.graph.push_input(shape)
    }

    pub fn push(&mut self, op: Op, inputs: Vec<usize>) -> usize {
        let soft = match op {
            Op::Act(_) | Op::BatchNorm => Soft::Element,
            _ => Soft::No,
        };
        self.softened(op, inputs, soft)
    }

    pub fn softened(&mut self, op: Op, inputs: Vec<usize>, soft: Soft) -> usize {
        self.soft.push(soft);
        self.graph.push(op, inputs)
    }

    pub fn shape(&self, node: usize) -> Shape {
        self.graph.nodes[node].shape
    }

    /// `node` under another shape; of a larger one, so much as the shape holds.
    pub fn view(&mut self, node: usize, to: Shape) -> usize {
        if self.shape(node) == to { node } else { self.push(Op::View { to }, vec![node]) }
    }

    pub fn act(&mut self, act: Act, x: usize) -> usize {
        self.push(Op::Act(act), vec![x])
    }

    /// An element-wise operation of two maps, whose result has the shape `to`.
    pub fn pair(&mut self, pair: Pair, a: usize, b: usize, to: Shape) -> usize {
        let (of_a, of_b) = (self.shape(a), self.shape(b));
        let same = of_a == of_b && of_a == to;
        if same && pair == Pair::Sum {
            return self.softened(Op::Add, vec![a, b], Soft::Element);
        }
        let gate = |gate: Shape, map: Shape| (gate.h, gate.w) == (1, 1) && gate.c == map.c && map == to;
        if pair == Pair::Product && gate(of_b, of_a) {
            return self.softened(Op::Scale, vec![a, b], if same { Soft::Element } else { Soft::No });
        }
        if pair == Pair::Product && gate(of_a, of_b) {
            return self.push(Op::Scale, vec![b, a]);
        }
        let (large, small) = if of_a.elements() >= of_b.elements() { (a, b) } else { (b, a) };
        self.softened(Op::Pass { to }, vec![large, small], Soft::Element)
    }

    /// An element-wise operation of a map and a constant of so many elements, whose result has the shape `to`.
    pub fn with_constant(&mut self, constant: Constant, elements: usize, x: usize, to: Shape) -> usize {
        let shape = self.shape(x);
        // The bias of a linear layer belongs to it.
        if constant == Constant::Added
            && let Op::Linear { in_c, out_c, bias: false } = self.graph.nodes[x].op
            && elements == out_c as usize
            && shape == to
        {
            self.graph.nodes[x].op = Op::Linear { in_c, out_c, bias: true };
            return x;
        }
        let affine = matches!(constant, Constant::Added | Constant::Affine);
        let soft = if elements == 1 { Soft::Scalar } else { Soft::Element };
        // Scaling or shifting by a constant, for each channel or for all, is what a normalisation does.
        let channels = shape.c.max(shape.h).max(shape.w) as usize;
        if affine && shape == to && elements <= channels {
            return self.softened(Op::BatchNorm, vec![x], soft);
        }
        if constant == Constant::Clamp && elements == 1 && shape == to {
            return self.softened(Op::Act(Act::Relu), vec![x], Soft::Element);
        }
        self.softened(Op::Pass { to }, vec![x], if shape == to { soft } else { Soft::No })
    }

    /// A product with weights as a linear layer, or as a 1×1 convolution of its rows, which lie on a map of these `sides`.
    pub fn weighted(
        &mut self,
        x: usize,
        channels: [usize; 2],
        groups: usize,
        sides: [usize; 2],
        bias: bool,
    ) -> Option<usize> {
        let [in_c, out_c] = channels.map(|n| u32::try_from(n).ok());
        let [h, w] = sides.map(|n| u32::try_from(n).ok());
        let (in_c, out_c, h, w) = (in_c?, out_c?, h?, w?);
        if (h, w, groups) == (1, 1, 1) {
            let flat = self.view(x, Shape { c: in_c, h: 1, w: 1 });
            return Some(self.push(Op::Linear { in_c, out_c, bias }, vec![flat]));
        }
        let map = self.view(x, Shape { c: in_c, h, w });
        let groups = u32::try_from(groups).ok()?;
        Some(self.push(Op::Conv { in_c, out_c, kernel: 1, stride: 1, groups, bias }, vec![map]))
    }
}

/// The sides of a map of so many pixels: square, if that is possible.
pub fn sides(pixels: usize) -> [usize; 2] {
    let side = pixels.isqrt();
    if side * side == pixels { [side, side] } else { [pixels, 1] }
}

/// Kernel and stride of a square window whose output is ceil(input / stride).
pub fn usual(window: &Window, input: Shape) -> Option<(u32, u32)> {
    let (kernel, stride) = (window.kernel[0], window.stride[0]);
    let square = window.kernel == [kernel; 2] && window.stride == [stride; 2];
    // Dilation of a single pixel means nothing.
    let dilated = kernel > 1 && window.dilation != [1, 1];
    let fits = window.out == [input.h.div_ceil(stride), input.w.div_ceil(stride)];
    (square && !dilated && fits).then_some((kernel, stride))
}
