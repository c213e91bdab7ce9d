//! `edgezen experiment NAME`: figures and tables of the paper, as csv and svg; one file each.

mod accuracy;
mod fig2;
mod files;
#[cfg(feature = "torch")]
mod random;
#[cfg(feature = "torch")]
mod table1;
mod table2;
mod theorem1;
#[cfg(feature = "torch")]
mod training;

use super::{Failure, Global};
use edgezen_lab::experiment::ExperimentError;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    experiment: Experiment,
}

#[derive(Debug, clap::Subcommand)]
enum Experiment {
    /// Φ-score and Zen-Score by depth and by width, with and without BN
    Fig2(fig2::Args),
    /// What BN takes out of a network, its variances give back
    Theorem1(theorem1::Args),
    /// Accuracies of networks that were searched by different scores under one budget, and at rising scores
    #[cfg(feature = "torch")]
    Table1(Box<table1::Args>),
    /// Accuracies of random networks, as the paper draws them
    #[cfg(feature = "torch")]
    Random(Box<random::Args>),
    /// Seconds of a score: Zen, NASWOT, TE-NAS
    Table2(table2::Args),
    /// How well scores rank trained networks, and what choosing by them costs
    Accuracy(accuracy::Args),
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    match args.experiment {
        Experiment::Fig2(args) => fig2::run(&args, global),
        Experiment::Theorem1(args) => theorem1::run(&args, global),
        #[cfg(feature = "torch")]
        Experiment::Table1(args) => table1::run(&args, global),
        #[cfg(feature = "torch")]
        Experiment::Random(args) => random::run(&args, global),
        Experiment::Table2(args) => table2::run(&args, global),
        Experiment::Accuracy(args) => accuracy::run(&args, global),
    }
}

impl From<ExperimentError> for Failure {
    fn from(error: ExperimentError) -> Failure {
        match error {
            ExperimentError::Structure(error) => error.into(),
            ExperimentError::Score(error) => Failure::runtime(error.to_string()),
        }
    }
}
