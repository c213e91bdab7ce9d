//! The `NET` argument: a structure string, a file whose first line is one, an `.onnx` file, or the name
//! of a published network.

use super::failure::Failure;
use edgezen_core::plainnet::{Block, Model, Network, notation, published};
use edgezen_engine::onnx::Size;
use std::path::Path;

/// How to run a structure whose resolution, classes and SE are not part of its name.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct NetOptions {
    /// Side of the square input image [default: the network's own, else 224; 32 for CIFAR networks]. Of
    /// .onnx files that leave it open, also height and width, as 320x480
    #[arg(long, value_name = "R")]
    pub resolution: Option<Size>,
    /// Classes of the classifier [default: the network's own, else 1000]
    #[arg(long, value_name = "K")]
    pub classes: Option<u32>,
    /// Squeeze-excite in the residual super blocks [default: as published]
    #[arg(long)]
    pub se: bool,
}

impl NetOptions {
    /// The side that is asked for, of a square image.
    pub fn side(&self) -> Result<Option<u32>, Failure> {
        let Some(size) = self.resolution else { return Ok(None) };
        let side = u32::try_from(size.h).ok().filter(|_| size.h == size.w);
        let message = || format!("--resolution {size}: only .onnx files may have other than square images");
        side.map(Some).ok_or_else(|| Failure::usage(message()))
    }
}

/// Reads a NET argument that must be a PlainNet.
pub fn model(net: &str, options: NetOptions) -> Result<Model, Failure> {
    let mut model = match published::by_name(net) {
        Some(model) => model,
        None => unnamed(net)?,
    };
    if let Some(resolution) = options.side()? {
        model.resolution = resolution;
    }
    if let Some(classes) = options.classes {
        if classes == 0 {
            return Err(Failure::usage("--classes must be at least 1"));
        }
        model.classes = classes;
    }
    model.se |= options.se;
    model.validate()?;
    Ok(model)
}

/// Reads a NET argument as a structure alone.
pub fn structure(net: &str) -> Result<Network, Failure> {
    match published::by_name(net) {
        Some(model) => Ok(model.network),
        None => read(net).map(|(_, network)| network),
    }
}

/// Whether the argument means an ONNX file.
pub fn is_onnx(net: &str) -> bool {
    Path::new(net).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx"))
}

/// A structure string or the first line of a file, with the file's name.
fn read(net: &str) -> Result<(Option<String>, Network), Failure> {
    let path = Path::new(net);
    if net.contains('(') {
        return Ok((None, notation::parse(net)?));
    }
    if !path.exists() {
        let known: Vec<_> = published::names().collect();
        let message = format!("unknown network {net:?}: not a published name, a file, or a structure string");
        return Err(Failure::usage(message).remedy(format!("known names: {}", known.join(", "))));
    }
    let text = std::fs::read(path).map_err(|e| Failure::io(path, &e))?;
    let text = String::from_utf8(text).map_err(|_| Failure::bad_file(path, "is not a text file"))?;
    let network = notation::parse(notation::first_line(&text))
        .map_err(|e| Failure::bad_file(path, format!("line 1: {e}")))?;
    Ok((path.file_stem().map(|stem| stem.to_string_lossy().into_owned()), network))
}

fn unnamed(net: &str) -> Result<Model, Failure> {
    let (name, network) = read(net)?;
    // Without a name the stem tells: CIFAR networks begin at stride 1.
    let small = matches!(
        network.blocks.first(),
        Some(Block::Super(block)) if block.stride == 1
    );
    let (resolution, classes) = if small { (32, 10) } else { (224, 1000) };
    Ok(Model { name, network, resolution, classes, se: false })
}
