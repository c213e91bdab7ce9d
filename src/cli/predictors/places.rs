//! `edgezen predictors where` and `edgezen predictors add`: the files that predictors are taken from.

use crate::cli::failure::Failure;
use crate::cli::force::Force;
use crate::cli::output::{self, Output};
use crate::shipped;
use edgezen_core::files::FileError;
use edgezen_lab::catalogue::predictors::{self, PredictorEntry};
use edgezen_lab::catalogue::{CatalogueError, Location};
use serde::Serialize;
use std::path::PathBuf;

/// Where predictors are looked for, and where each is found.
#[derive(Serialize)]
struct Places {
    /// In this order; the shipped ones come last.
    folders: Vec<Folder>,
    predictors: Vec<Place>,
}

#[derive(Serialize)]
struct Folder {
    path: String,
    exists: bool,
    predictors: usize,
}

#[derive(Serialize)]
struct Place {
    /// As it was asked for; absent where all are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    id: String,
    /// The file, or `shipped`.
    used: String,
    /// Files of the same identity that are not used.
    hidden: Vec<String>,
}

/// Says which file each of the predictors called `names` is taken from, or each of all.
pub fn print(names: &[String], output: Output) -> Result<(), Failure> {
    let catalogue = shipped::catalogue();
    let entries = catalogue.predictors.entries()?;
    let folders = catalogue.predictors.folders().iter().map(|path| Folder {
        path: path.display().to_string(),
        exists: path.is_dir(),
        predictors: entries.iter().filter(|entry| lies_in(entry, path)).count(),
    });
    let mut places = Vec::new();
    if names.is_empty() {
        for (at, entry) in entries.iter().enumerate() {
            if !entries[..at].iter().any(|earlier| earlier.id == entry.id) {
                places.push(place(None, entry, &entries));
            }
        }
    }
    for name in names {
        let found = catalogue.predictors.find(&catalogue.profiles, name)?;
        let found = found.ok_or_else(|| CatalogueError::NoPredictor {
            name: name.clone(),
            why: None,
            of_device: Vec::new(),
            known: entries.len(),
        })?;
        places.push(place(Some(name), &found, &entries));
    }
    let places = Places { folders: folders.collect(), predictors: places };
    output.result(&places, || text(&places))
}

fn lies_in(entry: &PredictorEntry, folder: &std::path::Path) -> bool {
    match &entry.location {
        Location::File(path) => path.parent() == Some(folder),
        Location::Shipped { .. } => false,
    }
}

fn place(name: Option<&String>, entry: &PredictorEntry, entries: &[PredictorEntry]) -> Place {
    let others = entries.iter().filter(|other| other.id == entry.id && other.location != entry.location);
    Place {
        name: name.cloned(),
        id: entry.id.clone(),
        used: entry.location.to_string(),
        hidden: others.map(|other| other.location.to_string()).collect(),
    }
}

fn text(places: &Places) -> String {
    let mut out = String::from("looked for in this order:\n");
    for folder in &places.folders {
        let state = match (folder.exists, folder.predictors) {
            (false, _) => "not there".to_owned(),
            (true, 1) => "1 predictor".to_owned(),
            (true, n) => format!("{n} predictors"),
        };
        out += &format!("  {} ({state})\n", folder.path);
    }
    out += "  shipped with the program\n\n";
    let cells = |place: &Place| {
        let name = place.name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        vec![format!("{name}{}", place.id), place.used.clone(), place.hidden.join(", ")]
    };
    let rows: Vec<Vec<String>> = places.predictors.iter().map(cells).collect();
    out + &output::table(&["predictor", "from", "hides"], &rows)
}

#[derive(Serialize)]
struct Added {
    file: PathBuf,
    from: PathBuf,
}

/// Copies predictor files into the user's data folder.
pub fn add(files: &[PathBuf], force: Force, output: Output) -> Result<(), Failure> {
    let add = |from: &PathBuf| -> Result<Added, FileError> {
        Ok(Added { file: predictors::add(from, force.force)?, from: from.clone() })
    };
    let added: Vec<Added> = files.iter().map(add).collect::<Result<_, _>>()?;
    output.result(&added, || {
        added
            .iter()
            .map(|added| format!("{} from {}\n", added.file.display(), added.from.display()))
            .collect()
    })
}
