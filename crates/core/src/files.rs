//! Versioned files: what every kind of file that this program writes has in common when it is read.
//!
//! A [`Format`] names a kind of file, the field that holds its version, and the versions that can be read. Every
//! reader goes through it, so that a file of another kind, a file of a newer program and a damaged file are told
//! apart in the same way everywhere. Nothing here touches the disk: the caller brings the bytes.

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::fmt;
use std::path::{Path, PathBuf};

/// A kind of file, and the versions of its layout that this program reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// What a file of this kind is called in messages: `predictor file`.
    pub name: &'static str,
    /// The field at the top of the file that holds the version: `schema_version`.
    pub field: &'static str,
    /// Smaller versions were never written, or are no longer read.
    pub oldest: u32,
    /// The version that is written. It grows when a reader of the old number would misread a file.
    pub newest: u32,
    /// Larger files are refused before they are read.
    pub most_bytes: u64,
}

impl Format {
    /// The version that a file says it is of; `None` where it has no such field, or no number in it.
    pub fn version(&self, file: &Value) -> Option<u64> {
        file.get(self.field)?.as_u64()
    }

    /// Whether files of version `found` can be read.
    pub fn reads(&self, found: u64) -> bool {
        (u64::from(self.oldest)..=u64::from(self.newest)).contains(&found)
    }

    /// Checks the version of the file at `path`.
    ///
    /// # Errors
    /// No version, one that was never written, or one that is newer than this program.
    pub fn check(&self, path: &Path, found: Option<u64>) -> Result<(), FileError> {
        let Format { name, field, newest, .. } = *self;
        match found {
            None => Err(self.not_ours(path, format!("the field {field} is missing, or is no version"))),
            Some(found) if self.reads(found) => Ok(()),
            Some(found) if found > u64::from(newest) => {
                Err(FileError::Newer { path: path.to_owned(), name, found, newest })
            }
            Some(found) => Err(self.not_ours(path, format!("{field} {found} is not one that can be read"))),
        }
    }

    /// The JSON value in `bytes`, after its version was checked; `path` is for the messages.
    ///
    /// # Errors
    /// No text, no JSON, or see [`Format::check`].
    pub fn value(&self, path: &Path, bytes: &[u8]) -> Result<Value, FileError> {
        let text = std::str::from_utf8(bytes).map_err(|_| self.not_ours(path, "it is not text"))?;
        let value = serde_json::from_str(text).map_err(|e| self.not_ours(path, e))?;
        self.check(path, self.version(&value))?;
        Ok(value)
    }

    /// Checks that the JSON file in `bytes` has the field `mark`, which every version of its kind has and other kinds have not.
    ///
    /// # Errors
    /// No JSON, or a file of another kind, whatever its version.
    pub fn check_kind(&self, path: &Path, bytes: &[u8], mark: &str) -> Result<(), FileError> {
        let value: Value = serde_json::from_slice(bytes).map_err(|e| self.not_ours(path, e))?;
        match value.get(mark) {
            Some(_) => Ok(()),
            None => Err(self.not_ours(path, format!("the field {mark} is missing"))),
        }
    }

    /// The content of a JSON file; `path` is for the messages. The version is checked first: a newer file must be
    /// called newer, and not be refused for a field that this program does not know.
    ///
    /// # Errors
    /// See [`Format::value`]; content that is not of type `T`.
    pub fn parse<T: DeserializeOwned>(&self, path: &Path, bytes: &[u8]) -> Result<T, FileError> {
        let text = std::str::from_utf8(bytes).map_err(|_| self.not_ours(path, "it is not text"))?;
        let mut json = serde_json::Deserializer::from_str(text);
        let version = Lookup { field: Some(self.field) }.deserialize(&mut json);
        let version = version.and_then(|version| json.end().map(|()| version));
        self.check(path, version.map_err(|e| self.not_ours(path, e))?)?;
        // Read again rather than taken from a value: only then does an error name its line.
        serde_json::from_slice(bytes).map_err(|e| FileError::damaged(path, e))
    }

    /// The error of a file that is of another kind, or of none.
    pub fn not_ours(&self, path: &Path, reason: impl ToString) -> FileError {
        FileError::not_ours(path, self.name, reason)
    }
}

/// Looks up a whole number in a JSON text and keeps nothing else of it: as values, a text would take many times its
/// size.
#[derive(Clone, Copy)]
struct Lookup {
    /// The field of an object that holds the number; absent: the value itself is the number.
    field: Option<&'static str>,
}

impl<'de> DeserializeSeed<'de> for Lookup {
    type Value = Option<u64>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<u64>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Lookup {
    type Value = Option<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<u64>, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if self.field == Some(key.as_str()) {
                found = map.next_value_seed(Lookup { field: None })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Option<u64>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Option<u64>, E> {
        Ok(self.field.is_none().then_some(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Option<u64>, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Option<u64>, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Option<u64>, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Option<u64>, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Option<u64>, E> {
        Ok(None)
    }
}

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// What the operating system says; the file may be absent ([`FileError::is_missing`]).
    #[error("{path}: {error}")]
    Io { path: PathBuf, error: std::io::Error },
    #[error("{path}: not a {name}: {reason}")]
    NotOurs { path: PathBuf, name: &'static str, reason: String },
    #[error(
        "{path}: written by a newer version of this program ({name} of version {found}, this one reads {newest})"
    )]
    Newer { path: PathBuf, name: &'static str, found: u64, newest: u32 },
    /// The content does not fit the checksum beside it.
    #[error("{path}: the checksum does not match: the file was changed or damaged")]
    Checksum { path: PathBuf },
    /// Of the right kind, with content that makes no sense.
    #[error("{path}: {reason}")]
    Damaged { path: PathBuf, reason: String },
    /// Of the right kind, with a line that makes no sense; lines count from 1.
    #[error("{path}, line {line}: {reason}")]
    DamagedLine { path: PathBuf, line: usize, reason: String },
    /// Something is there that is replaced only where that is asked for; `what` says what it is.
    #[error("{path} {what}")]
    InTheWay { path: PathBuf, what: String },
    /// Nothing can be written there, whatever is asked for.
    #[error("{path} {reason}")]
    NotWritable { path: PathBuf, reason: String },
    /// The result would replace a file that it is made of.
    #[error("{path} is both read and to be written (as {input})")]
    SameFile { path: PathBuf, input: PathBuf },
    /// Another process works in this folder.
    #[error("{path} is in use by {owner}")]
    Busy { path: PathBuf, owner: String },
}

impl FileError {
    /// Wraps what the operating system says of `path`.
    pub fn io(path: &Path) -> impl FnOnce(std::io::Error) -> FileError + '_ {
        move |error| FileError::Io { path: path.to_owned(), error }
    }

    /// The error of a file that is no `name` at all.
    pub fn not_ours(path: &Path, name: &'static str, reason: impl ToString) -> FileError {
        FileError::NotOurs { path: path.to_owned(), name, reason: reason.to_string() }
    }

    /// The error of a file whose content makes no sense.
    pub fn damaged(path: &Path, reason: impl ToString) -> FileError {
        FileError::Damaged { path: path.to_owned(), reason: reason.to_string() }
    }

    /// The error of a line, counted from 1, that makes no sense.
    pub fn damaged_line(path: &Path, line: usize, reason: impl ToString) -> FileError {
        FileError::DamagedLine { path: path.to_owned(), line, reason: reason.to_string() }
    }

    /// Whether the file is missing, rather than damaged.
    pub fn is_missing(&self) -> bool {
        matches!(self, FileError::Io { error, .. } if error.kind() == std::io::ErrorKind::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: Format =
        Format { name: "list", field: "layout", oldest: 2, newest: 3, most_bytes: 1 << 10 };

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct List {
        layout: u32,
        items: Vec<u32>,
    }

    #[test]
    fn the_version_is_looked_at_before_the_content() {
        let parse = |text: &str| FORMAT.parse::<List>(Path::new("a.json"), text.as_bytes());
        assert_eq!(parse(r#"{"layout":2,"items":[1]}"#).unwrap(), List { layout: 2, items: vec![1] });
        let newer = parse(r#"{"layout":4,"things":[1]}"#).unwrap_err();
        assert!(matches!(newer, FileError::Newer { found: 4, newest: 3, .. }), "{newer}");
        for (text, word) in [
            ("", "not a list"),
            ("[1, 2]", "layout"),
            (r#"{"layout":"3","items":[]}"#, "layout"),
            (r#"{"layout":[3],"items":[]}"#, "layout"),
            (r#"{"layout":{"layout":3},"items":[]}"#, "layout"),
            (r#"{"layout":3,"items":[]} x"#, "trailing"),
            ("7", "layout"),
            (r#"{"layout":1,"items":[]}"#, "layout 1"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(matches!(error, FileError::NotOurs { .. }), "{error}");
            assert!(error.to_string().contains(word) && error.to_string().contains("a.json"), "{error}");
        }
        let damaged = parse("{\"layout\":3,\n\"things\":[1]}").unwrap_err();
        assert!(matches!(damaged, FileError::Damaged { .. }), "{damaged}");
        assert!(damaged.to_string().contains("line 2"), "{damaged}");
    }

    #[test]
    fn a_file_of_another_kind_is_not_called_newer() {
        let check = |text: &str| FORMAT.check_kind(Path::new("a.json"), text.as_bytes(), "items");
        assert!(check(r#"{"layout":9,"items":[]}"#).is_ok(), "its version is looked at later");
        for text in [r#"{"layout":9,"things":[1]}"#, "[1]", "", "x"] {
            let error = check(text).unwrap_err();
            assert!(matches!(error, FileError::NotOurs { .. }), "{error}");
        }
    }
}
