//! In which numbers a runtime computes a network of this program.

use super::EngineError;
use super::quantisation::{Images, Maps, Ranges};
use super::weights::Weights;
use edgezen_core::plainnet::Graph;

/// In which numbers a network is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    Fp32,
    /// 8-bit integers for weights and maps.
    Int8,
}

impl Precision {
    /// The precision called `name` in identities.
    pub fn by_name(name: &str) -> Option<Precision> {
        match name {
            "fp32" => Some(Precision::Fp32),
            "int8" => Some(Precision::Int8),
            _ => None,
        }
    }

    /// What the integers of `graph` with these weights stand for; `None` where it is computed in floats. A latency does not
    /// depend on the ranges, so that one random image is enough to find them.
    ///
    /// # Errors
    /// A graph whose ranges cannot be found.
    pub fn maps(
        self,
        engine: &'static str,
        graph: &Graph,
        weights: &Weights<'_>,
        seed: u64,
    ) -> Result<Option<Maps>, EngineError> {
        match self {
            Precision::Fp32 => Ok(None),
            Precision::Int8 => {
                let ranges = Ranges::observe(graph, weights, &Images::Random { count: 1, seed });
                let failed = |reason: String| EngineError::Failed { engine, reason };
                Ok(Some(Maps::of(graph, &ranges.map_err(|error| failed(error.to_string()))?)))
            }
        }
    }
}
