//! What a network costs.

use super::{Amounts, Quantity};
use crate::plainnet::ShapeError;
use crate::predictor::Estimate;
use crate::predictor::pricing::NoEstimate;
use std::ops::Index;

/// Why a network's costs are not known.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CostError {
    #[error(transparent)]
    Shape(#[from] ShapeError),
    #[error(transparent)]
    Estimate(#[from] NoEstimate),
}

/// What a network costs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Costs {
    /// Quantities of the network itself; what is not always known is known where it is bounded.
    pub amounts: Amounts,
    /// On each device, in the order of [`super::Budgets::devices`].
    pub latencies: Vec<Estimate>,
}

impl Index<Quantity> for Costs {
    type Output = Option<f64>;
    /// The value of a quantity of the network itself.
    fn index(&self, quantity: Quantity) -> &Option<f64> {
        &self.amounts[quantity]
    }
}
