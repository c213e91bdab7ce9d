//! A network as a table names it: by a name, a code of a search space, or a structure string.

use crate::dataset::names;
use edgezen_core::measurement::Subject;
use edgezen_core::plainnet::{Model, ShapeError, notation, published};
use edgezen_core::zoo::{CodeError, Encoded, Named};
use std::fmt;

/// A network of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// Of another search space, or of the zoo.
    Encoded(Encoded),
    PlainNet(Model),
}

/// What a row says beside the name; what is absent is as published, or usual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    pub resolution: Option<u32>,
    pub classes: Option<u32>,
    pub se: Option<bool>,
}

/// Why a cell names no network, though it looks like a code or a structure.
#[derive(Debug, thiserror::Error)]
pub enum ListedError {
    #[error("{0}")]
    Code(#[from] CodeError),
    #[error("{0}")]
    Structure(#[from] notation::ParseError),
    #[error("{0}")]
    Shape(#[from] ShapeError),
    /// Something beside the name of a network of the zoo, which is as it was published.
    #[error("{what} has no effect on {name}, a network of the zoo with {CLASSES} classes")]
    NoEffect { name: String, what: &'static str },
}

/// The classes of every network of the zoo.
const CLASSES: u32 = 1000;

impl Beside {
    /// What a network of the zoo cannot be told.
    fn unlike_the_zoo(self) -> Option<&'static str> {
        let classes =
            self.classes.is_some_and(|classes| classes != CLASSES).then_some("another number of classes");
        classes.or(self.se.is_some_and(|se| se).then_some("squeeze-excite"))
    }
}

impl Listed {
    /// The network that `text` names; `None` where the name is not known. Names mean what published tables mean by them. A name that
    /// the zoo and the published structures have in common is one network: that of the zoo, unless the row says of it what only a
    /// structure can be told.
    ///
    /// # Errors
    /// Codes and structures that make no sense; what has no effect on a network of the zoo.
    pub fn named(text: &str, beside: Beside) -> Result<Option<Listed>, ListedError> {
        if Encoded::is_code(text) {
            return Ok(Some(Listed::Encoded(text.parse()?)));
        }
        let side = beside.resolution.unwrap_or(224);
        let of_zoo = names::network(text).and_then(|name| Named::new(&name, side).ok());
        let model = match (of_zoo, published::by_name(text)) {
            (Some(named), published) => match (beside.unlike_the_zoo(), published) {
                (None, _) => return Ok(Some(Listed::Encoded(Encoded::Named(named)))),
                (Some(_), Some(model)) => model,
                (Some(what), None) => return Err(ListedError::NoEffect { name: text.to_owned(), what }),
            },
            (None, Some(model)) => model,
            (None, None) if text.contains('(') => match notation::parse_spaced(text) {
                Ok(network) => Model::with_usual_input(None, network),
                // Not even the beginning is a block: a name with parentheses.
                Err(error) if error.position == 0 => return Ok(None),
                Err(error) => return Err(error.into()),
            },
            (None, None) => return Ok(None),
        };
        let model = Model {
            resolution: beside.resolution.unwrap_or(model.resolution),
            classes: beside.classes.unwrap_or(model.classes),
            se: beside.se.unwrap_or(model.se),
            ..model
        };
        model.validate()?;
        Ok(Some(Listed::PlainNet(model)))
    }

    /// What is measured of it, `batch` images at a time.
    pub fn subject(&self, batch: u32) -> Subject {
        match self {
            Listed::Encoded(code) => Subject::encoded(code.clone(), batch),
            Listed::PlainNet(model) => Subject::network(model, batch),
        }
    }

    /// A text that differs for different networks.
    pub fn key(&self) -> String {
        match self {
            Listed::Encoded(code) => code.to_string(),
            Listed::PlainNet(Model { network, resolution, classes, se, .. }) => {
                format!("{network} @{resolution}, {classes} classes, se {se}")
            }
        }
    }
}

/// The code, the published name, or the structure string.
impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listed::Encoded(code) => code.fmt(f),
            Listed::PlainNet(Model { name: Some(name), .. }) => f.write_str(name),
            Listed::PlainNet(model) => model.network.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_core::plainnet::lowering::Lowering;

    #[test]
    fn names_codes_and_structures_are_networks() {
        let structure = "SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,1,8,1)";
        let named = |text: &str| Listed::named(text, Beside::default());
        for text in ["zoo:mobilenet_v3_large_1.0@224", "zennet_imagenet1k_latency01ms_res224", structure] {
            assert_eq!(named(text).unwrap().unwrap().to_string(), text);
        }
        assert!(matches!(named("MobileNetV2").unwrap(), Some(Listed::Encoded(_))));
        assert!(named("mine.onnx").unwrap().is_none() && named("runs/a").unwrap().is_none());
        for name in ["hailo fast_depth (depth_estimation)", "ResNet50(pruned)", "(none)"] {
            assert!(named(name).unwrap().is_none(), "{name}");
        }
        assert!(named("SuperConvK3BNRELU(3,8").is_err() && named("zoo:nothing@1").is_err());
        let beside = Beside { resolution: Some(64), classes: Some(7), se: Some(true) };
        let Some(Listed::PlainNet(model)) = Listed::named(structure, beside).unwrap() else { panic!() };
        assert_eq!((model.resolution, model.classes, model.se), (64, 7, true));
        // One name is one network, by whichever way it comes.
        for name in ["resnet18", "resnet50"] {
            let by = |classes| Listed::named(name, Beside { classes, ..Beside::default() }).unwrap().unwrap();
            let (Listed::Encoded(zoo), Listed::PlainNet(small)) = (by(None), by(Some(7))) else {
                panic!("{name}")
            };
            assert_eq!((by(Some(1000)), small.classes), (Listed::Encoded(zoo.clone()), 7));
            let published = published::by_name(name).unwrap().graph().unwrap();
            for lowering in Lowering::ALL {
                let parts = zoo.parts();
                let kernels: Vec<_> = parts.iter().flat_map(|part| lowering.kernels(&part.graph)).collect();
                assert_eq!(kernels, lowering.kernels(&published), "{name}");
            }
        }
        for beside in
            [Beside { classes: Some(7), ..Beside::default() }, Beside { se: Some(true), ..Beside::default() }]
        {
            let refused = Listed::named("MobileNetV2", beside).unwrap_err();
            assert!(matches!(refused, ListedError::NoEffect { .. }), "{refused}");
        }
        let plain = named(structure).unwrap().unwrap();
        assert_ne!(Listed::PlainNet(model).key(), plain.key());
        assert_eq!(plain.subject(2).batch(), Some(2));
    }
}
