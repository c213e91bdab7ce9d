//! Counts of candidates that did not enter.

use super::{ByQuantity, Quantity};
use serde::{Deserialize, Serialize};

/// Candidates rejected, by the first reason that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// By the quantity of the first budget that they exceed.
    #[serde(flatten)]
    pub over: ByQuantity<u64>,
    /// Outside the rules of shape; searches of earlier versions had none.
    #[serde(default)]
    pub misshapen: u64,
    /// Already in the population.
    pub duplicate: u64,
    /// Without a score: undefined or not a finite number.
    pub unscored: u64,
    /// Not a usable network.
    pub invalid: u64,
}

impl Rejected {
    /// Each reason with its count.
    pub fn reasons(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let over = Quantity::all().map(|quantity| (quantity.excess(), self.over[quantity]));
        over.chain([
            ("outside the rules of shape", self.misshapen),
            ("already known", self.duplicate),
            ("without a score", self.unscored),
            ("not usable", self.invalid),
        ])
    }
}

impl std::ops::AddAssign for Rejected {
    fn add_assign(&mut self, other: Rejected) {
        for quantity in Quantity::all() {
            self.over[quantity] += other.over[quantity];
        }
        self.misshapen += other.misshapen;
        self.duplicate += other.duplicate;
        self.unscored += other.unscored;
        self.invalid += other.invalid;
    }
}
