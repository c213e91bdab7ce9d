//! Errors in a profile with the line that they are in.

use super::check::Problem;
use super::fields::{fields, line};
use super::{FORMAT, ProfileError};
use std::path::Path;
use toml::de::DeTable;

/// Refuses a file that is not TOML or that has a newer schema. This comes before its fields are checked, so that a newer
/// schema is reported as such and not as an unknown field.
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

/// An error of the TOML reader, with its line and the field.
pub fn syntax(text: &str, file: &str, error: &toml::de::Error) -> ProfileError {
    let span = error.span().unwrap_or(0..0);
    let field = fields(text).into_iter().rev().find(|field| field.covers(&span)).map(|field| field.path);
    // The message about an unknown field already names it.
    let field = field.filter(|_| !error.message().starts_with("unknown field"));
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    ProfileError::Syntax { file: file.to_owned(), line: line(text, span.start), field, message }
}

/// A failed check, with the line of the field, or of the innermost table around it that exists.
pub fn invalid(text: &str, file: &str, problem: Problem) -> ProfileError {
    let fields = fields(text);
    let mut path = problem.field.as_str();
    let start = loop {
        if let Some(field) = fields.iter().find(|field| field.path == path || is_inside(&field.path, path)) {
            break field.key.start;
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

/// Whether the field `inner` lies in the table `outer`.
fn is_inside(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'))
}
