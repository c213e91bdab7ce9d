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
}

impl Listed {
    /// The network that `text` names; `None` where the name is not known. Names mean what published tables mean by them.
    ///
    /// # Errors
    /// Codes and structures that make no sense.
    pub fn named(text: &str, beside: Beside) -> Result<Option<Listed>, ListedError> {
        if Encoded::is_code(text) {
            return Ok(Some(Listed::Encoded(text.parse()?)));
        }
        let side = beside.resolution.unwrap_or(224);
        let of_zoo = names::network(text).and_then(|name| Named::new(&name, side).ok());
        let model = match (of_zoo, published::by_name(text)) {
            (Some(named), _) => return Ok(Some(Listed::Encoded(Encoded::Named(named)))),
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
        let plain = named(structure).unwrap().unwrap();
        assert_ne!(Listed::PlainNet(model).key(), plain.key());
        assert_eq!(plain.subject(2).batch(), Some(2));
    }
}
