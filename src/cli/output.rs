//! The one door to the terminal: data on stdout, talk on stderr.

use super::failure::{ErrorText, Failure};
use edgezen_core::units::Macs;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use serde::Serialize;
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
            serde_json::to_string_pretty(value)
                .map_err(|e| Failure::runtime(format!("cannot write the result as JSON: {e}")))?
        } else {
            text()
        };
        PRINTED.store(true, Ordering::Relaxed);
        let mut stdout = std::io::stdout().lock();
        match writeln!(stdout, "{}", out.trim_end()).and_then(|()| stdout.flush()) {
            // Whoever read our output has seen enough.
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            Err(e) => Err(Failure::runtime(format!("cannot write to stdout: {e}"))),
            Ok(()) => Ok(()),
        }
    }

    /// A remark for the person at the terminal; left out with `--quiet`.
    pub fn note(self, text: impl std::fmt::Display) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// A remark that only `--verbose` shows.
    pub fn detail(self, text: impl std::fmt::Display) {
        if self.verbose {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// An error and what to do about it, on stderr.
    pub fn failure(self, failure: &Failure) {
        let mut stderr = std::io::stderr().lock();
        let _ = writeln!(stderr, "error: {}", failure.message);
        if let Some(remedy) = &failure.remedy {
            let _ = writeln!(stderr, "  try: {remedy}");
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
            let _ = writeln!(std::io::stdout(), "{text}");
        }
    }

    /// A progress bar of `total` steps; hidden where stderr is not a terminal. `{rate}` in the template is the steps in a
    /// second with three digits.
    pub fn progress(self, total: u64, template: &str) -> ProgressBar {
        if self.quiet || !std::io::stderr().is_terminal() {
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
