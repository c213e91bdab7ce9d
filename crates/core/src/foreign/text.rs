//! Text from outside, within a bound.

use super::escape::escaped;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Text that somebody else wrote: a property of a phone, the reason that a runner gives for a failure, a serial number.
///
/// The text is held as it came, and files hold it as it came. Printing it escapes every character that a terminal
/// would obey, and brings it onto one line.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ForeignText(String);

/// A text that is longer than any that is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a text of {bytes} bytes; at most {} are read", ForeignText::MOST_BYTES)]
pub struct TooLong {
    pub bytes: usize,
}

impl ForeignText {
    /// The longest text that is taken over, in bytes.
    pub const MOST_BYTES: usize = 4096;

    /// `text`, where it must be whole to be of use.
    ///
    /// # Errors
    /// It is longer than [`ForeignText::MOST_BYTES`].
    pub fn whole(text: impl Into<String>) -> Result<ForeignText, TooLong> {
        let text = text.into();
        if text.len() > ForeignText::MOST_BYTES {
            return Err(TooLong { bytes: text.len() });
        }
        Ok(ForeignText(text))
    }

    /// The beginning of `text`, at most `bytes` of it, with `…` where something was cut off: for messages, which say
    /// enough in one line.
    pub fn beginning(text: &str, bytes: usize) -> ForeignText {
        let bytes = bytes.min(ForeignText::MOST_BYTES - '…'.len_utf8());
        if text.len() <= bytes {
            return ForeignText(text.to_owned());
        }
        let end = (0..=bytes).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        ForeignText(format!("{}…", &text[..end]))
    }

    /// What an error of a foreign library, another program or another device says.
    pub fn message(error: impl fmt::Display) -> ForeignText {
        ForeignText::beginning(&error.to_string(), 500)
    }

    /// The text as it came. It must not be printed, nor become part of a path or a command.
    pub fn raw(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for ForeignText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&escaped(&self.0))
    }
}

impl fmt::Debug for ForeignText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// For messages: what is too long is cut off.
impl From<&str> for ForeignText {
    fn from(text: &str) -> ForeignText {
        ForeignText::beginning(text, ForeignText::MOST_BYTES)
    }
}

/// What files hold must be whole.
impl TryFrom<String> for ForeignText {
    type Error = TooLong;
    fn try_from(text: String) -> Result<ForeignText, TooLong> {
        ForeignText::whole(text)
    }
}

impl From<ForeignText> for String {
    fn from(text: ForeignText) -> String {
        text.0
    }
}

impl PartialEq<str> for ForeignText {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for ForeignText {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_kept_whole_and_printed_harmlessly() {
        let text = ForeignText::whole("Pix\u{1b}[31mel\u{9b}2J\n").unwrap();
        assert_eq!(text.to_string(), r"Pix\u{1b}[31mel\u{9b}2J\n");
        assert_eq!(format!("{text:?}"), r#""Pix\u{1b}[31mel\u{9b}2J\n""#);
        let json = serde_json::to_string(&text).unwrap();
        assert_eq!(serde_json::from_str::<ForeignText>(&json).unwrap(), text);
        assert_eq!(text.raw(), "Pix\u{1b}[31mel\u{9b}2J\n");
    }

    #[test]
    fn it_is_bounded() {
        let long = "ä".repeat(3000);
        assert_eq!(ForeignText::whole(long.clone()), Err(TooLong { bytes: 6000 }));
        assert!(serde_json::from_value::<ForeignText>(long.clone().into()).is_err());
        for bytes in [0, 1, 2, 7, 499, 500, 4096, usize::MAX] {
            let cut = ForeignText::beginning(&long, bytes);
            assert!(cut.raw().len() <= ForeignText::MOST_BYTES && cut.raw().ends_with('…'));
        }
        assert_eq!(ForeignText::beginning("short", 500), "short");
    }
}
