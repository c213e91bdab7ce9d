//! Devices that no profile describes: those that have predictors, and those of which only facts are known.

use crate::cli::Failure;
use crate::shipped;
use edgezen_core::predictor::any::AnyPredictor;
use edgezen_lab::catalogue::{KnownDevice, aliases};
use edgezen_lab::dataset::import::networks::HARDWARE;
use edgezen_lab::device::profile::{Fact, Profiles};
use serde::Serialize;

/// What is known of a device that has no profile.
#[derive(Serialize)]
pub struct PredictedOnly {
    name: String,
    /// As its maker calls it, with its year. Absent: not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    aliases: Vec<String>,
    /// Those of the aliases that are devices for which the source lists the measurements of this one.
    copies: Vec<String>,
    /// What the sources of its data say of it.
    hardware: Vec<String>,
    facts: Vec<Fact>,
    predictors: Vec<String>,
}

/// The device called `name`, if it has no profile, and predictors or facts.
pub fn find(name: &str, profiles: &Profiles) -> Result<Option<PredictedOnly>, Failure> {
    if profiles.by_name(name).is_ok() {
        return Ok(None);
    }
    let name = aliases::resolved(name);
    let catalogue = shipped::catalogue();
    let predictors = catalogue.without_profile()?.remove(&name);
    let known = shipped::known_devices()?.into_iter().find(|known| known.id == name);
    if predictors.is_none() && known.is_none() {
        return Ok(None);
    }
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
    Ok(Some(PredictedOnly {
        title: known.as_ref().map(KnownDevice::title),
        aliases: aliases::of(&name),
        copies: aliases::copies(&name),
        hardware,
        facts: known.as_ref().map(KnownDevice::facts).unwrap_or_default(),
        predictors: predictors.unwrap_or_default(),
        name,
    }))
}

impl PredictedOnly {
    pub fn text(&self) -> String {
        let PredictedOnly { name, title, aliases, copies, hardware, facts, predictors } = self;
        let title = title.as_ref().map(|title| format!("{title}; ")).unwrap_or_default();
        let what = if predictors.is_empty() {
            "there is neither a predictor nor a profile to measure it by"
        } else {
            "predicted only, there is no profile to measure it by"
        };
        let mut out = format!("{name}: {title}{what}\n");
        let lines = [
            ("aliases", aliases.join(", ")),
            ("hardware", hardware.join("; ")),
            ("predictors", predictors.join(", ")),
        ];
        for (name, value) in lines.into_iter().filter(|(_, value)| !value.is_empty()) {
            out += &format!("{name:<18}{value}\n");
        }
        if !copies.is_empty() {
            out += &format!(
                "The source lists the measurements of {name} for {}, too: one measurement, not a second device.\n",
                copies.join(" and ")
            );
        }
        if !facts.is_empty() {
            out += &format!("\n{}", super::words::facts_text(facts));
        }
        out
    }
}
