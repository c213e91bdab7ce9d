//! A network with its score and costs.

use crate::plainnet::SuperBlock;
use crate::search::budget::Costs;

/// A network in the population.
#[derive(Clone, Debug, PartialEq)]
pub struct Individual {
    pub blocks: Box<[SuperBlock]>,
    pub score: f64,
    pub costs: Costs,
}
