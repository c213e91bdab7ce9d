//! The text of predictor files: one canonical form, and the checksum over it.
//!
//! Keys are sorted, numbers have at most six significant digits, and there is one layout of lines. The field `sha256` is
//! the SHA-256 of the same text without the line of that field: `grep -v '^ "sha256"' FILE | sha256sum`. So any changed
//! byte is noticed, and fitting the same data twice gives the same bytes.

use crate::digest::sha256;
use crate::files::FileError;
use crate::predictor::layout::FORMAT;
use serde::Serialize;
use serde_json::Value;
use std::path::Path;

/// The field at the top of a file that holds its checksum.
const FIELD: &str = "sha256";
/// How its line begins.
const LINE: &str = " \"sha256\"";

/// The value in `bytes`, of a known schema and with the right checksum, which is taken out.
pub(in crate::predictor) fn verified(bytes: &[u8], path: &Path) -> Result<Value, FileError> {
    let mut value = FORMAT.value(path, bytes)?;
    let sum = value.as_object_mut().and_then(|object| object.remove(FIELD));
    match sum.and(unsigned(bytes)) {
        Some(_) => Ok(value),
        None => Err(FileError::Checksum { path: path.to_owned() }),
    }
}

/// The text in `bytes` without the line of its checksum; nothing where there is no such line, more than one, or a wrong one.
pub(in crate::predictor) fn unsigned(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(bytes.len());
    let mut stated = None;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        if !line.starts_with(LINE.as_bytes()) {
            text.extend_from_slice(line);
        } else if stated.replace(line).is_some() {
            return None;
        }
    }
    (stated? == format!("{LINE}: \"{}\",\n", sha256(&text)).as_bytes()).then_some(text)
}

/// The text of a file that holds `content`, with its checksum.
pub(in crate::predictor) fn canonical(content: &impl Serialize) -> Result<String, serde_json::Error> {
    Ok(signed(rounded(content)?))
}

/// The text of a file that holds `value`, with its checksum in place of any that it had.
pub fn signed(mut value: Value) -> String {
    if let Some(object) = value.as_object_mut() {
        object.remove(FIELD);
    }
    let sum = checksum(&value);
    if let Some(object) = value.as_object_mut() {
        object.insert(FIELD.into(), Value::String(sum));
    }
    pretty(&value)
}

/// `content` as files hold it, without a checksum.
pub(super) fn rounded(content: &impl Serialize) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::to_value(content)?;
    round(&mut value);
    Ok(value)
}

/// Six significant digits: finer than any latency is known, and exact through every JSON reader.
fn round(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let rounded = number.as_f64().and_then(|x| format!("{x:.5e}").parse::<f64>().ok());
            if let Some(rounded) = rounded.and_then(serde_json::Number::from_f64) {
                *number = rounded;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(round),
        Value::Object(fields) => fields.values_mut().for_each(round),
        _ => {}
    }
}

pub(super) fn checksum(value: &Value) -> String {
    sha256(pretty(value))
}

/// Objects one field to a line, lists of plain values on one line.
fn pretty(value: &Value) -> String {
    let mut text = String::new();
    write(value, 0, &mut text);
    text + "\n"
}

fn write(value: &Value, depth: usize, out: &mut String) {
    let newline = |depth: usize, out: &mut String| {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', depth));
    };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| key.as_str());
            out.push('{');
            for (i, (key, field)) in fields.into_iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                newline(depth + 1, out);
                out.push_str(&Value::String(key.clone()).to_string());
                out.push_str(": ");
                write(field, depth + 1, out);
            }
            newline(depth, out);
            out.push('}');
        }
        Value::Array(items) if items.iter().any(|item| item.is_array() || item.is_object()) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                newline(depth + 1, out);
                write(item, depth + 1, out);
            }
            newline(depth, out);
            out.push(']');
        }
        // Plain values and lists of them: serde_json's compact form has no choices left.
        plain => out.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_line_of_the_checksum_is_the_one_that_belongs_to_the_rest() {
        let text =
            signed(json!({ "schema_version": 3, "nets": [{ "sha256": "inner" }], "tool_version": "1" }));
        let lines: Vec<&str> = text.lines().collect();
        let at = lines.iter().position(|line| line.starts_with(LINE)).unwrap();
        let without: String =
            lines.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, line)| format!("{line}\n")).collect();
        assert_eq!(unsigned(text.as_bytes()).unwrap(), without.as_bytes());
        assert!(verified(text.as_bytes(), Path::new("p")).is_ok());
        let line = format!("{}\n", lines[at]);
        for damaged in [
            without,
            text.replace(&line, &line.repeat(2)),
            text.replace(&line, &line.replace("\",", "\" ,")),
            text.replace(&line, &line.replace(": ", ":")),
            text.replace("\"1\"", "\"2\""),
            text.replace("inner", "other"),
            format!("{text} "),
            text.replace('\n', "\r\n"),
        ] {
            assert_ne!(damaged, text);
            assert_eq!(unsigned(damaged.as_bytes()), None, "{damaged}");
            assert!(verified(damaged.as_bytes(), Path::new("p")).is_err(), "{damaged}");
        }
    }
}
