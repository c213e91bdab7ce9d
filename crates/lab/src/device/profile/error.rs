use std::path::PathBuf;

/// Why there is no usable profile.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// No profile of this name.
    #[error("unknown device {name:?}")]
    Unknown {
        name: String,
        /// Names that look like it, the nearest first; all names where none does.
        near: Vec<String>,
    },
    /// The file could not be read.
    #[error("{}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// Not TOML, an unknown or missing field, or a value of a wrong type.
    #[error("{file}, line {line}: {message}{}", named(field.as_deref()))]
    Syntax { file: String, line: usize, field: Option<String>, message: String },
    /// Written for a later version of the program.
    #[error(
        "{file}, line {line}: schema {schema} is newer than {}, the newest that this version reads",
        super::SCHEMA
    )]
    Newer { file: String, line: usize, schema: i64 },
    /// A value out of range or in contradiction to another.
    #[error("{file}, line {line}: {field}: {reason}")]
    Invalid { file: String, line: usize, field: String, reason: String },
}

fn named(field: Option<&str>) -> String {
    field.map_or(String::new(), |field| format!(" (field {field})"))
}
