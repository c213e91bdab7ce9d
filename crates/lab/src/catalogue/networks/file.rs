//! Networks in files and in the folders of searches.

use super::NetworkError;
use crate::{files, runs};
use edgezen_core::files::FileError;
use edgezen_core::plainnet::{Model, Network, notation};
use std::path::Path;

/// Larger files are no structures.
const MOST_BYTES: u64 = 16 << 20;

/// The structure at the beginning of a text file, which may be broken over several lines.
///
/// # Errors
/// A file that cannot be read, is no text, or does not begin with a structure.
pub fn structure(path: &Path) -> Result<Network, NetworkError> {
    let text = files::read_text(path, MOST_BYTES).map_err(|error| match error {
        FileError::Damaged { path, reason } if reason == "it is not text" => {
            NetworkError::Damaged { path, reason: "is not a text file".into() }
        }
        other => other.into(),
    })?;
    notation::parse_spaced(notation::first_structure(&text))
        .map_err(|e| NetworkError::Damaged { path: path.to_owned(), reason: format!("line 1: {e}") })
}

/// The best network of the run in `dir`, for the images and classes of the run.
///
/// # Errors
/// A folder that no search wrote, that of a run without a result, and damaged files.
pub fn best_of_run(dir: &Path) -> Result<Model, NetworkError> {
    if !dir.join("run.toml").exists() {
        return Err(NetworkError::Folder { path: dir.to_owned() });
    }
    let manifest = runs::read_manifest(dir)?;
    let best = dir.join("best.txt");
    if !best.exists() {
        return Err(NetworkError::Unfinished { path: dir.to_owned() });
    }
    let network = structure(&best)?;
    runs::check_best(dir, &network)?;
    Ok(Model {
        name: Some(dir.display().to_string()),
        network,
        resolution: manifest.resolution,
        classes: manifest.classes,
        se: manifest.se,
    })
}
