//! A network with its score and costs.

use crate::plainnet::SuperBlock;
use crate::search::budget::Costs;
use std::sync::Arc;

/// A network in the population.
#[derive(Clone, Debug, PartialEq)]
pub struct Individual {
    pub blocks: Box<[SuperBlock]>,
    pub score: f64,
    pub costs: Costs,
}

/// Score and costs of a network that stands elsewhere: most networks are judged and forgotten.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    pub score: f64,
    pub costs: Costs,
}

impl Judged {
    /// With the network.
    pub fn of(self, blocks: &[SuperBlock]) -> Arc<Individual> {
        let Judged { score, costs } = self;
        Arc::new(Individual { blocks: blocks.into(), score, costs })
    }
}
