//! Pools: several phones and boards that are measured together. A file says which there are ([`Pool`]); [`SharedProfile`] measures one
//! plan on several units of one device, each of which takes a part of what is left, and makes one dataset of it.
//!
//! Units of one device differ: one has a better chip, or a better place. The sentinel shows by how much, and what a unit measured is
//! brought to the speed of the usual unit. `docs/farm.md` describes it.

mod error;
mod file;
mod merging;
mod parts;
mod shared;
mod work;

pub use error::PoolError;
pub use file::{Pool, Unit};
pub use merging::UnitReport;
pub use shared::{SharedOutcome, SharedProfile};
