//! The exact Zen-Score: random networks, run forward (docs/plainnet.md, section 5.2).
//!
//! Pure Rust, any PlainNet. The closed form (`proxy::zen`) is what searches use; this is the definition,
//! and what their winners are verified with. Same seed, same score, for any number of threads.

pub mod buffer;
pub mod conv;
pub mod depthwise;
pub mod estimate;
pub mod forward;
pub mod kernel;
pub mod layer;
pub mod luck;
pub mod map;
pub mod real;
pub mod rescore;
pub mod source;
pub mod winograd;

pub use forward::ForwardError;

use super::{Mode, ScoreError};
use crate::plainnet::{Block, Graph, Network, Shape, ShapeError, Variant, footprint, graph};
use crate::stats;
use crate::units::Bytes;
use forward::{Blind, BnVariance, Engine, Observer, Options, Statistics};
use layer::Conv;
use map::Map;
use rayon::prelude::*;
use real::Real;
use source::{Golden, Scaling, Seeded, Source};

/// Which variance of a BN layer enters the score as σ².
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variance {
    /// BN's running variance after the two passes; carried over from repeat to repeat.
    Running,
    /// The mini-batch variance of the clean pass; nothing is carried over.
    Batch,
}

/// Norm of the difference of two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    L1,
    L2,
}

/// Where the random numbers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Randomness {
    /// The generator of the golden scores (docs/plainnet.md, section 5.6).
    Golden { seed: u64, classes: u32 },
    /// The fast generator. With `common` numbers every network draws the same ones at the same layer
    /// index, which makes differences between networks far less noisy than scores.
    Seeded { seed: u64, common: bool },
}

/// How to compute an exact score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    pub variance: Variance,
    pub norm: Norm,
    /// Images of one pass.
    pub batch: u32,
    pub repeats: u32,
    /// Size of the disturbance: α in the paper, γ in the reference.
    pub alpha: f64,
    /// Parts of the network that are kept. Scores are defined without residual links.
    pub variant: Variant,
    pub randomness: Randomness,
}

impl Settings {
    /// The settings of `mode`: 16 images, one repeat, common random numbers.
    pub fn new(mode: Mode, seed: u64) -> Settings {
        let (variance, norm) = match mode {
            Mode::Paper => (Variance::Batch, Norm::L2),
            Mode::Reference => (Variance::Running, Norm::L1),
        };
        Settings {
            variance,
            norm,
            batch: 16,
            repeats: 1,
            alpha: 0.01,
            variant: Variant::SCORED,
            randomness: Randomness::Seeded { seed, common: true },
        }
    }
}

impl Settings {
    fn check_batch(&self) -> Result<(), ExactError> {
        if (1..=MAX_BATCH).contains(&self.batch) { Ok(()) } else { Err(ExactError::Batch(self.batch)) }
    }
}

/// Why there is no exact score.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ExactError {
    #[error(transparent)]
    Shape(#[from] ShapeError),
    #[error(transparent)]
    Forward(#[from] ForwardError),
    #[error("a batch of {0} images; use 1 to {MAX_BATCH}")]
    Batch(u32),
    #[error("{0} repeats; use 1 to {MAX_REPEATS}")]
    Repeats(u32),
    /// An engine outside this module failed.
    #[error("{0}")]
    Engine(String),
    /// A standard error that would take more draws than there may be.
    #[error(
        "a standard error of {error} takes about {takes:.1e} draws of this network, and {MAX_REPEATS} are the most: they reach about \
         {reached:.1e}"
    )]
    TooManyDraws {
        error: f64,
        takes: f64,
        /// The error of the most draws.
        reached: f64,
    },
    #[error("the score is {0}: the network's outputs are not finite, or do not differ")]
    NotFinite(f64),
}

impl From<ExactError> for ScoreError {
    fn from(error: ExactError) -> ScoreError {
        match error {
            ExactError::Shape(error) => ScoreError::Shape(error),
            ExactError::NotFinite(_) => ScoreError::NotFinite { proxy: "zen" },
            other => ScoreError::Undefined { proxy: "zen", reason: other.to_string() },
        }
    }
}

pub const MAX_BATCH: u32 = 4_096;
pub const MAX_REPEATS: u32 = 100_000;

/// What one repeat measures.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Mean over images of Σ|y − y′|.
    pub delta_l1: f64,
    /// Mean over images of the Frobenius norm of y − y′.
    pub delta_l2: f64,
    /// By BN layer: variances of the clean and of the disturbed pass.
    pub bn: Vec<[BnVariance; 2]>,
    /// Σ|y| and the first values of the clean output.
    pub output_l1: f64,
    pub output_head: Vec<f64>,
}

impl Sample {
    /// The logarithm of the outputs' distance.
    fn log_delta(&self, norm: Norm) -> f64 {
        match norm {
            Norm::L1 => self.delta_l1.ln(),
            Norm::L2 => self.delta_l2.ln(),
        }
    }
}

/// An exact score.
#[derive(Clone, Debug, PartialEq)]
pub struct Exact {
    /// Mean over repeats.
    pub score: f64,
    /// Population standard deviation over repeats.
    pub std: f64,
    pub scores: Vec<f64>,
    pub samples: Vec<Sample>,
}

/// Scores `network` on images of side `resolution`, in precision `T`.
///
/// # Errors
/// A structure that is not a usable network, an empty batch, BN of a single value, a score that is not finite.
pub fn score<T: Real>(network: &Network, resolution: u32, settings: &Settings) -> Result<Exact, ExactError> {
    let mut engine = Engine::<T>::default();
    score_by(network, resolution, settings, &mut |graph, source| {
        Ok(sample(&mut engine, graph, source, settings, &mut Blind)?)
    })
}

/// The memory that [`score`] takes, about, in precision f32.
///
/// # Errors
/// A structure that is not a usable network.
pub fn memory(network: &Network, resolution: u32, settings: &Settings) -> Result<Bytes, ShapeError> {
    let graph = network_graph(network, resolution, settings.variant)?;
    // Each image goes through clean and disturbed.
    Ok(Bytes(footprint::forward(&graph, 2.0 * f64::from(settings.batch), 4.0)))
}

/// Runs a graph forward on the random numbers of a source, once clean and once disturbed.
pub type Sampler<'a, T> = &'a mut dyn FnMut(&Graph, &dyn Source<T>) -> Result<Sample, ExactError>;

/// As [`score`], with another engine's forward passes.
///
/// # Errors
/// As [`score`], and whatever the engine says.
pub fn score_by<T: Real>(
    network: &Network,
    resolution: u32,
    settings: &Settings,
    sampler: Sampler<'_, T>,
) -> Result<Exact, ExactError> {
    settings.check_batch()?;
    if !(1..=MAX_REPEATS).contains(&settings.repeats) {
        return Err(ExactError::Repeats(settings.repeats));
    }
    let graph = network_graph(network, resolution, settings.variant)?;
    let mut running: Vec<f64> = Vec::new();
    let (mut scores, mut samples) = (Vec::new(), Vec::new());
    for repeat in 0..settings.repeats {
        let source = source_of(&graph, network, settings, repeat);
        let sample = sampler(&graph, &*source)?;
        let log_delta = sample.log_delta(settings.norm);
        running.resize(sample.bn.len(), 1.0);
        let mut log_bn = 0.0;
        for (running, [clean, disturbed]) in running.iter_mut().zip(&sample.bn) {
            // The mean over channels of what BN does channel by channel (momentum 0.1).
            for pass in [clean, disturbed] {
                *running = 0.9 * *running + 0.1 * pass.unbiased;
            }
            log_bn += 0.5
                * match settings.variance {
                    Variance::Running => running.ln(),
                    Variance::Batch => clean.biased.ln(),
                };
        }
        let score = log_delta + log_bn;
        if !score.is_finite() {
            return Err(ExactError::NotFinite(score));
        }
        scores.push(score);
        samples.push(sample);
    }
    let (score, std) =
        (stats::mean(&scores).unwrap_or(f64::NAN), stats::std_dev(&scores).unwrap_or(f64::NAN));
    Ok(Exact { score, std, scores, samples })
}

/// The graph up to global pooling, after checking that the structure is a network.
pub fn network_graph(network: &Network, resolution: u32, variant: Variant) -> Result<Graph, ShapeError> {
    crate::plainnet::shape::validate_scored(&network.blocks, resolution)?;
    graph::body(&network.blocks, Shape::square(3, resolution), variant)
}

fn source_of<T: Real>(
    graph: &Graph,
    network: &Network,
    settings: &Settings,
    repeat: u32,
) -> Box<dyn Source<T>> {
    match settings.randomness {
        Randomness::Golden { seed, classes } => {
            let mut weights: Vec<usize> =
                forward::weighted(graph).iter().map(|conv| conv.weights()).collect();
            // The classifier is drawn, though the score does not look at it.
            weights.push(classes as usize * graph.output().c as usize);
            let input = settings.batch as usize * graph.input().elements() as usize;
            let one = Golden::new(seed, 0, &weights, input, Scaling::Unit);
            let skip = u64::from(repeat) * one.end();
            Box::new(Golden::new(seed, skip, &weights, input, Scaling::Unit))
        }
        Randomness::Seeded { seed, common } => {
            let salt = if common { 0 } else { fingerprint(&network.blocks) };
            Box::new(Seeded { seed, repeat: u64::from(repeat), salt, scaling: Scaling::Unit })
        }
    }
}

/// A hash of the network that is the same in every version of the program (FNV-1a over the structure string).
fn fingerprint(blocks: &[Block]) -> u64 {
    let text: String = blocks.iter().map(Block::to_string).collect();
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Collects the variances of BN layers, and shows their outputs to another observer.
struct Collect<'a, T> {
    bn: Vec<[BnVariance; 2]>,
    also: &'a mut dyn Observer<T>,
}

impl<T> Observer<T> for Collect<'_, T> {
    fn bn(&mut self, variances: &[BnVariance]) {
        if let &[clean, disturbed] = variances {
            self.bn.push([clean, disturbed]);
        }
    }
    fn convolving(&mut self, node: usize, conv: &Conv, input: &Map<T>) {
        self.also.convolving(node, conv, input);
    }
    fn normalised(&mut self, input: usize, map: &Map<T>) {
        self.also.normalised(input, map);
    }
}

/// One draw of weights, images and noise. `also` sees the outputs of the BN layers.
fn sample<T: Real>(
    engine: &mut Engine<T>,
    graph: &Graph,
    source: &dyn Source<T>,
    settings: &Settings,
    also: &mut dyn Observer<T>,
) -> Result<Sample, ForwardError> {
    let batch = settings.batch as usize;
    let input = engine.input(graph, batch, 2, settings.alpha, source);
    let options = Options { statistics: Statistics::Batch, rescale: false };
    let mut collect = Collect { bn: Vec::new(), also };
    let output = engine.run(graph, input, source, options, &mut collect)?.output;
    let bn = collect.bn;
    let (delta_l1, delta_l2) = distances(&output);
    let finished = |image: usize, channel: usize| {
        let (affine, relu) = (output.affine(image, channel), output.pending.relu);
        output.plane(image, channel).iter().map(move |&x| Map::apply(affine, relu, x).to_f64())
    };
    let channels = output.channels();
    let of_image = |image: usize| -> f64 {
        (0..channels).map(|channel| finished(image, channel).map(f64::abs).sum::<f64>()).sum()
    };
    // Image by image, so that the sum does not depend on the number of threads.
    let output_l1 = (0..batch).into_par_iter().map(of_image).collect::<Vec<f64>>().iter().sum();
    let head = (0..channels).flat_map(|channel| finished(0, channel)).take(8).collect();
    engine.recycle(output);
    let mean = |norms: &[f64]| norms.iter().sum::<f64>() / batch as f64;
    Ok(Sample { delta_l1: mean(&delta_l1), delta_l2: mean(&delta_l2), bn, output_l1, output_head: head })
}

/// L1 and L2 distance between the clean and the disturbed output of each image.
pub fn distances<T: Real>(output: &Map<T>) -> (Vec<f64>, Vec<f64>) {
    let batch = output.images / 2;
    let relu = output.pending.relu;
    let norms = (0..batch).into_par_iter().map(|image| {
        let (mut l1, mut squares) = (0.0, 0.0);
        for channel in 0..output.channels() {
            let affine = [image, image + batch].map(|image| output.affine(image, channel));
            let planes = output.plane(image, channel).iter().zip(output.plane(image + batch, channel));
            for (&clean, &disturbed) in planes {
                let clean = Map::apply(affine[0], relu, clean).to_f64();
                let difference = clean - Map::apply(affine[1], relu, disturbed).to_f64();
                l1 += difference.abs();
                squares += difference * difference;
            }
        }
        (l1, squares.sqrt())
    });
    norms.unzip()
}
