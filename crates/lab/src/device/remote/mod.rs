//! Devices that are reached through a [`Link`], on which a runner measures: what is common to phones and boards.
//!
//! A runner is pushed to the device, under names that tell its content, and started anew for every measurement, which so is a new
//! process each time. The job goes to it on the command line, and the result comes back as a line of text. The runner keeps each
//! result on the device before it sends it, under a name that is unique within the campaign. So when the link breaks, the same
//! job is sent again, and a result that was measured already comes back unchanged.
//!
//! `outfit` puts a runner onto the device with all that its runtime needs (`kit`), `opening` opens it, `claim` takes and releases
//! it, and `job` measures on it. `open` holds the data that these share, and `device` is the interface for campaigns. What is
//! special of an operating system as one to measure on is behind [`System`]; `undo`, `root` and `clocks` serve several of them.

mod address;
mod changed;
mod claim;
mod clocks;
mod cores;
mod device;
mod error;
#[cfg(test)]
pub mod fake;
mod files;
mod job;
mod kit;
mod launch;
mod link;
mod lock;
pub mod machine;
mod open;
mod opening;
mod outfit;
mod output;
mod plan;
mod pushing;
mod root;
mod runners;
mod state;
mod system;
#[cfg(test)]
mod tests;
mod undo;

pub use address::{Address, Way};
pub use changed::Changed;
pub use claim::{is_measuring, me};
pub use clocks::{Clock, clocks_to_lock};
pub use cores::{cluster_differences, list, mask};
pub use error::LinkError;
pub use link::{Finished, Link};
pub use lock::{Lock, LockError};
pub use machine::Machine;
pub use open::{Remote, SOON};
pub use opening::Reached;
pub use output::{Bounded, MOST_BYTES, is_too_much};
pub use plan::{Plan, Prepared};
pub use root::Root;
pub use state::PhoneState;
pub use system::{State, System};
pub use undo::{LIMIT, UNDONE, keep, restore, sign_of_life};

pub(super) use link::{marked, unmarked};
