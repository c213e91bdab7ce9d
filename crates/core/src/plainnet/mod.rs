//! PlainNet: networks as strings, as flat structs and as graphs, and their shapes, costs and kernels.
//! `docs/plainnet.md` explains them in its sections 1 to 3.

pub mod block;
pub mod chain;
pub mod cost;
pub mod footprint;
pub mod fusion;
pub mod graph;
pub mod graph_cost;
pub mod kernel;
pub mod lowering;
pub mod notation;
pub mod packed;
pub mod published;
pub mod repeated;
pub mod sections;
pub mod shape;
pub mod sketch;
pub mod window;

pub use block::{Block, Layer, Step, SuperBlock, SuperKind, Variant};
pub use graph::Graph;
pub use kernel::{Kernel, KernelKind};
pub use shape::{Shape, ShapeError};
pub use window::Window;

use crate::units::{Bytes, Macs, Params};

/// A structure: blocks one after another, without the classifier.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Network {
    pub blocks: Vec<Block>,
}

impl Network {
    /// The super blocks, if the network holds nothing else.
    ///
    /// # Errors
    /// Names the first other block; `need` completes "… only super blocks".
    pub fn super_blocks(&self, need: &'static str) -> Result<Vec<SuperBlock>, ShapeError> {
        if self.blocks.is_empty() {
            return Err(ShapeError::Empty);
        }
        let only_super = |(index, block): (usize, &Block)| match block {
            Block::Super(block) => Ok(*block),
            other => Err(ShapeError::NotSuper { index, block: other.to_string(), need }),
        };
        self.blocks.iter().enumerate().map(only_super).collect()
    }

    /// Sum of sublayers (docs/plainnet.md, section 2.9), if the network consists of super blocks.
    pub fn layers(&self) -> Option<u32> {
        let blocks = self.super_blocks("layers are counted on").ok()?;
        u32::try_from(layers(&blocks)).ok()
    }

    /// Channels out of the last block.
    pub fn out_c(&self) -> i32 {
        self.blocks.last().map_or(0, Block::out_c)
    }
}

impl From<&[SuperBlock]> for Network {
    fn from(blocks: &[SuperBlock]) -> Network {
        Network { blocks: blocks.iter().map(|&block| Block::Super(block)).collect() }
    }
}

/// Sum of sublayers (docs/plainnet.md, section 2.9).
pub fn layers(blocks: &[SuperBlock]) -> i64 {
    blocks.iter().map(|block| i64::from(block.sublayers)).sum()
}

/// Sets the `in` of each block to the `out` of the block before it; the first block keeps its own
/// (docs/plainnet.md, section 2.9).
pub fn relink(blocks: &mut [SuperBlock]) {
    for i in 1..blocks.len() {
        blocks[i].in_c = blocks[i - 1].out_c;
    }
}

/// One pass of depth splitting over the network (docs/plainnet.md, section 2.9).
pub fn split(blocks: &[SuperBlock], threshold: i32) -> Vec<SuperBlock> {
    let mut out = Vec::with_capacity(blocks.len() + 2);
    for block in blocks {
        let (head, rest) = block.split(threshold);
        out.push(head);
        out.extend(rest);
    }
    out
}

/// A structure with what it takes to run it: input resolution, classes, squeeze-excite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// The published name or the file it came from.
    pub name: Option<String>,
    pub network: Network,
    pub resolution: u32,
    pub classes: u32,
    pub se: bool,
}

impl Model {
    /// A structure with the input that it was most likely made for. The stem tells: networks for CIFAR images begin with
    /// stride 1.
    pub fn with_usual_input(name: Option<String>, network: Network) -> Model {
        let small = matches!(network.blocks.first(), Some(Block::Super(block)) if block.stride == 1);
        let (resolution, classes) = if small { (32, 10) } else { (224, 1000) };
        Model { name, network, resolution, classes, se: false }
    }

    /// Checks the structure on this resolution, and the classes; gives the shape before global pooling.
    pub fn validate(&self) -> Result<Shape, ShapeError> {
        shape::check_classes(self.classes)?;
        shape::validate(&self.network.blocks, self.resolution)
    }

    /// Official parameters and FLOPs, classifier included (docs/plainnet.md, sections 3.1 and 3.2).
    pub fn official(&self, variant: Variant) -> Result<(Params, Macs), ShapeError> {
        let body = cost::official(&self.network.blocks, i64::from(self.resolution), variant)?;
        let head = self.head(cost::official_head(self.network.out_c(), self.classes));
        Ok((body.params + head.params, body.flops + head.flops))
    }

    /// Exact cost, classifier included (docs/plainnet.md, section 3.4). Its `resolution` is the side of the
    /// map before global pooling.
    pub fn exact(&self, variant: Variant) -> Result<cost::Exact, ShapeError> {
        let body = cost::exact(&self.network.blocks, i64::from(self.resolution), variant)?;
        Ok(if self.ends_in_linear() {
            body
        } else {
            cost::exact_head(body, self.network.out_c(), self.classes)
        })
    }

    fn ends_in_linear(&self) -> bool {
        matches!(self.network.blocks.last(), Some(Block::Layer(Layer::Linear { .. })))
    }

    fn head(&self, head: cost::Official) -> cost::Official {
        if self.ends_in_linear() { cost::Official::default() } else { head }
    }

    /// The network as built, classifier included.
    pub fn graph(&self) -> Result<Graph, ShapeError> {
        self.validate()?;
        let input = Shape::square(3, self.resolution);
        let body = graph::body(&self.network.blocks, input, Variant::built(self.se))?;
        Ok(graph::with_classifier(body, self.classes))
    }

    /// Fused kernels of the network for one image.
    pub fn kernels(&self) -> Result<Vec<Kernel>, ShapeError> {
        self.lowered(lowering::Lowering::Fused)
    }

    /// Kernels of the network for one image, as a runtime that works like `lowering` launches them.
    pub fn lowered(&self, lowering: lowering::Lowering) -> Result<Vec<Kernel>, ShapeError> {
        Ok(lowering.kernels(&self.graph()?))
    }

    /// Largest memory that feature maps take at once, for one image in f32.
    pub fn peak_activations(&self) -> Result<Bytes, ShapeError> {
        Ok(Bytes(self.graph()?.peak_elements() as f64 * 4.0))
    }
}
