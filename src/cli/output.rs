//! The one door to the terminal: data on stdout, talk on stderr.
//!
//! Whatever goes through it is escaped: a text that came from a phone, a file or another program, and that nobody escaped
//! before, does not control the terminal here either. The colours of this program are marks until then.

use super::failure::{ErrorText, Failure};
use edgezen_core::foreign::escape::{escaped, escaped_json, escaped_lines};
use edgezen_core::units::Macs;
use edgezen_lab::files::Destination;
use edgezen_lab::report::tables::Table;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use serde::Serialize;
use std::cell::RefCell;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// How this run talks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Output {
    /// One JSON object (or list) on stdout, everything else on stderr.
    pub json: bool,
    /// Neither remarks nor progress on stderr, only errors.
    pub quiet: bool,
    /// Also what is of interest to those who look for the reason of something.
    pub verbose: bool,
}

/// What a command said that another program runs in its own process.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// The result, as JSON.
    pub result: Option<String>,
    /// Remarks and errors, in their order.
    pub remarks: Vec<String>,
}

thread_local! {
    /// What the command of this thread has said so far; absent where it talks to a terminal.
    static HEARD: RefCell<Option<Heard>> = const { RefCell::new(None) };
}

/// Does `work`, and gives what it said on this thread in place of printing it.
pub fn heard<T>(work: impl FnOnce() -> T) -> (T, Heard) {
    /// Whatever becomes of the work, what follows it talks to the terminal again.
    struct Listening(Option<Heard>);
    impl Drop for Listening {
        fn drop(&mut self) {
            HEARD.set(self.0.take());
        }
    }
    let listening = Listening(HEARD.replace(Some(Heard::default())));
    let done = work();
    let heard = HEARD.take().unwrap_or_default();
    drop(listening);
    (done, heard)
}

/// Whether what this thread says is heard by another program.
fn is_heard() -> bool {
    HEARD.with_borrow(Option::is_some)
}

/// Has the listener of this thread take note of something.
fn told(note: impl FnOnce(&mut Heard)) {
    HEARD.with_borrow_mut(|heard| heard.as_mut().map(note));
}

/// Whether a result was printed. stdout holds one JSON value at most: an error that comes after a result is on stderr
/// alone.
static PRINTED: AtomicBool = AtomicBool::new(false);

/// A failure as the only content of stdout.
#[derive(Serialize)]
struct OnlyError<'a> {
    error: ErrorText<'a>,
}

impl Output {
    /// The result: `value` as JSON with `--json`, else the text.
    pub fn result<T: Serialize>(self, value: &T, text: impl FnOnce() -> String) -> Result<(), Failure> {
        let out = if self.json {
            let json = serde_json::to_string_pretty(value)
                .map_err(|e| Failure::runtime(format!("cannot write the result as JSON: {e}")))?;
            escaped_json(&json).into_owned()
        } else {
            let colours =
                std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
            for_terminal(&text(), colours)
        };
        if is_heard() {
            told(|heard| heard.result = Some(out));
            return Ok(());
        }
        PRINTED.store(true, Ordering::Relaxed);
        let mut stdout = std::io::stdout().lock();
        written(writeln!(stdout, "{}", out.trim_end()).and_then(|()| stdout.flush()))
    }

    /// The result of a command that wrote `destination`; on stderr where that is standard output, which then holds the
    /// data alone.
    pub fn written<T: Serialize>(
        self,
        destination: &Destination,
        value: &T,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if destination.is_stdout() {
            self.note(text().trim_end());
            return Ok(());
        }
        self.result(value, text)
    }

    /// A remark for the person at the terminal; left out with `--quiet`.
    pub fn note(self, text: impl std::fmt::Display) {
        if !self.quiet {
            say(text);
        }
    }

    /// A remark that only `--verbose` shows.
    pub fn detail(self, text: impl std::fmt::Display) {
        if self.verbose {
            say(text);
        }
    }

    /// An error and what to do about it, on stderr.
    pub fn failure(self, failure: &Failure) {
        say(format_args!("error: {}", failure.message));
        if let Some(remedy) = &failure.remedy {
            say(format_args!("  try: {remedy}"));
        }
    }

    /// The error that ends the program: on stderr, and with `--json` also on stdout, where that is empty.
    pub fn last_failure(self, failure: &Failure) {
        if self.json && !PRINTED.load(Ordering::Relaxed) {
            self.only_error(failure);
        }
        self.failure(failure);
    }

    /// An error as the only content of stdout, as JSON.
    pub fn only_error(self, failure: &Failure) {
        let error = OnlyError { error: failure.text() };
        if let Ok(text) = serde_json::to_string_pretty(&error) {
            // Where stdout is full or closed, stderr has the error too.
            let _ = writeln!(std::io::stdout(), "{}", escaped_json(&text));
        }
    }

    /// A progress bar of `total` steps; hidden where stderr is not a terminal. `{rate}` in the template is the steps in a
    /// second with three digits.
    pub fn progress(self, total: u64, template: &str) -> ProgressBar {
        if self.quiet || is_heard() || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(total);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.with_key("rate", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                let _ = out.write_str(&rate(state.per_sec()));
            }));
        }
        bar
    }
}

/// Writes one remark to stderr, without what could control the terminal.
fn say(text: impl std::fmt::Display) {
    let text = for_terminal(&text.to_string(), false);
    if is_heard() {
        told(|heard| heard.remarks.push(text));
        return;
    }
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// The message of a progress bar, which goes to the terminal by another way than the rest.
pub fn message(text: &str) -> String {
    escaped(text).into_owned()
}

/// A colour of text in a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    Red,
    Yellow,
    Magenta,
    Cyan,
}

/// Each colour, the mark that begins it, and its command to a terminal. The marks are characters that Unicode reserves
/// for the inside of programs.
const COLOURS: [(Colour, char, &str); 4] = [
    (Colour::Red, '\u{fdd0}', "\x1b[31m"),
    (Colour::Yellow, '\u{fdd1}', "\x1b[33m"),
    (Colour::Magenta, '\u{fdd2}', "\x1b[35m"),
    (Colour::Cyan, '\u{fdd3}', "\x1b[36m"),
];

/// The mark after a coloured text, and its command.
const PLAIN: (char, &str) = ('\u{fdd4}', "\x1b[0m");

/// `text` in a colour; it becomes visible where [`Output::result`] writes to a terminal and `NO_COLOR` is not set.
pub fn painted(text: &str, colour: Colour) -> String {
    let mark = COLOURS.iter().find(|(name, ..)| *name == colour).map(|(_, mark, _)| *mark);
    match mark.filter(|_| !text.is_empty()) {
        Some(mark) => format!("{mark}{text}{}", PLAIN.0),
        None => text.to_owned(),
    }
}

/// `text` as it may be written to a terminal: escaped, and with the marks of colours as commands or taken out.
fn for_terminal(text: &str, colours: bool) -> String {
    let command = |c: char| {
        let colour = COLOURS.iter().find(|(_, mark, _)| *mark == c).map(|(.., command)| *command);
        colour.or_else(|| (c == PLAIN.0).then_some(PLAIN.1))
    };
    let safe = escaped_lines(text, |c| command(c).is_some());
    if !safe.contains(|c| command(c).is_some()) {
        return safe.into_owned();
    }
    let mut out = String::with_capacity(safe.len());
    for c in safe.chars() {
        match command(c) {
            Some(command) if colours => out.push_str(command),
            Some(_) => {}
            None => out.push(c),
        }
    }
    out
}

/// What has become of text for stdout.
///
/// # Errors
/// It could not be written. A reader who has gone away has seen enough.
pub fn written(result: std::io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(e) => Err(Failure::runtime(format!("cannot write to stdout: {e}"))),
        Ok(()) => Ok(()),
    }
}

/// Steps in a second, as `31.9k per second`.
fn rate(per_second: f64) -> String {
    format!("{} per second", Macs(per_second))
}

/// Shows that one more step of those that were expected begins: the bar counts finished steps, and is made longer where
/// more are needed than were expected.
pub fn begin_step(bar: &ProgressBar, begun: &mut u64) {
    *begun += 1;
    if bar.length().is_some_and(|expected| *begun > expected) {
        bar.set_length(*begun);
    }
    bar.set_position(*begun - 1);
}

/// A sentence in lines of at most 80 columns, set in by two.
pub fn paragraph(sentence: &str) -> String {
    let (mut out, mut line) = (String::new(), String::from(" "));
    for word in sentence.split(' ') {
        if line.chars().count() + 1 + word.chars().count() > 80 {
            out += &format!("{line}\n");
            line = String::from(" ");
        }
        line += &format!(" {word}");
    }
    out + &line + "\n"
}

/// A table of a result, columns aligned.
pub fn of_table(table: &Table) -> String {
    let header: Vec<&str> = table.header.iter().map(String::as_str).collect();
    self::table(&header, &table.rows)
}

/// `rows` under `header`, columns aligned: the first to the left, the others to the right.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([header[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let mut out = String::new();
    let header: Vec<String> = header.iter().map(|&cell| cell.to_owned()).collect();
    for row in std::iter::once(&header).chain(rows) {
        let mut line = String::new();
        for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            let pad = " ".repeat(width - cell.chars().count());
            let cell = if column == 0 { format!("{cell}{pad}") } else { format!("  {pad}{cell}") };
            line.push_str(&cell);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_colours_reach_a_terminal() {
        let text = format!("a\u{1b}[31m\u{9b}2J\r{}\tb\nc", painted("bar", Colour::Cyan));
        assert_eq!(for_terminal(&text, true), "a\\u{1b}[31m\\u{9b}2J\\r\u{1b}[36mbar\u{1b}[0m\tb\nc");
        assert_eq!(for_terminal(&text, false), "a\\u{1b}[31m\\u{9b}2J\\rbar\tb\nc");
        assert_eq!(painted("", Colour::Red), "");
    }

    #[test]
    fn what_a_command_says_can_be_heard_in_place_of_being_printed() {
        let output = Output { json: true, ..Output::default() };
        let (done, heard) = heard(|| {
            output.note("one");
            output.detail("not of interest");
            output.failure(&Failure::usage("two").remedy("three"));
            assert!(output.progress(5, "{pos}").is_hidden());
            output.result(&[1, 2], String::new)
        });
        assert!(done.is_ok() && !is_heard());
        assert_eq!(heard.remarks, ["one", "error: two", "  try: three"]);
        assert_eq!(serde_json::from_str::<Vec<i32>>(&heard.result.unwrap()).unwrap(), [1, 2]);
        // Work that panics leaves nothing behind.
        assert!(std::panic::catch_unwind(|| super::heard(|| "no number".parse::<u8>().unwrap())).is_err());
        assert!(!is_heard());
    }

    #[test]
    fn a_rate_has_three_digits() {
        assert_eq!(rate(31_898.507_8), "31.9k per second");
        assert_eq!(rate(2.0), "2.00 per second");
    }

    #[test]
    fn no_more_steps_are_finished_than_expected() {
        let bar = ProgressBar::hidden();
        bar.set_length(3);
        let mut begun = 0;
        for expected in [(0, 3), (1, 3), (2, 3), (3, 4)] {
            begin_step(&bar, &mut begun);
            assert_eq!((bar.position(), bar.length().unwrap()), expected);
        }
    }
}
