//! The program that runs on the device: jobs in, results out, one JSON object a line.

#![allow(clippy::print_stderr, clippy::print_stdout)]

use edgezen_engine::Tract;
use edgezen_runner::conditions::{self, Scheduling};
use edgezen_runner::results::Results;
use edgezen_runner::{process, serve};
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor};
use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "usage: device-runner [OPTION]…

Reads jobs (JSON lines) from stdin and answers each with a line on stdout.

  --jobs FILE         read the jobs from a file
  --job JSON          one job, here
  --results FILE      keep every reply in this file, too; jobs that are answered there are not run again,
                      and the work goes on when nobody listens any more
  --cores 4,5,6,7     stay on these cores
  --time-limit S      end after so many seconds, whatever happens
  --version";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, message)) => {
            eprintln!("device-runner: {message}");
            ExitCode::from(code)
        }
    }
}

fn run() -> Result<(), (u8, String)> {
    let mut input: Option<Box<dyn BufRead>> = None;
    let mut results = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| (2, format!("{argument} needs a value; {USAGE}")));
        match argument.as_str() {
            "--version" => {
                println!("device-runner {}", env!("CARGO_PKG_VERSION"));
                return Ok(());
            }
            "--cores" => {
                let list = value()?;
                let cores: Result<Vec<u32>, _> = list.split(',').map(|core| core.trim().parse()).collect();
                let cores = cores.map_err(|_| (2, format!("{list:?} is not a list of cores; {USAGE}")))?;
                conditions::pin(&cores).map_err(|e| (1, e.to_string()))?;
            }
            "--time-limit" => {
                let seconds = value()?;
                let seconds =
                    seconds.parse().map_err(|_| (2, format!("{seconds:?} are no seconds; {USAGE}")))?;
                process::limit_time(seconds);
            }
            "--job" => input = Some(Box::new(Cursor::new(value()?))),
            "--jobs" => {
                let path = value()?;
                let file = File::open(&path).map_err(|e| (1, format!("{path}: {e}")))?;
                input = Some(Box::new(BufReader::new(file)));
            }
            "--results" => results = Some(value()?),
            other => return Err((2, format!("unknown argument {other:?}; {USAGE}"))),
        }
    }
    let results = match results {
        Some(path) => {
            process::outlive_the_link();
            Some(Results::open(Path::new(&path)).map_err(|e| (1, format!("{path}: {e}")))?)
        }
        None => None,
    };
    // Whoever may, measures ahead of everything else on the core; the conditions tell.
    conditions::schedule(Scheduling::Realtime);
    let input = input.unwrap_or_else(|| Box::new(std::io::stdin().lock()));
    serve::serve(&Tract, input, std::io::stdout().lock(), results).map_err(|e| (1, e.to_string()))
}
