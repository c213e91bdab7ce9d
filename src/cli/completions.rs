//! `edgezen completions SHELL`: a script that completes commands and options in the shell.

use super::{Cli, Failure, Global};
use clap::CommandFactory;
use clap_complete::Shell;
use serde::Serialize;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell that the script is for
    shell: Shell,
}

#[derive(Serialize)]
struct Script {
    shell: String,
    script: String,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "edgezen", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    let result = Script { shell: args.shell.to_string(), script };
    global.output().result(&result, || result.script.clone())
}
