//! The command line: one verb, one file. The only part that prints.

#![allow(clippy::print_stderr, clippy::print_stdout)]

mod answers;
mod arguments;
mod breakdown;
mod browser;
mod calibrate;
pub mod caller;
mod completions;
mod count;
mod dataset;
mod deploy;
mod devices;
mod disk;
#[cfg(test)]
mod documented;
mod evaluate;
mod examples;
mod experiment;
mod export;
mod failure;
#[cfg(feature = "torch")]
mod finalists;
mod fit;
mod force;
mod import_weights;
pub mod in_process;
mod info;
mod interrupt;
mod jobs;
pub mod launch;
mod manual;
mod measure;
mod missing;
mod module;
mod net;
mod networks;
mod output;
mod pictures;
mod pool;
mod predict;
mod predict_table;
mod predictors;
mod profile;
#[cfg(feature = "torch")]
mod recipe;
mod report;
mod rescore;
mod rows;
mod score;
mod search;
mod succession;
mod target;
mod threads;
#[cfg(feature = "torch")]
mod train;
mod transfer;
mod unfinished;
mod validate;
mod verify;

pub use failure::{Exit, Failure};

use caller::Caller;
use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, Parser, Subcommand};
use output::Output;
use std::ffi::OsString;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

#[derive(Debug, Parser)]
#[command(name = "edgezen", version, about, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options that every command takes.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Global {
    /// Print one JSON object on stdout; everything else goes to stderr
    #[arg(long, global = true)]
    json: bool,
    /// Seed of every random choice [default: 0]
    #[arg(long = "seed", global = true, value_name = "N",
        value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    given_seed: Option<u64>,
    /// The given seed, else 0.
    #[arg(skip)]
    seed: u64,
    /// Print no remarks and no progress, only results and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Say more on stderr: which predictors are used, how long the command took
    #[arg(short, long, global = true)]
    verbose: bool,
}

impl Cli {
    /// The command line whose words these are, without the name of the program.
    fn of_words(words: &[String]) -> Result<Cli, Failure> {
        let line: Vec<OsString> =
            std::iter::once(OsString::from("edgezen")).chain(words.iter().map(OsString::from)).collect();
        let line = with_negative_values(&line);
        let mut cli = Cli::try_parse_from(&line).map_err(|error| match needs_torch(&error) {
            Some(what) => Failure::needs_torch(what),
            None => misunderstood(&error, commands_beside(&error, &line)),
        })?;
        cli.global.seed = cli.global.given_seed.unwrap_or_default();
        Ok(cli)
    }
}

impl Global {
    fn output(self) -> Output {
        Output { json: self.json, quiet: self.quiet, verbose: self.verbose }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Known devices, their facts, and whether this computer is fit to measure
    #[command(after_help = examples::DEVICES)]
    Devices(devices::Args),
    /// Measure kernels, blocks and networks of a search space on a device
    #[command(after_help = examples::PROFILE)]
    Profile(profile::Args),
    /// What datasets hold, and tables of others as datasets
    #[command(after_help = examples::DATASET)]
    Dataset(dataset::Args),
    /// Fit a latency predictor to datasets
    #[command(after_help = examples::FIT)]
    Fit(fit::Args),
    /// Adapt a predictor to another device from a few measurements
    #[command(after_help = examples::TRANSFER)]
    Transfer(transfer::Args),
    /// Shipped and own predictors
    #[command(after_help = examples::PREDICTORS)]
    Predictors(predictors::Args),
    /// The names that stand for networks
    #[command(after_help = examples::NETWORKS)]
    Networks(networks::Args),
    /// Latency of networks or kernels by a predictor
    #[command(after_help = examples::PREDICT)]
    Predict(predict::Args),
    /// How good a predictor is on what was measured
    #[command(after_help = examples::EVALUATE)]
    Evaluate(evaluate::Args),
    /// Layers, parameters, MACs, memory and kernels of a network
    #[command(after_help = examples::INFO)]
    Info(info::Args),
    /// Fit what foretells the accuracy of networks to a few that were trained
    #[command(after_help = examples::CALIBRATE)]
    Calibrate(calibrate::Args),
    /// Zero-shot scores of networks
    #[command(after_help = examples::SCORE)]
    Score(score::Args),
    /// The best network that fits the budgets
    #[command(after_help = examples::SEARCH)]
    Search(Box<search::Args>),
    /// True latency of networks on a device
    #[command(after_help = examples::MEASURE)]
    Measure(measure::Args),
    /// Predicted against measured latency of networks or of a search's results
    #[command(after_help = examples::VALIDATE)]
    Validate(validate::Args),
    /// A page to explore what searches found, and its plots as files
    #[command(after_help = examples::REPORT)]
    Report(report::Args),
    /// Write a network as a file for other programs
    #[command(after_help = examples::EXPORT)]
    Export(export::Args),
    /// Weights of a training in PyTorch, for a network that was exported there
    #[command(after_help = examples::IMPORT_WEIGHTS)]
    ImportWeights(import_weights::Args),
    /// Train a network on a folder of images, or on CIFAR
    #[cfg(feature = "torch")]
    #[command(after_help = examples::TRAIN)]
    Train(Box<train::Args>),
    /// Train the most different networks that a search found, and name the best
    #[cfg(feature = "torch")]
    #[command(after_help = examples::FINALISTS)]
    Finalists(Box<finalists::Args>),
    /// A trained network as the file of a runtime, with its accuracy and latency there, on one card
    #[command(after_help = examples::DEPLOY)]
    Deploy(Box<deploy::Args>),
    /// Figures and tables of the paper, as csv and svg
    #[command(after_help = examples::EXPERIMENT)]
    Experiment(experiment::Args),
    /// Slow work in parts that run on many computers
    #[command(after_help = examples::JOBS)]
    Jobs(jobs::Args),
    /// Measure once for another command that started this one
    #[command(hide = true)]
    Launch,
    /// The manual: one page in Markdown, or pages for man
    #[command(after_help = examples::MANUAL)]
    Manual(manual::Args),
    /// A script that completes commands and options in your shell
    #[command(after_help = examples::COMPLETIONS)]
    Completions(completions::Args),
}

/// Parses the command line and runs the command.
pub fn run() -> Result<(), Failure> {
    run_line(&std::env::args_os().collect::<Vec<_>>())
}

/// Runs the command of a command line, which begins with the name of the program.
pub fn run_line(line: &[OsString]) -> Result<(), Failure> {
    let started = Instant::now();
    let line = &with_negative_values(line)[..];
    let mut cli = match Cli::try_parse_from(line) {
        Ok(cli) => cli,
        Err(error) => {
            JSON.store(line.iter().any(|argument| argument == "--json"), Ordering::Relaxed);
            return match needs_torch(&error) {
                Some(what) => Err(Failure::needs_torch(what)),
                None => parsed(&error, line),
            };
        }
    };
    cli.global.seed = cli.global.given_seed.unwrap_or_default();
    JSON.store(cli.global.json, Ordering::Relaxed);
    let output = cli.global.output();
    let done = command(cli, None);
    output.detail(format!("finished in {:.2} s", started.elapsed().as_secs_f64()));
    done
}

/// The command line with negative values as parts of their options, `--latency -5ms` as `--latency=-5ms`: what is wrong with
/// such a value is then said by whoever reads the option. No option begins with a digit.
fn with_negative_values(line: &[OsString]) -> Vec<OsString> {
    let is_negative = |word: &OsString| {
        let word = word.to_string_lossy();
        let number = word.strip_prefix('-').map(|rest| rest.strip_prefix('.').unwrap_or(rest));
        number.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
            || matches!(&*word, "-inf" | "-nan")
    };
    let is_option = |word: &OsString| {
        let word = word.to_string_lossy();
        word.len() > 2 && word.starts_with("--") && !word.contains('=')
    };
    let end = line.iter().position(|word| word == "--").unwrap_or(line.len());
    let mut joined: Vec<OsString> = Vec::with_capacity(line.len());
    for (at, word) in line.iter().enumerate() {
        match joined.last_mut().filter(|last| at < end && is_negative(word) && is_option(last)) {
            Some(option) => {
                option.push("=");
                option.push(word);
            }
            None => joined.push(word.clone()),
        }
    }
    joined
}

/// Whether `--json` was given, for errors that end the program.
static JSON: AtomicBool = AtomicBool::new(false);

/// Runs a command. `caller` is the program that does so in its own process, and is absent for the command line.
fn command(cli: Cli, caller: Option<&dyn Caller>) -> Result<(), Failure> {
    match cli.command {
        Command::Devices(args) => devices::run(args, cli.global),
        Command::Profile(args) => profile::run(args, cli.global),
        Command::Dataset(args) => dataset::run(args, cli.global),
        Command::Fit(args) => fit::run(args, cli.global),
        Command::Transfer(args) => transfer::run(args, cli.global),
        Command::Predictors(args) => predictors::run(args, cli.global),
        Command::Networks(args) => networks::run(args, cli.global),
        Command::Predict(args) => predict::run(args, cli.global),
        Command::Evaluate(args) => evaluate::run(args, cli.global),
        Command::Info(args) => info::run(args, cli.global),
        Command::Calibrate(args) => calibrate::run(&args, cli.global),
        Command::Score(args) => score::run(args, cli.global),
        Command::Search(args) => search::run(&args, cli.global, caller),
        Command::Measure(args) => measure::run(args, cli.global),
        Command::Validate(args) => validate::run(args, cli.global),
        Command::Report(args) => report::run(args, cli.global),
        Command::Export(args) => export::run(args, cli.global),
        Command::ImportWeights(args) => import_weights::run(args, cli.global),
        #[cfg(feature = "torch")]
        Command::Train(args) => train::run(*args, cli.global),
        #[cfg(feature = "torch")]
        Command::Finalists(args) => finalists::run(*args, cli.global),
        Command::Deploy(args) => deploy::run(*args, cli.global),
        Command::Experiment(args) => experiment::run(args, cli.global),
        Command::Jobs(args) => jobs::run(args, cli.global, caller),
        Command::Launch => launch::run(),
        Command::Manual(args) => manual::run(&args, cli.global),
        Command::Completions(args) => completions::run(args, cli.global),
    }
}

/// Prints what the parser says: help and version on stdout, and that is no failure; anything else is a usage error.
fn parsed(error: &clap::Error, line: &[OsString]) -> Result<(), Failure> {
    if !error.use_stderr() {
        return output::written(error.print().and_then(|()| std::io::stdout().flush()));
    }
    // Where stderr is full or closed, there is nobody to tell.
    let _ = error.print();
    let names = commands_beside(error, line);
    if let Some(names) = &names {
        let _ = writeln!(std::io::stderr(), "  {names}");
    }
    if JSON.load(Ordering::Relaxed) {
        Output { json: true, ..Output::default() }.only_error(&misunderstood(error, names));
    }
    Err(Failure::said(Exit::Usage))
}

/// The failure of a command line that is none. `names` are the commands that could stand where it went wrong.
fn misunderstood(error: &clap::Error, names: Option<String>) -> Failure {
    let text = error.render().to_string();
    // All of the message, up to the usage and the hints behind it.
    let lines = text.lines().take_while(|line| !line.starts_with("Usage:")).map(str::trim);
    let lines = lines.filter(|line| !line.is_empty());
    // How a word is passed on as a value says nothing to whoever mistyped an option.
    let (tips, lines): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.starts_with("tip:"));
    let tips = tips.iter().map(|tip| tip.trim_start_matches("tip:").trim());
    let tips: Vec<&str> = tips.filter(|tip| !tip.contains("as a value")).collect();
    let message = lines.join(" ");
    let mut message = message.trim_start_matches("error: ").to_owned();
    if let Some(names) = names {
        message = format!("{message}; {names}");
    }
    let help = "edgezen --help, or --help behind a command, lists the options";
    let remedy: Vec<&str> = tips.into_iter().chain([help]).collect();
    Failure::usage(message).remedy(remedy.join("; "))
}

/// Where a command inside another one is not known, such as an experiment: those that there are.
fn commands_beside(error: &clap::Error, line: &[OsString]) -> Option<String> {
    let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidSubcommand) else { return None };
    let words = line.iter().skip(1).map(|word| word.to_string_lossy().into_owned());
    let words = words.take_while(|word| word != unknown);
    let top = Cli::command();
    let mut at = &top;
    for word in words {
        at = at.find_subcommand(&word).unwrap_or(at);
    }
    if at.get_name() == top.get_name() {
        return None;
    }
    let names = at.get_subcommands().map(clap::Command::get_name).collect::<Vec<_>>();
    Some(format!("{} is followed by one of: {}", at.get_name(), names.join(", ")))
}

/// What of the command line would be understood with libtorch.
fn needs_torch(error: &clap::Error) -> Option<&'static str> {
    if cfg!(feature = "torch") {
        return None;
    }
    let is = |kind: ContextKind, text: &str| matches!(error.get(kind), Some(ContextValue::String(found)) if found == text);
    let commands = [
        ("train", "train"),
        ("finalists", "finalists"),
        ("table1", "experiment table1"),
        ("random", "experiment random"),
    ];
    if let Some((_, what)) = commands.iter().find(|(name, _)| is(ContextKind::InvalidSubcommand, name)) {
        return Some(what);
    }
    is(ContextKind::InvalidValue, "torch").then_some("--engine torch")
}

/// Prints `failure` as `main` does before it exits.
pub fn report(failure: &Failure) {
    if !failure.is_said() {
        Output { json: JSON.load(Ordering::Relaxed), ..Output::default() }.last_failure(failure);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command that people see, by its words behind `edgezen`.
    fn commands() -> Vec<(String, clap::Command)> {
        let mut open = vec![(String::new(), Cli::command())];
        let mut all = Vec::new();
        while let Some((words, command)) = open.pop() {
            let seen = command.get_subcommands().filter(|command| !command.is_hide_set());
            open.extend(
                seen.map(|inner| (format!("{words} {}", inner.get_name()).trim().to_owned(), inner.clone())),
            );
            all.push((words, command));
        }
        all.retain(|(words, _)| !words.is_empty());
        all
    }

    #[test]
    fn negative_values_are_parts_of_their_options() {
        let joined = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            with_negative_values(&words).join(std::ffi::OsStr::new(" ")).into_string().unwrap()
        };
        assert_eq!(joined("edgezen search --latency -5ms --json"), "edgezen search --latency=-5ms --json");
        assert_eq!(joined("edgezen search --params -.5"), "edgezen search --params=-.5");
        assert_eq!(
            joined("edgezen search --params -1 --flops -inf"),
            "edgezen search --params=-1 --flops=-inf"
        );
        for other in ["edgezen fit -o p.json --data a -q", "edgezen info -- --latency -5", "edgezen info -5"]
        {
            assert_eq!(joined(other), other);
        }
    }

    #[test]
    fn every_command_has_examples_of_itself_that_are_understood() {
        let (mut count, mut problems) = (0, Vec::new());
        for (words, command) in commands() {
            count += 1;
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let examples: Vec<&str> =
                help.lines().filter_map(|line| line.trim().strip_prefix("edgezen ")).collect();
            if !examples.iter().any(|example| example.starts_with(&words)) {
                problems.push(format!("{words}: its help has no example of it"));
            }
            for example in examples {
                if let Err(error) = Cli::try_parse_from(line_of(example)) {
                    problems.push(format!("{words}: {example}: {error}"));
                }
            }
        }
        assert!(count > 45, "{count}");
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    }

    /// The words of an example.
    fn line_of(example: &str) -> impl Iterator<Item = &str> {
        std::iter::once("edgezen").chain(example.split_whitespace().map(|word| word.trim_matches('"')))
    }

    /// What clap checks in unoptimised builds alone: there, two groups of one name in a command are a panic.
    #[test]
    fn groups_of_options_have_names_of_their_own() {
        let mut open = vec![Cli::command()];
        open[0].build();
        while let Some(command) = open.pop() {
            let mut names: Vec<&str> = command.get_groups().map(|group| group.get_id().as_str()).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "{}: {names:?}", command.get_name());
            open.extend(command.get_subcommands().cloned());
        }
    }
}
