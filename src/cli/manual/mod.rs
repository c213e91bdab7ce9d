//! `edgezen manual [COMMAND…]`: what `--help` says of every command, as one page in Markdown (docs/commands.md) or as pages for
//! `man`.

mod markdown;
#[cfg(test)]
mod tests;

use super::force::Force;
use super::{Cli, Failure, Global};
use clap::CommandFactory;
use clap_mangen::Man;
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this command, as `search` or `jobs plan`
    #[arg(value_name = "COMMAND", conflicts_with = "man")]
    words: Vec<String>,
    /// Write a page for man of every command into this folder: edgezen.1, edgezen-search.1, …
    #[arg(long, value_name = "DIR")]
    man: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
}

#[derive(Serialize)]
struct Page {
    markdown: String,
}

#[derive(Serialize)]
struct Pages {
    folder: String,
    files: Vec<String>,
}

pub fn run(args: &Args, global: Global) -> Result<(), Failure> {
    if let Some(folder) = &args.man {
        let files = write_man(folder, args.force)?;
        let pages = Pages { folder: folder.display().to_string(), files };
        return global.output().result(&pages, || {
            format!(
                "{} pages in {}; man {}",
                pages.files.len(),
                pages.folder,
                folder.join("edgezen.1").display()
            )
        });
    }
    let program = program();
    let markdown = if args.words.is_empty() {
        markdown::page(&program)
    } else {
        markdown::section(find(&program, &args.words)?)
    };
    global.output().result(&Page { markdown: markdown.clone() }, || markdown)
}

/// The command line as clap knows it, with the full name of every command.
fn program() -> clap::Command {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    program
}

/// The command with these words.
fn find<'a>(program: &'a clap::Command, words: &[String]) -> Result<&'a clap::Command, Failure> {
    let mut at = program;
    for word in words {
        at = at.find_subcommand(word).ok_or_else(|| {
            Failure::usage(format!("{} has no command {word}", at.get_bin_name().unwrap_or("edgezen")))
                .remedy("edgezen --help lists the commands")
        })?;
    }
    Ok(at)
}

/// Writes a page for each command; gives their names.
fn write_man(folder: &Path, force: Force) -> Result<Vec<String>, Failure> {
    std::fs::create_dir_all(folder).map_err(|error| Failure::io(folder, &error))?;
    let mut pages: Vec<(PathBuf, String)> = Vec::new();
    let mut files = Vec::new();
    let mut open = vec![program()];
    while let Some(command) = open.pop() {
        open.extend(command.get_subcommands().filter(|command| !command.is_hide_set()).cloned());
        let man = Man::new(command).source(concat!("edgezen ", env!("CARGO_PKG_VERSION"))).manual("edgezen");
        let mut page = Vec::new();
        man.render(&mut page).map_err(|error| Failure::io(folder, &error))?;
        let page = String::from_utf8_lossy(&page).replace(".SH EXTRA\nExamples:\n", ".SH EXAMPLES\n");
        let name = man.get_filename();
        pages.push((folder.join(&name), page));
        files.push(name);
    }
    force.write_all(&pages)?;
    files.sort();
    Ok(files)
}
