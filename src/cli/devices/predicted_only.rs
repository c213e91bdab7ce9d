//! Devices that have predictors and no profile to measure them by.

use crate::cli::Failure;
use crate::shipped;
use edgezen_core::predictor::any::AnyPredictor;
use edgezen_lab::catalogue::aliases;
use edgezen_lab::dataset::import::networks::HARDWARE;
use edgezen_lab::device::profile::Profiles;
use serde::Serialize;

/// What is known of a device that has predictors and no profile.
#[derive(Serialize)]
pub struct PredictedOnly {
    name: String,
    aliases: Vec<String>,
    /// What the sources of its data say of it.
    hardware: Vec<String>,
    predictors: Vec<String>,
}

/// The device called `name`, if it has predictors and no profile.
pub fn find(name: &str, profiles: &Profiles) -> Result<Option<PredictedOnly>, Failure> {
    if profiles.by_name(name).is_ok() {
        return Ok(None);
    }
    let name = aliases::resolved(name);
    let catalogue = shipped::catalogue();
    let Some(predictors) = catalogue.without_profile()?.remove(&name) else { return Ok(None) };
    let mut hardware: Vec<String> = Vec::new();
    for entry in catalogue.predictors.entries()?.into_iter().filter(|entry| entry.device() == name) {
        let notes = match entry.load()? {
            AnyPredictor::Kernels(predictor) => predictor.file().provenance.notes.clone(),
            AnyPredictor::Networks(predictor) => predictor.provenance.notes.clone(),
        };
        let stated = notes.iter().filter_map(|note| note.strip_prefix(HARDWARE));
        hardware.extend(stated.map(|stated| stated.trim_end_matches('.').to_owned()));
    }
    hardware.sort();
    hardware.dedup();
    Ok(Some(PredictedOnly { aliases: aliases::of(&name), name, hardware, predictors }))
}

impl PredictedOnly {
    pub fn text(&self) -> String {
        let PredictedOnly { name, aliases, hardware, predictors } = self;
        let mut out = format!("{name}: predicted only, there is no profile to measure it by\n");
        let lines = [
            ("aliases", aliases.join(", ")),
            ("hardware", hardware.join("; ")),
            ("predictors", predictors.join(", ")),
        ];
        for (name, value) in lines.into_iter().filter(|(_, value)| !value.is_empty()) {
            out += &format!("{name:<18}{value}\n");
        }
        out
    }
}
