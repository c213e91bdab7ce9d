//! Facts about a device, each with its source.

use super::fields::fields;
use serde::Serialize;
use std::collections::BTreeMap;

/// Tables that hold facts about the device; the others hold decisions.
const FACT_TABLES: [&str; 5] = ["match", "soc", "cluster", "memory", "gpu"];

/// One fact of a profile.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fact {
    /// `cluster.gold.max_khz`.
    pub path: String,
    pub value: String,
    /// Absent: the profile names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// The facts in the text of a profile, which must be TOML.
pub fn facts(text: &str, sources: &BTreeMap<String, String>) -> Vec<Fact> {
    let is_fact = |path: &str| {
        let table = path.split('.').next().unwrap_or_default();
        // The name of a cluster is no fact: the profile's author chose it to distinguish clusters.
        FACT_TABLES.contains(&table) && !(table == "cluster" && path.ends_with(".name"))
    };
    let fields = fields(text).into_iter().filter(|field| is_fact(&field.path));
    fields
        .map(|field| {
            let source = source(&field.path, sources);
            let value = text[field.value].trim();
            Fact { path: field.path, value: value.trim_matches('"').to_owned(), source }
        })
        .collect()
}

/// The source of `path`, or of the innermost table around it that has one.
fn source(path: &str, sources: &BTreeMap<String, String>) -> Option<String> {
    let mut path = path;
    loop {
        if let Some(source) = sources.get(path) {
            return Some(source.clone());
        }
        path = path.rsplit_once('.')?.0;
    }
}
