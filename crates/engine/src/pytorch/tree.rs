//! A network as the tree of modules that PyTorch makes of it: what is written as source, and what names its weights.

use edgezen_core::plainnet::block::{Join, Layer, Shortcut, Step, Variant, se_hidden};
use edgezen_core::plainnet::graph::{self, Op};
use edgezen_core::plainnet::{Block, Model, Shape, ShapeError};

/// Why a network is not written as a module.
#[derive(Debug, thiserror::Error)]
pub enum PytorchError {
    #[error(transparent)]
    Shape(#[from] ShapeError),
    #[error(
        "a PyTorch module of {0}; only linear layers, normalisations and activations follow a flattening"
    )]
    AfterFlatten(String),
}

/// What of a module's weights a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Conv,
    Linear,
    Norm,
    /// It has none.
    Plain,
}

/// An entry of an `nn.Sequential`.
#[derive(Clone, Debug, PartialEq)]
pub enum Child {
    /// It is no module and has no number.
    Comment(String),
    /// A module of PyTorch itself.
    Module {
        source: String,
        kind: Kind,
    },
    Residual {
        body: Vec<Child>,
        projection: Option<Shortcut>,
    },
    Branches {
        join: &'static str,
        branches: Vec<Vec<Child>>,
    },
    SqueezeExcite {
        channels: i32,
        hidden: i32,
    },
}

/// The modules of a network in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    pub children: Vec<Child>,
    /// Classes that the network itself fixes, because its structure ends in a linear layer.
    pub fixed_classes: Option<u32>,
}

impl Tree {
    /// With residual links and batch normalisation as the network is built (docs/plainnet.md, section 2.8), and
    /// squeeze-excite where the model has it.
    ///
    /// # Errors
    /// A structure that does not fit its resolution; maps again after a flattening.
    pub fn of(model: &Model) -> Result<Tree, PytorchError> {
        model.validate()?;
        let mut builder = Builder::default();
        for block in &model.network.blocks {
            // A plain layer needs no comment: its line says what it is.
            if matches!(block, Block::Super(_)) {
                builder.children.push(Child::Comment(block.to_string()));
            }
            let mut outcome = Ok(());
            block.walk(Variant::built(model.se), &mut |step| {
                if outcome.is_ok() {
                    outcome = builder.step(step);
                }
            });
            outcome?;
        }
        let input = Shape::square(3, model.resolution);
        let body = graph::body(&model.network.blocks, input, Variant::built(model.se))?;
        let classified = matches!(body.nodes.last().map(|node| node.op), Some(Op::Linear { .. }));
        let channels = body.output().c;
        if !classified {
            builder.children.push(Child::Comment("classifier".into()));
            if !builder.flat {
                builder.plain("nn.AdaptiveAvgPool2d(1),");
                builder.plain("nn.Flatten(),");
            }
            builder.module(format!("nn.Linear({channels}, num_classes),"), Kind::Linear);
        }
        Ok(Tree { children: builder.children, fixed_classes: classified.then_some(channels) })
    }
}

#[derive(Default)]
struct Builder {
    children: Vec<Child>,
    /// What was there before each unit or fork that is still open, and its finished branches.
    open: Vec<(Vec<Child>, Vec<Vec<Child>>)>,
    /// Whether the values are vectors, no longer maps.
    flat: bool,
}

impl Builder {
    fn module(&mut self, source: String, kind: Kind) {
        self.children.push(Child::Module { source, kind });
    }

    fn plain(&mut self, source: &str) {
        self.module(source.to_owned(), Kind::Plain);
    }

    fn step(&mut self, step: Step) -> Result<(), PytorchError> {
        match step {
            Step::Layer(layer) => return self.layer(layer),
            Step::Enter(_) | Step::Fork => {
                self.open.push((std::mem::take(&mut self.children), Vec::new()));
            }
            Step::Leave(shortcut) => {
                let outer = self.open.pop().map(|open| open.0).unwrap_or_default();
                let body = std::mem::replace(&mut self.children, outer);
                let projection = shortcut.projection.then_some(shortcut);
                self.children.push(Child::Residual { body, projection });
            }
            Step::Branch => {
                let branch = std::mem::take(&mut self.children);
                if let Some(open) = self.open.last_mut() {
                    open.1.push(branch);
                }
            }
            Step::Join(join) => {
                let Some((outer, branches)) = self.open.pop() else { return Ok(()) };
                self.children = outer;
                let join = match join {
                    Join::Sum => "sum",
                    Join::Concat => "concat",
                };
                self.children.push(Child::Branches { join, branches });
            }
        }
        Ok(())
    }

    fn layer(&mut self, layer: Layer) -> Result<(), PytorchError> {
        let on_maps = !matches!(
            layer,
            Layer::Bn { .. }
                | Layer::Relu { .. }
                | Layer::Swish { .. }
                | Layer::Flatten { .. }
                | Layer::Linear { .. }
        );
        if self.flat && on_maps {
            return Err(PytorchError::AfterFlatten(layer.to_string()));
        }
        match layer {
            Layer::Conv { in_c, out_c, kernel, stride, groups } => {
                let groups = if groups == 1 { String::new() } else { format!(", groups={groups}") };
                let stride = stride_argument(stride);
                self.module(format!("conv({in_c}, {out_c}, {kernel}{stride}{groups}),"), Kind::Conv);
            }
            Layer::DwConv { channels, kernel, stride } => {
                let stride = stride_argument(stride);
                let source = format!("conv({channels}, {channels}, {kernel}{stride}, groups={channels}),");
                self.module(source, Kind::Conv);
            }
            Layer::Bn { channels } if self.flat => {
                self.module(format!("nn.BatchNorm1d({channels}, eps=1e-3),"), Kind::Norm);
            }
            Layer::Bn { channels } => self.module(format!("norm({channels}),"), Kind::Norm),
            Layer::Relu { .. } => self.plain("nn.ReLU(),"),
            Layer::Swish { .. } => self.plain("nn.SiLU(),"),
            Layer::Se { channels } => {
                self.children.push(Child::SqueezeExcite { channels, hidden: se_hidden(channels) });
            }
            Layer::MaxPool { kernel, stride, .. } => {
                self.plain(&format!("nn.MaxPool2d({kernel}, {stride}, {}),", (kernel - 1) / 2));
            }
            Layer::AdaptiveAvgPool { size, .. } => self.plain(&format!("nn.AdaptiveAvgPool2d({size}),")),
            Layer::Flatten { .. } => self.plain("nn.Flatten(),"),
            Layer::Linear { in_c, out_c, bias } => {
                if !self.flat {
                    self.plain("nn.Flatten(),");
                }
                let bias = if bias { "" } else { ", bias=False" };
                self.module(format!("nn.Linear({in_c}, {out_c}{bias}),"), Kind::Linear);
            }
        }
        self.flat |= matches!(layer, Layer::Flatten { .. } | Layer::Linear { .. });
        Ok(())
    }
}

/// The stride as an argument of `conv`; 1 goes without saying.
pub fn stride_argument(stride: i32) -> String {
    if stride == 1 { String::new() } else { format!(", stride={stride}") }
}
