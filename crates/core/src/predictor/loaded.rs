//! A predictor of either kind, from the bytes of its file.

use crate::files::FileError;
use crate::measurement::Identity;
use crate::predictor::LatencyPredictor;
use crate::predictor::file::{self, PredictorFile};
use crate::predictor::fitted::FittedPredictor;
use crate::predictor::network::NetworkPredictor;
use std::path::Path;

/// A predictor of either kind.
#[derive(Clone, Debug)]
pub enum Loaded {
    /// Of kernels, and so of any network.
    Kernels(Box<FittedPredictor>),
    /// Of whole networks of one space.
    Networks(Box<NetworkPredictor>),
}

impl Loaded {
    /// Reads and checks the bytes of a predictor file; `path` is for the messages.
    ///
    /// # Errors
    /// A damaged, too new or nonsensical file.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Loaded, FileError> {
        let value = file::verified(bytes, path)?;
        if NetworkPredictor::is_one(&value) {
            return Ok(Loaded::Networks(Box::new(NetworkPredictor::of(value, path)?)));
        }
        Ok(Loaded::Kernels(Box::new(FittedPredictor::new(PredictorFile::of(value, path)?))))
    }

    pub fn identity(&self) -> &Identity {
        match self {
            Loaded::Kernels(predictor) => predictor.identity(),
            Loaded::Networks(predictor) => &predictor.identity,
        }
    }

    /// The CPU of the computer that was measured, where that was the device.
    pub fn cpu(&self) -> Option<&str> {
        match self {
            Loaded::Kernels(predictor) => predictor.file().provenance.cpu.as_deref(),
            Loaded::Networks(_) => None,
        }
    }
}
