//! The `NET` argument and its options. What a text stands for is decided in [`edgezen_lab::catalogue::networks`].

use super::failure::{Exit, Failure};
use edgezen_core::plainnet::{Model, Network};
use edgezen_core::zoo::Encoded;
use edgezen_engine::onnx::Size;
use edgezen_lab::accuracy::trained;
use edgezen_lab::catalogue::networks::{self, AnyNetwork, Kind, NetworkError, Overrides};
use edgezen_lab::spelling;
use std::path::Path;

pub use edgezen_lab::catalogue::networks::is_onnx;

/// What a NET argument may be, for the help of the commands.
pub const NET: &str = "Names (edgezen networks lists them), structure strings, files that begin with one, .onnx and .tflite \
    files, run folders, or codes of other search spaces";

/// How to run a structure whose resolution, classes and SE are not part of its name.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct NetOptions {
    /// Side of the square input image [default: the network's own, else 224; 32 for CIFAR networks]. Of
    /// .onnx files that leave them open, also height and width, as 320x480
    #[arg(long, value_name = "R")]
    pub resolution: Option<Size>,
    /// Classes of the classifier [default: the network's own, else 1000]
    #[arg(long, value_name = "K")]
    pub classes: Option<u32>,
    /// Squeeze-excite in the residual super blocks [default: as published]
    #[arg(long)]
    pub se: bool,
}

impl From<NetOptions> for Overrides {
    fn from(NetOptions { resolution, classes, se }: NetOptions) -> Overrides {
        Overrides { resolution, classes, se }
    }
}

/// Reads the side of a square image, as `224` or `224x224`.
pub fn square_side(text: &str) -> Result<u32, String> {
    let size: Size = text.parse()?;
    let side = u32::try_from(size.h).ok().filter(|side| size.h == size.w && (1..=4096).contains(side));
    side.ok_or_else(|| format!("{text:?} is no square image of a side from 1 to 4096"))
}

/// Reads a NET argument of any kind.
pub fn any(net: &str, options: NetOptions) -> Result<AnyNetwork, Failure> {
    Ok(networks::any(net, options.into())?)
}

/// Whether the argument names a file that a runtime runs as it is.
pub fn is_network_file(net: &str) -> bool {
    let ending = std::path::Path::new(net).extension();
    is_onnx(net) || ending.is_some_and(|ending| ending.eq_ignore_ascii_case("tflite"))
}

/// Reads a NET argument that must have a structure string; `need` says what needs it: `a score needs`.
pub fn model(net: &str, options: NetOptions, need: &'static str) -> Result<Model, Failure> {
    Ok(networks::model(net, options.into(), need)?)
}

/// Reads a NET argument as what a zero-shot score looks at, with its name: a PlainNet, or the chain of convolutions of a
/// network of another search space.
pub fn scored(net: &str, options: impl Into<Overrides>) -> Result<(String, Model), Failure> {
    let overrides = options.into();
    if !Encoded::is_code(net.trim()) {
        let model = networks::model(net, overrides, "a score needs")?;
        return Ok((networks::name(&model), model));
    }
    let network = networks::any(net, overrides)?;
    let chain = trained::chain(&network).map_err(|error| Failure::usage(error.to_string()))?;
    Ok((network.name(), chain.vanilla()))
}

/// Reads a NET argument as the structure that a search starts from.
pub fn structure(net: &str) -> Result<Network, Failure> {
    Ok(networks::structure(net, "a search starts from")?)
}

impl From<NetworkError> for Failure {
    fn from(error: NetworkError) -> Failure {
        let message = error.to_string();
        let structures =
            "edgezen networks shows which names have structures; predict, info and measure take all kinds";
        match error {
            NetworkError::Unknown { near, .. } => Failure::usage(message).remedy(unknown(&near)),
            NetworkError::Structure(error) => error.into(),
            NetworkError::Shape(error) => error.into(),
            NetworkError::NoEffect { option, .. } => {
                Failure::usage(message).remedy(format!("leave out {option}"))
            }
            NetworkError::NoStructure { .. } => Failure::usage(message).remedy(structures),
            NetworkError::Folder { .. } => Failure::usage(message)
                .remedy("give the folder of a run, as runs/pixel2-80ms-seed0, or a file"),
            NetworkError::Unfinished { path } => {
                Failure::usage(message).remedy(format!("edgezen search --resume --out {}", path.display()))
            }
            NetworkError::Run(error) => error.into(),
            NetworkError::Code { space, near, .. } => {
                let question =
                    spelling::question(&near).map(|question| format!("{question} ")).unwrap_or_default();
                let like = space.map(|space| format!("a code of this search space is {}; ", space.example()));
                let like = like.unwrap_or_default();
                Failure::usage(message).remedy(format!("{question}{like}edgezen networks lists all names"))
            }
            NetworkError::NoClasses | NetworkError::NotSquare(_) | NetworkError::Resolution { .. } => {
                Failure::usage(message)
            }
            NetworkError::Shapes { .. } => Failure::new(Exit::OutsideDomain, message),
            NetworkError::Io { path, error } => Failure::io(&path, &error),
            NetworkError::Damaged { path, reason } => {
                let remedy = damaged(&path);
                Failure::bad_file(&path, reason).remedy(remedy)
            }
        }
    }
}

/// What to do about a file that holds no network.
pub fn damaged(path: &Path) -> String {
    match networks::file_kind(&path.to_string_lossy()) {
        Some(Kind::Onnx) => "fetch the file again, or write it anew: torch.onnx.export, or edgezen export NET -o FILE.onnx".into(),
        Some(Kind::Tflite) => {
            "fetch the file again, or write it anew: the converter of TensorFlow Lite, or edgezen export NET -o FILE.tflite".into()
        }
        _ => "the first line of a file of a network is its structure string (edgezen networks show NAME prints one); the endings \
              .onnx and .tflite say that it is a file of another program"
            .into(),
    }
}

/// What to do about a name that stands for nothing.
fn unknown(near: &[String]) -> String {
    let question = spelling::question(near).map(|question| format!("{question} ")).unwrap_or_default();
    format!(
        "{question}edgezen networks lists all names; torch.onnx.export writes any other network as an .onnx file"
    )
}
