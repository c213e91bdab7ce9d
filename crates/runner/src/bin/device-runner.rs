//! The program that runs on the device: jobs in, results out, one JSON object a line.

use edgezen_runner::conditions::{self, Scheduling};
use edgezen_runner::engines::Engines;
use edgezen_runner::pinning::Cores;
use edgezen_runner::results::Results;
use edgezen_runner::{process, serve};
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "usage: device-runner [OPTION]…

Reads jobs (JSON lines) from stdin and answers each with a line on stdout.

  --jobs FILE         read the jobs from a file
  --job JSON          one job, here
  --results FILE      keep every reply in this file, too; jobs that are answered there are not run again,
                      and the work goes on when nobody listens any more
  --libraries DIR     the folder with the libraries of runtimes that are not part of this program
  --cores 4,5,6,7     stay on one of these cores, or on those of them that the system grants; a job with several
                      threads has a core for each
  --time-limit S      end after so many seconds, whatever happens
  --version";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, message)) => {
            // Where stderr is full or closed, there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "device-runner: {message}");
            ExitCode::from(code)
        }
    }
}

fn run() -> Result<(), (u8, String)> {
    let mut input: Option<Box<dyn BufRead>> = None;
    let mut results = None;
    let mut libraries = Vec::new();
    let mut keep_to = Cores::default();
    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        let argument = text(argument)?;
        let mut value = || arguments.next().ok_or_else(|| (2, format!("{argument} needs a value; {USAGE}")));
        match argument.as_str() {
            "--version" => return say(&format!("device-runner {}\n", env!("CARGO_PKG_VERSION"))),
            "--cores" => {
                let list = text(value()?)?;
                let cores: Result<Vec<u32>, _> = list.split(',').map(|core| core.trim().parse()).collect();
                let cores = cores.map_err(|_| (2, format!("{list:?} is not a list of cores; {USAGE}")))?;
                keep_to = Cores::within(&cores).map_err(|e| (1, e.to_string()))?;
            }
            "--time-limit" => {
                let seconds = text(value()?)?;
                let seconds =
                    seconds.parse().map_err(|_| (2, format!("{seconds:?} are no seconds; {USAGE}")))?;
                process::limit_time(seconds);
            }
            "--job" => input = Some(Box::new(Cursor::new(text(value()?)?))),
            "--jobs" => {
                let path = PathBuf::from(value()?);
                let file = File::open(&path).map_err(|e| (1, format!("{}: {e}", path.display())))?;
                input = Some(Box::new(BufReader::new(file)));
            }
            "--libraries" => libraries.push(PathBuf::from(value()?)),
            "--results" => results = Some(PathBuf::from(value()?)),
            other => return Err((2, format!("unknown argument {other:?}; {USAGE}"))),
        }
    }
    let results = match results {
        Some(path) => {
            process::outlive_the_link();
            Some(Results::open(&path).map_err(|e| (1, format!("{}: {e}", path.display())))?)
        }
        None => None,
    };
    // What libraries print must not come between the replies.
    let output = process::take_stdout().map_err(|e| (1, format!("cannot write to stdout: {e}")))?;
    // Whoever may, measures ahead of everything else on the core; the conditions tell.
    conditions::schedule(Scheduling::Realtime);
    let input = input.unwrap_or_else(|| Box::new(std::io::stdin().lock()));
    match serve::serve(&mut Engines::new(libraries), &keep_to, input, output, results) {
        // Whoever read the replies has seen enough.
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
        served => served.map_err(|e| (1, e.to_string())),
    }
}

/// An argument as text.
fn text(argument: OsString) -> Result<String, (u8, String)> {
    argument.into_string().map_err(|argument| (2, format!("{argument:?} is not UTF-8; {USAGE}")))
}

/// Prints `text`. Nobody may listen any more.
fn say(text: &str) -> Result<(), (u8, String)> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|e| (1, format!("cannot write to stdout: {e}"))),
    }
}
