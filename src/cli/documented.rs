//! The commands that documents name are commands of this program, with options that it has.

use super::{Cli, needs_torch};
use clap::Parser;
use clap::error::ErrorKind;
use std::path::{Path, PathBuf};

/// All documents for users.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = vec![root.join("README.md"), root.join("CONTRIBUTING.md"), root.join("python/README.md")];
    for folder in ["docs", "docs/tutorials"] {
        let entries = std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        all.extend(entries.filter(|path| path.extension().is_some_and(|ending| ending == "md")));
    }
    all
}

/// A part of a document that may hold commands.
#[derive(Debug, PartialEq)]
enum Code {
    /// A line of a block for the shell.
    Line(String),
    /// A piece of a sentence, which may leave out what is needed.
    Piece(String),
}

/// The code of a document.
fn code(text: &str) -> Vec<Code> {
    let mut all = Vec::new();
    let (mut block, mut pending) = (None, String::new());
    let mut prose = String::new();
    for line in text.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            block = if block.is_some() { None } else { Some(language.trim().to_owned()) };
            continue;
        }
        match &block {
            None => prose += &format!("{line}\n"),
            Some(language) if ["sh", "bash"].contains(&language.as_str()) => match line.strip_suffix('\\') {
                Some(begun) => pending += begun,
                None => all.push(Code::Line(std::mem::take(&mut pending) + line)),
            },
            Some(_) => {}
        }
    }
    let pieces = prose.split("\n\n").flat_map(|paragraph| {
        paragraph.split('`').skip(1).step_by(2).map(|piece| Code::Piece(piece.replace('\n', " ")))
    });
    all.extend(pieces);
    all
}

/// The command lines of this program in a line for the shell, without its name.
fn commands(line: &str) -> Vec<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, ' ') => words.push(std::mem::take(&mut word)),
            _ => word.push(c),
        }
    }
    words.push(word);
    let mut all: Vec<Vec<String>> = Vec::new();
    let mut inside = false;
    for word in words.into_iter().filter(|word| !word.is_empty()) {
        let ends = ["|", "||", "&&", ";", ">", "<", "2>", "#", "…"].contains(&word.as_str());
        if word.starts_with('#') {
            break;
        }
        if word == "edgezen" {
            inside = true;
            all.push(Vec::new());
        } else if ends {
            inside = false;
        } else if let Some(last) = all.last_mut().filter(|_| inside) {
            // The end of a command in a loop.
            inside = !word.ends_with(';');
            last.push(word.trim_end_matches([';', ',']).to_owned());
        }
    }
    all
}

/// Why a command line is none; nothing where it is, or lacks only what a sentence may leave out.
fn misunderstood(words: &[String], is_piece: bool) -> Option<String> {
    let line = std::iter::once("edgezen").chain(words.iter().map(String::as_str));
    let error = Cli::try_parse_from(line).err()?;
    let left_out = [
        ErrorKind::MissingRequiredArgument,
        ErrorKind::MissingSubcommand,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
        ErrorKind::TooFewValues,
        ErrorKind::WrongNumberOfValues,
    ];
    let fine = !error.use_stderr()
        || needs_torch(&error).is_some()
        || stands_for_a_value(&error, is_piece)
        || is_piece && left_out.contains(&error.kind());
    (!fine).then(|| error.to_string().lines().next().unwrap_or_default().to_owned())
}

/// Whether an option has for a value what stands for one: a variable of the shell or, in a sentence, a word in capitals.
fn stands_for_a_value(error: &clap::Error, is_piece: bool) -> bool {
    use clap::error::{ContextKind, ContextValue};
    let capitals = |text: &str| text.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let stands = |text: &str| text.starts_with('$') || is_piece && (capitals(text) || text == "…");
    [ContextKind::InvalidValue, ContextKind::InvalidSubcommand]
        .iter()
        .any(|kind| matches!(error.get(*kind), Some(ContextValue::String(text)) if stands(text)))
}

#[test]
fn commands_in_documents_are_understood() {
    let (mut problems, mut count) = (Vec::new(), 0);
    for path in documents() {
        let text = std::fs::read_to_string(&path).unwrap();
        for piece in code(&text) {
            let (line, is_piece) = match &piece {
                Code::Line(line) => (line, false),
                Code::Piece(piece) if piece.starts_with("edgezen ") => (piece, true),
                Code::Piece(_) => continue,
            };
            for words in commands(line) {
                count += 1;
                if let Some(why) = misunderstood(&words, is_piece) {
                    problems.push(format!("{}: edgezen {}: {why}", path.display(), words.join(" ")));
                }
            }
        }
    }
    assert!(count > 200, "{count}");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn a_command_is_found_in_a_line() {
    let words = |line: &str| commands(line).iter().map(|words| words.join(" ")).collect::<Vec<_>>();
    assert_eq!(words("edgezen score a   # b; edgezen c"), ["score a"]);
    assert_eq!(words("for f in *; do edgezen jobs run \"$f\"; done"), ["jobs run $f"]);
    assert_eq!(words("edgezen devices doctor || true && edgezen info x"), ["devices doctor", "info x"]);
    assert_eq!(words("cargo build"), Vec::<String>::new());
    assert!(misunderstood(&["scores".into()], true).is_some());
    assert!(misunderstood(&["score".into(), "NET".into(), "--engin".into(), "exact".into()], true).is_some());
    assert!(
        misunderstood(&["score".into()], true).is_none() && misunderstood(&["score".into()], false).is_some()
    );
}
