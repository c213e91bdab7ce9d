//! Why a profile cannot be used.

use edgezen_core::files::FileError;

/// Why there is no usable profile.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// No profile of this name.
    #[error("unknown device {name:?}")]
    Unknown {
        name: String,
        /// Similar names, the nearest first; none where no name is similar.
        near: Vec<String>,
    },
    /// The file could not be read, or was written for a later version of the program.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not TOML, a field is unknown or missing, or a value has the wrong type.
    #[error("{file}, line {line}: {message}{}", named(field.as_deref()))]
    Syntax { file: String, line: usize, field: Option<String>, message: String },
    /// A value is out of range, or contradicts another one.
    #[error("{file}, line {line}: {field}: {reason}")]
    Invalid { file: String, line: usize, field: String, reason: String },
}

fn named(field: Option<&str>) -> String {
    field.map_or(String::new(), |field| format!(" (field {field})"))
}
