//! Names: what may stand in a path, and in an identity.

use super::text::ForeignText;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

/// The name of a device, a runtime, a precision, a campaign: something that may be one part of a path.
///
/// A name has 1 to 100 ASCII letters, digits, and `.` `_` `-` `+`. It begins with neither a dot nor a dash, and two dots
/// never follow each other. It therefore never leads out of a folder, hides a file, looks like an option, or means
/// something to a shell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Name(String);

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no name: letters, digits and . _ - +, at most {most}, no dot or dash first, no two dots in a row", most = Name::MOST)]
pub struct NameError {
    text: ForeignText,
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+')
}

impl Name {
    /// The greatest number of characters.
    pub const MOST: usize = 100;

    /// `text`, if it is a name.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Name, NameError> {
        let fits = !text.is_empty()
            && text.len() <= Name::MOST
            && text.chars().all(is_plain)
            && !text.starts_with(['.', '-'])
            && !text.contains("..");
        if fits {
            return Ok(Name(text.to_owned()));
        }
        Err(NameError { text: ForeignText::beginning(text, 60) })
    }

    /// The name that looks most like `text`: what no name may hold becomes `_`, and what is too long is cut off. A
    /// name stays as it is. Different texts may get the same name.
    pub fn resembling(text: &str) -> Name {
        let mut name = String::new();
        for c in text.chars().take(Name::MOST) {
            let fits = is_plain(c)
                && !(c == '.' && (name.is_empty() || name.ends_with('.')))
                && !(c == '-' && name.is_empty());
            name.push(if fits { c } else { '_' });
        }
        if name.is_empty() {
            name.push('_');
        }
        Name(name)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A name in this program's own source.
impl From<&'static str> for Name {
    fn from(text: &'static str) -> Name {
        Name::resembling(text)
    }
}

impl FromStr for Name {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Name, NameError> {
        Name::parse(text)
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;
    fn try_from(text: String) -> Result<Name, NameError> {
        Name::parse(&text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0
    }
}

impl Deref for Name {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Component, Path};

    #[test]
    fn names_are_single_harmless_parts_of_paths() {
        for good in ["pixel2", "torch2.1", "help-fbnet-b32", "1080ti", "c++", "A_b.c", &"x".repeat(100)] {
            let name = Name::parse(good).unwrap();
            assert_eq!(name, good);
            assert_eq!(Name::resembling(good), name);
            let parts: Vec<_> = Path::new(good).components().collect();
            assert!(matches!(parts[..], [Component::Normal(part)] if part == good));
        }
        for bad in [
            "",
            ".",
            "..",
            ".hidden",
            "-rf",
            "a/b",
            "a\\b",
            "x/../../y",
            "a..b",
            "a b",
            "a@b",
            "ä",
            "a\u{1b}",
        ] {
            assert!(Name::parse(bad).is_err(), "{bad}");
            assert!(serde_json::from_value::<Name>(bad.into()).is_err(), "{bad}");
            assert!(Name::parse(&Name::resembling(bad)).is_ok(), "{bad}");
        }
        assert!(Name::parse(&"x".repeat(101)).is_err());
        assert!(Name::parse(&Name::resembling(&"ä.".repeat(500))).is_ok());
        assert_eq!(Name::resembling("../10.0.0.7:5555"), "_._10.0.0.7_5555");
    }

    #[test]
    fn a_refusal_shows_the_text_harmlessly() {
        let error = Name::parse("x/../\u{1b}[31m").unwrap_err().to_string();
        assert!(error.starts_with(r#""x/../\u{1b}[31m" is no name"#), "{error}");
        assert!(Name::parse(&"x".repeat(1 << 20)).unwrap_err().to_string().len() < 300);
    }
}
