//! The networks that a text stands for: a structure string, a file that begins with one, an ONNX or TensorFlow Lite
//! file, the folder of a run, a published name, a name of the zoo in its own spelling or that of torchvision, or a code of another search space.
//!
//! Every command that takes a network asks here, so that all of them know the same names.

mod error;
mod file;
mod measured;
pub mod names;

pub use error::NetworkError;
pub use measured::NotMeasurable;
pub use names::NamedNetwork;

use edgezen_core::plainnet::graph_cost::{self, GraphCost};
use edgezen_core::plainnet::lowering::Lowering;
use edgezen_core::plainnet::sections::{self, Section};
use edgezen_core::plainnet::{Graph, Model, Network, Shape, ShapeError, notation, published};
use edgezen_core::zoo::Encoded;
use edgezen_engine::imported::{Imported, Size};
use edgezen_engine::onnx::{self, OnnxError};
use edgezen_engine::tflite::{self, TfliteError};
use std::fmt;
use std::path::Path;

/// What replaces a network's own resolution and classes, and whether squeeze-excite is added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Sides of the input image, which is square but for ONNX and TensorFlow Lite files; absent: the network's own, else 224, or 32 for
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
    /// Other images: only files of other programs may have them.
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
    Onnx(String, Box<Imported>),
    /// From a TensorFlow Lite file, with the text that named it.
    Tflite(String, Box<Imported>),
}

/// Of what kind a network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It has a structure string.
    Structure,
    /// A network of the zoo: a graph with a name.
    Zoo,
    /// A code of another search space.
    Code,
    /// An ONNX file.
    Onnx,
    /// A TensorFlow Lite file.
    Tflite,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Structure => "a structure",
            Kind::Zoo => "a network of the zoo",
            Kind::Code => "a code of another search space",
            Kind::Onnx => "an ONNX file",
            Kind::Tflite => "a TensorFlow Lite file",
        })
    }
}

/// The network called `net`, of any kind. These are tried one after the other: a structure string, the ending of a file
/// (`.onnx`, `.tflite`), a code, a published name, a name of the zoo, the folder of a run, a file with a structure.
///
/// # Errors
/// A text that stands for no network, and files that are unreadable or damaged.
pub fn any(net: &str, overrides: Overrides) -> Result<AnyNetwork, NetworkError> {
    let net = net.trim();
    // Structures are asked about by the thousand. A text with a parenthesis that is none may be a file.
    if net.ends_with(')')
        && let Ok(network) = notation::parse_spaced(net)
    {
        return Ok(AnyNetwork::PlainNet(overrides.applied(Model::with_usual_input(None, network))?));
    }
    let kind = file_kind(net);
    if kind == Some(Kind::Onnx) {
        overrides.without_effect(net, Kind::Onnx)?;
        return Ok(AnyNetwork::Onnx(
            net.to_owned(),
            Box::new(read_onnx(Path::new(net), overrides.resolution)?),
        ));
    }
    if kind == Some(Kind::Tflite) {
        overrides.without_effect(net, Kind::Tflite)?;
        let imported = read_tflite(Path::new(net), overrides.resolution)?;
        return Ok(AnyNetwork::Tflite(net.to_owned(), Box::new(imported)));
    }
    if let Some(encoded) = encoded(net, overrides)? {
        return Ok(AnyNetwork::Encoded(net.to_owned(), encoded));
    }
    Ok(AnyNetwork::PlainNet(overrides.applied(plain(net)?)?))
}

/// The PlainNet called `net`, checked. `need` says what needs its structure string: `a score needs`.
///
/// # Errors
/// A text that stands for no PlainNet, a file that is unreadable or damaged, a resolution too small for the structure.
pub fn model(net: &str, overrides: Overrides, need: &'static str) -> Result<Model, NetworkError> {
    if let Some(kind) = file_kind(net) {
        return Err(NetworkError::NoStructure { net: net.to_owned(), kind, need });
    }
    any(net, overrides)?.into_model(need)
}

/// The structure called `net` alone, without checking it for a resolution.
///
/// # Errors
/// As [`model`].
pub fn structure(net: &str, need: &'static str) -> Result<Network, NetworkError> {
    let net = net.trim();
    if file_kind(net).is_some() || encoded(net, Overrides::default())?.is_some() {
        return Ok(model(net, Overrides::default(), need)?.network);
    }
    plain(net).map(|model| model.network)
}

/// The network of another search space with the code `net`, or the one of the zoo with this name. `None` for names
/// that are published, and for texts that are neither.
///
/// # Errors
/// A code of a known search space that is not well-formed; options that have no effect on it.
pub fn encoded(net: &str, overrides: Overrides) -> Result<Option<Encoded>, NetworkError> {
    if Encoded::is_code(net) {
        let encoded = net.parse::<Encoded>().map_err(|error| names::no_code(net, error))?;
        overrides.without_effect(net, Kind::Code)?;
        if overrides.resolution.is_some() {
            let option = "--resolution";
            return Err(NetworkError::NoEffect { net: net.to_owned(), kind: Kind::Code, option });
        }
        return Ok(Some(encoded));
    }
    if published::by_name(net).is_some() {
        return Ok(None);
    }
    let Some(named) = names::zoo(net, overrides.side()?) else { return Ok(None) };
    overrides.without_effect(net, Kind::Zoo)?;
    named.map(Some)
}

/// The kind of file with a network of another program that the text means, by its ending.
pub fn file_kind(net: &str) -> Option<Kind> {
    let extension = Path::new(net.trim()).extension()?;
    let kinds = [("onnx", Kind::Onnx), ("tflite", Kind::Tflite)];
    kinds.into_iter().find(|(ending, _)| extension.eq_ignore_ascii_case(ending)).map(|(_, kind)| kind)
}

/// Whether the text means an ONNX file.
pub fn is_onnx(net: &str) -> bool {
    file_kind(net) == Some(Kind::Onnx)
}

/// What results of several networks are called: their names, and the texts that were given for them where two have one
/// name. Each item is a text and the name of the network that it stands for.
pub fn labels(networks: &[(&str, String)]) -> Vec<String> {
    let same = |name: &str| networks.iter().filter(|(_, other)| other == name).count() > 1;
    networks.iter().map(|(text, name)| if same(name) { (*text).to_owned() } else { name.clone() }).collect()
}

impl Overrides {
    /// The model with these options.
    fn applied(self, mut model: Model) -> Result<Model, NetworkError> {
        if let Some(resolution) = self.side()? {
            model.resolution = resolution;
        }
        match self.classes {
            Some(0) => return Err(NetworkError::NoClasses),
            Some(classes) => model.classes = classes,
            None => {}
        }
        model.se |= self.se;
        model.validate()?;
        Ok(model)
    }

    /// Refuses the options that only structures take.
    fn without_effect(self, net: &str, kind: Kind) -> Result<(), NetworkError> {
        let option = match (self.classes, self.se) {
            (Some(_), _) => "--classes",
            (_, true) => "--se",
            _ => return Ok(()),
        };
        Err(NetworkError::NoEffect { net: net.to_owned(), kind, option })
    }
}

impl AnyNetwork {
    /// The name under which results are reported.
    pub fn name(&self) -> String {
        match self {
            AnyNetwork::PlainNet(model) => name(model),
            AnyNetwork::Encoded(text, _) | AnyNetwork::Onnx(text, _) | AnyNetwork::Tflite(text, _) => {
                text.clone()
            }
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
            AnyNetwork::Onnx(_, imported) | AnyNetwork::Tflite(_, imported) => {
                sections::of_graph(&imported.graph, lowering)
            }
        })
    }

    /// Of what kind it is.
    pub fn kind(&self) -> Kind {
        match self {
            AnyNetwork::PlainNet(_) => Kind::Structure,
            AnyNetwork::Encoded(_, Encoded::Named(_)) => Kind::Zoo,
            AnyNetwork::Encoded(..) => Kind::Code,
            AnyNetwork::Onnx(..) => Kind::Onnx,
            AnyNetwork::Tflite(..) => Kind::Tflite,
        }
    }

    /// The PlainNet; `need` says what needs its structure string: `a score needs`.
    ///
    /// # Errors
    /// The other kinds, which have none.
    pub fn into_model(self, need: &'static str) -> Result<Model, NetworkError> {
        let kind = self.kind();
        match self {
            AnyNetwork::PlainNet(model) => Ok(model),
            AnyNetwork::Encoded(net, _) | AnyNetwork::Onnx(net, _) | AnyNetwork::Tflite(net, _) => {
                Err(NetworkError::NoStructure { net, kind, need })
            }
        }
    }

    /// The graphs of its parts, which run one after the other: one, but for codes of other search spaces.
    ///
    /// # Errors
    /// A structure that does not fit its resolution.
    pub fn graphs(&self) -> Result<Vec<Graph>, ShapeError> {
        Ok(match self {
            AnyNetwork::PlainNet(model) => vec![model.graph()?],
            AnyNetwork::Encoded(_, encoded) => encoded.parts().into_iter().map(|part| part.graph).collect(),
            AnyNetwork::Onnx(_, imported) | AnyNetwork::Tflite(_, imported) => vec![imported.graph.clone()],
        })
    }

    /// What it costs by its graph.
    ///
    /// # Errors
    /// As [`AnyNetwork::graphs`].
    pub fn cost(&self) -> Result<GraphCost, ShapeError> {
        Ok(self.graphs()?.iter().map(graph_cost::of).fold(GraphCost::default(), GraphCost::and))
    }

    /// The shape of its image.
    ///
    /// # Errors
    /// As [`AnyNetwork::graphs`].
    pub fn input(&self) -> Result<Shape, ShapeError> {
        self.graphs()?.first().map(Graph::input).ok_or(ShapeError::Empty)
    }

    /// The file that the network was read from; nothing for the other kinds.
    pub fn imported(&self) -> Option<&Imported> {
        match self {
            AnyNetwork::Onnx(_, imported) | AnyNetwork::Tflite(_, imported) => Some(imported),
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

fn read_tflite(path: &Path, size: Option<Size>) -> Result<Imported, NetworkError> {
    tflite::read_at(path, size).map_err(|error| match error {
        TfliteError::Io(error) => NetworkError::Io { path: path.to_owned(), error },
        TfliteError::Resolution(reason) => NetworkError::Resolution { path: path.to_owned(), reason },
        other => NetworkError::Damaged { path: path.to_owned(), reason: other.to_string() },
    })
}

/// The PlainNet that is published under this name, in a structure string, in a file or in the folder of a run.
fn plain(net: &str) -> Result<Model, NetworkError> {
    if let Some(model) = published::by_name(net) {
        return Ok(model);
    }
    let path = Path::new(net);
    if net.contains('(') {
        return match notation::parse_spaced(net) {
            Ok(network) => Ok(Model::with_usual_input(None, network)),
            // The name of a file may have parentheses.
            Err(_) if path.is_file() => of_file(path),
            Err(error) => Err(error.into()),
        };
    }
    if path.is_dir() {
        return file::best_of_run(path);
    }
    if path.exists() {
        return of_file(path);
    }
    let is_path = net.contains(['/', '\\']) || path.extension().is_some_and(|ending| ending == "txt");
    if is_path {
        let error = std::io::ErrorKind::NotFound.into();
        return Err(NetworkError::Io { path: path.to_owned(), error });
    }
    Err(names::unknown(net))
}

fn of_file(path: &Path) -> Result<Model, NetworkError> {
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    Ok(Model::with_usual_input(name, file::structure(path)?))
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
        let seven = Overrides { classes: Some(7), ..Overrides::default() };
        let found = model(path.to_str().unwrap(), seven, "a test needs").unwrap();
        assert_eq!((found.name.as_deref(), found.resolution, found.classes), (Some("mine"), 224, 7));

        std::fs::write(&path, "SuperConvK3BNRELU(3,8,2,1)Oops(1)\n").unwrap();
        assert!(matches!(any(path.to_str().unwrap()), Err(NetworkError::Damaged { .. })));
        assert!(matches!(any("no_such_net"), Err(NetworkError::Unknown { near, .. }) if near.is_empty()));
        assert!(matches!(any("absent.onnx"), Err(NetworkError::Io { .. })));
        assert!(any("SuperConvK3BNRELU(3,8").is_err());
        assert!(matches!(any("a/b"), Err(NetworkError::Io { .. })));
        assert!(matches!(any("net.tflite"), Err(NetworkError::Io { .. })));
        assert!(matches!(any(dir.path().to_str().unwrap()), Err(NetworkError::Folder { .. })));
    }

    #[test]
    fn structures_may_be_broken_over_lines() {
        let spaced = " SuperConvK3BNRELU( 3,8, 1,1 )\n  SuperResK3K3(8,16,1,8,1)\n";
        let found = any(spaced, Overrides::default()).unwrap();
        assert_eq!(found.name(), "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,1,8,1)");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        for (text, blocks) in [
            (spaced, 2),
            ("\nConvKX(3,8,3,1)\nBN(8)\nRELU(8)\n\nNotes: (none)\n", 3),
            // One network a line: the first.
            ("ConvKX(3,8,3,1)BN(8)\nConvKX(3,4,3,1)BN(4)\n", 2),
            ("ResBlock(3,1,\nConvKX(3,3,3,1)\nBN(3))", 1),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(file::structure(&path).unwrap().blocks.len(), blocks, "{text}");
        }
    }

    #[test]
    fn spellings_of_torchvision_stand_for_networks_of_the_zoo() {
        for (spelling, own) in [
            ("mobilenet_v3_large", "mobilenet_v3_large_1.0"),
            ("shufflenet_v2_x1_0", "shufflenet_v2_1.0"),
            ("mnasnet0_75", "mnasnet_0.75"),
            ("vgg16_bn", "vgg16"),
        ] {
            let cost = |net: &str| any(net, Overrides::default()).unwrap().cost().unwrap();
            assert_eq!(cost(spelling), cost(own), "{spelling}");
        }
        let b3 = any("efficientnet_b3", Overrides::default()).unwrap();
        assert_eq!((b3.kind(), b3.input().unwrap().h), (Kind::Zoo, 300));
        let near = |text: &str| match any(text, Overrides::default()) {
            Err(NetworkError::Unknown { near, .. }) => near,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(near("resnet-50")[0], "resnet50");
        assert_eq!(near("MobileNet_v3_larg")[0], "mobilenet_v3_large");
        assert_eq!(near("toaster"), Vec::<String>::new());
    }

    #[test]
    fn options_without_effect_are_refused() {
        let classes = Overrides { classes: Some(10), ..Overrides::default() };
        let side = Overrides { resolution: "160".parse().ok(), ..Overrides::default() };
        assert!(matches!(any("efficientnet_b0", classes), Err(NetworkError::NoEffect { .. })));
        assert!(matches!(any("zoo:mobilenet_v1_0.25@224", side), Err(NetworkError::NoEffect { .. })));
        assert_eq!(any("efficientnet_b0", side).unwrap().input().unwrap().h, 160);
        assert!(matches!(
            model("efficientnet_b0", Overrides::default(), "a test needs"),
            Err(NetworkError::NoStructure { kind: Kind::Zoo, .. })
        ));
    }

    #[test]
    fn networks_of_one_name_are_told_apart_by_what_was_typed() {
        let given =
            [("a/best.txt", "best".to_owned()), ("b/best.txt", "best".to_owned()), ("x", "y".to_owned())];
        assert_eq!(labels(&given), ["a/best.txt", "b/best.txt", "y"]);
    }

    #[test]
    fn all_names_have_costs() {
        let all = names::all().unwrap();
        assert!(all.len() > 80, "{}", all.len());
        let find = |name: &str| all.iter().find(|known| known.name == name).unwrap();
        assert!(find("resnet50").structure && !find("efficientnet_b0").structure);
        assert_eq!(find("zennet_cifar10_model_size1M_res32").resolution, 32);
        assert!((find("efficientnet_b0").params as f64 / 5.29e6 - 1.0).abs() < 0.01);
        assert_eq!(names::one("mobilenet_v3_large").unwrap(), *find("mobilenet_v3_large_1.0"));
        assert!(names::one("mobilenet_v1_0.6").unwrap().macs > 1_000_000);
        assert!(names::one("SuperConvK3BNRELU(3,8,1,1)").is_err());
    }
}
