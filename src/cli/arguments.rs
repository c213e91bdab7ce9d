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
/// Words behind an option, at the end of what is said, that are none of its values.
const PROSE: [&str; 6] = ["on", "needs", "alone", "too", "once", "it"];
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
    let tokens: Vec<Token<'_>> = text.split_inclusive(char::is_whitespace).map(Token::of).collect();
    let core_at = |at: usize| tokens.get(at).map_or("", |token| token.core);
    let (mut out, mut line) = (String::with_capacity(text.len()), false);
    for (at, token) in tokens.iter().enumerate() {
        let &Token { opening, core, closing } = token;
        line = line && !JOINTS.contains(&core);
        line |= names_program(core, core_at(at + 1));
        out += opening;
        match split(core, &options).filter(|_| !line) {
            None => out += core,
            Some((option, given)) => {
                out += &option.name;
                let before = if at > 0 { core_at(at - 1) } else { "" };
                if let Some(given) = given {
                    out += &format!("={given}");
                } else if option.takes_value
                    && token.is_followed_at_once()
                    && option.is_value(&tokens[at + 1..])
                {
                    // The space goes, and the value comes.
                    out += "=";
                    continue;
                } else if !option.takes_value && !["out", "without"].contains(&before) {
                    out += "=True";
                }
            }
        }
        out += closing;
        line = line && token.is_followed_at_once();
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

    /// Whether nothing but a space is between it and the next word.
    fn is_followed_at_once(&self) -> bool {
        !self.closing.is_empty() && self.closing.trim().is_empty()
    }
}

impl Opt {
    /// Whether the first of the words behind the option looks like its value rather than like the next word of a sentence.
    fn is_value(&self, words: &[Token<'_>]) -> bool {
        let Some(word) = words.first().filter(|word| word.opening.is_empty()) else { return false };
        let core = word.core;
        if core.is_empty() || core.starts_with('-') || JOINTS.contains(&core) {
            return false;
        }
        let is_name = |c: char| c.is_ascii_digit() || "/.@_+=…".contains(c);
        let is_placeholder = core.chars().all(|c| c.is_uppercase() || "-|".contains(c));
        // `--proxy flops, or`, and not `--layers changes it`.
        let next = words.get(1).map_or("", |next| next.core);
        let is_last = !word.is_followed_at_once() || JOINTS.contains(&next) || next.starts_with("--");
        core.contains(is_name)
            || is_placeholder
            || self.values.iter().any(|value| value == core)
            || (is_last && !PROSE.contains(&core))
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
            ("--proxy flops and --proxy params", "proxy=flops and proxy=params"),
            (
                "--proxy zen --rescore exact, or leave out --rescore",
                "proxy=zen rescore=exact, or leave out rescore",
            ),
            ("each seed from --seed on", "each seed from seed on"),
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
