//! A predictor of either kind, from the bytes of its file.

use crate::files::FileError;
use crate::measurement::Identity;
use crate::predictor::LatencyPredictor;
use crate::predictor::file::PredictorFile;
use crate::predictor::file::text::verified;
use crate::predictor::fitted::FittedPredictor;
use crate::predictor::network::NetworkPredictor;
use std::path::Path;

/// A predictor of either kind.
#[derive(Clone, Debug)]
pub enum AnyPredictor {
    /// Of kernels, and so of any network.
    Kernels(Box<FittedPredictor>),
    /// Of whole networks of one space.
    Networks(Box<NetworkPredictor>),
}

impl AnyPredictor {
    /// Reads and checks the bytes of a predictor file; `path` is for the messages.
    ///
    /// # Errors
    /// A damaged, too new or nonsensical file.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<AnyPredictor, FileError> {
        if let Some(file) = PredictorFile::signed(bytes) {
            return Ok(AnyPredictor::Kernels(Box::new(FittedPredictor::new(file))));
        }
        let value = verified(bytes, path)?;
        if NetworkPredictor::is_one(&value) {
            return Ok(AnyPredictor::Networks(Box::new(NetworkPredictor::of(value, path)?)));
        }
        Ok(AnyPredictor::Kernels(Box::new(FittedPredictor::new(PredictorFile::of(value, path)?))))
    }

    pub fn identity(&self) -> &Identity {
        match self {
            AnyPredictor::Kernels(predictor) => predictor.identity(),
            AnyPredictor::Networks(predictor) => &predictor.identity,
        }
    }

    /// The CPU of the computer that was measured, where that was the device.
    pub fn cpu(&self) -> Option<&str> {
        match self {
            AnyPredictor::Kernels(predictor) => predictor.file().provenance.cpu.as_deref(),
            AnyPredictor::Networks(_) => None,
        }
    }
}
