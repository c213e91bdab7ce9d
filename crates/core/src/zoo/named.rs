//! Networks by their names, at any resolution.

use super::builder::Net;
use super::{
    CodeError, Part, classic, dfnet, dla, efficientnets, inception, inverted, mobile, modern, regnet, resnest,
};
use std::fmt;
use std::str::FromStr;

/// The only group: the whole network is one part, because its name does not say what its blocks are.
pub const GROUP: &str = "network";
const RESOLUTIONS: std::ops::RangeInclusive<u32> = 32..=1024;

/// Names for messages, and what knows the names.
type Family = (&'static [&'static str], fn(&str, u32) -> Option<Net>);
const FAMILIES: [Family; 10] = [
    (mobile::EXAMPLES, mobile::by_name),
    (inverted::EXAMPLES, inverted::by_name),
    (classic::EXAMPLES, classic::by_name),
    (regnet::EXAMPLES, regnet::by_name),
    (resnest::EXAMPLES, resnest::by_name),
    (dfnet::EXAMPLES, dfnet::by_name),
    (inception::EXAMPLES, inception::by_name),
    (dla::EXAMPLES, dla::by_name),
    (efficientnets::EXAMPLES, efficientnets::by_name),
    (modern::EXAMPLES, modern::by_name),
];

/// A network by its name, as `mobilenet_v1_0.25@160`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Named {
    name: String,
    resolution: u32,
}

impl Named {
    /// # Errors
    /// A name that is not known, or a resolution that makes no sense.
    pub fn new(name: &str, resolution: u32) -> Result<Named, CodeError> {
        if !RESOLUTIONS.contains(&resolution) {
            return Err(CodeError(format!("resolution {resolution} is not from 32 to 1024")));
        }
        let named = Named { name: name.to_owned(), resolution };
        match named.build() {
            Some(_) => Ok(named),
            None => Err(CodeError(format!(
                "unknown network {name:?}; known are those like {}",
                FAMILIES.map(|(examples, _)| examples).concat().join(", ")
            ))),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn resolution(&self) -> u32 {
        self.resolution
    }

    fn build(&self) -> Option<Net> {
        FAMILIES.iter().find_map(|(_, by_name)| by_name(&self.name, self.resolution))
    }

    pub(super) fn parts(&self) -> Vec<Part> {
        let net = self.build();
        net.into_iter().map(|net| Part::new(GROUP, net.graph)).collect()
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.resolution)
    }
}

impl FromStr for Named {
    type Err = CodeError;
    fn from_str(text: &str) -> Result<Self, CodeError> {
        let parts = text.rsplit_once('@').and_then(|(name, side)| Some((name, side.parse().ok()?)));
        let (name, resolution) =
            parts.ok_or_else(|| CodeError(format!("{text:?} is not NAME@RESOLUTION")))?;
        Named::new(name, resolution)
    }
}
