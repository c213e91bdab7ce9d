//! `edgezen evaluate`: how good a predictor is on a table or dataset that it has not seen, how well sister devices tell the
//! networks of a device, or how many images a trained network names right. Which of these is meant, the command line says by
//! `--predictor`, by `--siblings`, or by NET and `--weights`; each part has its own options, and those of the others are
//! refused beside them.

mod predictor;
mod siblings;
mod trained;

use super::Global;
use super::failure::Failure;
use super::force::Force;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Table of kernels or networks with latencies (.csv, .csv.gz, .parquet), or the folder of a dataset
    #[arg(long, value_name = "TABLE")]
    data: PathBuf,
    #[command(flatten)]
    predictor: predictor::Args,
    #[command(flatten)]
    siblings: siblings::Args,
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    trained: trained::Args,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    if args.siblings.siblings {
        return siblings::run(&args.siblings, &args.data, args.force, global);
    }
    match (args.predictor.predictor.clone(), args.trained.network()) {
        (Some(name), _) => predictor::run(&name, &args.predictor, &args.data, args.force, global),
        (None, Some((net, weights))) => trained::run(&net, &weights, &args.trained, &args.data, global),
        (None, None) => Err(Failure::usage("--predictor or --siblings is needed")),
    }
}
