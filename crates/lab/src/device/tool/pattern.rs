//! Where in the output of a tool a value stands, and in which unit.

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

/// The greatest size of a compiled pattern, in bytes: far more than a line of output needs.
const MOST_BYTES: usize = 1 << 20;

/// A regular expression with one group in parentheses, around the value.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Pattern(Regex);

impl Pattern {
    /// # Errors
    /// No regular expression, or one without exactly one group.
    pub fn parse(text: &str) -> Result<Pattern, String> {
        let regex = RegexBuilder::new(text).size_limit(MOST_BYTES).build();
        let regex = regex.map_err(|error| {
            // The crate draws a picture of several lines; the reason is the last.
            let text_of = error.to_string();
            let reason = text_of.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
            format!("{text:?} is no pattern: {}", reason.trim_start_matches("error: "))
        })?;
        match regex.captures_len() {
            2 => Ok(Pattern(regex)),
            groups => {
                let groups = groups - 1;
                Err(format!(
                    "{text:?} has {groups} groups in parentheses; it needs one, around the value ((?:…) is no group)"
                ))
            }
        }
    }

    /// The value that stands last in `text`: tools print a summary at their end.
    pub fn last<'a>(&self, text: &'a str) -> Option<&'a str> {
        self.0.captures_iter(text).last()?.get(1).map(|found| found.as_str())
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.as_str() == other.as_str()
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;
    fn try_from(text: String) -> Result<Pattern, String> {
        Pattern::parse(&text)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> String {
        pattern.as_str().to_owned()
    }
}

/// A unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeUnit {
    Ns,
    Us,
    Ms,
    S,
}

impl TimeUnit {
    pub fn ns(self) -> f64 {
        match self {
            TimeUnit::Ns => 1.0,
            TimeUnit::Us => 1e3,
            TimeUnit::Ms => 1e6,
            TimeUnit::S => 1e9,
        }
    }
}

/// A time in the output of a tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimePattern {
    pub pattern: Pattern,
    pub unit: TimeUnit,
}

/// A unit of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemoryUnit {
    #[serde(rename = "bytes")]
    Bytes,
    /// 1024 bytes, as Linux counts them.
    #[serde(rename = "kB")]
    Kilobytes,
    /// 1024² bytes.
    #[serde(rename = "MB")]
    Megabytes,
}

impl MemoryUnit {
    pub fn bytes(self) -> f64 {
        match self {
            MemoryUnit::Bytes => 1.0,
            MemoryUnit::Kilobytes => 1024.0,
            MemoryUnit::Megabytes => 1024.0 * 1024.0,
        }
    }
}

/// An amount of memory in the output of a tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryPattern {
    pub pattern: Pattern,
    pub unit: MemoryUnit,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_counts() {
        let pattern = Pattern::parse(r"avg=([0-9.e+]+)").unwrap();
        assert_eq!(pattern.last("warm-up avg=9000\nruns avg=8.12e+03 std=3\n"), Some("8.12e+03"));
        assert_eq!(pattern.last("nothing here"), None);
    }

    #[test]
    fn a_pattern_has_one_group() {
        for (bad, word) in
            [("avg=", "0 groups"), ("(a)(b)", "2 groups"), ("(", "unclosed"), ("(a{1000}){1000}", "size")]
        {
            let error = Pattern::parse(bad).unwrap_err();
            assert!(error.contains(word) && !error.contains('\n'), "{error}");
        }
        assert!(Pattern::parse("(?:a|b)=(.)").is_ok());
    }
}
