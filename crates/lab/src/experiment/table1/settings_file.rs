//! The settings of an experiment beside its results, so that a run goes on with its own settings and with no others.

use super::Table1Error;
use super::plan::{Settings, Task};
use crate::files;
use crate::files::write_atomically;
use edgezen_core::files::{FileError, Format};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;

const FORMAT: Format =
    Format { name: "settings of table1", field: "version", oldest: 1, newest: 1, most_bytes: 1 << 20 };

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    settings: Settings,
    task: Task,
}

/// The settings at `path`.
///
/// # Errors
/// A file that is absent, damaged, or of another version.
pub fn read(path: &Path) -> Result<(Settings, Task), FileError> {
    let Stored { settings, task, .. } = files::read_json(&FORMAT, path)?;
    Ok((settings, task))
}

/// Takes the place of the settings at `path` for a run: writes them, unless the same are there. With `force`, others are
/// replaced.
///
/// # Errors
/// Other settings are there, with what differs; a file that cannot be read or written.
pub fn claim(path: &Path, settings: &Settings, task: &Task, force: bool) -> Result<(), Table1Error> {
    match read(path) {
        Ok((old_settings, old_task)) => {
            let mut differences = differences(&json(path, &old_settings)?, &json(path, settings)?);
            differences.extend(self::differences(&json(path, &old_task)?, &json(path, task)?));
            if differences.is_empty() {
                return Ok(());
            }
            if !force {
                return Err(Table1Error::OtherSettings { path: path.to_owned(), differences });
            }
        }
        Err(error) if error.is_missing() => {}
        Err(error) if !force => return Err(error.into()),
        Err(_) => {}
    }
    let stored = Stored { version: FORMAT.newest, settings: settings.clone(), task: task.clone() };
    let text = serde_json::to_string_pretty(&stored).map_err(|e| FileError::damaged(path, e))?;
    Ok(write_atomically(path, format!("{text}\n").as_bytes())?)
}

fn json(path: &Path, value: &impl Serialize) -> Result<Value, FileError> {
    serde_json::to_value(value).map_err(|e| FileError::damaged(path, e))
}

/// The fields in which two objects differ, with both values.
fn differences(there: &Value, here: &Value) -> Vec<String> {
    let (Some(there), Some(here)) = (there.as_object(), here.as_object()) else { return Vec::new() };
    let mut all = Vec::new();
    for (name, here) in here {
        let there = there.get(name).unwrap_or(&Value::Null);
        match (there, here) {
            (Value::Object(_), Value::Object(_)) => all.extend(differences(there, here)),
            _ if there != here => all.push(format!("{name} {there} there, {here} here")),
            _ => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_goes_on_with_its_own_settings_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("settings.json");
        let settings = Settings {
            proxies: vec!["flops".into()],
            search_seeds: 5,
            training_seeds: 3,
            iterations: 2_000,
            population: 64,
            params: 50_000,
            random: 32,
            levels: 6,
            curve_iterations: 96_000,
            curve_population: 256,
            seed: 0,
        };
        let task = Task {
            data: "digits".into(),
            sha256: "0".into(),
            classes: 10,
            resolution: 16,
            images: [500, 300, 997],
            recipe: serde_json::json!({"epochs": 30, "batch": 32}),
        };
        claim(&path, &settings, &task, false).unwrap();
        claim(&path, &settings, &task, false).unwrap();
        let other = Settings { iterations: 300, ..settings.clone() };
        let recipe = Task { recipe: serde_json::json!({"epochs": 1, "batch": 32}), ..task.clone() };
        let refused = claim(&path, &other, &recipe, false).unwrap_err().to_string();
        assert!(refused.contains("iterations 2000 there, 300 here"), "{refused}");
        assert!(refused.contains("epochs 30 there, 1 here") && !refused.contains("batch"), "{refused}");
        claim(&path, &other, &recipe, true).unwrap();
        claim(&path, &other, &recipe, false).unwrap();
        std::fs::write(&path, "{}").unwrap();
        assert!(claim(&path, &settings, &task, false).is_err());
        claim(&path, &settings, &task, true).unwrap();
    }
}
