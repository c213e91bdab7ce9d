//! Texts for whoever called a command from Python: the command's options as the arguments that they are there.

use super::Cli;
use clap::CommandFactory;
use std::collections::BTreeMap;

/// Programs whose command lines a text may name, besides this one.
const PROGRAMS: [&str; 5] = ["cargo", "adb", "ssh", "pip", "sh"];
/// Words with which the command line that a text names is over.
const JOINTS: [&str; 4] = ["and", "or", "then", "where"];
/// Options that say how the program prints, which is nothing to Python.
const OF_A_TERMINAL: [&str; 5] = ["help", "version", "json", "quiet", "verbose"];
/// What may stand around a word.
const OPENING: [char; 4] = ['(', '`', '"', '\''];
const CLOSING: [char; 8] = [',', ';', ':', '.', ')', '`', '"', '\''];

/// An option of a command.
struct Opt {
    /// Its name in Python.
    name: String,
    takes_value: bool,
    /// The values that there are, where they are listed.
    values: Vec<String>,
}

/// `text` with the options of the command that begins with `words` as arguments of Python: `--out DIR` as `out=DIR`, `--force` as
/// `force=True`. Command lines that the text names, as `edgezen profile --device host`, stay as they are, and so do the options of
/// other commands.
pub fn in_arguments(words: &[String], text: &str) -> String {
    if !text.contains('-') {
        return text.to_owned();
    }
    let options = options(words);
    let (mut out, mut line) = (String::with_capacity(text.len()), false);
    let mut tokens = text.split_inclusive(char::is_whitespace).peekable();
    let mut before = "";
    while let Some(token) = tokens.next() {
        let Token { opening, core, closing } = Token::of(token);
        line = line && !JOINTS.contains(&core);
        line |= names_program(core, tokens.peek().map_or("", |next| Token::of(next).core));
        match split(core, &options).filter(|_| !line) {
            None => out += token,
            Some((option, given)) => {
                out += opening;
                out += &option.name;
                let next = tokens.peek().map(|next| Token::of(next));
                let is_value = |next: &Token<'_>| next.opening.is_empty() && option.is_value(next.core);
                if let Some(given) = given {
                    out += &format!("={given}");
                } else if option.takes_value
                    && closing.trim().is_empty()
                    && next.as_ref().is_some_and(is_value)
                {
                    out += "=";
                    before = core;
                    continue;
                } else if !option.takes_value && !["out", "without"].contains(&before) {
                    out += "=True";
                }
                out += closing;
            }
        }
        line = line && closing.trim_end().is_empty();
        before = core;
    }
    out
}

/// A word with what stands around it, spaces included.
struct Token<'a> {
    opening: &'a str,
    core: &'a str,
    closing: &'a str,
}

impl<'a> Token<'a> {
    fn of(token: &'a str) -> Token<'a> {
        let inner = token.trim_start_matches(OPENING);
        let (opening, rest) = token.split_at(token.len() - inner.len());
        let core = rest.trim_end().trim_end_matches(CLOSING);
        let (core, closing) = rest.split_at(core.len());
        Token { opening, core, closing }
    }
}

impl Opt {
    /// Whether the word behind the option looks like its value rather than like the next word of a sentence.
    fn is_value(&self, word: &str) -> bool {
        let is_name = |c: char| c.is_ascii_digit() || "/.@_+=…".contains(c);
        let is_placeholder = word.chars().all(|c| c.is_uppercase() || "-|".contains(c));
        !word.is_empty()
            && !word.starts_with('-')
            && (word.contains(is_name) || is_placeholder || self.values.iter().any(|value| value == word))
    }
}

/// Whether a command line begins with `word`, which `next` follows.
fn names_program(word: &str, next: &str) -> bool {
    let is_command = || next.starts_with("--") || Cli::command().find_subcommand(next).is_some();
    (word == "edgezen" && is_command()) || PROGRAMS.contains(&word) || word.starts_with("scripts/")
}

/// The option that `word` is, with the value that is part of the word.
fn split<'a, 'b>(word: &'a str, options: &'b BTreeMap<String, Opt>) -> Option<(&'b Opt, Option<&'a str>)> {
    let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
    Some((options.get(name)?, value))
}

/// The options of the command that `words` begin with, by how they are written; those of a command that is planned as jobs stand
/// behind `--`, and belong to it.
fn options(words: &[String]) -> BTreeMap<String, Opt> {
    let mut top = Cli::command();
    top.build();
    let mut options = BTreeMap::new();
    for line in words.split(|word| word == "--") {
        let mut at = &top;
        for word in line {
            let Some(inner) = at.find_subcommand(word) else { break };
            at = inner;
        }
        for argument in at.get_arguments() {
            let Some(long) = argument.get_long().filter(|long| !OF_A_TERMINAL.contains(long)) else {
                continue;
            };
            let opt = || Opt {
                name: long.replace('-', "_"),
                takes_value: argument.get_action().takes_values(),
                values: argument
                    .get_possible_values()
                    .iter()
                    .map(|value| value.get_name().to_owned())
                    .collect(),
            };
            let aliases = argument.get_all_aliases().unwrap_or_default();
            options.extend(aliases.into_iter().chain([long]).map(|name| (format!("--{name}"), opt())));
            options.extend(argument.get_short().map(|short| (format!("-{short}"), opt())));
        }
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(words: &str, text: &str) -> String {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        in_arguments(&words, text)
    }

    #[test]
    fn options_of_the_command_become_arguments() {
        for (text, arguments) in [
            (
                "at most 14 layers, as the profile of pixel2 says (--layers changes it)",
                "at most 14 layers, as the profile of pixel2 says (layers changes it)",
            ),
            ("--kernels with some of 3, 5, 7", "kernels with some of 3, 5, 7"),
            ("another folder: --out DIR", "another folder: out=DIR"),
            ("--latency 80ms, or --any-shape", "latency=80ms, or any_shape=True"),
            ("--confidence=0.9 asks for more", "confidence=0.9 asks for more"),
            ("--confidence 0.9 searches", "confidence=0.9 searches"),
            ("another place, or --force to replace it", "another place, or force=True to replace it"),
            ("leave out --any-shape.", "leave out any_shape."),
            ("-o FILE", "out=FILE"),
            ("give --init, --proxy or --objective FILE.", "give init, proxy or objective=FILE."),
            ("no option, no change - but a dash", "no option, no change - but a dash"),
        ] {
            assert_eq!(said("search --latency 80ms", text), arguments);
        }
    }

    #[test]
    fn command_lines_and_options_of_others_stay() {
        for text in [
            "edgezen profile --device host, then edgezen fit",
            "(edgezen search --resume --out runs/a)",
            "with a GPU: scripts/setup-libtorch --force; cargo build --release --features torch",
            "--samples and --no-such stay",
            "edgezen --help, or --help behind a command",
        ] {
            assert_eq!(said("search", text), text);
        }
        assert_eq!(
            said("search", "edgezen search --resume --out runs/a goes on; --force starts anew"),
            "edgezen search --resume --out runs/a goes on; force=True starts anew"
        );
        assert_eq!(said("jobs plan -o jobs -- search", "--seeds N, --layers 7"), "seeds=N, layers=7");
        assert_eq!(said("nonsense", "--seed 7"), "seed=7");
    }
}
