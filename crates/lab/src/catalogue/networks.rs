//! The networks that a text stands for: a published name, a structure string, a file whose first line is one, an ONNX
//! file, a code of another search space, or a name of the zoo.

use crate::files;
use edgezen_core::files::FileError;
use edgezen_core::plainnet::kernel::Lowering;
use edgezen_core::plainnet::notation::ParseError;
use edgezen_core::plainnet::sections::{self, Section};
use edgezen_core::plainnet::{Block, Model, Network, ShapeError, notation, published};
use edgezen_core::zoo::{CodeError, Encoded, Named};
use edgezen_engine::onnx::{self, Imported, OnnxError, Size};
use std::path::{Path, PathBuf};

/// What replaces a network's own resolution and classes, and whether squeeze-excite is added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Sides of the input image, which is square but for ONNX files; absent: the network's own, else 224, or 32 for
    /// CIFAR networks.
    pub resolution: Option<Size>,
    /// Classes of the classifier; absent: the network's own, else 1000, or 10 for CIFAR networks.
    pub classes: Option<u32>,
    /// Squeeze-excite in the residual super blocks, in addition to the networks published with it.
    pub se: bool,
}

impl Overrides {
    /// The side of a square image.
    ///
    /// # Errors
    /// Other images: only ONNX files may have them.
    pub fn side(&self) -> Result<Option<u32>, NetworkError> {
        let Some(size) = self.resolution else { return Ok(None) };
        let side = u32::try_from(size.h).ok().filter(|_| size.h == size.w);
        side.map(Some).ok_or(NetworkError::NotSquare(size))
    }
}

/// A network of any of the kinds that can be named.
#[derive(Clone, Debug)]
pub enum AnyNetwork {
    PlainNet(Model),
    /// Of another search space, or of the zoo; with the text that named it.
    Encoded(String, Encoded),
    /// From an ONNX file, with the text that named it.
    Onnx(String, Imported),
}

/// Why a text stands for no network.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    #[error("unknown network {0:?}: not a published name, a file, or a structure string")]
    Unknown(String),
    #[error(transparent)]
    Structure(#[from] ParseError),
    #[error(transparent)]
    Shape(#[from] ShapeError),
    #[error("{0}")]
    Code(#[from] CodeError),
    #[error("--classes must be at least 1")]
    NoClasses,
    #[error("--resolution {0}: only .onnx files may have other than square images")]
    NotSquare(Size),
    /// A file that leaves height and width open, or fixes them to others than are asked for.
    #[error("{}: {reason}", path.display())]
    Resolution { path: PathBuf, reason: String },
    /// A file that is in order, and whose shapes depend on the image or on an operator that is not known.
    #[error("{}: {reason}", path.display())]
    Shapes { path: PathBuf, reason: String },
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: std::io::Error },
    #[error("{}: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
}

/// The network called `net`, of any kind.
///
/// # Errors
/// A text that stands for no network, and files that are unreadable or damaged.
pub fn any(net: &str, overrides: Overrides) -> Result<AnyNetwork, NetworkError> {
    if is_onnx(net) {
        return Ok(AnyNetwork::Onnx(net.to_owned(), read_onnx(Path::new(net), overrides.resolution)?));
    }
    if let Some(encoded) = encoded(net, overrides)? {
        return Ok(AnyNetwork::Encoded(net.to_owned(), encoded));
    }
    Ok(AnyNetwork::PlainNet(model(net, overrides)?))
}

/// The PlainNet called `net`, checked.
///
/// # Errors
/// A text that stands for no PlainNet, a file that is unreadable or damaged, a resolution too small for the structure.
pub fn model(net: &str, overrides: Overrides) -> Result<Model, NetworkError> {
    let mut model = match published::by_name(net) {
        Some(model) => model,
        None => with_usual_input(read(net)?),
    };
    if let Some(resolution) = overrides.side()? {
        model.resolution = resolution;
    }
    match overrides.classes {
        Some(0) => return Err(NetworkError::NoClasses),
        Some(classes) => model.classes = classes,
        None => {}
    }
    model.se |= overrides.se;
    model.validate()?;
    Ok(model)
}

/// The structure called `net` alone, without checking it for a resolution.
///
/// # Errors
/// A text that stands for no PlainNet, or a file that is unreadable or damaged.
pub fn structure(net: &str) -> Result<Network, NetworkError> {
    match published::by_name(net) {
        Some(model) => Ok(model.network),
        None => read(net).map(|(_, network)| network),
    }
}

/// The network of another search space with the code `net`, or the one of the zoo with this name. `None` for names
/// that are published, and for texts that are neither.
///
/// # Errors
/// A code of a known search space that is not well-formed.
pub fn encoded(net: &str, overrides: Overrides) -> Result<Option<Encoded>, NetworkError> {
    if Encoded::is_code(net) {
        return Ok(Some(net.parse::<Encoded>()?));
    }
    if published::by_name(net).is_some() {
        return Ok(None);
    }
    Ok(Named::new(net, overrides.side()?.unwrap_or(224)).ok().map(Encoded::Named))
}

/// Whether the text means an ONNX file.
pub fn is_onnx(net: &str) -> bool {
    Path::new(net).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx"))
}

impl AnyNetwork {
    /// The name under which results are reported.
    pub fn name(&self) -> String {
        match self {
            AnyNetwork::PlainNet(model) => name(model),
            AnyNetwork::Encoded(text, _) | AnyNetwork::Onnx(text, _) => text.clone(),
        }
    }

    /// Its kernels in sections, as `lowering` makes them of its graph.
    ///
    /// # Errors
    /// A structure that does not fit its resolution.
    pub fn sections(&self, lowering: Lowering) -> Result<Vec<Section>, ShapeError> {
        Ok(match self {
            AnyNetwork::PlainNet(model) => sections::of_model(model, &model.graph()?, lowering),
            AnyNetwork::Encoded(_, encoded) => {
                let parts = encoded.parts();
                parts.iter().flat_map(|part| sections::of_graph(&part.graph, lowering)).collect()
            }
            AnyNetwork::Onnx(_, imported) => sections::of_graph(&imported.graph, lowering),
        })
    }

    /// The file that the network was read from; nothing for the other kinds.
    pub fn imported(&self) -> Option<&Imported> {
        match self {
            AnyNetwork::Onnx(_, imported) => Some(imported),
            AnyNetwork::PlainNet(_) | AnyNetwork::Encoded(..) => None,
        }
    }
}

/// The name of a PlainNet in results: its own, else its structure string.
pub fn name(model: &Model) -> String {
    model.name.clone().unwrap_or_else(|| model.network.to_string())
}

fn read_onnx(path: &Path, size: Option<Size>) -> Result<Imported, NetworkError> {
    onnx::read_at(path, size).map_err(|error| match error {
        OnnxError::Io(error) => NetworkError::Io { path: path.to_owned(), error },
        OnnxError::Resolution(reason) => NetworkError::Resolution { path: path.to_owned(), reason },
        OnnxError::Unknown(_) => NetworkError::Shapes { path: path.to_owned(), reason: error.to_string() },
        other => NetworkError::Damaged { path: path.to_owned(), reason: other.to_string() },
    })
}

/// Larger files hold no structure.
const MOST_BYTES: u64 = 64 << 20;

/// A structure string, or the first line of a file with the file's name.
fn read(net: &str) -> Result<(Option<String>, Network), NetworkError> {
    let path = Path::new(net);
    if net.contains('(') {
        return Ok((None, notation::parse(net)?));
    }
    if !path.exists() {
        return Err(NetworkError::Unknown(net.to_owned()));
    }
    let damaged = |reason: String| NetworkError::Damaged { path: path.to_owned(), reason };
    let text = files::read_at_most(path, MOST_BYTES).map_err(|error| match error {
        FileError::Io { path, error } => NetworkError::Io { path, error },
        FileError::Damaged { path, reason } => NetworkError::Damaged { path, reason },
        other => damaged(other.to_string()),
    })?;
    let text = String::from_utf8(text).map_err(|_| damaged("is not a text file".into()))?;
    let network =
        notation::parse(notation::first_line(&text)).map_err(|e| damaged(format!("line 1: {e}")))?;
    Ok((path.file_stem().map(|stem| stem.to_string_lossy().into_owned()), network))
}

/// A structure with the input that it was most likely made for. The stem tells: networks for CIFAR images begin with
/// stride 1.
fn with_usual_input((name, network): (Option<String>, Network)) -> Model {
    let small = matches!(
        network.blocks.first(),
        Some(Block::Super(block)) if block.stride == 1
    );
    let (resolution, classes) = if small { (32, 10) } else { (224, 1000) };
    Model { name, network, resolution, classes, se: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_every_kind_stand_for_networks() {
        let any = |net: &str| super::any(net, Overrides::default());
        for (net, plain) in [
            ("resnet18", true),
            ("SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,1,8,1)", true),
            ("mobilenet_v1_0.25", false),
        ] {
            let found = any(net).unwrap();
            assert_eq!(matches!(found, AnyNetwork::PlainNet(_)), plain, "{net}");
            assert!(!found.sections(Lowering::Fused).unwrap().is_empty(), "{net}");
            assert_eq!(found.name(), net);
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mine.txt");
        std::fs::write(&path, "SuperConvK3BNRELU(3,8,2,1)\nanything\n").unwrap();
        let found =
            model(path.to_str().unwrap(), Overrides { classes: Some(7), ..Overrides::default() }).unwrap();
        assert_eq!((found.name.as_deref(), found.resolution, found.classes), (Some("mine"), 224, 7));

        std::fs::write(&path, "SuperConvK3BNRELU(3,8,2,1)Oops(1)\n").unwrap();
        assert!(matches!(any(path.to_str().unwrap()), Err(NetworkError::Damaged { .. })));
        assert!(matches!(any("no_such_net"), Err(NetworkError::Unknown(_))));
        assert!(matches!(any("absent.onnx"), Err(NetworkError::Io { .. })));
        assert!(any("SuperConvK3BNRELU(3,8").is_err());
    }
}
