//! `environment.json`: what a dataset is of, where it comes from, and the device as it was.

use super::Provenance;
use crate::files::holding::names;
use crate::files::{read_json, write_atomically};
use edgezen_core::files::{FileError, Format};
use edgezen_core::measurement::Identity;
use edgezen_core::predictor::roofline::Roofline;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::Path;

/// The file, in the dataset's folder.
pub const ENVIRONMENT: &str = names::dataset::ENVIRONMENT;

/// What can be read, and is written. The version grows when a field, or a column of the samples, changes its meaning.
pub const FORMAT: Format = Format {
    name: "description of a dataset",
    field: "schema_version",
    oldest: 1,
    newest: 1,
    most_bytes: 1 << 30,
};

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentFile {
    pub schema_version: u32,
    pub identity: Identity,
    pub provenance: Provenance,
    #[serde(default)]
    pub environment: Environment,
}

impl EnvironmentFile {
    /// Reads the file of the dataset in `dir`.
    ///
    /// # Errors
    /// A missing, damaged or newer file.
    pub fn read(dir: &Path) -> Result<EnvironmentFile, FileError> {
        read_json(&FORMAT, &dir.join(ENVIRONMENT))
    }

    /// Writes the file of the dataset in `dir`.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn write(&self, dir: &Path) -> Result<(), FileError> {
        let path = dir.join(ENVIRONMENT);
        let text = self.text().map_err(|e| FileError::damaged(&path, e))?;
        write_atomically(&path, text.as_bytes())
    }

    fn text(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

/// The device as it was while measuring, as it reported it; of imported tables only what their source says of it.
///
/// In the file all fields stand in one object, by name and in alphabetical order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(into = "Map<String, Value>", try_from = "Map<String, Value>")]
pub struct Environment {
    /// Name of the CPU, where the device was this computer.
    pub cpu: Option<String>,
    /// Length of a probe at the usual speed of the core, in nanoseconds, where its pace was probed.
    pub usual_probe_ns: Option<u64>,
    /// Median of the sentinel at the usual speed of the device, in nanoseconds, where it was measured.
    pub usual_sentinel_ns: Option<u64>,
    /// The device's peak rates, where a source gives them.
    pub roofline: Option<Roofline>,
    /// Everything else: clocks, governor, temperatures, load, sentinels, …
    pub facts: Map<String, Value>,
}

/// A fact that is not of its type.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {error}")]
pub struct FactError {
    name: &'static str,
    error: serde_json::Error,
}

const CPU: &str = "cpu";
const USUAL_PROBE: &str = "usual_probe_ns";
const USUAL_SENTINEL: &str = "usual_sentinel_ns";
const ROOFLINE: &str = "roofline";

impl TryFrom<Map<String, Value>> for Environment {
    type Error = FactError;

    fn try_from(mut facts: Map<String, Value>) -> Result<Environment, FactError> {
        let roofline: Option<Roofline> = take(&mut facts, ROOFLINE)?;
        roofline
            .iter()
            .try_for_each(Roofline::check)
            .map_err(|reason| FactError { name: ROOFLINE, error: serde::de::Error::custom(reason) })?;
        Ok(Environment {
            cpu: take(&mut facts, CPU)?,
            usual_probe_ns: take(&mut facts, USUAL_PROBE)?,
            usual_sentinel_ns: take(&mut facts, USUAL_SENTINEL)?,
            roofline,
            facts,
        })
    }
}

fn take<T: serde::de::DeserializeOwned>(
    facts: &mut Map<String, Value>,
    name: &'static str,
) -> Result<Option<T>, FactError> {
    let value = facts.remove(name).map(serde_json::from_value);
    value.transpose().map_err(|error| FactError { name, error })
}

impl From<Environment> for Map<String, Value> {
    fn from(environment: Environment) -> Map<String, Value> {
        let Environment { cpu, usual_probe_ns, usual_sentinel_ns, roofline, mut facts } = environment;
        let named = [
            (CPU, cpu.map(Value::from)),
            (USUAL_PROBE, usual_probe_ns.map(Value::from)),
            (USUAL_SENTINEL, usual_sentinel_ns.map(Value::from)),
            (ROOFLINE, roofline.map(|roofline| serde_json::json!(roofline))),
        ];
        facts.extend(named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        facts
    }
}

impl Environment {
    /// Takes over what `other` says and this one does not.
    pub fn merge(&mut self, other: Environment) {
        self.cpu = self.cpu.take().or(other.cpu);
        self.usual_probe_ns = self.usual_probe_ns.or(other.usual_probe_ns);
        self.usual_sentinel_ns = self.usual_sentinel_ns.or(other.usual_sentinel_ns);
        self.roofline = self.roofline.take().or(other.roofline);
        for (name, fact) in other.facts {
            self.facts.entry(name).or_insert(fact);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_file_is_written_as_it_is_read() {
        let datasets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets");
        let mut count = 0;
        for entry in std::fs::read_dir(datasets).unwrap() {
            let dir = entry.unwrap().path();
            let Ok(written) = std::fs::read_to_string(dir.join(ENVIRONMENT)) else { continue };
            let again = EnvironmentFile::read(&dir).unwrap().text().unwrap();
            count += 1;
            if dir.ends_with("host@tract@fp32") {
                // A fact was added by hand at the end of this file, and is written in its alphabetical place.
                assert_eq!(lines(&again), lines(&written));
            } else {
                assert!(again == written, "{} is not written as it is read", dir.display());
            }
        }
        assert!(count >= 9, "{count} datasets");
    }

    /// The lines in alphabetical order, without the commas that depend on their place.
    fn lines(text: &str) -> Vec<&str> {
        let mut lines: Vec<&str> = text.lines().map(|line| line.trim_end_matches(',')).collect();
        lines.sort_unstable();
        lines
    }

    #[test]
    fn facts_with_names_have_types() {
        let parse = serde_json::from_str::<Environment>;
        let environment =
            parse(r#"{"usual_probe_ns": 22029, "os": "linux", "cpu": "c", "zeal": 1}"#).unwrap();
        assert_eq!((environment.usual_probe_ns, environment.cpu.as_deref()), (Some(22_029), Some("c")));
        assert_eq!(
            serde_json::to_string(&environment).unwrap(),
            r#"{"cpu":"c","os":"linux","usual_probe_ns":22029,"zeal":1}"#
        );
        let error = parse(r#"{"roofline": {"peak_gmacs_per_s": "many"}}"#).unwrap_err().to_string();
        assert!(error.contains("roofline"), "{error}");
        let odd =
            r#"{"roofline": {"peak_gmacs_per_s": 9, "gbytes_per_s": 1e-320, "launch_ns": 0, "source": ""}}"#;
        let error = parse(odd).unwrap_err().to_string();
        assert!(error.contains("gbytes_per_s"), "{error}");
    }

    #[test]
    fn the_first_of_two_environments_counts() {
        let parse = |text: &str| serde_json::from_str::<Environment>(text).unwrap();
        let mut first = parse(r#"{"cpu": "a", "os": "linux"}"#);
        first.merge(parse(r#"{"cpu": "b", "os": "android", "kernel": "6", "usual_probe_ns": 5}"#));
        assert_eq!(first, parse(r#"{"cpu": "a", "os": "linux", "kernel": "6", "usual_probe_ns": 5}"#));
    }
}
