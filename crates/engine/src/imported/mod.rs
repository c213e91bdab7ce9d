//! Networks that were read from files of others, whatever the format.

pub mod builder;
mod merge;

pub use builder::{Builder, Pair};

use edgezen_core::plainnet::Graph;
use std::fmt;
use std::str::FromStr;

/// Largest share in products of two maps, and in products with weights over sequences beside them, that a
/// convolutional network has.
pub const ATTENTION: f64 = 0.5;

/// Longest side of an image, in pixels.
const MOST_SIDE: usize = 65_536;

/// Height and width of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub h: usize,
    pub w: usize,
}

impl FromStr for Size {
    type Err = String;

    /// `320` or `320x480`, height first.
    fn from_str(text: &str) -> Result<Size, String> {
        let side = |text: &str| text.parse().ok().filter(|side| (1..=MOST_SIDE).contains(side));
        let sides = match text.split_once(['x', '×']) {
            Some((h, w)) => side(h).zip(side(w)),
            None => side(text).map(|side| (side, side)),
        };
        let (h, w) = sides
            .ok_or_else(|| format!("{text:?} is no side like 320 or 320x480, of 1 to {MOST_SIDE} pixels"))?;
        Ok(Size { h, w })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.h == self.w { write!(f, "{}", self.h) } else { write!(f, "{}x{}", self.h, self.w) }
    }
}

/// A network read from a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    pub graph: Graph,
    /// Multiply-accumulates of all convolutions and matrix products in the file, for one image; of those in
    /// [`Imported::unknown`], too.
    pub macs: f64,
    /// Operators that are not in the graph.
    pub unknown: Vec<Unknown>,
    /// Why the network is no convolutional network over images, if it is none.
    pub no_cnn: Option<String>,
}

/// An operator that has no counterpart.
#[derive(Clone, Debug, PartialEq)]
pub struct Unknown {
    pub operator: String,
    pub count: usize,
    /// Multiply-accumulates for one image; nothing if they are not known.
    pub macs: Option<f64>,
}

impl Imported {
    /// The graph, if nothing that multiplies is missing from it.
    ///
    /// # Errors
    /// The names of what is missing.
    pub fn whole(self) -> Result<Graph, MissingOperators> {
        if self.unknown.is_empty() {
            Ok(self.graph)
        } else {
            Err(MissingOperators(self.unknown.into_iter().map(|unknown| unknown.operator).collect()))
        }
    }
}

/// Operators of a file that have no counterpart here.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("no counterpart of {}", .0.join(", "))]
pub struct MissingOperators(pub Vec<String>);
