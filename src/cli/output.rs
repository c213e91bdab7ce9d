//! The one door to the terminal: data on stdout, talk on stderr.

use super::failure::Failure;
use edgezen_lab::files::Destination;
use serde::Serialize;
use std::io::{IsTerminal, Write};

/// How this run talks.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// One JSON object (or list) on stdout, everything else on stderr.
    pub json: bool,
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
        let mut stdout = std::io::stdout().lock();
        match writeln!(stdout, "{}", out.trim_end()).and_then(|()| stdout.flush()) {
            // Whoever read our output has seen enough.
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            Err(e) => Err(Failure::runtime(format!("cannot write to stdout: {e}"))),
            Ok(()) => Ok(()),
        }
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

    /// A remark for the person at the terminal.
    pub fn note(self, text: impl std::fmt::Display) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// A progress bar of `total` steps; hidden where stderr is not a terminal.
    pub fn progress(self, total: u64, template: &str) -> indicatif::ProgressBar {
        if !std::io::stderr().is_terminal() {
            return indicatif::ProgressBar::hidden();
        }
        let bar = indicatif::ProgressBar::new(total);
        if let Ok(style) = indicatif::ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar
    }
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
