//! The command line: one verb, one file. The only part that prints.

#![allow(clippy::print_stderr, clippy::print_stdout)]

mod breakdown;
mod calibrate;
mod completions;
mod dataset;
mod devices;
mod evaluate;
mod experiment;
mod export;
mod failure;
mod fit;
mod info;
mod measure;
mod net;
mod output;
mod predict;
mod predict_table;
mod predictors;
mod profile;
mod report;
mod rescore;
mod rows;
mod score;
mod search;
mod target;
#[cfg(feature = "torch")]
mod train;
mod transfer;
mod validate;
mod verify;

pub use failure::{Exit, Failure};

use clap::{Parser, Subcommand};
use output::Output;

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
    /// Seed of every random choice
    #[arg(long, global = true, default_value_t = 0, value_name = "N",
        value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: u64,
}

impl Global {
    fn output(self) -> Output {
        Output { json: self.json }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Known devices, their facts, and whether this computer is fit to measure
    Devices(devices::Args),
    /// Measure kernels, blocks and networks of a search space on a device
    Profile(profile::Args),
    /// Datasets: what they hold; public tables in
    Dataset(dataset::Args),
    /// Fit a latency predictor to datasets
    Fit(fit::Args),
    /// Adapt a predictor to another device from a few measurements
    Transfer(transfer::Args),
    /// Shipped and own predictors
    Predictors(predictors::Args),
    /// Latency of networks or kernels by a predictor
    Predict(predict::Args),
    /// How good a predictor is on what was measured
    Evaluate(evaluate::Args),
    /// Layers, parameters, MACs, memory and kernels of a network
    Info(info::Args),
    /// Fit what foretells the accuracy of networks to a few that were trained
    Calibrate(calibrate::Args),
    /// Zero-shot scores of networks
    Score(score::Args),
    /// The best network that fits the budgets
    Search(Box<search::Args>),
    /// True latency of networks on a device
    Measure(measure::Args),
    /// Predicted against measured latency of networks or of a search's results
    Validate(validate::Args),
    /// One page with the plots of a search, and the plots as files
    Report(report::Args),
    /// Write a network as a file for other programs
    Export(export::Args),
    /// Train a network on CIFAR-10 or CIFAR-100
    #[cfg(feature = "torch")]
    Train(Box<train::Args>),
    /// Figures and tables of the paper, as csv and svg
    Experiment(experiment::Args),
    /// A script that completes commands and options in your shell
    Completions(completions::Args),
}

/// Parses the command line and runs the command.
pub fn run() -> Result<(), Failure> {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => match needs_torch(&error) {
            Some(what) => return Err(Failure::needs_torch(what)),
            None => error.exit(),
        },
    };
    match cli.command {
        Command::Devices(args) => devices::run(args, cli.global),
        Command::Profile(args) => profile::run(args, cli.global),
        Command::Dataset(args) => dataset::run(args, cli.global),
        Command::Fit(args) => fit::run(args, cli.global),
        Command::Transfer(args) => transfer::run(args, cli.global),
        Command::Predictors(args) => predictors::run(args, cli.global),
        Command::Predict(args) => predict::run(args, cli.global),
        Command::Evaluate(args) => evaluate::run(args, cli.global),
        Command::Info(args) => info::run(args, cli.global),
        Command::Calibrate(args) => calibrate::run(&args, cli.global),
        Command::Score(args) => score::run(args, cli.global),
        Command::Search(args) => search::run(&args, cli.global),
        Command::Measure(args) => measure::run(args, cli.global),
        Command::Validate(args) => validate::run(args, cli.global),
        Command::Report(args) => report::run(args, cli.global),
        Command::Export(args) => export::run(args, cli.global),
        #[cfg(feature = "torch")]
        Command::Train(args) => train::run(*args, cli.global),
        Command::Experiment(args) => experiment::run(args, cli.global),
        Command::Completions(args) => completions::run(args, cli.global),
    }
}

/// What of the command line would be understood with libtorch.
fn needs_torch(error: &clap::Error) -> Option<&'static str> {
    use clap::error::{ContextKind, ContextValue};
    if cfg!(feature = "torch") {
        return None;
    }
    let is = |kind: ContextKind, text: &str| matches!(error.get(kind), Some(ContextValue::String(found)) if found == text);
    if is(ContextKind::InvalidSubcommand, "train") {
        return Some("train");
    }
    is(ContextKind::InvalidValue, "torch").then_some("--engine torch")
}

/// Prints `failure` as `main` does before it exits.
pub fn report(failure: &Failure) {
    let out = Output { json: false };
    out.note(format!("error: {}", failure.message));
    if let Some(remedy) = &failure.remedy {
        out.note(format!("  try: {remedy}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

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
