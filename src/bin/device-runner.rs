//! The program that runs on the device: jobs on stdin, results on stdout, one JSON object a line.

use edgezen::engine::Tract;
use edgezen::runner::{conditions, serve};
use std::process::ExitCode;

const USAGE: &str = "usage: device-runner [--version] [--cores 4,5,6,7]";

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
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--version" => {
                println!("device-runner {}", env!("CARGO_PKG_VERSION"));
                return Ok(());
            }
            "--cores" => {
                let list = arguments.next().ok_or((2, USAGE.to_owned()))?;
                let cores: Result<Vec<u32>, _> = list.split(',').map(|core| core.trim().parse()).collect();
                let cores = cores.map_err(|_| (2, format!("{list:?} is not a list of cores; {USAGE}")))?;
                conditions::pin(&cores).map_err(|e| (1, e.to_string()))?;
            }
            other => return Err((2, format!("unknown argument {other:?}; {USAGE}"))),
        }
    }
    serve::serve(&Tract, std::io::stdin().lock(), std::io::stdout().lock()).map_err(|e| (1, e.to_string()))
}
