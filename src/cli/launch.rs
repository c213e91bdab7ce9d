//! `edgezen launch`: the hidden command that measures once in a process of its own. Other commands start it.

use super::Failure;
use edgezen_lab::device::host_cpu::{Launcher, launch};
use edgezen_runner::process;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::OnceLock;

/// The name of the command.
const NAME: &str = "launch";

/// How this program is started where it is part of another one: the program, and the words before its own.
static STARTED_BY: OnceLock<(PathBuf, Vec<OsString>)> = OnceLock::new();

/// Says how this program is started where it is part of another one, as of an interpreter. Only the first call counts.
pub fn started_by(program: PathBuf, words: Vec<OsString>) {
    let _ = STARTED_BY.set((program, words));
}

/// How this program starts it. `None`: this program cannot find itself, and measures in its own process.
pub fn launcher() -> Option<Launcher> {
    let (program, mut arguments) = match STARTED_BY.get() {
        Some(started) => started.clone(),
        None => (std::env::current_exe().ok()?, Vec::new()),
    };
    arguments.push(NAME.into());
    Some(Launcher { program, arguments })
}

/// Does the job on standard input, and writes the reply to standard output.
pub fn run() -> Result<(), Failure> {
    process::belong_to_parent();
    // Libraries of others print to the standard output, which the reply has to itself.
    let reply = process::take_stdout()
        .map_err(|error| Failure::runtime(format!("there is no place for the reply: {error}")))?;
    launch::answer(std::io::stdin().lock(), reply)
        .map_err(|error| Failure::runtime(format!("the reply could not be written: {error}")))
}
