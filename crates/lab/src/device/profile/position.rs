//! Where things stand in a profile's text: lines for errors, and the list of facts.

use super::check::Problem;
use super::{FORMAT, Fact, ProfileError};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Tables that hold facts about the device; the others hold decisions.
const FACT_TABLES: [&str; 5] = ["match", "soc", "cluster", "memory", "gpu"];

/// Refuses a file that is not TOML or is of a newer schema, before its fields are looked at: a newer
/// schema must be called that, and not an unknown field.
pub fn check_schema(text: &str, file: &str) -> Result<(), ProfileError> {
    let table = DeTable::parse(text).map_err(|error| syntax(text, file, &error))?;
    if let Some(value) = table.get_ref().get("schema")
        && let Some(schema) =
            value.get_ref().as_integer().and_then(|n| i64::from_str_radix(n.as_str(), n.radix()).ok())
    {
        // Whatever is no version at all gets its own message, with its line, when the fields are looked at.
        let found = u64::try_from(schema).unwrap_or(0);
        FORMAT.check(Path::new(file), Some(found))?;
    }
    Ok(())
}

/// What the TOML reader found wrong, with its place.
pub fn syntax(text: &str, file: &str, error: &toml::de::Error) -> ProfileError {
    let span = error.span().unwrap_or(0..0);
    let field = leaves(text).into_iter().rev().find(|leaf| leaf.covers(&span)).map(|leaf| leaf.path);
    // The reader's own remark about an unknown field already says which.
    let field = field.filter(|_| !error.message().starts_with("unknown field"));
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    ProfileError::Syntax { file: file.to_owned(), line: line(text, span.start), field, message }
}

/// A failed check, with its place: that of the field or of the nearest table around it that exists.
pub fn invalid(text: &str, file: &str, problem: Problem) -> ProfileError {
    let leaves = leaves(text);
    let mut path = problem.field.as_str();
    let start = loop {
        if let Some(leaf) = leaves.iter().find(|leaf| leaf.path == path || is_inside(&leaf.path, path)) {
            break leaf.key.start;
        }
        match path.rsplit_once('.') {
            Some((outer, _)) => path = outer,
            None => break 0,
        }
    };
    ProfileError::Invalid {
        file: file.to_owned(),
        line: line(text, start),
        field: problem.field,
        reason: problem.reason,
    }
}

/// The facts of a profile that is known to be TOML.
pub fn facts(text: &str, sources: &BTreeMap<String, String>) -> Vec<Fact> {
    let is_fact = |path: &str| {
        let table = path.split('.').next().unwrap_or_default();
        // A cluster's name is ours, and only tells clusters apart.
        FACT_TABLES.contains(&table) && !(table == "cluster" && path.ends_with(".name"))
    };
    let leaves = leaves(text).into_iter().filter(|leaf| is_fact(&leaf.path));
    leaves
        .map(|leaf| {
            let source = source(&leaf.path, sources);
            let value = text[leaf.value].trim();
            Fact { path: leaf.path, value: value.trim_matches('"').to_owned(), source }
        })
        .collect()
}

/// The source of the nearest path that encloses `path`.
fn source(path: &str, sources: &BTreeMap<String, String>) -> Option<String> {
    let mut path = path;
    loop {
        if let Some(source) = sources.get(path) {
            return Some(source.clone());
        }
        path = path.rsplit_once('.')?.0;
    }
}

/// Whether the field `inner` lies in the table `outer`.
fn is_inside(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'))
}

/// A field that is no table, and the bytes of its name and value.
struct Leaf {
    path: String,
    key: Range<usize>,
    value: Range<usize>,
}

impl Leaf {
    fn covers(&self, span: &Range<usize>) -> bool {
        let within = |outer: &Range<usize>| outer.start <= span.start && span.start < outer.end;
        within(&self.key) || within(&self.value)
    }
}

/// All fields of the text in the order of their places; none where it is not TOML. An array of tables
/// is walked through, its entries called by their `name`, else by their number.
fn leaves(text: &str) -> Vec<Leaf> {
    let mut out = Vec::new();
    if let Ok(table) = DeTable::parse(text) {
        walk(table.get_ref(), "", &mut out);
    }
    out.sort_by_key(|leaf| leaf.key.start);
    out
}

fn walk(table: &DeTable<'_>, prefix: &str, out: &mut Vec<Leaf>) {
    for (key, value) in table.iter() {
        let path = format!("{prefix}{}", key.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) if !inner.is_empty() => walk(inner, &format!("{path}."), out),
            DeValue::Array(items) if items.iter().any(|item| item.get_ref().is_table()) => {
                for (number, item) in items.iter().enumerate() {
                    if let Some(inner) = item.get_ref().as_table() {
                        let name = inner.get("name").and_then(|name| name.get_ref().as_str());
                        let name = name.map_or_else(|| number.to_string(), str::to_owned);
                        walk(inner, &format!("{path}.{name}."), out);
                    }
                }
            }
            _ => out.push(Leaf { path, key: key.span(), value: Spanned::span(value) }),
        }
    }
}

/// Number of the line that byte `at` lies in, from 1.
fn line(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|&byte| byte == b'\n').count()
}
