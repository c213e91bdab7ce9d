//! A network as a graph of primitive operations: what engines, exporters and kernel counting read.
//!
//! There is one definition of each block (`block.rs`) and one graph of it (here); tract, ONNX and the
//! kernel list are lowerings of this graph.

use super::block::{Block, Join, Layer, Step, SuperBlock, Variant, se_hidden};
use super::shape::{self, Shape, ShapeError};
use super::window::Window;
use serde::{Deserialize, Serialize};

/// Added to the variance by batch normalisation (docs/plainnet.md, section 2.6).
pub const BN_EPS: f64 = 1e-3;

/// A pointwise activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    None,
    Relu,
    Relu6,
    Sigmoid,
    Swish,
    HardSwish,
    HardSigmoid,
}

/// A primitive operation. Padding is (kernel−1)/2 throughout. PlainNets are made of the first ones; the last
/// four occur in networks that are read from files of others, which are predicted and not built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    Input,
    /// Convolution; depthwise when `groups` equals both channel counts.
    Conv {
        in_c: u32,
        out_c: u32,
        kernel: u32,
        stride: u32,
        groups: u32,
        bias: bool,
    },
    BatchNorm,
    Act(Act),
    /// Sum of two maps of one shape.
    Add,
    /// First input times the second, broadcast over its 1×1 map.
    Scale,
    Concat,
    /// The `count` channels of a map from channel `from` on. It takes no time in the list of kernels: runtimes read a part
    /// of a map in place.
    Slice {
        from: u32,
        count: u32,
    },
    MaxPool {
        kernel: u32,
        stride: u32,
    },
    /// Mean over each map; the output is 1×1.
    GlobalAvgPool,
    /// Mean over a grid of `size` × `size` cells.
    AdaptiveAvgPool {
        size: u32,
    },
    Flatten,
    Linear {
        in_c: u32,
        out_c: u32,
        bias: bool,
    },
    /// Convolution with a window of any form.
    AnyConv {
        in_c: u32,
        out_c: u32,
        groups: u32,
        bias: bool,
        window: Window,
    },
    /// Maximum or mean over a window of any form.
    AnyPool {
        window: Window,
    },
    /// The same elements under another shape: costs nothing.
    View {
        to: Shape,
    },
    /// Reads its inputs once and writes a map of this shape, with little arithmetic: element-wise operations
    /// without a name of their own here, softmax, other normalisations, resizing, padding, slices,
    /// transposition.
    Pass {
        to: Shape,
    },
}

impl Op {
    /// Whether only networks from files of others have it.
    pub fn is_foreign(&self) -> bool {
        matches!(self, Op::AnyConv { .. } | Op::AnyPool { .. } | Op::View { .. } | Op::Pass { .. })
    }

    /// The shape that comes out, where the first input has the shape `first` and all of them together `channels`.
    pub(super) fn output(&self, first: Shape, channels: impl FnOnce() -> u32) -> Shape {
        let strided = |c: u32, s: u32| Shape { c, h: first.h.div_ceil(s), w: first.w.div_ceil(s) };
        match *self {
            Op::Conv { out_c, stride, .. } => strided(out_c, stride),
            Op::MaxPool { stride, .. } => strided(first.c, stride),
            Op::Input | Op::BatchNorm | Op::Act(_) | Op::Add | Op::Scale => first,
            Op::Concat => Shape { c: channels(), ..first },
            Op::Slice { count, .. } => Shape { c: count, ..first },
            Op::GlobalAvgPool => Shape::square(first.c, 1),
            Op::AdaptiveAvgPool { size } => Shape::square(first.c, size),
            Op::Flatten => Shape::square(first.c * first.h * first.w, 1),
            Op::Linear { out_c, .. } => Shape::square(out_c, 1),
            Op::AnyConv { out_c, window: Window { out: [h, w], .. }, .. } => Shape { c: out_c, h, w },
            Op::AnyPool { window: Window { out: [h, w], .. } } => Shape { c: first.c, h, w },
            Op::View { to } | Op::Pass { to } => to,
        }
    }
}

/// What the operations of blocks are appended to.
pub(super) trait Operations {
    /// Appends an operation that reads the results of these earlier ones, and gives its index.
    fn append(&mut self, op: Op, inputs: &[usize]) -> usize;
}

impl Operations for Graph {
    fn append(&mut self, op: Op, inputs: &[usize]) -> usize {
        self.push(op, inputs.to_vec())
    }
}

/// One operation and where its inputs come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub op: Op,
    /// Indices of earlier nodes.
    pub inputs: Vec<usize>,
    /// Shape of the output, for one image.
    pub shape: Shape,
}

/// Nodes in topological order; node 0 is the (first) input, the last one the output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    pub nodes: Vec<Node>,
}

impl Graph {
    pub fn new(input: Shape) -> Graph {
        Graph { nodes: vec![Node { op: Op::Input, inputs: Vec::new(), shape: input }] }
    }

    /// Adds one more input of the graph.
    pub fn push_input(&mut self, shape: Shape) -> usize {
        self.nodes.push(Node { op: Op::Input, inputs: Vec::new(), shape });
        self.nodes.len() - 1
    }

    /// Shape of the first input.
    pub fn input(&self) -> Shape {
        self.nodes[0].shape
    }

    pub fn output(&self) -> Shape {
        self.nodes[self.nodes.len() - 1].shape
    }

    /// Appends an operation and gives its index; the shape follows from its inputs.
    pub fn push(&mut self, op: Op, inputs: Vec<usize>) -> usize {
        let first = inputs.first().map_or_else(|| self.input(), |&first| self.nodes[first].shape);
        let shape = op.output(first, || inputs.iter().map(|&i| self.nodes[i].shape.c).sum());
        self.nodes.push(Node { op, inputs, shape });
        self.nodes.len() - 1
    }

    /// Number of uses of each node's output by other nodes.
    pub fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0; self.nodes.len()];
        for node in &self.nodes {
            for &input in &node.inputs {
                uses[input] += 1;
            }
        }
        uses
    }

    /// Nodes after which nothing but their own output is still to be read: the seams between the blocks of a
    /// network that somebody else drew.
    pub fn seams(&self) -> Vec<usize> {
        let mut last_use = vec![0; self.nodes.len()];
        for (i, node) in self.nodes.iter().enumerate() {
            for &input in &node.inputs {
                last_use[input] = i;
            }
        }
        // The last use of anything before.
        let (mut seams, mut alive) = (Vec::new(), 0);
        for (i, &last) in last_use.iter().enumerate() {
            if alive <= i {
                seams.push(i);
            }
            alive = alive.max(last);
        }
        seams
    }

    /// Largest sum of feature maps that are alive at once, in elements for one image.
    pub fn peak_elements(&self) -> u64 {
        let mut last_use = vec![0; self.nodes.len()];
        for (i, node) in self.nodes.iter().enumerate() {
            for &input in &node.inputs {
                last_use[input] = i;
            }
        }
        let (mut alive, mut peak) = (0, 0);
        for (i, node) in self.nodes.iter().enumerate() {
            // BN and activations work in place.
            let in_place = matches!(node.op, Op::BatchNorm | Op::Act(_));
            let size = node.shape.elements();
            alive += size;
            peak = peak.max(if in_place { alive - size } else { alive });
            let mut freed: Vec<usize> = node.inputs.iter().copied().filter(|&n| last_use[n] == i).collect();
            freed.dedup();
            for input in freed {
                alive -= self.nodes[input].shape.elements();
            }
        }
        peak
    }
}

/// Graph of `blocks` on `input`, without pooling and classifier.
///
/// # Errors
/// The first block whose channels or sizes do not fit; a network that is too deep (see [`shape::MAX_DEPTH`]), or an
/// input that is too large.
pub fn body(blocks: &[Block], input: Shape, variant: Variant) -> Result<Graph, ShapeError> {
    Ok(body_with_starts(blocks, input, variant)?.0)
}

/// As [`body`], with the number of nodes before each of the blocks.
///
/// # Errors
/// As [`body`].
pub fn body_with_starts(
    blocks: &[Block],
    input: Shape,
    variant: Variant,
) -> Result<(Graph, Vec<usize>), ShapeError> {
    shape::check_side(input.h.max(input.w))?;
    shape::check_depth(blocks)?;
    let mut graph = Graph::new(input);
    let mut builder = Builder { graph: &mut graph, at: 0, open: Vec::new() };
    let mut shape = input;
    let mut starts = Vec::with_capacity(blocks.len());
    for (index, block) in blocks.iter().enumerate() {
        starts.push(builder.graph.nodes.len());
        shape = shape::block_output(block, shape, variant).map_err(|reason| ShapeError::Block {
            index,
            block: block.to_string(),
            reason,
        })?;
        block.walk(variant, &mut |step| builder.step(step));
    }
    Ok((graph, starts))
}

/// Graph of one sublayer of `block`: the first, or any of the others.
///
/// # Errors
/// The integers of the block make no usable network.
pub fn sublayer(
    block: &SuperBlock,
    first: bool,
    input: Shape,
    variant: Variant,
) -> Result<Graph, ShapeError> {
    let one = Block::Super(SuperBlock { sublayers: 1, ..*block });
    let fits = SuperBlock { in_c: i32::try_from(input.c).unwrap_or(i32::MAX), sublayers: 1, ..*block };
    shape::block_output(&Block::Super(fits), input, variant).map_err(|reason| ShapeError::Block {
        index: 0,
        block: one.to_string(),
        reason,
    })?;
    let mut graph = Graph::new(input);
    append_sublayer(&mut graph, block, first, variant);
    Ok(graph)
}

/// Appends the operations of one sublayer of `block`, which is known to fit, to an input.
pub(super) fn append_sublayer(to: &mut impl Operations, block: &SuperBlock, first: bool, variant: Variant) {
    append_seen(to, block, first, variant, |_| {});
}

/// As [`append_sublayer`]; `see` is told of each step.
pub(super) fn append_seen(
    to: &mut impl Operations,
    block: &SuperBlock,
    first: bool,
    variant: Variant,
    mut see: impl FnMut(&Step),
) {
    let mut builder = Builder { graph: to, at: 0, open: Vec::new() };
    block.walk_sublayer(first, variant, &mut |step| {
        see(&step);
        builder.step(step);
    });
}

/// Appends global average pooling and the classifier (docs/plainnet.md, section 2.8), unless the body
/// already ends in a linear layer.
pub fn with_classifier(mut graph: Graph, classes: u32) -> Graph {
    let last = graph.nodes.len() - 1;
    if matches!(graph.nodes[last].op, Op::Linear { .. }) {
        return graph;
    }
    let in_c = graph.output().c;
    let pool = graph.push(Op::GlobalAvgPool, vec![last]);
    let flat = graph.push(Op::Flatten, vec![pool]);
    graph.push(Op::Linear { in_c, out_c: classes, bias: true }, vec![flat]);
    graph
}

struct Builder<'a, O> {
    graph: &'a mut O,
    /// The node that the next step reads.
    at: usize,
    /// Start of each open unit or fork, and the ends of the branches finished so far.
    open: Vec<(usize, Vec<usize>)>,
}

impl<O: Operations> Builder<'_, O> {
    fn then(&mut self, op: Op) -> usize {
        self.at = self.graph.append(op, &[self.at]);
        self.at
    }

    fn conv(&mut self, in_c: i32, out_c: i32, kernel: i32, stride: i32, groups: i32, bias: bool) {
        let [in_c, out_c, kernel, stride, groups] = [in_c, out_c, kernel, stride, groups].map(unsigned);
        self.then(Op::Conv { in_c, out_c, kernel, stride, groups, bias });
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Layer(layer) => self.layer(layer),
            Step::Enter(_) | Step::Fork => self.open.push((self.at, Vec::new())),
            Step::Leave(shortcut) => {
                let Some((start, _)) = self.open.pop() else { return };
                let body = self.at;
                self.at = start;
                if shortcut.projection {
                    self.conv(shortcut.in_c, shortcut.out_c, 1, shortcut.stride, 1, true);
                    self.then(Op::BatchNorm);
                }
                self.at = self.graph.append(Op::Add, &[body, self.at]);
            }
            Step::Branch => {
                let Some((start, ends)) = self.open.last_mut() else { return };
                ends.push(self.at);
                self.at = *start;
            }
            Step::Join(join) => {
                let Some((_, ends)) = self.open.pop() else { return };
                self.at = match join {
                    Join::Concat => self.graph.append(Op::Concat, &ends),
                    Join::Sum => {
                        let sum = |a, b| self.graph.append(Op::Add, &[a, b]);
                        ends.into_iter().reduce(sum).unwrap_or(self.at)
                    }
                };
            }
        }
    }

    fn layer(&mut self, layer: Layer) {
        match layer {
            Layer::Conv { in_c, out_c, kernel, stride, groups } => {
                self.conv(in_c, out_c, kernel, stride, groups, false);
            }
            Layer::DwConv { channels, kernel, stride } => {
                self.conv(channels, channels, kernel, stride, channels, false);
            }
            Layer::Bn { .. } => {
                self.then(Op::BatchNorm);
            }
            Layer::Relu { .. } => {
                self.then(Op::Act(Act::Relu));
            }
            Layer::Swish { .. } => {
                self.then(Op::Act(Act::Swish));
            }
            Layer::Se { channels } => {
                let map = self.at;
                let hidden = se_hidden(channels);
                self.then(Op::GlobalAvgPool);
                self.conv(channels, hidden, 1, 1, 1, false);
                self.then(Op::BatchNorm);
                self.then(Op::Act(Act::Relu));
                self.conv(hidden, channels, 1, 1, 1, false);
                self.then(Op::BatchNorm);
                let gate = self.then(Op::Act(Act::Sigmoid));
                self.at = self.graph.append(Op::Scale, &[map, gate]);
            }
            Layer::MaxPool { kernel, stride, .. } => {
                self.then(Op::MaxPool { kernel: unsigned(kernel), stride: unsigned(stride) });
            }
            Layer::AdaptiveAvgPool { size: 1, .. } => {
                self.then(Op::GlobalAvgPool);
            }
            Layer::AdaptiveAvgPool { size, .. } => {
                self.then(Op::AdaptiveAvgPool { size: unsigned(size) });
            }
            Layer::Flatten { .. } => {
                self.then(Op::Flatten);
            }
            Layer::Linear { in_c, out_c, bias } => {
                self.then(Op::Linear { in_c: unsigned(in_c), out_c: unsigned(out_c), bias });
            }
        }
    }
}

/// A checked integer of a block; the blocks are validated before the walk, so that none is negative.
fn unsigned(value: i32) -> u32 {
    value.unsigned_abs()
}
