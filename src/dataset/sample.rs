//! One measured latency.

use crate::plainnet::kernel::Lowering;
use crate::plainnet::{Graph, Shape, Variant};
use crate::plainnet::{Kernel, Model, ShapeError, graph, notation};
use crate::stats;
use crate::units::Latency;
use crate::zoo::{CodeError, Encoded};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Subject {
    Kernel(Kernel),
    /// One super block on its own, without classifier; `resolution` is that of its input.
    Block {
        structure: String,
        resolution: u32,
    },
    /// A whole network with its classifier.
    Network {
        name: Option<String>,
        structure: String,
        resolution: u32,
        classes: u32,
        se: bool,
        batch: u32,
    },
    /// A network outside PlainNet, by its code.
    Encoded {
        code: Code,
        batch: u32,
    },
}

/// An [`Encoded`] that is text in files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Code(pub Encoded);

impl From<Code> for String {
    fn from(code: Code) -> String {
        code.0.to_string()
    }
}

impl TryFrom<String> for Code {
    type Error = CodeError;
    fn try_from(text: String) -> Result<Code, CodeError> {
        text.parse().map(Code)
    }
}

/// Why a subject cannot be turned into something that runs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    #[error("{0}")]
    Structure(#[from] notation::ParseError),
    #[error("{0}")]
    Shape(#[from] ShapeError),
    #[error("{0} is known by its blocks only, and cannot be run as a whole")]
    Blocks(String),
}

impl Subject {
    /// `kernel`, `block`, `network`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Subject::Kernel(_) => "kernel",
            Subject::Block { .. } => "block",
            Subject::Network { .. } | Subject::Encoded { .. } => "network",
        }
    }

    pub fn encoded(network: Encoded, batch: u32) -> Subject {
        Subject::Encoded { code: Code(network), batch }
    }

    pub fn network(model: &Model, batch: u32) -> Subject {
        Subject::Network {
            name: model.name.clone(),
            structure: model.network.to_string(),
            resolution: model.resolution,
            classes: model.classes,
            se: model.se,
            batch,
        }
    }

    /// Images per run, where the subject says so; a block takes its identity's.
    pub fn batch(&self) -> Option<u32> {
        match self {
            Subject::Kernel(kernel) => Some(kernel.batch),
            Subject::Block { .. } => None,
            Subject::Network { batch, .. } | Subject::Encoded { batch, .. } => Some(*batch),
        }
    }

    /// The graph that is measured, for one image.
    ///
    /// # Errors
    /// A structure that cannot be read or does not fit its resolution.
    pub fn graph(&self) -> Result<Graph, SubjectError> {
        match self {
            Subject::Kernel(kernel) => Ok(kernel.graph()),
            Subject::Block { structure, resolution } => {
                let network = notation::parse(structure)?;
                let in_c = network.blocks.first().map_or(0, |block| block.in_c());
                let input = Shape::square(u32::try_from(in_c).unwrap_or(0), *resolution);
                if network.blocks.is_empty() {
                    return Err(ShapeError::Empty.into());
                }
                Ok(graph::body(&network.blocks, input, Variant::BUILT)?)
            }
            Subject::Network { structure, resolution, classes, se, .. } => {
                let network = notation::parse(structure)?;
                let model =
                    Model { name: None, network, resolution: *resolution, classes: *classes, se: *se };
                Ok(model.graph()?)
            }
            Subject::Encoded { code, .. } => {
                let parts: [_; 1] =
                    code.0.parts().try_into().map_err(|_| SubjectError::Blocks(code.0.to_string()))?;
                let [part] = parts;
                Ok(part.graph)
            }
        }
    }

    /// Its kernels for one image, as a runtime that works like `lowering` launches them.
    ///
    /// # Errors
    /// A structure that cannot be read or does not fit its resolution.
    pub fn kernels(&self, lowering: Lowering) -> Result<Vec<Kernel>, SubjectError> {
        match self {
            Subject::Kernel(kernel) => Ok(vec![*kernel]),
            Subject::Encoded { code, .. } => {
                Ok(code.0.parts().iter().flat_map(|part| lowering.kernels(&part.graph)).collect())
            }
            Subject::Block { .. } | Subject::Network { .. } => Ok(lowering.kernels(&self.graph()?)),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Kernel(kernel) => write!(f, "{kernel}"),
            Subject::Block { structure, resolution } => write!(f, "{structure} @{resolution}"),
            Subject::Network { name: Some(name), .. } => f.write_str(name),
            Subject::Network { structure, resolution, .. } => write!(f, "{structure} @{resolution}"),
            Subject::Encoded { code, .. } => code.0.fmt(f),
        }
    }
}

/// Whether a measurement may be relied on. Flagged samples are kept: whoever fits decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    Good,
    /// The 95 % interval of the median stayed wider than asked for.
    Noisy,
    /// The sentinel around it ran slower than at the start: a throttled or busy device.
    Drifted,
    /// The device was too hot or held its clock down, and did not get better by waiting.
    Throttled,
    /// The runs fall into two groups of different latency; the median is that of one of them.
    Bimodal,
    /// Imported, and the source does not say.
    Unknown,
}

impl Quality {
    pub const ALL: [Quality; 6] = [
        Quality::Good,
        Quality::Noisy,
        Quality::Drifted,
        Quality::Throttled,
        Quality::Bimodal,
        Quality::Unknown,
    ];

    /// Whether something is known to be wrong with it.
    pub fn is_doubtful(self) -> bool {
        !matches!(self, Quality::Good | Quality::Unknown)
    }

    pub fn name(self) -> &'static str {
        match self {
            Quality::Good => "good",
            Quality::Noisy => "noisy",
            Quality::Drifted => "drifted",
            Quality::Throttled => "throttled",
            Quality::Bimodal => "bimodal",
            Quality::Unknown => "unknown",
        }
    }
}

impl FromStr for Quality {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let known = || Quality::ALL.map(Quality::name).join(", ");
        Quality::ALL
            .into_iter()
            .find(|quality| quality.name() == text)
            .ok_or_else(|| format!("unknown quality {text:?}; known: {}", known()))
    }
}

/// Statistics of the timed runs, each for the whole batch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub median: Latency,
    pub mean: Latency,
    pub min: Latency,
    pub p10: Latency,
    pub p90: Latency,
    /// 95 % interval of the median, from order statistics.
    pub ci95: (Latency, Latency),
    /// Timed samples.
    pub runs: u32,
    /// Runs per sample: more than one where a single run is too short for the clock.
    pub k: u32,
}

impl Summary {
    /// Statistics of `samples`, each the time of one run; `None` if there are none.
    pub fn of(samples: &[f64], k: u32) -> Option<Summary> {
        let sorted = stats::sorted(samples);
        let quantile = |q| stats::quantile(&sorted, q).map(Latency::from_ns);
        let (low, high) = stats::median_ci95(&sorted)?;
        Some(Summary {
            median: quantile(0.5)?,
            mean: Latency::from_ns(stats::mean(samples)?),
            min: quantile(0.0)?,
            p10: quantile(0.1)?,
            p90: quantile(0.9)?,
            ci95: (Latency::from_ns(low), Latency::from_ns(high)),
            runs: u32::try_from(samples.len()).unwrap_or(u32::MAX),
            k,
        })
    }

    /// Half the width of the interval of the median, relative to the median.
    pub fn relative_half_width(&self) -> f64 {
        (self.ci95.1 - self.ci95.0).ns() / 2.0 / self.median.ns()
    }
}

/// A subject with its latency.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub subject: Subject,
    /// The training label, for the whole batch: the median of the timed runs, or what the source
    /// of an imported table gives.
    pub median: Latency,
    /// Statistics of the runs; absent for imported tables that have one number per row.
    pub summary: Option<Summary>,
    pub quality: Quality,
}

impl Sample {
    /// A row of an imported table.
    pub fn imported(subject: Subject, latency: Latency) -> Sample {
        Sample { subject, median: latency, summary: None, quality: Quality::Unknown }
    }
}
