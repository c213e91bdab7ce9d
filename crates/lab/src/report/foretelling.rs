//! Accuracies of the networks of a run, as a calibration foretells them.

use crate::runs::Manifest;
use edgezen_core::accuracy::Prediction;
use edgezen_core::accuracy::calibration::Calibrated;
use edgezen_core::plainnet::chain::Chain;
use edgezen_core::plainnet::{Model, notation};

/// A calibration with the name of its file.
pub struct Foretelling {
    pub file: String,
    pub calibrated: Calibrated,
}

impl Foretelling {
    /// The accuracy of a network of a run; none for one without a Zen-Score.
    pub fn of(&self, manifest: &Manifest, net: &str) -> Option<Prediction> {
        let network = notation::parse(net).ok()?;
        let Manifest { resolution, classes, se, .. } = *manifest;
        let chain = Chain::of_model(&Model { name: None, network, resolution, classes, se }).ok()?;
        self.calibrated.predict_chain(&chain).ok()
    }
}
