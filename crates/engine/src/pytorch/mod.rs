//! A network as a Python file that defines it as a `torch.nn.Module`, for people who want to read, change or train it. The file
//! needs PyTorch alone, can load the weights of an ONNX file of the same network, and makes itself known by name to the training
//! scripts of timm and torchvision. Weights go there, and come back, as state dicts.

pub mod archive;
pub mod pickle;
pub mod state;
mod tree;

pub use tree::PytorchError;

use edgezen_core::plainnet::Model;
use std::fmt::Write;
use tree::{Child, Tree, stride_argument};

/// What a module says of itself, beside its layers.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The name by which training scripts find it, a word of Python: see [`identifier`].
    pub name: String,
    /// Of the channels of images, for values from 0 to 1.
    pub mean: [f32; 3],
    pub deviation: [f32; 3],
    /// Share of an image that the network sees when it is judged, of the side that limits it.
    pub kept: f64,
}

/// A word of Python that others' networks do not have, made of any text.
pub fn identifier(text: &str) -> String {
    let word: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    format!("edgezen_{word}")
}

/// The classes that the lists of layers use. Every file has all of them, because they are few and short.
const HELPERS: &str = include_str!("helpers.py");
const LOADER: &str = include_str!("loader.py");
/// Initial weights, and what training scripts of others ask for.
const TRAINING: &str = include_str!("training.py");

/// What somebody reads who trains the module with the scripts of others.
const GUIDE: &str = include_str!("guide.md");
const REQUIREMENTS: &str = include_str!("requirements.txt");

/// The packages that the module and those scripts need, for pip.
pub fn requirements(facts: &Facts) -> String {
    REQUIREMENTS.replace("{name}", &facts.name)
}

/// The command lines that train the module with timm and with torchvision, and bring its weights back.
///
/// # Errors
/// As [`module`].
pub fn guide(model: &Model, facts: &Facts) -> Result<String, PytorchError> {
    let classes = Tree::of(model)?.fixed_classes.unwrap_or(model.classes);
    let resolution = model.resolution;
    let resize = (f64::from(resolution) / facts.kept).round();
    let se = if model.se { " --se" } else { "" };
    let options = format!("--resolution {resolution}{se}");
    let words = [
        ("{name}", facts.name.clone()),
        ("{classes}", classes.to_string()),
        ("{resolution}", resolution.to_string()),
        ("{resize}", resize.to_string()),
        ("{structure}", model.network.to_string()),
        ("{options}", options),
    ];
    Ok(words.iter().fold(GUIDE.to_owned(), |text, (word, value)| text.replace(word, value)))
}

/// The Python source of `model`.
///
/// # Errors
/// A structure that does not fit its resolution; maps again after a flattening.
pub fn module(model: &Model, facts: &Facts) -> Result<String, PytorchError> {
    let tree = Tree::of(model)?;
    let classes = tree.fixed_classes.unwrap_or(model.classes);
    let title = model.name.as_deref().unwrap_or("A network found by edgezen");
    // The name and the structure come from the user; they must not end the docstring.
    let safe = |text: &str| text.replace('\\', "/").replace('"', "'");
    let (title, structure) = (safe(title), safe(&model.network.to_string()));
    let resolution = model.resolution;
    let Facts { name, mean, deviation, kept } = facts;
    let channels = |[red, green, blue]: [f32; 3]| format!("({red}, {green}, {blue})");
    let mut source = format!(
        r#""""{title}: an image classifier, {resolution} × {resolution} pixels, as a PyTorch module.

Structure: {structure}

Written by edgezen {version}. PyTorch is all it needs:

    model = Network().eval()
    logits = model(torch.zeros(1, 3, {resolution}, {resolution}))

Weights start as PyTorch draws them; `initialise(model)` draws them as the recipe of Zen-NAS does. `load_onnx(model, "net.onnx")`
takes those of an ONNX file that edgezen wrote for the same network (this needs the package `onnx`).

Training scripts of timm and torchvision, which take networks by name, take this one as {name}:

    python {name}.py train.py DATA --model {name} …
"""

import os
import runpy
import sys

import torch
from torch import nn

NAME = "{name}"
RESOLUTION = {resolution}
CLASSES = {classes}
# Of images: numbers are (value / 255 - MEAN) / DEVIATION, and CROP is the share of the shorter side that is seen.
MEAN = {mean}
DEVIATION = {deviation}
CROP = {kept}


"#,
        version = env!("CARGO_PKG_VERSION"),
        mean = channels(*mean),
        deviation = channels(*deviation),
    );
    source += HELPERS;
    source += "\n\nclass Network(nn.Module):\n    def __init__(self, num_classes=CLASSES):\n        super().__init__()\n";
    if tree.fixed_classes.is_some() {
        source += "        if num_classes != CLASSES:\n";
        source +=
            "            raise ValueError(f\"the structure fixes {CLASSES} classes, not {num_classes}\")\n";
    }
    source += "        self.num_classes = num_classes\n";
    source += "        # What timm asks for.\n";
    source += "        self.pretrained_cfg = self.default_cfg = {\n";
    source += "            \"architecture\": NAME,\n";
    source += "            \"num_classes\": num_classes,\n";
    source += "            \"input_size\": (3, RESOLUTION, RESOLUTION),\n";
    source +=
        "            \"mean\": MEAN,\n            \"std\": DEVIATION,\n            \"crop_pct\": CROP,\n";
    source += "            \"interpolation\": \"bilinear\",\n        }\n";
    source += "        self.layers = nn.Sequential(\n";
    let mut lines = Vec::new();
    write_children(&tree.children, "", &mut lines);
    for line in lines {
        let _ = writeln!(source, "            {line}");
    }
    source += "        )\n\n    def forward(self, images):\n        return self.layers(images)\n\n\n";
    source += LOADER;
    source += "\n\n";
    source += TRAINING;
    Ok(source)
}

fn write_children(children: &[Child], indent: &str, lines: &mut Vec<String>) {
    let deeper = format!("{indent}        ");
    for child in children {
        match child {
            Child::Comment(text) => lines.push(format!("{indent}# {text}")),
            Child::Module { source, .. } => lines.push(format!("{indent}{source}")),
            Child::SqueezeExcite { channels, hidden } => {
                lines.push(format!("{indent}SqueezeExcite({channels}, {hidden}),"));
            }
            Child::Residual { body, projection } => {
                lines.push(format!("{indent}Residual("));
                write_sequential(body, indent, &deeper, lines);
                if let Some(shortcut) = projection {
                    let (in_c, out_c) = (shortcut.in_c, shortcut.out_c);
                    let strided = stride_argument(shortcut.stride);
                    lines.push(format!(
                        "{indent}    nn.Sequential(conv({in_c}, {out_c}, 1{strided}, bias=True), norm({out_c})),"
                    ));
                }
                lines.push(format!("{indent}),"));
            }
            Child::Branches { join, branches } => {
                lines.push(format!("{indent}Branches("));
                lines.push(format!("{indent}    \"{join}\","));
                for branch in branches {
                    write_sequential(branch, indent, &deeper, lines);
                }
                lines.push(format!("{indent}),"));
            }
        }
    }
}

fn write_sequential(children: &[Child], indent: &str, deeper: &str, lines: &mut Vec<String>) {
    lines.push(format!("{indent}    nn.Sequential("));
    write_children(children, deeper, lines);
    lines.push(format!("{indent}    ),"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_core::plainnet::{notation, published};

    fn facts() -> Facts {
        Facts { name: identifier("net-1"), mean: [0.5; 3], deviation: [0.25; 3], kept: 0.875 }
    }

    #[test]
    fn a_file_names_every_block_and_closes_every_bracket() {
        let model = published::by_name("zennet_imagenet1k_flops400M_SE_res224").unwrap();
        let source = module(&model, &facts()).unwrap();
        for block in &model.network.blocks {
            assert!(source.contains(&format!("# {block}\n")), "{block}");
        }
        assert_eq!(source.matches('(').count(), source.matches(')').count());
        assert!(source.contains("SqueezeExcite(") && source.contains("nn.Linear("));
        assert!(source.contains("NAME = \"edgezen_net_1\"") && source.contains("MEAN = (0.5, 0.5, 0.5)"));
    }

    #[test]
    fn names_cannot_end_the_docstring_and_maps_do_not_follow_a_flattening() {
        let network = notation::parse("ConvKX(3,8,3,2)BN(8)").unwrap();
        let name = Some("a\"\"\"\nimport os\\".to_owned());
        let model = Model { name, network, resolution: 8, classes: 2, se: false };
        let source = module(&model, &facts()).unwrap();
        let docstring = source.split("\"\"\"").nth(1).unwrap();
        assert!(docstring.contains("import os") && docstring.contains("Written by edgezen"));
        let network = notation::parse("ConvKX(3,8,3,2)Flatten(8)ConvKX(128,8,1,1)").unwrap();
        let model = Model { name: None, network, resolution: 8, classes: 2, se: false };
        let error = module(&model, &facts());
        assert!(matches!(error, Err(PytorchError::AfterFlatten(_))), "{error:?}");
    }
}
