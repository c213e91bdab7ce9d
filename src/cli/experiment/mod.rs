//! `edgezen experiment NAME`: figures and tables of the paper, as csv and svg; one file each.

mod accuracy;
mod fig2;
mod figures;
mod files;
#[cfg(feature = "torch")]
mod random;
#[cfg(feature = "torch")]
mod table1;
mod table2;
mod theorem1;
#[cfg(feature = "torch")]
mod training;

use super::examples;
use super::{Failure, Global};
use edgezen_lab::experiment::ExperimentError;
use edgezen_lab::experiment::tradeoff::Figure;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    experiment: Experiment,
}

#[derive(Debug, clap::Subcommand)]
enum Experiment {
    /// Φ-score and Zen-Score by depth and by width, with and without BN
    #[command(after_help = examples::FIG2)]
    Fig2(fig2::Args),
    /// What BN takes out of a network, its variances give back
    #[command(after_help = examples::THEOREM1)]
    Theorem1(theorem1::Args),
    /// Accuracies of networks that were searched by different scores under one budget, and at rising scores
    #[cfg(feature = "torch")]
    #[command(after_help = examples::TABLE1)]
    Table1(Box<table1::Args>),
    /// Accuracies of random networks, as the paper draws them
    #[cfg(feature = "torch")]
    #[command(after_help = examples::RANDOM)]
    Random(Box<random::Args>),
    /// Seconds of a score: Zen, NASWOT, TE-NAS
    #[command(after_help = examples::TABLE2)]
    Table2(table2::Args),
    /// Accuracy against latency on three devices: baselines, ZenNets, searched networks
    #[command(after_help = examples::FIG1)]
    Fig1(figures::FigureArgs),
    /// Accuracy against multiply-adds
    #[command(after_help = examples::FIG4)]
    Fig4(figures::FigureArgs),
    /// What searches cost: published, and measured here
    #[command(after_help = examples::TABLE3)]
    Table3(figures::Args),
    /// The paper's own budgets, searched again: score, costs and shape beside the published networks
    #[command(after_help = examples::SEARCHED)]
    Searched(figures::Args),
    /// How well scores rank trained networks, and what choosing by them costs
    #[command(after_help = examples::ACCURACY)]
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
        Experiment::Fig1(args) => figures::figure(Figure::Fig1, &args, global),
        Experiment::Fig4(args) => figures::figure(Figure::Fig4, &args, global),
        Experiment::Table3(args) => figures::table(figures::Page::Table3, &args, global),
        Experiment::Searched(args) => figures::table(figures::Page::Searched, &args, global),
        Experiment::Accuracy(args) => accuracy::run(&args, global),
    }
}

impl From<ExperimentError> for Failure {
    fn from(error: ExperimentError) -> Failure {
        match error {
            ExperimentError::Structure(error) => error.into(),
            ExperimentError::Score(error) => Failure::runtime(error.to_string()),
            ExperimentError::ClosedForm(error) => error.into(),
            ExperimentError::Shape(error) => error.into(),
            ExperimentError::Network(error) => error.into(),
            ExperimentError::Predictor(error) => error.into(),
            ExperimentError::Prediction(error) => error.into(),
            ExperimentError::Search(error) => error.into(),
            ExperimentError::OfNetworks { .. } | ExperimentError::NoSuchSpace { .. } => {
                Failure::usage(error.to_string())
            }
        }
    }
}
