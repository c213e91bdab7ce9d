//! The fields in the text of a profile, and where they are.

use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A field that is not a table, with the byte ranges of its name and its value.
pub struct Field {
    pub path: String,
    pub key: Range<usize>,
    pub value: Range<usize>,
}

impl Field {
    /// Whether `span` begins inside the name or the value.
    pub fn covers(&self, span: &Range<usize>) -> bool {
        let within = |outer: &Range<usize>| outer.start <= span.start && span.start < outer.end;
        within(&self.key) || within(&self.value)
    }
}

/// All fields of the text in their order; none where the text is not TOML. The entries of an array of tables are called
/// by their field `name`, otherwise by their number.
pub fn fields(text: &str) -> Vec<Field> {
    let mut out = Vec::new();
    if let Ok(table) = DeTable::parse(text) {
        walk(table.get_ref(), "", &mut out);
    }
    out.sort_by_key(|field| field.key.start);
    out
}

/// Adds the fields of `table`, whose path is `prefix`, to `out`.
fn walk(table: &DeTable<'_>, prefix: &str, out: &mut Vec<Field>) {
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
            _ => out.push(Field { path, key: key.span(), value: Spanned::span(value) }),
        }
    }
}

/// Number of the line that contains the byte `at`, counted from 1.
pub fn line(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|&byte| byte == b'\n').count()
}
