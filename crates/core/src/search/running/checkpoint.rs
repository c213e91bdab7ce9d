//! The state of a search between two rounds, in a form that can be written down.
//!
//! Numbers are kept as the bits of their 64-bit floats: a search that goes on from a checkpoint must not
//! differ by a rounding from one that was never interrupted.

use crate::search::budget::{Amounts, Quantity, Rejected, Scale};
use serde::de::{self, Deserializer};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A float by its bits.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct FloatBits(u64);

impl FloatBits {
    pub fn of(value: f64) -> FloatBits {
        FloatBits(value.to_bits())
    }
    pub fn value(self) -> f64 {
        f64::from_bits(self.0)
    }
}

/// What a search needs to go on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    pub(super) iteration: u64,
    pub(super) networks: Vec<SavedNetwork>,
    pub(super) islands: Vec<SavedIsland>,
    /// Of each front, the indices of its networks with their costs.
    pub(super) fronts: Vec<Vec<(u32, FloatBits)>>,
    pub(super) history: Vec<(u64, FloatBits, FloatBits)>,
    pub(super) scored: u64,
    pub(super) rejected: Rejected,
    pub(super) failed: Option<String>,
    pub(super) phases: [FloatBits; 3],
    pub(super) timed: u64,
}

impl Checkpoint {
    /// Iterations that are done.
    pub fn iteration(&self) -> u64 {
        self.iteration
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedIsland {
    /// Indices of its members, in their order.
    pub members: Vec<u32>,
    pub climb: Option<SavedClimb>,
}

/// A climb that is under way. Floats of single precision by their bits.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedClimb {
    /// Index of the network that it has reached.
    pub at: u32,
    pub origin: SavedOrigin,
    pub kicks: u32,
    pub patience: usize,
    /// For each edit: 0 not probed, 1 of no use, 2 probed.
    pub known: Vec<u8>,
    pub effects: Vec<u32>,
    pub probed: usize,
    pub fresh: bool,
    pub tried: Option<usize>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SavedOrigin {
    /// Index of a member of the island.
    Member(usize),
    /// Index of a front, and the cost that the climb must not exceed.
    Front(usize, FloatBits),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SavedNetwork {
    pub net: String,
    pub score: FloatBits,
    #[serde(flatten, serialize_with = "write_amounts", deserialize_with = "read_amounts")]
    pub amounts: Amounts,
    /// Latency, bounds, coverage and charged latency on each device.
    pub latencies: Vec<[FloatBits; 5]>,
}

/// A map of names to bits, and to integers where the quantity is a whole number; what is not known is null.
fn write_amounts<S: Serializer>(amounts: &Amounts, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    for quantity in Quantity::of_networks() {
        let number = amounts[quantity].map(|value| match quantity.scale() {
            Scale::Whole => value as u64,
            _ => value.to_bits(),
        });
        map.serialize_entry(quantity.name(), &number)?;
    }
    map.end()
}

fn read_amounts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Amounts, D::Error> {
    let mut read = BTreeMap::<String, Option<u64>>::deserialize(deserializer)?;
    let mut amounts = Amounts::default();
    for quantity in Quantity::of_networks() {
        let number = read.remove(quantity.name()).ok_or_else(|| de::Error::missing_field(quantity.name()))?;
        amounts[quantity] = number.map(|number| match quantity.scale() {
            Scale::Whole => number as f64,
            _ => f64::from_bits(number),
        });
    }
    match read.into_keys().next() {
        Some(other) => Err(de::Error::custom(format_args!("unknown field `{other}`"))),
        None => Ok(amounts),
    }
}
