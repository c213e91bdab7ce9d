//! Reading files: never more bytes than a file of its kind can have, and the version before the content.

use edgezen_core::files::{FileError, Format};
use serde::de::DeserializeOwned;
use std::path::Path;

pub use edgezen_engine::input::{open, read_at_most};

/// The text of a file that is not larger than `most` bytes.
///
/// # Errors
/// See [`read_at_most`]; bytes that are not UTF-8.
pub fn read_text(path: &Path, most: u64) -> Result<String, FileError> {
    String::from_utf8(read_at_most(path, most)?).map_err(|_| FileError::damaged(path, "it is not text"))
}

/// The bytes of a file of `format`; whoever decodes them checks the version.
///
/// # Errors
/// See [`read_at_most`].
pub fn read(format: &Format, path: &Path) -> Result<Vec<u8>, FileError> {
    read_at_most(path, format.most_bytes)
}

/// The content of a JSON file of `format`.
///
/// # Errors
/// A file that is absent, damaged, newer than this program, or of another kind.
pub fn read_json<T: DeserializeOwned>(format: &Format, path: &Path) -> Result<T, FileError> {
    format.parse(path, &read(format, path)?)
}

/// The content of a TOML file of `format`.
///
/// # Errors
/// A file that is absent, damaged, newer than this program, or of another kind.
pub fn read_toml<T: DeserializeOwned>(format: &Format, path: &Path) -> Result<T, FileError> {
    parse_toml(format, path, &read_text(path, format.most_bytes)?)
}

/// The content of a TOML text of `format`; `path` is for the messages.
///
/// # Errors
/// A text that is damaged, newer than this program, or of another kind.
pub fn parse_toml<T: DeserializeOwned>(format: &Format, path: &Path, text: &str) -> Result<T, FileError> {
    let table: toml::Table = text.parse().map_err(|e: toml::de::Error| format.not_ours(path, e))?;
    let version = table.get(format.field).and_then(toml::Value::as_integer);
    format.check(path, version.and_then(|version| u64::try_from(version).ok()))?;
    toml::from_str(text).map_err(|e| FileError::damaged(path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_files_are_no_text() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, [0xFF; 9]).unwrap();
        assert!(read_text(&path, 9).unwrap_err().to_string().contains("text"));
    }

    #[test]
    fn the_version_of_a_toml_file_is_looked_at_first() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Named {
            schema: u32,
            name: String,
        }
        let format = Format { name: "name", field: "schema", oldest: 1, newest: 1, most_bytes: 99 };
        let parse = |text: &str| parse_toml::<Named>(&format, Path::new("a.toml"), text);
        let named = parse("schema = 1\nname = \"x\"").unwrap();
        assert_eq!((named.schema, named.name.as_str()), (1, "x"));
        assert!(matches!(parse("schema = 2\nnames = 3"), Err(FileError::Newer { found: 2, .. })));
        assert!(matches!(parse("schema = -1\nname = \"x\""), Err(FileError::NotOurs { .. })));
        assert!(matches!(parse("name = \"x\""), Err(FileError::NotOurs { .. })));
        assert!(matches!(parse("schema ="), Err(FileError::NotOurs { .. })));
        assert!(matches!(parse("schema = 1\nnames = 3"), Err(FileError::Damaged { .. })));
    }
}
