//! Why a tool gave no latency.

use edgezen_core::files::FileError;
use edgezen_core::foreign::ForeignText;
use std::path::{Path, PathBuf};

/// Why a tool gave no latency.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// Its description cannot be used.
    #[error(transparent)]
    Description(#[from] FileError),
    #[error("there is no program {}{}", ForeignText::from(program.as_str()), place(looked_in.as_deref()))]
    NotFound {
        program: String,
        /// The folder that it would be in; `None`: those of `PATH`.
        looked_in: Option<PathBuf>,
    },
    #[error("{} cannot be started: {error}", program.display())]
    Start { program: PathBuf, error: std::io::Error },
    /// It ended with another status than zero.
    #[error("{} failed ({status}){said}", program.display())]
    Failed { program: PathBuf, status: String, said: Tail },
    /// It was ended, with all that it had started.
    #[error("{} did not end within {seconds} s, and was ended{said}", program.display())]
    Hangs { program: PathBuf, seconds: u64, said: Tail },
    /// A value is not where the description says.
    #[error("{what} is not in the output: the pattern {pattern:?} does not fit{said}")]
    Unmatched { what: &'static str, pattern: String, said: Tail },
    /// What stands there is none that a measurement gives.
    #[error("{what} is given as {value}: {reason}{said}")]
    NoValue { what: &'static str, value: ForeignText, reason: String, said: Tail },
    /// A place in the command whose value nobody knows.
    #[error("the command asks for {{{0}}}, which is not known of this network")]
    Place(&'static str),
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: std::io::Error },
}

fn place(folder: Option<&Path>) -> String {
    folder.map_or_else(|| " in PATH".to_owned(), |folder| format!(" in {}", folder.display()))
}

impl ToolError {
    /// What to do about it, where `description` is the file that describes the tool.
    pub fn remedy(&self, description: &Path) -> String {
        let file = description.display();
        match self {
            ToolError::Description(_) | ToolError::Place(_) => format!("mend {file}"),
            ToolError::NotFound { .. } | ToolError::Start { .. } => {
                format!("install the program, or write its whole path into the command of {file}")
            }
            ToolError::Failed { .. } | ToolError::Io { .. } => {
                format!("call the program by hand; the command stands in {file}")
            }
            ToolError::Hangs { .. } => format!("fewer runs, or a greater time_limit_s, in {file}"),
            ToolError::Unmatched { .. } | ToolError::NoValue { .. } => {
                format!("compare the pattern and its unit in {file} with the output")
            }
        }
    }
}

/// The most lines, and the most characters of a line, that a message repeats.
const LINES: usize = 10;
const LINE: usize = 200;

/// The last lines of what a tool printed, for a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail(Vec<ForeignText>);

impl Tail {
    pub fn of(text: &str) -> Tail {
        let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        let last = &lines[lines.len().saturating_sub(LINES)..];
        Tail(last.iter().map(|line| ForeignText::beginning(line, LINE)).collect())
    }
}

impl std::fmt::Display for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return f.write_str("; it printed nothing");
        }
        f.write_str("; it printed at the end:")?;
        self.0.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_short_and_harmless() {
        let text: String =
            (0..99).map(|line| format!("line {line}\u{1b}[2J{}\n\n", "x".repeat(999))).collect();
        let tail = Tail::of(&text).to_string();
        assert_eq!(tail.lines().count(), 1 + LINES);
        assert!(tail.contains("line 98") && !tail.contains("line 88 ") && !tail.contains('\u{1b}'), "{tail}");
        assert!(tail.lines().all(|line| line.len() < 300));
        assert_eq!(Tail::of("\n \n").to_string(), "; it printed nothing");
    }
}
