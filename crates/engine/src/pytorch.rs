//! A network as a Python file that defines it as a `torch.nn.Module`, for people who want to read, change or train it.
//! The file needs PyTorch alone, and can load the weights of an ONNX file of the same network.

use edgezen_core::plainnet::block::{Join, Layer, Shortcut, Step, Variant, se_hidden};
use edgezen_core::plainnet::graph;
use edgezen_core::plainnet::graph::Op;
use edgezen_core::plainnet::{Block, Model, Shape, ShapeError};
use std::fmt::Write;

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

/// The Python source of `model`. It has residual links and batch normalisation as the network is built
/// (docs/plainnet.md, section 2.8), and squeeze-excite where the model has it.
///
/// # Errors
/// A structure that does not fit its resolution; maps again after a flattening.
pub fn module(model: &Model) -> Result<String, PytorchError> {
    model.validate()?;
    let mut writer = Writer::default();
    for block in &model.network.blocks {
        // A plain layer needs no comment: its line says what it is.
        if matches!(block, Block::Super(_)) {
            writer.comment(&block.to_string());
        }
        let mut outcome = Ok(());
        block.walk(Variant::built(model.se), &mut |step| {
            if outcome.is_ok() {
                outcome = writer.step(step);
            }
        });
        outcome?;
    }
    let input = Shape::square(3, model.resolution);
    let body = graph::body(&model.network.blocks, input, Variant::built(model.se))?;
    let classified = matches!(body.nodes.last().map(|node| node.op), Some(Op::Linear { .. }));
    if !classified {
        writer.comment("classifier");
        let flat = writer.flat;
        if !flat {
            writer.line("nn.AdaptiveAvgPool2d(1),");
            writer.line("nn.Flatten(),");
        }
        writer.line(&format!("nn.Linear({}, {}),", body.output().c, model.classes));
    }
    Ok(file(model, &writer.lines))
}

/// The whole file around the list of layers.
fn file(model: &Model, layers: &[String]) -> String {
    let title = model.name.as_deref().unwrap_or("A network found by edgezen");
    // The name and the structure come from the user; they must not end the docstring.
    let safe = |text: &str| text.replace('\\', "/").replace('"', "'");
    let (title, structure) = (safe(title), safe(&model.network.to_string()));
    let resolution = model.resolution;
    let mut source = format!(
        r#""""{title}: an image classifier, {resolution} × {resolution} pixels, as a PyTorch module.

Structure: {structure}

Written by edgezen {version}. PyTorch is all it needs:

    model = Network().eval()
    logits = model(torch.zeros(1, 3, {resolution}, {resolution}))

Weights start as PyTorch draws them, for training. `load_onnx(model, "net.onnx")` takes those of an ONNX file
that edgezen wrote for the same network (this needs the package `onnx`).
"""

import torch
from torch import nn

RESOLUTION = {resolution}
"#,
        version = env!("CARGO_PKG_VERSION"),
    );
    source += HELPERS;
    source += "\n\nclass Network(nn.Module):\n    def __init__(self):\n        super().__init__()\n";
    source += "        self.layers = nn.Sequential(\n";
    for line in layers {
        let _ = writeln!(source, "            {line}");
    }
    source += "        )\n\n    def forward(self, images):\n        return self.layers(images)\n";
    source += LOADER;
    source
}

/// The classes that the lists of layers use. Every file has all of them, because they are few and short.
const HELPERS: &str = r#"

def conv(in_channels, out_channels, kernel, stride=1, groups=1, bias=False):
    padding = (kernel - 1) // 2
    return nn.Conv2d(in_channels, out_channels, kernel, stride, padding, groups=groups, bias=bias)


def norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3)


class Residual(nn.Module):
    """Sum of a body and its shortcut; the identity where there is no projection."""

    def __init__(self, body, projection=None):
        super().__init__()
        self.body = body
        self.projection = projection

    def forward(self, x):
        return self.body(x) + (x if self.projection is None else self.projection(x))


class SqueezeExcite(nn.Module):
    """Weighs channels by what a small network sees of their means."""

    def __init__(self, channels, hidden):
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            conv(channels, hidden, 1),
            norm(hidden),
            nn.ReLU(),
            conv(hidden, channels, 1),
            norm(channels),
            nn.Sigmoid(),
        )

    def forward(self, x):
        return x * self.gate(x)


class Branches(nn.Module):
    """Parallel branches, summed or concatenated."""

    def __init__(self, join, *branches):
        super().__init__()
        self.join = join
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        outputs = [branch(x) for branch in self.branches]
        return sum(outputs) if self.join == "sum" else torch.cat(outputs, 1)
"#;

const LOADER: &str = r#"

def layers_with_weights(module):
    """Pairs (convolution or linear layer, batch norm that follows it) in running order; either may be None."""
    children = list(module.children())
    in_order = isinstance(module, nn.Sequential)
    taken = None
    for child, after in zip(children, children[1:] + [None]):
        if child is taken:
            continue
        if isinstance(child, (nn.Conv2d, nn.Linear)):
            follows = in_order and isinstance(child, nn.Conv2d) and isinstance(after, nn.BatchNorm2d)
            taken = after if follows else None
            yield child, taken
        elif isinstance(child, (nn.BatchNorm1d, nn.BatchNorm2d)):
            yield None, child
        else:
            yield from layers_with_weights(child)


@torch.no_grad()
def load_onnx(model, path):
    """Copies the weights of an ONNX file that edgezen wrote for this network.

    Batch norms are folded into the convolutions there: here they keep the bias and are otherwise neutral.
    """
    import onnx
    from onnx import numpy_helper

    nodes = {}
    for tensor in onnx.load(path).graph.initializer:
        node, _, part = tensor.name.partition(".")
        if part in ("weight", "bias", "scale", "shift"):
            nodes.setdefault(node, {})[part] = torch.from_numpy(numpy_helper.to_array(tensor).copy())
    layers = list(layers_with_weights(model))
    if len(layers) != len(nodes):
        raise ValueError(f"{path} has {len(nodes)} layers with weights, this network {len(layers)}")

    def copy(to, values):
        if to.numel() != values.numel():
            raise ValueError(f"{path}: {tuple(values.shape)} where {tuple(to.shape)} is expected")
        to.copy_(values.reshape(to.shape))

    for (layer, batch_norm), parts in zip(layers, nodes.values()):
        bias = parts.get("bias", parts.get("shift"))
        if layer is not None:
            copy(layer.weight, parts["weight"])
            if layer.bias is not None:
                layer.bias.zero_()
        if batch_norm is not None:
            batch_norm.reset_running_stats()
            scale = (1 + batch_norm.eps) ** 0.5
            copy(batch_norm.weight, scale * parts.get("scale", torch.ones_like(batch_norm.weight)))
            copy(batch_norm.bias, bias)
        elif bias is not None:
            copy(layer.bias, bias)
    return model


if __name__ == "__main__":
    network = Network().eval()
    parameters = sum(parameter.numel() for parameter in network.parameters())
    with torch.no_grad():
        logits = network(torch.zeros(1, 3, RESOLUTION, RESOLUTION))
    print(f"{parameters:,} parameters, logits {tuple(logits.shape)}")
"#;

/// Lines of the list of layers, without the indentation of the list itself.
#[derive(Default)]
struct Writer {
    lines: Vec<String>,
    /// Lines that were there before each unit or fork that is still open.
    open: Vec<Open>,
    /// Whether the values are vectors, no longer maps.
    flat: bool,
}

struct Open {
    outer: Vec<String>,
    /// Finished branches.
    branches: Vec<Vec<String>>,
}

impl Writer {
    fn line(&mut self, text: &str) {
        self.lines.push(text.to_owned());
    }

    fn comment(&mut self, text: &str) {
        self.line(&format!("# {text}"));
    }

    fn step(&mut self, step: Step) -> Result<(), PytorchError> {
        match step {
            Step::Layer(layer) => return self.layer(layer),
            Step::Enter(_) | Step::Fork => {
                self.open.push(Open { outer: std::mem::take(&mut self.lines), branches: Vec::new() });
            }
            Step::Leave(shortcut) => {
                let body = std::mem::take(&mut self.lines);
                self.lines = self.open.pop().map(|open| open.outer).unwrap_or_default();
                self.residual(body, shortcut);
            }
            Step::Branch => {
                let branch = std::mem::take(&mut self.lines);
                if let Some(open) = self.open.last_mut() {
                    open.branches.push(branch);
                }
            }
            Step::Join(join) => {
                let Some(open) = self.open.pop() else { return Ok(()) };
                self.lines = open.outer;
                let join = match join {
                    Join::Sum => "sum",
                    Join::Concat => "concat",
                };
                self.line("Branches(");
                self.line(&format!("    \"{join}\","));
                for branch in open.branches {
                    self.sequential(branch);
                }
                self.line("),");
            }
        }
        Ok(())
    }

    fn residual(&mut self, body: Vec<String>, shortcut: Shortcut) {
        self.line("Residual(");
        self.sequential(body);
        if shortcut.projection {
            let Shortcut { in_c, out_c, stride, .. } = shortcut;
            let strided = stride_argument(stride);
            self.line(&format!(
                "    nn.Sequential(conv({in_c}, {out_c}, 1{strided}, bias=True), norm({out_c})),"
            ));
        }
        self.line("),");
    }

    /// `lines` as a nested `nn.Sequential`.
    fn sequential(&mut self, lines: Vec<String>) {
        self.line("    nn.Sequential(");
        self.lines.extend(lines.into_iter().map(|line| format!("        {line}")));
        self.line("    ),");
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
        let text = match layer {
            Layer::Conv { in_c, out_c, kernel, stride, groups } => {
                let groups = if groups == 1 { String::new() } else { format!(", groups={groups}") };
                format!("conv({in_c}, {out_c}, {kernel}{}{groups}),", stride_argument(stride))
            }
            Layer::DwConv { channels, kernel, stride } => {
                format!(
                    "conv({channels}, {channels}, {kernel}{}, groups={channels}),",
                    stride_argument(stride)
                )
            }
            Layer::Bn { channels } if self.flat => format!("nn.BatchNorm1d({channels}, eps=1e-3),"),
            Layer::Bn { channels } => format!("norm({channels}),"),
            Layer::Relu { .. } => "nn.ReLU(),".to_owned(),
            Layer::Swish { .. } => "nn.SiLU(),".to_owned(),
            Layer::Se { channels } => format!("SqueezeExcite({channels}, {}),", se_hidden(channels)),
            Layer::MaxPool { kernel, stride, .. } => {
                format!("nn.MaxPool2d({kernel}, {stride}, {}),", (kernel - 1) / 2)
            }
            Layer::AdaptiveAvgPool { size, .. } => format!("nn.AdaptiveAvgPool2d({size}),"),
            Layer::Flatten { .. } => "nn.Flatten(),".to_owned(),
            Layer::Linear { in_c, out_c, bias } => {
                if !self.flat {
                    self.line("nn.Flatten(),");
                }
                let bias = if bias { "" } else { ", bias=False" };
                format!("nn.Linear({in_c}, {out_c}{bias}),")
            }
        };
        self.flat |= matches!(layer, Layer::Flatten { .. } | Layer::Linear { .. });
        self.line(&text);
        Ok(())
    }
}

fn stride_argument(stride: i32) -> String {
    if stride == 1 { String::new() } else { format!(", stride={stride}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_core::plainnet::{notation, published};

    #[test]
    fn a_file_names_every_block_and_closes_every_bracket() {
        let model = published::by_name("zennet_imagenet1k_flops400M_SE_res224").unwrap();
        let source = module(&model).unwrap();
        for block in &model.network.blocks {
            assert!(source.contains(&format!("# {block}\n")), "{block}");
        }
        assert_eq!(source.matches('(').count(), source.matches(')').count());
        assert!(source.contains("SqueezeExcite(") && source.contains("nn.Linear("));
    }

    #[test]
    fn names_cannot_end_the_docstring_and_maps_do_not_follow_a_flattening() {
        let network = notation::parse("ConvKX(3,8,3,2)BN(8)").unwrap();
        let name = Some("a\"\"\"\nimport os\\".to_owned());
        let model = Model { name, network, resolution: 8, classes: 2, se: false };
        let source = module(&model).unwrap();
        let docstring = source.split("\"\"\"").nth(1).unwrap();
        assert!(docstring.contains("import os") && docstring.contains("Written by edgezen"));
        let network = notation::parse("ConvKX(3,8,3,2)Flatten(8)ConvKX(128,8,1,1)").unwrap();
        let error = module(&Model { name: None, network, resolution: 8, classes: 2, se: false });
        assert!(matches!(error, Err(PytorchError::AfterFlatten(_))), "{error:?}");
    }
}
