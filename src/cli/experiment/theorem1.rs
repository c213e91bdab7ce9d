//! `edgezen experiment theorem1`: what BN takes out of a network, and its variances give back.

use super::files::{self, Files};
use crate::cli::{Failure, Global};
use edgezen_lab::experiment::theorem1;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    files: Files,
    /// Draws of weights and images behind each point
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    repeats: u32,
}

pub fn run(args: &Args, global: Global) -> Result<(), Failure> {
    let places = args.files.places("theorem1", ["csv", "svg"])?;
    files::table(places, theorem1::run(args.repeats, global.seed)?, global)
}
