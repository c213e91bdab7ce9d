//! The parsers, each with inputs to start from. A new one is a value of [`Parser`] and its line in [`registry`].

mod devices;
mod measurements;
mod networks;
mod predictors;
mod protocol;
mod runs;
mod tables;
mod texts;

use std::fmt;
use std::path::PathBuf;

/// Whole inputs, or why they cannot be had.
pub type Seeds = std::io::Result<Vec<Vec<u8>>>;

/// Something that reads what others wrote.
#[derive(Clone, Copy)]
pub struct Parser {
    pub name: &'static str,
    /// Inputs that are accepted as they are.
    pub seeds: fn() -> Seeds,
    /// Makes the checksum of a damaged input fit again, where the format has one.
    pub seal: fn(Vec<u8>) -> Vec<u8>,
    /// Reads an input, and does with it what the program would do. The error is the program's message.
    pub parse: fn(&[u8]) -> Result<(), String>,
}

/// All parsers.
pub fn registry() -> Vec<Parser> {
    let all: [&[Parser]; 8] = [
        texts::PARSERS,
        networks::PARSERS,
        predictors::PARSERS,
        tables::PARSERS,
        measurements::PARSERS,
        devices::PARSERS,
        protocol::PARSERS,
        runs::PARSERS,
    ];
    all.concat()
}

/// The parser of this name.
pub fn by_name(name: &str) -> Option<Parser> {
    registry().into_iter().find(|parser| parser.name == name)
}

/// For formats without a checksum.
fn as_it_is(input: Vec<u8>) -> Vec<u8> {
    input
}

/// The files of the repository at these paths, relative to its root.
fn files(paths: &[&str]) -> Seeds {
    paths.iter().map(|path| std::fs::read(root().join(path))).collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs `read` on a file with this content, called `name` in a folder of its own.
fn in_a_file<T, E: fmt::Display>(
    name: &str,
    input: &[u8],
    read: impl FnOnce(&std::path::Path) -> Result<T, E>,
) -> Result<T, String> {
    let folder = tempfile::tempdir().map_err(said)?;
    let path = folder.path().join(name);
    std::fs::write(&path, input).map_err(said)?;
    read(&path).map_err(said)
}

fn said(error: impl fmt::Display) -> String {
    error.to_string()
}

fn text(input: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(input).map_err(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_inputs_are_accepted() {
        let mut refused = Vec::new();
        for parser in registry() {
            let seeds = (parser.seeds)().unwrap();
            assert!(!seeds.is_empty(), "{}", parser.name);
            for (number, seed) in seeds.into_iter().enumerate() {
                if let Err(error) = (parser.parse)(&(parser.seal)(seed)) {
                    refused.push(format!("{} {number}: {error}", parser.name));
                }
            }
        }
        assert!(refused.is_empty(), "{}", refused.join("\n"));
    }

    #[test]
    fn a_seal_changes_nothing_that_was_in_order() {
        for parser in registry() {
            for seed in (parser.seeds)().unwrap() {
                assert_eq!((parser.seal)(seed.clone()), seed, "{}", parser.name);
            }
        }
    }

    #[test]
    fn names_are_different() {
        let mut names: Vec<&str> = registry().iter().map(|parser| parser.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), registry().len());
    }
}
