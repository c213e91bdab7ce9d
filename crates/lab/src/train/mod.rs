//! Training on folders of images, CIFAR-10 and CIFAR-100 in libtorch, by the recipe of the released code (docs/plainnet.md,
//! section 7) or another one.
//!
//! All randomness follows from the seed, the epoch and the number of the image or batch: a run that was
//! interrupted anywhere and goes on computes what it would have computed, to the bit on one CPU.

pub mod augment;
pub mod brief;
pub mod checkpoint;
pub mod cifar;
pub mod course;
pub mod data;
pub mod digits;
pub mod finalists;
pub mod inherit;
pub mod network;
pub mod range_test;
pub mod recipe;
pub mod recipes;
pub mod split;
pub mod teacher;

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::path::PathBuf;

/// Why training does not begin, or ends.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error(transparent)]
    File(#[from] edgezen_core::files::FileError),
    #[error(transparent)]
    Images(#[from] crate::images::ImagesError),
    #[error("{path}: {reason}")]
    Data { path: PathBuf, reason: String },
    #[error("{path}: {reason}")]
    Checkpoint { path: PathBuf, reason: String },
    #[error("{path}: {reason}")]
    Teacher { path: PathBuf, reason: String },
    #[error("{0}")]
    Shape(#[from] edgezen_core::plainnet::ShapeError),
    #[error("this network cannot be trained here: {0}")]
    Network(String),
    #[error("out of memory with {batch} images at once: {reason}")]
    OutOfMemory { batch: u32, reason: String },
    #[error("the loss is {loss} in epoch {epoch}")]
    Diverged { epoch: u32, loss: f64 },
    #[error("torch: {0}")]
    Torch(String),
    #[error("interrupted in epoch {epoch}")]
    Interrupted { epoch: u32 },
}

impl From<tch::TchError> for TrainError {
    fn from(error: tch::TchError) -> TrainError {
        TrainError::Torch(edgezen_engine::torch::reason(&error))
    }
}

/// What random numbers are for: each purpose has a stream of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Order = 1,
    Image = 2,
    Mixup = 3,
}

/// The random numbers of one image, batch or epoch.
fn stream(seed: u64, purpose: Purpose, epoch: u32, number: u64) -> Xoshiro256PlusPlus {
    let mut key = seed;
    for part in [purpose as u64, u64::from(epoch), number] {
        key = (key ^ part).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
    }
    Xoshiro256PlusPlus::seed_from_u64(key)
}
