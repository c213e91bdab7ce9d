//! The chain of a network: the convolutions along its main path, in order. Shortcuts are left out, as zero-shot scores
//! leave them out; squeeze-excite is noted at the convolution that it follows.
//!
//! A chain can be made of PlainNets, of graphs, and of networks of other search spaces, so that all of them can be
//! compared by the same quantities.

use super::block::{Block, Layer, Step, Variant, se_hidden};
use super::graph::{Graph, Op};
use super::{Model, Network, ShapeError, shape};

/// A convolution or a max pooling of the main path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// It is a max pooling, which has no weights.
    pub pool: bool,
    pub in_c: u32,
    pub out_c: u32,
    pub kernel: u32,
    pub stride: u32,
    pub groups: u32,
    /// Side of the map that it writes; for maps that are not square, the root of their area.
    pub side: u32,
    /// Hidden channels of the squeeze-excite behind it; 0 where there is none.
    pub se: u32,
    /// A shortcut is added behind it.
    pub residual: bool,
}

/// The exponent of [`Chain::stage_params`] as a proxy: between those that two tables of trained networks ask for
/// (docs/accuracy.md).
pub const STAGE_EXPONENT: f64 = 0.25;

/// The main path of a network.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Chain {
    /// Side of the image.
    pub resolution: u32,
    pub classes: u32,
    pub links: Vec<Link>,
}

/// Why a network is no chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    #[error(transparent)]
    Shape(#[from] ShapeError),
    #[error("the network is no chain of convolutions: {0}")]
    NoChain(String),
}

fn no_chain(reason: impl Into<String>) -> ChainError {
    ChainError::NoChain(reason.into())
}

impl Link {
    pub fn is_depthwise(&self) -> bool {
        !self.pool && self.groups > 1 && self.groups == self.in_c
    }

    /// Weights of the convolution alone.
    pub fn weights(&self) -> f64 {
        if self.pool {
            return 0.0;
        }
        let fan_in = f64::from(self.in_c / self.groups.max(1)) * f64::from(self.kernel).powi(2);
        fan_in * f64::from(self.out_c)
    }

    /// Multiply-adds of the convolution alone.
    pub fn macs(&self) -> f64 {
        self.weights() * f64::from(self.side).powi(2)
    }

    /// Weights with those of BN and squeeze-excite.
    pub fn params(&self) -> f64 {
        if self.pool {
            return 0.0;
        }
        let (out_c, se) = (f64::from(self.out_c), f64::from(self.se));
        let of_se = if self.se > 0 { 2.0 * se * out_c + se + out_c } else { 0.0 };
        self.weights() + 2.0 * out_c + of_se
    }

    /// Elements of the map that it writes.
    pub fn elements(&self) -> f64 {
        f64::from(self.out_c) * f64::from(self.side).powi(2)
    }

    /// The layer of a PlainNet that does the same.
    pub fn layer(&self) -> Layer {
        let int = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
        let (kernel, stride) = (int(self.kernel), int(self.stride));
        if self.pool {
            Layer::MaxPool { channels: int(self.in_c), kernel, stride }
        } else if self.is_depthwise() && self.in_c == self.out_c {
            Layer::DwConv { channels: int(self.in_c), kernel, stride }
        } else {
            let (in_c, out_c, groups) = (int(self.in_c), int(self.out_c), int(self.groups));
            Layer::Conv { in_c, out_c, kernel, stride, groups }
        }
    }
}

impl Chain {
    /// The chain of a PlainNet.
    ///
    /// # Errors
    /// A structure that is no usable network, or has branches.
    pub fn of_model(model: &Model) -> Result<Chain, ChainError> {
        shape::validate_scored(&model.network.blocks, model.resolution)?;
        let links = Chain::links(&model.network.blocks, model.resolution, Variant::built(model.se))?;
        Ok(Chain { resolution: model.resolution, classes: model.classes, links })
    }

    /// The links of valid blocks.
    ///
    /// # Errors
    /// Branches.
    pub fn links(blocks: &[Block], resolution: u32, variant: Variant) -> Result<Vec<Link>, ChainError> {
        let mut walker = Walker { side: resolution, links: Vec::new(), ended: false, branches: false };
        for block in blocks {
            block.walk(variant, &mut |step| walker.step(step));
        }
        if walker.branches {
            return Err(no_chain("it has parallel branches"));
        }
        Ok(walker.links)
    }

    /// The chain of a graph that ends in a classifier or in a map.
    ///
    /// # Errors
    /// Concatenations, and operations that only networks from files of others have.
    pub fn of_graph(graph: &Graph) -> Result<Chain, ChainError> {
        Chain::of_graphs([graph])
    }

    /// The chain of graphs that follow one another.
    ///
    /// # Errors
    /// See [`Chain::of_graph`].
    pub fn of_graphs<'a>(graphs: impl IntoIterator<Item = &'a Graph>) -> Result<Chain, ChainError> {
        let (mut links, mut resolution, mut classes, mut channels) = (Vec::new(), None, 0, 3);
        for graph in graphs {
            let input = graph.input();
            resolution.get_or_insert(side(input.h, input.w));
            if input.c != channels {
                return Err(no_chain(format!("a block reads {} channels of {channels}", input.c)));
            }
            links.extend(main_path(graph)?);
            classes = graph.output().c;
            channels = classes;
        }
        match resolution {
            Some(resolution) if !links.is_empty() => Ok(Chain { resolution, classes, links }),
            _ => Err(no_chain("it has no convolution")),
        }
    }

    /// The network that zero-shot scores look at: BN and ReLU follow every convolution.
    pub fn vanilla(&self) -> Model {
        let mut blocks = Vec::with_capacity(3 * self.links.len());
        for link in &self.links {
            let channels = i32::try_from(link.out_c).unwrap_or(i32::MAX);
            blocks.push(Block::Layer(link.layer()));
            if !link.pool {
                blocks.push(Block::Layer(Layer::Bn { channels }));
                blocks.push(Block::Layer(Layer::Relu { channels }));
            }
        }
        let network = Network { blocks };
        Model { name: None, network, resolution: self.resolution, classes: self.classes, se: false }
    }

    fn classifier(&self) -> (f64, f64) {
        (f64::from(self.links.last().map_or(0, |link| link.out_c)), f64::from(self.classes))
    }

    /// Parameters of the chain and of one linear classifier.
    pub fn params(&self) -> f64 {
        let (channels, classes) = self.classifier();
        self.links.iter().map(Link::params).sum::<f64>() + (channels + 1.0) * classes
    }

    /// Multiply-adds of the chain and of one linear classifier.
    pub fn macs(&self) -> f64 {
        let (channels, classes) = self.classifier();
        self.links.iter().map(Link::macs).sum::<f64>() + channels * classes
    }

    /// Activations: elements that the convolutions write.
    pub fn activations(&self) -> f64 {
        self.links.iter().filter(|link| !link.pool).map(Link::elements).sum()
    }

    /// Parameters that count less and less in one place: Σ ((1 + P)^e − 1) / e over the stages, where P is the number of
    /// parameters of the convolutions that write maps of one size, without the first convolution, and e the exponent;
    /// Σ ln(1 + P) for an exponent of 0.
    pub fn stage_params(&self, exponent: f64) -> f64 {
        let mut stages: Vec<(u32, f64)> = Vec::new();
        for link in self.links.iter().skip(1) {
            match stages.last_mut() {
                Some((side, params)) if *side == link.side => *params += link.params(),
                _ => stages.push((link.side, link.params())),
            }
        }
        let of = |params: f64| match exponent {
            0.0 => params.ln_1p(),
            exponent => ((1.0 + params).powf(exponent) - 1.0) / exponent,
        };
        stages.iter().map(|&(_, params)| of(params)).sum()
    }

    /// Number of convolutions.
    pub fn depth(&self) -> usize {
        self.links.iter().filter(|link| !link.pool).count()
    }
}

/// Follows the steps of a walk.
struct Walker {
    side: u32,
    links: Vec<Link>,
    /// The body is over.
    ended: bool,
    branches: bool,
}

impl Walker {
    fn step(&mut self, step: Step) {
        match step {
            Step::Layer(layer) if !self.ended => self.layer(layer),
            Step::Leave(_) => {
                if let Some(last) = self.links.last_mut() {
                    last.residual = true;
                }
            }
            Step::Fork | Step::Branch | Step::Join(_) => self.branches = true,
            Step::Layer(_) | Step::Enter(_) => {}
        }
    }

    fn layer(&mut self, layer: Layer) {
        let (pool, kernel, groups) = match layer {
            Layer::Conv { kernel, groups, .. } => (false, kernel, groups),
            Layer::DwConv { channels, kernel, .. } => (false, kernel, channels),
            Layer::MaxPool { channels, kernel, .. } => (true, kernel, channels),
            Layer::Se { channels } => {
                if let Some(last) = self.links.last_mut() {
                    last.se = se_hidden(channels).unsigned_abs();
                }
                return;
            }
            Layer::AdaptiveAvgPool { .. } | Layer::Flatten { .. } | Layer::Linear { .. } => {
                self.ended = true;
                return;
            }
            Layer::Bn { .. } | Layer::Relu { .. } | Layer::Swish { .. } => return,
        };
        let stride = layer.stride().unsigned_abs().max(1);
        self.side = self.side.div_ceil(stride);
        self.links.push(Link {
            pool,
            in_c: layer.in_c().unsigned_abs(),
            out_c: layer.out_c().unsigned_abs(),
            kernel: kernel.unsigned_abs(),
            stride,
            groups: groups.unsigned_abs(),
            side: self.side,
            se: 0,
            residual: false,
        });
    }
}

fn side(h: u32, w: u32) -> u32 {
    if h == w { h } else { (f64::from(h) * f64::from(w)).sqrt().round() as u32 }
}

/// The links along the path with the most convolutions from the output back to the input.
fn main_path(graph: &Graph) -> Result<Vec<Link>, ChainError> {
    if graph.nodes.iter().skip(1).any(|node| node.op == Op::Input) {
        return Err(no_chain("its blocks read several maps"));
    }
    let mut depth = vec![0_u32; graph.nodes.len()];
    for (i, node) in graph.nodes.iter().enumerate() {
        let inputs = match node.op {
            // The gate of a squeeze-excite is no part of the path.
            Op::Scale => &node.inputs[..1],
            _ => &node.inputs[..],
        };
        let before = inputs.iter().map(|&input| depth[input]).max().unwrap_or(0);
        depth[i] = before + u32::from(matches!(node.op, Op::Conv { .. }));
    }
    let (mut backwards, mut at) = (Vec::new(), graph.nodes.len() - 1);
    let (mut se, mut residual) = (0, false);
    loop {
        let node = &graph.nodes[at];
        let out = side(node.shape.h, node.shape.w);
        let link = |pool, in_c, out_c, kernel, stride, groups, se, residual| Link {
            pool,
            in_c,
            out_c,
            kernel,
            stride,
            groups,
            side: out,
            se,
            residual,
        };
        let next = match node.op {
            Op::Input => break,
            Op::Conv { in_c, out_c, kernel, stride, groups, .. } => {
                backwards.push(link(false, in_c, out_c, kernel, stride, groups, se, residual));
                (se, residual) = (0, false);
                node.inputs[0]
            }
            Op::MaxPool { kernel, stride } => {
                let channels = node.shape.c;
                backwards.push(link(true, channels, channels, kernel, stride, channels, 0, residual));
                residual = false;
                node.inputs[0]
            }
            Op::Add => {
                residual = true;
                let deepest = |a: &usize, b: &usize| if depth[*b] > depth[*a] { *b } else { *a };
                node.inputs.iter().copied().reduce(|a, b| deepest(&a, &b)).unwrap_or(0)
            }
            Op::Scale => {
                se = node.inputs.get(1).map_or(0, |&gate| hidden(graph, gate));
                node.inputs[0]
            }
            // What precedes a classifier counts as the body; the classifier does not.
            Op::GlobalAvgPool | Op::AdaptiveAvgPool { .. } | Op::Flatten | Op::Linear { .. } => {
                backwards.clear();
                node.inputs[0]
            }
            Op::BatchNorm | Op::Act(_) | Op::Slice { .. } | Op::View { .. } => node.inputs[0],
            Op::Concat => return Err(no_chain("it concatenates maps")),
            Op::AnyConv { .. } | Op::AnyPool { .. } | Op::Pass { .. } => {
                return Err(no_chain("it has operations beyond convolution, pooling and addition"));
            }
        };
        at = next;
    }
    backwards.reverse();
    Ok(backwards)
}

/// Hidden channels of the squeeze-excite whose gate is node `gate`: what the first layer behind the pooling writes.
fn hidden(graph: &Graph, gate: usize) -> u32 {
    let (mut at, mut channels) = (gate, 0);
    loop {
        let node = &graph.nodes[at];
        match node.op {
            Op::Conv { out_c, .. } | Op::Linear { out_c, .. } => channels = out_c,
            Op::GlobalAvgPool | Op::Input => return channels,
            _ => {}
        }
        match node.inputs.first() {
            Some(&input) => at = input,
            None => return channels,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::published;

    #[test]
    fn a_network_and_its_graph_have_the_same_chain() {
        for name in [
            "zennet_imagenet1k_flops400M_SE_res224",
            "zennet_imagenet1k_latency05ms_res224",
            "zennet_cifar10_model_size1M_res32",
            "resnet18",
            "resnet50",
        ] {
            let model = published::by_name(name).unwrap();
            let chain = Chain::of_model(&model).unwrap();
            let graph = model.graph().unwrap();
            assert_eq!(Chain::of_graph(&graph), Ok(chain), "{name}");
        }
    }

    #[test]
    fn parameters_in_many_stages_count_more_than_in_one() {
        let link = |side: u32| Link {
            pool: false,
            in_c: 8,
            out_c: 8,
            kernel: 1,
            stride: 1,
            groups: 1,
            side,
            se: 0,
            residual: false,
        };
        let of = |sides: &[u32], exponent: f64| {
            let links = sides.iter().map(|&side| link(side)).collect();
            Chain { resolution: 8, classes: 2, links }.stage_params(exponent)
        };
        // A link has 64 weights and 16 parameters of BN; the first one does not count.
        assert_eq!(of(&[8, 8, 8], 1.0), 160.0);
        assert!((of(&[8, 8, 8], 0.5) - 2.0 * (161.0_f64.sqrt() - 1.0)).abs() < 1e-12);
        assert!((of(&[8, 8, 4], 0.0) - 2.0 * 81.0_f64.ln()).abs() < 1e-12);
        assert!(of(&[8, 8, 4], 0.25) > of(&[8, 8, 8], 0.25));
    }
}
