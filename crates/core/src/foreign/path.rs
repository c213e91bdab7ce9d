//! Folders on another device.

use super::text::ForeignText;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An absolute path on another device, such as `/data/local/tmp`. Its parts have letters, digits and `.` `_` `-` `+` only
/// and are neither `.` nor `..`, so that every shell reads it as one word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PlainPath(String);

/// Why a text is no plain path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no plain absolute path: parts of letters, digits and . _ - +, as /data/local/tmp")]
pub struct PathError {
    text: ForeignText,
}

impl PlainPath {
    /// The greatest number of characters.
    const MOST: usize = 500;

    /// `text`, without a slash at its end, if it is a plain path.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<PlainPath, PathError> {
        let is_part = |part: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
            !part.is_empty() && part != "." && part != ".." && part.chars().all(plain)
        };
        let path = text.strip_suffix('/').unwrap_or(text);
        let parts = path.strip_prefix('/').filter(|_| path.len() <= PlainPath::MOST);
        match parts {
            Some(parts) if parts.split('/').all(is_part) => Ok(PlainPath(path.to_owned())),
            _ => Err(PathError { text: ForeignText::beginning(text, 100) }),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PlainPath {
    type Error = PathError;
    fn try_from(text: String) -> Result<PlainPath, PathError> {
        PlainPath::parse(&text)
    }
}

impl From<PlainPath> for String {
    fn from(path: PlainPath) -> String {
        path.0
    }
}

impl fmt::Display for PlainPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_of_a_shell() {
        assert_eq!(PlainPath::parse("/data/local/tmp/").unwrap().as_str(), "/data/local/tmp");
        for bad in
            ["", "/", "tmp", "/data/../x", "/a b", "/tmp; echo INJECTED; #", "/$(id)", "/a\nb", "//x", "/~x"]
        {
            assert!(PlainPath::parse(bad).is_err(), "{bad}");
        }
        assert!(PlainPath::parse(&"/x".repeat(400)).is_err());
    }
}
