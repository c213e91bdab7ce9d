use edgezen_core::files::FileError;

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
    /// The file could not be read, or was written for a later version of the program.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not TOML, an unknown or missing field, or a value of a wrong type.
    #[error("{file}, line {line}: {message}{}", named(field.as_deref()))]
    Syntax { file: String, line: usize, field: Option<String>, message: String },
    /// A value out of range or in contradiction to another.
    #[error("{file}, line {line}: {field}: {reason}")]
    Invalid { file: String, line: usize, field: String, reason: String },
}

fn named(field: Option<&str>) -> String {
    field.map_or(String::new(), |field| format!(" (field {field})"))
}
