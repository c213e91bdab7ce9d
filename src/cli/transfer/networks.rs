//! Predictors of whole networks, adapted to another device of the same table.

use super::{Args, Report, report, write};
use crate::cli::Global;
use crate::cli::failure::Failure;
use edgezen_core::predictor::network::NetworkPredictor;
use edgezen_lab::transfer::networks::from_data;

pub fn run(args: &Args, sources: &[NetworkPredictor], global: Global) -> Result<(), Failure> {
    let Some(data) = &args.data else {
        return Err(Failure::usage("predictors of whole networks are adapted from a table: --data TABLE"));
    };
    let select = args.select();
    let dataset = args.target(data, &select).for_networks(&sources[0])?;
    let references: Vec<&NetworkPredictor> = sources.iter().collect();
    let transferred = from_data(&references, &dataset, data, args.samples as usize, global.seed)?;
    let predictor = &transferred.predictor;
    let to = args.destination(&predictor.id)?;
    let answering = write(&predictor.id, predictor.text(), &to)?;
    let id = predictor.id.clone();
    let from = sources.iter().map(|source| source.id.clone()).collect();
    report(&to, &Report::new(transferred, id, to.path(), from, answering), global)
}
