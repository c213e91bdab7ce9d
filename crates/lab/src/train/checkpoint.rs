//! Where a training run stands, in one file: tensors with their velocities, and what goes on with them.

use super::TrainError;
use super::network::Network;
use super::recipe::Recipe;
use crate::files;
use crate::files::write_atomically;
use edgezen_core::files::Format;
use edgezen_core::plainnet::Model;
use edgezen_engine::safetensors::Tensors;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// What the state says of its version.
const FORMAT: Format = Format {
    name: "checkpoint of a training run",
    field: "version",
    oldest: 1,
    newest: 1,
    most_bytes: 64 << 30,
};
/// Name of the state among the file's texts.
const STATE: &str = "edgezen_training";

/// Everything that a run goes on from, beside the tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingState {
    pub version: u32,
    pub structure: String,
    pub resolution: u32,
    pub classes: u32,
    pub se: bool,
    pub recipe: Recipe,
    pub seed: u64,
    /// SHA-256 of the data set's files.
    pub data: String,
    /// SHA-256 of the teacher's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<String>,
    /// SHA-256 of the file with the weights that it began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// The epoch that is under way, from 0, and the steps of it that are done.
    pub epoch: u32,
    pub step: u64,
    /// Sum of the losses of those steps.
    pub loss: f64,
    pub best: Option<Best>,
}

/// The epoch with the most images right, of those that choose it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    pub epoch: u32,
    pub top1: f64,
}

impl TrainingState {
    /// The beginning of a run.
    pub fn new(
        model: &Model,
        recipe: Recipe,
        seed: u64,
        data: &str,
        teacher: Option<String>,
    ) -> TrainingState {
        TrainingState {
            version: FORMAT.newest,
            structure: model.network.to_string(),
            resolution: model.resolution,
            classes: model.classes,
            se: model.se,
            recipe,
            seed,
            data: data.to_owned(),
            teacher,
            start: None,
            epoch: 0,
            step: 0,
            loss: 0.0,
            best: None,
        }
    }

    /// In what another run differs from this one, where that keeps it from going on.
    fn difference(&self, other: &TrainingState) -> Option<&'static str> {
        let network = |s: &TrainingState| (s.structure.clone(), s.resolution, s.classes, s.se);
        [
            (network(self) != network(other), "another network"),
            (self.data != other.data, "another data set"),
            (self.recipe != other.recipe, "another recipe"),
            (self.seed != other.seed, "another seed"),
            (self.teacher != other.teacher, "another teacher"),
            (self.start != other.start, "other weights to begin with"),
        ]
        .into_iter()
        .find_map(|(differs, what)| differs.then_some(what))
    }
}

/// Writes the tensors and the state; the file is replaced in one step.
///
/// # Errors
/// The disk's, libtorch's.
pub fn write(path: &Path, network: &Network, state: &TrainingState) -> Result<(), TrainError> {
    let mut file = Tensors { tensors: network.tensors(true)?, ..Tensors::default() };
    let text = serde_json::to_string(state).map_err(|e| TrainError::Torch(e.to_string()))?;
    file.metadata.insert(STATE.into(), text);
    save(path, &file)
}

/// Writes the weights alone, for use.
///
/// # Errors
/// The disk's, libtorch's.
pub fn write_weights(
    path: &Path,
    network: &Network,
    state: &TrainingState,
    top1: f64,
    about_data: &BTreeMap<String, String>,
) -> Result<(), TrainError> {
    let mut file = Tensors { tensors: network.tensors(false)?, ..Tensors::default() };
    for (name, value) in [
        ("structure", state.structure.clone()),
        ("resolution", state.resolution.to_string()),
        ("classes", state.classes.to_string()),
        ("se", state.se.to_string()),
        ("epoch", (state.epoch + 1).to_string()),
        ("top1", top1.to_string()),
    ] {
        file.metadata.insert(name.into(), value);
    }
    file.metadata.extend(about_data.iter().map(|(name, value)| (name.clone(), value.clone())));
    save(path, &file)
}

fn save(path: &Path, file: &Tensors) -> Result<(), TrainError> {
    Ok(write_atomically(path, &file.encode())?)
}

/// Reads a checkpoint of the run that `fresh` began into `network`; gives where it stands.
///
/// # Errors
/// A file that is damaged, or of another run.
pub fn read(path: &Path, network: &mut Network, fresh: &TrainingState) -> Result<TrainingState, TrainError> {
    let bad = |reason: String| TrainError::Checkpoint { path: path.to_owned(), reason };
    let file = Tensors::decode(&files::read(&FORMAT, path)?).map_err(|e| FORMAT.not_ours(path, e))?;
    let text = file.metadata.get(STATE).ok_or_else(|| FORMAT.not_ours(path, "it holds no state of a run"))?;
    let state: TrainingState = FORMAT.parse(path, text.as_bytes())?;
    if let Some(difference) = fresh.difference(&state) {
        return Err(bad(format!("it is of {difference}")));
    }
    network.load(&file, true).map_err(|reason| bad(format!("it is of another network: {reason}")))?;
    Ok(state)
}
