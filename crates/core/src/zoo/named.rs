//! Networks by their names, at any resolution.

use super::builder::Net;
use super::{CodeError, Part, classic, dla, efficientnets, inception, mobile, modern};
use std::fmt;
use std::str::FromStr;

/// The only group: the whole network is one part, because its name does not say what its blocks are.
pub const GROUP: &str = "network";
const RESOLUTIONS: std::ops::RangeInclusive<u32> = 32..=1024;

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
                [
                    mobile::EXAMPLES,
                    classic::EXAMPLES,
                    inception::EXAMPLES,
                    dla::EXAMPLES,
                    efficientnets::EXAMPLES,
                    modern::EXAMPLES
                ]
                .concat()
                .join(", ")
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
        let families = [
            mobile::by_name,
            classic::by_name,
            inception::by_name,
            dla::by_name,
            efficientnets::by_name,
            modern::by_name,
        ];
        families.into_iter().find_map(|by_name| by_name(&self.name, self.resolution))
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
