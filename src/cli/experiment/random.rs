//! `edgezen experiment random`: the random baseline of the paper's Table 1, alone.

use super::table1;
use super::training::{Searches, Training};
use crate::cli::{Failure, Global};
use edgezen_lab::experiment::table1::Part;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    training: Training,
}

pub fn run(args: &Args, global: Global) -> Result<(), Failure> {
    let report = args.training.run("random", Part::Random, Searches::default(), global)?;
    table1::written("random", &args.training, &report, global)
}
